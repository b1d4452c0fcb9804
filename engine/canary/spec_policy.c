/*
 * spec_policy.c - which policy decides: spec.analysis.policy; and the annotations that stand for
 * it and for what else is ours.
 *
 * The API server drops fields that its CRD does not know, but keeps annotations, so each field that
 * Sluice adds has an annotation twin. A twin is turned into the field before anything is read. The
 * field wins where both are there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/words.h"
#include "base/yaml.h"
#include "canary/shape.h"
#include "canary/spec_parts.h"

#define PREFIX "sluice.dev/"
#define POLICY PREFIX "policy"
#define POLICY_PARAMS PREFIX "policy-params"
#define ON_POLICY_CHANGE PREFIX "on-policy-change"
#define ON_NO_DATA PREFIX "on-no-data"
#define ON_ERROR PREFIX "on-error"
#define ROUTE_REF PREFIX "route-ref"
#define STEP_INTERVALS PREFIX "step-intervals"
#define HOLD_TIMEOUT PREFIX "hold-timeout"
#define WATCH PREFIX "watch"
#define SCALE_DOWN_DELAY PREFIX "scale-down-delay"
#define CANARY_REPLICAS PREFIX "canary-replicas"
#define ON_GOOD_REVISION PREFIX "on-good-revision"
#define FAILURE_LIMITS PREFIX "failure-limits"
/* Twins of no field: an operator's command, and whose canary it is. */
#define COMMAND PREFIX "command"
#define CLASS PREFIX "class"

static const char *const twins[] = {POLICY,
				    POLICY_PARAMS,
				    ON_POLICY_CHANGE,
				    ON_NO_DATA,
				    ON_ERROR,
				    ROUTE_REF,
				    STEP_INTERVALS,
				    HOLD_TIMEOUT,
				    WATCH,
				    FAILURE_LIMITS,
				    SCALE_DOWN_DELAY,
				    CANARY_REPLICAS,
				    ON_GOOD_REVISION,
				    COMMAND,
				    CLASS,
				    NULL};

struct fold {
	cJSON *spec, *analysis;
	const char *path; /* of the annotation that is folded */
	struct spec_problems *problems;
};

static bool field_is_free(const struct fold *fold, const char *field)
{
	const cJSON *there = json_at(fold->analysis, field);
	if (there == NULL || cJSON_IsNull(there))
		return true;
	problem_warning(fold->problems, fold->path,
			"has no effect, because spec.analysis.%s is set", field);
	return false;
}

static bool is_one_of(const struct fold *fold, const char *text, const char *one, const char *other)
{
	if (strcmp(text, one) == 0 || strcmp(text, other) == 0)
		return true;
	problem_error(fold->problems, fold->path, "must be %s or %s, is \"%.60s\"", one, other,
		      text);
	return false;
}

/* "configmap/NAME" or "configmap/NAME/KEY" */
static cJSON *config_map_reference(const struct fold *fold, const char *text)
{
	const char *slash = strchr(text, '/');
	SCOPED(text)
	char *name = xstrndup(text, slash == NULL ? strlen(text) : (size_t)(slash - text));
	cJSON *reference = cJSON_CreateObject();
	cJSON *name_item = cJSON_AddStringToObject(reference, "name", name);
	struct error why = {0};
	if (!shape_is_name(name_item, &why))
		problem_error(fold->problems, fold->path,
			      "must be \"configmap/NAME\" or \"configmap/NAME/KEY\"; NAME %s",
			      why.text);
	else if (slash != NULL && (slash[1] == '\0' || strchr(slash + 1, '/') != NULL))
		problem_error(fold->problems, fold->path,
			      "must be \"configmap/NAME\" or \"configmap/NAME/KEY\", is \"%.100s\"",
			      text);
	else if (slash != NULL)
		cJSON_AddStringToObject(reference, "key", slash + 1);
	return reference;
}

static void fold_policy(const struct fold *fold, const char *text)
{
	static const char config_map[] = "configmap/";
	static const char *const ways[] = {"name", "configMap", "inline"};
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		char field[32];
		snprintf(field, sizeof(field), "policy.%s", ways[i]);
		if (!field_is_free(fold, field))
			return;
	}
	if (strchr(text, '\n') != NULL || strstr(text, "return") != NULL) {
		json_put_string(fold->analysis, "policy.inline", text);
		return;
	}
	if (text_starts(text, config_map)) {
		json_put(fold->analysis, "policy.configMap",
			 config_map_reference(fold, text + sizeof(config_map) - 1));
		return;
	}
	cJSON *name = cJSON_CreateString(text);
	if (shape_is_label(name, NULL)) {
		json_put(fold->analysis, "policy.name", name);
		return;
	}
	char seen[SEEN_MAX];
	problem_seen(name, seen);
	cJSON_Delete(name);
	problem_error(
		fold->problems, fold->path,
		"must be the name of a stock policy, \"configmap/NAME/KEY\" or Lua text, is %s",
		seen);
}

static void fold_params(const struct fold *fold, const char *text)
{
	if (!field_is_free(fold, "policy.params"))
		return;
	struct error why = {0};
	struct yaml_file *file = yaml_parse(fold->path, text, strlen(text), &why);
	cJSON *params = file == NULL || yaml_count(file) != 1 ? NULL : yaml_document(file, 0);
	if (file == NULL)
		problem_error(fold->problems, fold->path, "must be a mapping in YAML or JSON: %s",
			      why.text);
	else if (!cJSON_IsObject(params))
		problem_error(fold->problems, fold->path, "must be one mapping in YAML or JSON");
	else
		json_put(fold->analysis, "policy.params", cJSON_Duplicate(params, true));
	yaml_free(file);
}

/* One word for all metrics that do not say it themselves. */
static void fold_into_metrics(const struct fold *fold, const char *text, const char *field)
{
	if (!is_one_of(fold, text, "fail", "hold"))
		return;
	cJSON *metric;
	cJSON_ArrayForEach(metric, json_get(fold->analysis, "metrics"))
	{
		const cJSON *own = json_get(metric, field);
		if (cJSON_IsObject(metric) && (own == NULL || cJSON_IsNull(own)))
			json_put_string(metric, field, text);
	}
}

/* "HTTPRoute/NAME": the CRD of the reference knows no kind but ApisixRoute. */
static void fold_route(const struct fold *fold, const char *text)
{
	const char *slash = strchr(text, '/');
	const cJSON *there = json_get(fold->spec, "routeRef");
	if (there != NULL && !cJSON_IsNull(there)) {
		problem_warning(fold->problems, fold->path,
				"has no effect, because spec.routeRef is set");
		return;
	}
	if (slash == NULL || slash == text || slash[1] == '\0' || strchr(slash + 1, '/') != NULL) {
		problem_error(fold->problems, fold->path,
			      "must be \"KIND/NAME\", such as \"HTTPRoute/web\", is \"%.100s\"",
			      text);
		return;
	}
	SCOPED(text) char *kind = xstrndup(text, (size_t)(slash - text));
	json_put_string(fold->spec, "routeRef.kind", kind);
	json_put_string(fold->spec, "routeRef.name", slash + 1);
}

static void fold_duration(const struct fold *fold, const char *text, const char *field)
{
	SCOPED(json) cJSON *value = cJSON_CreateString(text);
	struct error why = {0};
	if (!shape_is_duration(value, &why))
		problem_error(fold->problems, fold->path, "%s", why.text);
	else if (field_is_free(fold, field))
		json_put_string(fold->analysis, field, text);
}

/* "3" or "50%" */
static void fold_replicas(const struct fold *fold, const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);
	bool percent = strcmp(end, "%") == 0;
	if (end == text || number < 1 || number > 10000 || (*end != '\0' && !percent))
		problem_error(fold->problems, fold->path,
			      "must be a number, or percent of the primary's, such as \"50%%\", is "
			      "\"%.60s\"",
			      text);
	else if (field_is_free(fold, "canaryReplicas"))
		json_put(fold->analysis, "canaryReplicas",
			 percent ? cJSON_CreateString(text) : cJSON_CreateNumber((double)number));
}

/* Calls for each part between commas, without the blanks around it. */
static void each_part(const struct fold *fold, const char *text, void *into,
		      void (*part)(const struct fold *fold, const char *text, void *into))
{
	while (*text != '\0') {
		text += strspn(text, ", ");
		size_t len = strcspn(text, ",");
		size_t end = len;
		while (end > 0 && text[end - 1] == ' ')
			end--;
		SCOPED(text) char *one = xstrndup(text, end);
		if (end > 0)
			part(fold, one, into);
		text += len;
	}
}

static void add_interval(const struct fold *fold, const char *text, void *into)
{
	cJSON *value = cJSON_CreateString(text);
	struct error why = {0};
	if (!shape_is_duration(value, &why))
		problem_error(fold->problems, fold->path, "%s", why.text);
	cJSON_AddItemToArray(into, value);
}

/* "1m, 5m, 10m" */
static void fold_step_intervals(const struct fold *fold, const char *text)
{
	if (!field_is_free(fold, "stepIntervals"))
		return;
	cJSON *list = cJSON_CreateArray();
	each_part(fold, text, list, add_interval);
	json_put(fold->analysis, "stepIntervals", list);
}

static void add_limit(const struct fold *fold, const char *text, void *into)
{
	const char *equals = strrchr(text, '=');
	char *end = NULL;
	long limit = equals == NULL ? 0 : strtol(equals + 1, &end, 10);
	(void)into;
	if (limit < 1 || limit > 1000 || *end != '\0') {
		problem_error(fold->problems, fold->path,
			      "must be \"METRIC=N, …\" with N from 1 to 1000, has \"%.100s\"",
			      text);
		return;
	}
	bool found = false;
	cJSON *metric;
	cJSON_ArrayForEach(metric, json_get(fold->analysis, "metrics"))
	{
		const char *name = json_string_or(metric, "name", "");
		if (strlen(name) != (size_t)(equals - text) || !text_starts(text, name))
			continue;
		found = true;
		if (json_get(metric, "failureLimit") == NULL)
			json_put_number(metric, "failureLimit", (double)limit);
	}
	if (!found)
		problem_error(fold->problems, fold->path, "there is no metric \"%.*s\"",
			      (int)(equals - text), text);
}

static void fold_one(const struct fold *fold, const char *key, const char *text)
{
	if (strcmp(key, POLICY) == 0)
		fold_policy(fold, text);
	else if (strcmp(key, POLICY_PARAMS) == 0)
		fold_params(fold, text);
	else if (strcmp(key, ON_POLICY_CHANGE) == 0) {
		if (is_one_of(fold, text, "NextTick", "NextRollout") &&
		    field_is_free(fold, "policy.onPolicyChange"))
			json_put_string(fold->analysis, "policy.onPolicyChange", text);
	} else if (strcmp(key, ON_NO_DATA) == 0)
		fold_into_metrics(fold, text, "onNoData");
	else if (strcmp(key, ON_ERROR) == 0)
		fold_into_metrics(fold, text, "onError");
	else if (strcmp(key, ROUTE_REF) == 0)
		fold_route(fold, text);
	else if (strcmp(key, STEP_INTERVALS) == 0)
		fold_step_intervals(fold, text);
	else if (strcmp(key, HOLD_TIMEOUT) == 0)
		fold_duration(fold, text, "holdTimeout");
	else if (strcmp(key, WATCH) == 0)
		fold_duration(fold, text, "watch");
	else if (strcmp(key, SCALE_DOWN_DELAY) == 0)
		fold_duration(fold, text, "scaleDownDelay");
	else if (strcmp(key, CANARY_REPLICAS) == 0)
		fold_replicas(fold, text);
	else if (strcmp(key, ON_GOOD_REVISION) == 0) {
		if (is_one_of(fold, text, "Analyse", "Promote") &&
		    field_is_free(fold, "onGoodRevision"))
			json_put_string(fold->analysis, "onGoodRevision", text);
	} else if (strcmp(key, FAILURE_LIMITS) == 0)
		each_part(fold, text, NULL, add_limit);
	else if (strcmp(key, COMMAND) != 0 && strcmp(key, CLASS) != 0) {
		const char *meant = words_nearest(key, twins);
		if (meant != NULL)
			problem_warning(fold->problems, fold->path,
					"is not an annotation that is known; did you mean %s?",
					meant);
	}
}

void spec_fold_annotations(cJSON *object, struct spec_problems *problems)
{
	cJSON *analysis = json_at(object, "spec.analysis");
	const cJSON *policy = json_get(analysis, "policy");
	/* Nothing is written over what has the wrong shape, which has been told. */
	if (!cJSON_IsObject(analysis) ||
	    (policy != NULL && !cJSON_IsNull(policy) && !cJSON_IsObject(policy)))
		return;
	const cJSON *annotation;
	cJSON_ArrayForEach(annotation, json_at(object, "metadata.annotations"))
	{
		if (!cJSON_IsString(annotation) || !text_starts(annotation->string, PREFIX))
			continue;
		char path[PROBLEM_PATH_MAX];
		problem_path(path, "metadata.annotations", annotation->string);
		struct fold fold = {.spec = json_get(object, "spec"),
				    .analysis = analysis,
				    .path = path,
				    .problems = problems};
		fold_one(&fold, annotation->string, annotation->valuestring);
	}
}

void spec_read_policy(struct canary_spec *spec, struct spec_problems *problems)
{
	static const char path[] = "spec.analysis.policy";
	const cJSON *json = json_at(spec->json, "analysis.policy");
	struct policy_spec *policy = &spec->policy;
	if (!cJSON_IsObject(json))
		return;
	const char *name = json_string(json, "name"), *text = json_string(json, "inline");
	const cJSON *map = json_get(json, "configMap");
	int ways = (name != NULL) + (text != NULL) + cJSON_IsObject(map);
	if (ways != 1)
		problem_error(problems, path, "must have %s of name, configMap and inline",
			      ways == 0 ? "one" : "only one");
	if (name != NULL) {
		policy->source = POLICY_NAMED;
		policy->name = name;
	} else if (text != NULL) {
		policy->source = POLICY_INLINE;
		policy->text = text;
	} else if (ways == 1) {
		policy->source = POLICY_CONFIG_MAP;
		policy->name = json_string_or(map, "name", "");
		policy->key = json_string_or(map, "key", "policy.lua");
	}
	const cJSON *params = json_get(json, "params");
	policy->params = cJSON_IsObject(params) ? params : NULL;
	policy->at_next_rollout =
		strcmp(json_string_or(json, "onPolicyChange", ""), "NextRollout") == 0;
}
