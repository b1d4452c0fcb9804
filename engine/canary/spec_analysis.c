/*
 * spec_analysis.c - spec.analysis: the strategy, its numbers, what is measured, who is called.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/spec_parts.h"

/* A whole number; what has another shape has been told and reads as the fallback. */
static int whole(const cJSON *json, const char *field, int fallback)
{
	return (int)json_int(json, field, fallback);
}

static int64_t interval_of(const cJSON *analysis, const struct spec_options *options,
			   struct spec_problems *problems)
{
	static const char path[] = "spec.analysis.interval";
	int64_t least =
		options->min_interval_us > 0 ? options->min_interval_us : 10 * DURATION_SECOND;
	int64_t us = DURATION_MINUTE;
	const char *text = json_string(analysis, "interval");
	if (text != NULL && !duration_parse(text, &us, NULL)) {
		us = DURATION_MINUTE;
		problem_warning(problems, path, "is not a duration: \"%.60s\"; 60s is used instead",
				text);
	}
	if (us >= least)
		return us;
	char least_text[DURATION_TEXT_MAX];
	duration_text(least, least_text);
	problem_warning(problems, path, "is shorter than %s, which is used instead", least_text);
	return least;
}

static int threshold_of(const cJSON *analysis, struct spec_problems *problems)
{
	int threshold = whole(analysis, "threshold", 1);
	if (threshold >= 1)
		return threshold;
	problem_warning(problems, "spec.analysis.threshold", "is %d; 1 is used instead", threshold);
	return 1;
}

static const cJSON *list_or_null(const cJSON *parent, const char *field)
{
	const cJSON *list = json_get(parent, field);
	return cJSON_IsArray(list) && list->child != NULL ? list : NULL;
}

/* Plain Services cannot tell one request from another, so there is only blue/green: as the
 * reference does it, and in its words. */
static void read_for_services(struct canary_spec *spec, cJSON *analysis,
			      struct spec_problems *problems)
{
	enum { ITERATIONS = 10 };
	if (spec->match != NULL) {
		if (!spec->skip_analysis)
			problem_warning(
				problems, "spec.analysis.match",
				"A/B testing is not supported when using the kubernetes provider");
		json_remove(analysis, "match");
		spec->match = NULL;
	}
	if (spec->iterations >= 1)
		return;
	if (!spec->skip_analysis) {
		problem_warning(
			problems, "spec.analysis",
			"Progressive traffic is not supported when using the kubernetes provider");
		problem_warning(problems, "spec.analysis.iterations",
				"Setting canaryAnalysis.iterations: %d", ITERATIONS);
	}
	json_put_number(analysis, "iterations", ITERATIONS);
	spec->iterations = ITERATIONS;
}

/* A duration that must not be nothing; the fallback where it is missing or has the wrong shape. */
static int64_t duration_of(const cJSON *json, const char *field, int64_t fallback, const char *path,
			   struct spec_problems *problems)
{
	int64_t us;
	const char *text = json_string(json, field);
	if (text == NULL || !duration_parse(text, &us, NULL))
		return fallback;
	if (us > 0)
		return us;
	char below[PROBLEM_PATH_MAX];
	problem_path(below, path, field);
	problem_error(problems, below, "must be longer than \"%.60s\"", text);
	return fallback;
}

static void read_canary_replicas(struct canary_spec *spec)
{
	const cJSON *scale = json_get(spec->analysis, "canaryReplicas");
	if (cJSON_IsNumber(scale))
		spec->canary_replicas = whole(spec->analysis, "canaryReplicas", 0);
	else if (cJSON_IsString(scale))
		spec->canary_percent = (int)strtol(scale->valuestring, NULL, 10);
}

void spec_read_analysis(struct canary_spec *spec, const struct spec_options *options,
			struct spec_problems *problems)
{
	cJSON *analysis = json_at(spec->json, "analysis");
	spec->analysis = analysis;
	spec->interval_us = interval_of(analysis, options, problems);
	spec->threshold = threshold_of(analysis, problems);
	spec->iterations = whole(analysis, "iterations", 0);
	spec->max_weight = whole(analysis, "maxWeight", 0);
	spec->step_weight = whole(analysis, "stepWeight", 0);
	spec->step_weights = list_or_null(analysis, "stepWeights");
	spec->step_weight_promotion = whole(analysis, "stepWeightPromotion", 0);
	spec->mirror = json_bool(analysis, "mirror", false);
	spec->mirror_weight = whole(analysis, "mirrorWeight", 0);
	spec->primary_ready_threshold = whole(analysis, "primaryReadyThreshold", 100);
	spec->canary_ready_threshold = whole(analysis, "canaryReadyThreshold", 100);
	spec->match = list_or_null(analysis, "match");
	read_canary_replicas(spec);
	spec->step_intervals = list_or_null(analysis, "stepIntervals");
	spec->watch_us = duration_of(analysis, "watch", 0, "spec.analysis", problems);
	spec->scale_down_delay_us =
		duration_of(analysis, "scaleDownDelay", 0, "spec.analysis", problems);
	spec->hold_timeout_us = duration_of(analysis, "holdTimeout", 0, "spec.analysis", problems);
	if (strcmp(spec->provider, "kubernetes") == 0)
		read_for_services(spec, analysis, problems);
	if (spec->iterations < 1)
		spec->strategy = STRATEGY_CANARY;
	else
		spec->strategy = spec->match != NULL ? STRATEGY_AB_TESTING : STRATEGY_BLUE_GREEN;
}

static bool number_of(const cJSON *json, const char *field, double *number)
{
	const cJSON *item = json_at(json, field);
	*number = cJSON_IsNumber(item) ? item->valuedouble : 0;
	return cJSON_IsNumber(item);
}

/* An empty text is as good as none. */
static const char *text_or_null(const cJSON *json, const char *field)
{
	const char *text = json_string(json, field);
	return text == NULL || text[0] == '\0' ? NULL : text;
}

static bool says(const cJSON *json, const char *field)
{
	const cJSON *item = json_get(json, field);
	return item != NULL && !cJSON_IsNull(item);
}

/* Without bounds nothing above 0 passes, as in the reference. A policy of one's own may judge by
 * something else. */
static bool bound(cJSON *json, const struct canary_spec *spec)
{
	bool bounded = says(json, "thresholdRange") || says(json, "threshold") ||
		       text_equal(json_string(json, "name"), "request-success-rate");
	bool ours = spec->policy.source == POLICY_STOCK || spec->policy.source == POLICY_NAMED;
	if (bounded || !ours || !cJSON_IsObject(json))
		return false;
	json_put_number(json, "threshold", 0);
	return true;
}

static void read_metric(struct metric_spec *metric, const cJSON *json,
			const struct canary_spec *spec, const char *path,
			struct spec_problems *problems)
{
	metric->json = json;
	metric->name = json_string_or(json, "name", "");
	metric->interval_us = duration_of(json, "interval", DURATION_MINUTE, path, problems);
	metric->interval = json_string_or(json, "interval", "1m");
	metric->has_threshold = number_of(json, "threshold", &metric->threshold);
	metric->has_min = number_of(json, "thresholdRange.min", &metric->min);
	metric->has_max = number_of(json, "thresholdRange.max", &metric->max);
	metric->query = text_or_null(json, "query");
	metric->template_name = text_or_null(json, "templateRef.name");
	if (metric->template_name != NULL) {
		const char *namespace = text_or_null(json, "templateRef.namespace");
		metric->template_namespace = namespace == NULL ? spec->namespace : namespace;
	}
	metric->template_variables = json_get(json, "templateVariables");
}

static size_t count_of(const cJSON *list)
{
	return cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
}

static bool is_builtin(const char *name)
{
	return strcmp(name, "request-success-rate") == 0 || strcmp(name, "request-duration") == 0;
}

static void check_metric(const struct metric_spec *metric, bool bounded, const char *path,
			 struct spec_problems *problems)
{
	char below[PROBLEM_PATH_MAX];
	bool builtin = is_builtin(metric->name), query = metric->query != NULL;
	bool template = metric->template_name != NULL;
	if (!query && !template && !builtin && metric->name[0] != '\0')
		problem_error(
			problems, path,
			"needs a query or a templateRef: \"%.60s\" is not one of the built-in "
			"metrics request-success-rate and request-duration",
			metric->name);
	if (builtin + query + template > 1)
		problem_warning(problems, path, "is measured in %d ways, each on its own: %s%s%s",
				builtin + query + template, builtin ? "built-in, " : "",
				query ? "query" : "",
				!template ? ""
				: query	  ? ", templateRef"
					  : "templateRef");
	problem_path(below, path, "thresholdRange");
	bool ranged = metric->has_min || metric->has_max;
	bool has_range = cJSON_IsObject(json_get(metric->json, "thresholdRange"));
	if (metric->has_min && metric->has_max && metric->min > metric->max)
		problem_error(problems, below, "has a min above its max, so no value passes");
	else if (bounded)
		problem_warning(problems, below,
				"has neither min nor max, so no value above 0 passes");
	else if (!ranged && (has_range || !metric->has_threshold))
		problem_warning(problems, below, "has neither min nor max, so every value passes");
	if (builtin && strcmp(metric->name, "request-success-rate") == 0 && metric->has_min &&
	    metric->min > 100)
		problem_error(problems, below, "no success rate is above 100 percent");
	problem_path(below, path, "threshold");
	if (ranged && metric->has_threshold)
		problem_warning(problems, below, "has no effect beside thresholdRange");
}

/* The other metric of the same name before this one, or -1. */
static long same_name_before(const struct canary_spec *spec, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(spec->metrics[i].name, spec->metrics[at].name) == 0)
			return (long)i;
	return -1;
}

void spec_read_metrics(struct canary_spec *spec, const struct spec_options *options,
		       struct spec_problems *problems)
{
	cJSON *list = json_at(spec->json, "analysis.metrics"), *json;
	spec->metrics = xcalloc(count_of(list) + 1, sizeof(*spec->metrics));
	if (!cJSON_IsArray(list))
		return;
	cJSON_ArrayForEach(json, list)
	{
		char path[PROBLEM_PATH_MAX];
		size_t at = spec->metric_count++;
		struct metric_spec *metric = &spec->metrics[at];
		problem_index(path, "spec.analysis.metrics", at);
		bool bounded = bound(json, spec);
		read_metric(metric, json, spec, path, problems);
		if (!cJSON_IsObject(json))
			continue;
		check_metric(metric, bounded, path, problems);
		long same = same_name_before(spec, at);
		if (same >= 0)
			problem_warning(problems, path,
					"has the same name as spec.analysis.metrics[%ld]; events "
					"and graphs will not tell them apart",
					same);
		if (!options->no_cross_namespace_refs || metric->template_name == NULL ||
		    strcmp(metric->template_namespace, spec->namespace) == 0)
			continue;
		char below[PROBLEM_PATH_MAX];
		problem_path(below, path, "templateRef");
		problem_error(problems, below,
			      "can't access metric template %s.%s, cross-namespace "
			      "references are blocked",
			      metric->template_name, metric->template_namespace);
	}
}

static enum webhook_type webhook_type_of(const cJSON *json)
{
	static const struct {
		const char *name;
		enum webhook_type type;
	} types[] = {
		{"confirm-rollout", WEBHOOK_CONFIRM_ROLLOUT},
		{"pre-rollout", WEBHOOK_PRE_ROLLOUT},
		{"confirm-traffic-increase", WEBHOOK_CONFIRM_TRAFFIC_INCREASE},
		{"confirm-promotion", WEBHOOK_CONFIRM_PROMOTION},
		{"post-rollout", WEBHOOK_POST_ROLLOUT},
		{"rollback", WEBHOOK_ROLLBACK},
		{"event", WEBHOOK_EVENT},
	};
	const char *name = json_string_or(json, "type", "");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(name, types[i].name) == 0)
			return types[i].type;
	return WEBHOOK_ROLLOUT;
}

void spec_read_webhooks(struct canary_spec *spec, struct spec_problems *problems)
{
	const cJSON *list = json_get(spec->analysis, "webhooks"), *json;
	spec->webhooks = xcalloc(count_of(list) + 1, sizeof(*spec->webhooks));
	if (!cJSON_IsArray(list))
		return;
	cJSON_ArrayForEach(json, list)
	{
		char path[PROBLEM_PATH_MAX];
		problem_index(path, "spec.analysis.webhooks", spec->webhook_count);
		const cJSON *metadata = json_get(json, "metadata");
		spec->webhooks[spec->webhook_count++] = (struct webhook_spec){
			.name = json_string_or(json, "name", ""),
			.type = webhook_type_of(json),
			.url = json_string_or(json, "url", ""),
			.timeout_us =
				duration_of(json, "timeout", 10 * DURATION_SECOND, path, problems),
			.retries = whole(json, "retries", 0),
			.disable_tls = json_bool(json, "disableTLS", false),
			.mute_alert = json_bool(json, "muteAlert", false),
			.metadata = cJSON_IsObject(metadata) ? metadata : NULL,
		};
	}
}
