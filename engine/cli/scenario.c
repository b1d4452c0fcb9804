#include "cli/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

struct reading {
	struct scenario *scenario;
	struct error *err;
};

static bool wrong(const struct reading *reading, const char *path, const char *why)
{
	const struct yaml_file *file = reading->scenario->file;
	return error_set(reading->err, ERROR_INVALID, "%s:%d: %s %s", yaml_name(file),
			 yaml_line(file, 0, path), path, why);
}

static bool known(const struct reading *reading, const cJSON *object, const char *path,
		  const char *const fields[], const char *list)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		bool found = false;
		for (size_t i = 0; fields[i] != NULL; i++)
			found |= strcmp(item->string, fields[i]) == 0;
		if (found)
			continue;
		SCOPED(text)
		char *at = xasprintf("%s%s%s", path, path[0] == '\0' ? "" : ".", item->string);
		SCOPED(text) char *why = xasprintf("is no field of a scenario; there are %s", list);
		return wrong(reading, at, why);
	}
	return true;
}

static bool read_time(const struct reading *reading, const cJSON *scene, const char *path,
		      const char *field, int64_t *us)
{
	struct error err = {0};
	const cJSON *value = json_get(scene, field);
	SCOPED(text) char *at = xasprintf("%s.%s", path, field);
	if (value == NULL)
		return true;
	if (!cJSON_IsString(value) || !duration_parse(value->valuestring, us, &err) || *us < 0)
		return wrong(reading, at, "must be a duration like 90s or 2m30s");
	return true;
}

static bool read_fault(const struct reading *reading, const cJSON *value, const char *path,
		       enum cluster_fault *fault)
{
	static const struct {
		const char *name;
		enum cluster_fault fault;
	} faults[] = {
		{"409", FAULT_409},	{"410", FAULT_410}, {"429", FAULT_429},
		{"500", FAULT_500},	{"503", FAULT_503}, {"timeout", FAULT_TIMEOUT},
		{"down", FAULT_BEFORE},
	};
	char text[32] = "";
	if (cJSON_IsNumber(value))
		snprintf(text, sizeof(text), "%d", value->valueint);
	else if (cJSON_IsString(value))
		text_copy(text, sizeof(text), value->valuestring);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		if (strcmp(text, faults[i].name) != 0)
			continue;
		*fault = faults[i].fault;
		return true;
	}
	SCOPED(text) char *at = xasprintf("%s.api", path);
	return wrong(reading, at, "must be 409, 410, 429, 500, 503, timeout or down");
}

static bool read_scene(const struct reading *reading, const cJSON *item, const char *path,
		       struct scene *scene)
{
	static const char *const fields[] = {"at",  "for",     "image", "patch",
					     "api", "metrics", "crash", NULL};
	if (!cJSON_IsObject(item))
		return wrong(reading, path, "must be an object");
	if (!known(reading, item, path, fields, "at, for, image, patch, api, metrics and crash"))
		return false;
	if (json_get(item, "at") == NULL)
		return wrong(reading, path, "needs a time: at");
	if (!read_time(reading, item, path, "at", &scene->at_us) ||
	    !read_time(reading, item, path, "for", &scene->for_us))
		return false;
	scene->image = json_string(item, "image");
	scene->crash = json_bool(item, "crash", false);
	const cJSON *patch = json_get(item, "patch");
	if (patch != NULL) {
		SCOPED(text) char *at = xasprintf("%s.patch", path);
		scene->patch = cJSON_IsObject(patch) ? patch->child : NULL;
		scene->patched = scene->patch == NULL ? "" : scene->patch->string;
		if (scene->patch == NULL || scene->patch->next != NULL ||
		    (strcmp(scene->patched, "target") != 0 &&
		     strcmp(scene->patched, "canary") != 0))
			return wrong(reading, at, "must be {target: {…}} or {canary: {…}}");
	}
	const cJSON *api = json_get(item, "api"), *metrics = json_get(item, "metrics");
	if (api != NULL && !read_fault(reading, api, path, &scene->fault))
		return false;
	if (metrics != NULL && !text_equal(json_string(item, "metrics"), "down")) {
		SCOPED(text) char *at = xasprintf("%s.metrics", path);
		return wrong(reading, at, "must be down");
	}
	scene->metrics_down = metrics != NULL;
	if ((api != NULL || metrics != NULL) && scene->for_us == 0)
		return wrong(reading, path, "needs a duration: for");
	return true;
}

/* "500x2 200": the answer to call `n` (from 0). 0: not understood. */
static int answer_at(const char *answers, long n)
{
	int status = 0;
	while (*answers != '\0') {
		char *end;
		long one = strtol(answers, &end, 10), times = 1;
		if (end == answers || one < 100 || one > 599)
			return 0;
		if (*end == 'x') {
			times = strtol(end + 1, &end, 10);
			if (times < 1)
				return 0;
		}
		if (*end != ' ' && *end != '\0')
			return 0;
		status = (int)one;
		if (n < times)
			return status;
		n -= times;
		answers = end + strspn(end, " ");
	}
	return status;
}

/* A plain number in YAML is a number. */
static bool hook_text(const cJSON *hook, char text[200])
{
	if (cJSON_IsString(hook))
		text_copy(text, 200, hook->valuestring);
	else if (cJSON_IsNumber(hook))
		snprintf(text, 200, "%d", hook->valueint);
	else
		return false;
	return true;
}

static bool read_all(const struct reading *reading)
{
	static const char *const fields[] = {"image", "hooks", "scenes", NULL};
	struct scenario *scenario = reading->scenario;
	const cJSON *root = yaml_document(scenario->file, 0), *item;
	if (yaml_count(scenario->file) != 1 || !cJSON_IsObject(root))
		return error_set(reading->err, ERROR_INVALID,
				 "%s: a scenario is one document, an object",
				 yaml_name(scenario->file));
	if (!known(reading, root, "", fields, "image, hooks and scenes"))
		return false;
	scenario->image = json_string(root, "image");
	cJSON_ArrayForEach(item, json_get(root, "hooks"))
	{
		char text[200];
		SCOPED(text) char *path = xasprintf("hooks[\"%s\"]", item->string);
		if (!hook_text(item, text) || answer_at(text, 1000000) == 0)
			return wrong(reading, path, "must be answers like \"500x2 200\"");
	}
	if (json_get(root, "scenes") != NULL && !cJSON_IsArray(json_get(root, "scenes")))
		return wrong(reading, "scenes", "must be a list");
	cJSON_ArrayForEach(item, json_get(root, "scenes"))
	{
		SCOPED(text) char *path = xasprintf("scenes[%zu]", scenario->count);
		if (scenario->count == SCENES_MAX)
			return wrong(reading, "scenes", "may have 100 scenes");
		if (!read_scene(reading, item, path, &scenario->scenes[scenario->count]))
			return false;
		scenario->count++;
	}
	return true;
}

struct scenario *scenario_read(const char *path, struct error *err)
{
	struct yaml_file *file = yaml_read(path, err);
	if (file == NULL)
		return NULL;
	struct scenario *scenario = xcalloc(1, sizeof(*scenario));
	scenario->file = file;
	const struct reading reading = {scenario, err};
	if (read_all(&reading))
		return scenario;
	scenario_free(scenario);
	return NULL;
}

void scenario_free(struct scenario *scenario)
{
	if (scenario == NULL)
		return;
	yaml_free(scenario->file);
	free(scenario);
}

int scenario_hook(const struct scenario *scenario, const char *name, const cJSON *heard,
		  int otherwise)
{
	char text[200];
	long calls = 0;
	const cJSON *item;
	const cJSON *hook = json_get(json_get(yaml_document(scenario->file, 0), "hooks"), name);
	if (hook == NULL || !hook_text(hook, text))
		return otherwise;
	cJSON_ArrayForEach(item, heard) calls += text_equal(json_string(item, "name"), name);
	return answer_at(text, calls);
}
