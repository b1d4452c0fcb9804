#include "rehearsal/scenario.h"

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
		{"403", FAULT_403},	    {"409", FAULT_409},	    {"410", FAULT_410},
		{"429", FAULT_429},	    {"500", FAULT_500},	    {"503", FAULT_503},
		{"timeout", FAULT_TIMEOUT}, {"down", FAULT_BEFORE},
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
	return wrong(reading, at, "must be 403, 409, 410, 429, 500, 503, timeout or down");
}

static const struct {
	const char *word;
	int answer;
} words[] = {{"down", HOOK_DOWN}, {"timeout", HOOK_TIMEOUT}};

/* One answer at `*at`, which is moved behind it: a status, or what is no answer. 0: neither. */
static int read_answer(const char **at)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!text_starts(*at, words[i].word))
			continue;
		*at += strlen(words[i].word);
		return words[i].answer;
	}
	char *end;
	long status = strtol(*at, &end, 10);
	*at = end;
	return status < 100 || status > 599 ? 0 : (int)status;
}

/* "500x2 timeout 200": the answer to call `n` (from 0). 0: not understood. */
static int answer_at(const char *answers, long n)
{
	int answer = 0;
	for (const char *at = answers + strspn(answers, " "); *at != '\0'; at += strspn(at, " ")) {
		long times = 1;
		answer = read_answer(&at);
		if (answer == 0)
			return 0;
		if (*at == 'x') {
			char *end;
			times = strtol(at + 1, &end, 10);
			at = end;
		}
		if (times < 1 || (*at != ' ' && *at != '\0'))
			return 0;
		if (n < times)
			return answer;
		n -= times;
	}
	return answer;
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

static bool read_hooks(const struct reading *reading, const cJSON *hooks, const char *path)
{
	const cJSON *item;
	if (hooks != NULL && !cJSON_IsObject(hooks))
		return wrong(reading, path, "must be an object: answers by the name of a webhook");
	cJSON_ArrayForEach(item, hooks)
	{
		char text[200];
		SCOPED(text) char *at = xasprintf("%s[\"%s\"]", path, item->string);
		if (!hook_text(item, text) || answer_at(text, 1000000) == 0)
			return wrong(reading, at, "must be answers like \"500x2 timeout 200\"");
	}
	return true;
}

static bool read_patch(const struct reading *reading, const cJSON *patch, const char *path,
		       struct scene *scene)
{
	SCOPED(text) char *at = xasprintf("%s.patch", path);
	if (patch == NULL)
		return true;
	scene->patch = cJSON_IsObject(patch) ? patch->child : NULL;
	scene->patched = scene->patch == NULL ? "" : scene->patch->string;
	bool named = strcmp(scene->patched, "target") == 0 ||
		     strcmp(scene->patched, "primary") == 0 ||
		     strcmp(scene->patched, "canary") == 0 || strchr(scene->patched, '/') != NULL;
	if (scene->patch != NULL && scene->patch->next == NULL && named)
		return true;
	return wrong(reading, at,
		     "must have one member: target, primary, canary or Kind/name, with its patch");
}

static bool read_pods(const struct reading *reading, const cJSON *pods, const char *path,
		      struct scene *scene)
{
	SCOPED(text) char *at = xasprintf("%s.pods", path);
	if (pods == NULL)
		return true;
	const cJSON *only = cJSON_IsObject(pods) ? pods->child : NULL;
	scene->pods_of = only == NULL ? "" : only->string;
	scene->pods = only != NULL && cJSON_IsString(only) ? only->valuestring : "";
	if (only != NULL && only->next == NULL &&
	    (strcmp(scene->pods_of, "target") == 0 || strcmp(scene->pods_of, "primary") == 0) &&
	    (strcmp(scene->pods, "down") == 0 || strcmp(scene->pods, "stuck") == 0))
		return true;
	return wrong(reading, at, "must be {target: down}, or with primary, or with stuck");
}

static bool read_share(const struct reading *reading, const cJSON *scene, const char *path,
		       double *share)
{
	SCOPED(text) char *at = xasprintf("%s.share", path);
	*share = json_number(scene, "share", 1);
	if (json_get(scene, "share") == NULL ||
	    (cJSON_IsNumber(json_get(scene, "share")) && *share > 0 && *share <= 1))
		return true;
	return wrong(reading, at, "must be a number above 0, at most 1");
}

/* A field that may say one thing only. */
static bool read_word(const struct reading *reading, const cJSON *scene, const char *path,
		      const char *field, const char *word, bool *said)
{
	SCOPED(text) char *at = xasprintf("%s.%s", path, field);
	*said = json_get(scene, field) != NULL;
	if (!*said || text_equal(json_string(scene, field), word))
		return true;
	SCOPED(text) char *why = xasprintf("must be %s", word);
	return wrong(reading, at, why);
}

static void PRINTF_LIKE(2, 3) say(struct scene *scene, const char *format, ...)
{
	size_t len = strlen(scene->text);
	va_list args;
	va_start(args, format);
	if (len > 0)
		len += (size_t)snprintf(scene->text + len, SCENE_TEXT_MAX - len, ", ");
	if (len < SCENE_TEXT_MAX)
		vsnprintf(scene->text + len, SCENE_TEXT_MAX - len, format, args);
	va_end(args);
}

static void tell(struct scene *scene, const cJSON *item)
{
	char lasts[DURATION_TEXT_MAX];
	if (scene->image != NULL)
		say(scene, "image %.80s", scene->image);
	if (scene->patch != NULL)
		say(scene, "patch of %.80s", scene->patched);
	if (scene->pods != NULL)
		say(scene, "pods of the %s %s", scene->pods_of, scene->pods);
	if (scene->fault != FAULT_NONE && cJSON_IsNumber(json_get(item, "api")))
		say(scene, "the API server answers %d", json_get(item, "api")->valueint);
	else if (scene->fault != FAULT_NONE)
		say(scene, "the API server: %s", json_string_or(item, "api", ""));
	if (scene->share < 1)
		say(scene, "to %.0f%% of the requests", scene->share * 100);
	if (scene->metrics_down)
		say(scene, "metrics down");
	if (scene->endpoints_late)
		say(scene, "endpoints late");
	const cJSON *hook;
	cJSON_ArrayForEach(hook, scene->hooks)
	{
		char text[200] = "";
		(void)hook_text(hook, text);
		say(scene, "%.40s answers %.60s", hook->string, text);
	}
	if (scene->crash)
		say(scene, "the daemon is killed");
	duration_text(scene->for_us, lasts);
	if (scene->for_us > 0)
		say(scene, "for %s", lasts);
}

static bool read_scene(const struct reading *reading, const cJSON *item, const char *path,
		       struct scene *scene)
{
	static const char *const fields[] = {"at",	  "for",   "image", "patch",
					     "pods",	  "api",   "share", "metrics",
					     "endpoints", "hooks", "crash", NULL};
	if (!cJSON_IsObject(item))
		return wrong(reading, path, "must be an object");
	if (!known(reading, item, path, fields,
		   "at, for, image, patch, pods, api, share, metrics, endpoints, hooks and crash"))
		return false;
	if (json_get(item, "at") == NULL)
		return wrong(reading, path, "needs a time: at");
	if (!read_time(reading, item, path, "at", &scene->at_us) ||
	    !read_time(reading, item, path, "for", &scene->for_us))
		return false;
	scene->image = json_string(item, "image");
	scene->crash = json_bool(item, "crash", false);
	if (!read_patch(reading, json_get(item, "patch"), path, scene) ||
	    !read_pods(reading, json_get(item, "pods"), path, scene) ||
	    !read_share(reading, item, path, &scene->share))
		return false;
	const cJSON *api = json_get(item, "api");
	if (api != NULL && !read_fault(reading, api, path, &scene->fault))
		return false;
	if (!read_word(reading, item, path, "metrics", "down", &scene->metrics_down) ||
	    !read_word(reading, item, path, "endpoints", "late", &scene->endpoints_late))
		return false;
	scene->hooks = json_get(item, "hooks");
	SCOPED(text) char *hooks = xasprintf("%s.hooks", path);
	if (!read_hooks(reading, scene->hooks, hooks))
		return false;
	if ((api != NULL || scene->metrics_down || scene->endpoints_late) && scene->for_us == 0)
		return wrong(reading, path, "needs a duration: for");
	tell(scene, item);
	if (scene->text[0] == '\0')
		return wrong(reading, path, "says nothing that happens");
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
	if (!read_hooks(reading, json_get(root, "hooks"), "hooks"))
		return false;
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
		  int64_t now_us, int otherwise)
{
	char text[200];
	int64_t since_us = INT64_MIN;
	const cJSON *hook = json_get(json_get(yaml_document(scenario->file, 0), "hooks"), name);
	for (size_t i = 0; i < scenario->count; i++) {
		const struct scene *scene = &scenario->scenes[i];
		const cJSON *newer = json_get(scene->hooks, name);
		if (newer == NULL || scene->at_us > now_us || scene->at_us < since_us)
			continue;
		hook = newer;
		since_us = scene->at_us;
	}
	if (hook == NULL || !hook_text(hook, text))
		return otherwise;
	long calls = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, heard) calls +=
		text_equal(json_string(item, "name"), name) &&
		(since_us == INT64_MIN || json_number(item, "at", -1) * 1e6 >= (double)since_us);
	return answer_at(text, calls);
}

char *scenario_place(const struct scenario *scenario, size_t scene)
{
	char path[32];
	snprintf(path, sizeof(path), "scenes[%zu]", scene);
	return xasprintf("%s:%d: %s", yaml_name(scenario->file), yaml_line(scenario->file, 0, path),
			 path);
}
