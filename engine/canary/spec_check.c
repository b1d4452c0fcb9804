/*
 * spec_check.c - fields that are right one by one, but not together.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/spec_parts.h"
#include "canary/target.h"
#include "metric/builtin.h"
#include "traffic/driver.h"

/* What the provider's driver can do beside weights: nothing without one. */
struct abilities {
	bool match, mirror, stick;
};

static struct abilities check_provider(const struct canary_spec *spec,
				       struct spec_problems *problems)
{
	struct error err = {0};
	const struct traffic_driver *driver = traffic_find(spec->provider, &err);
	if (driver == NULL) {
		problem_error(problems, "spec.provider", "%s", err.text);
		return (struct abilities){true, true, true};
	}
	const char *route = json_string(spec->json, "routeRef.kind");
	if (route != NULL && strcmp(route, "ApisixRoute") != 0 &&
	    (driver->adopts == NULL || !driver->adopts(driver, route)))
		problem_error(problems, "spec.routeRef.kind", "the provider %s adopts no %s",
			      spec->provider, route);
	if (driver->check != NULL) {
		const struct traffic_view view = {
			.driver = driver, .spec = spec, .match = spec->match};
		driver->check(&view, problems);
	}
	return (struct abilities){driver->can_match, driver->can_mirror, driver->can_stick};
}

/* Of a target that does not know its pods, the mesh must: by the Service that led to them. */
static void check_pods(const struct canary_spec *spec, struct spec_problems *problems)
{
	static const char *const words[] = {"request-success-rate", "request-duration"};
	if (spec->target == NULL || spec->target->counted == COUNTED_BY_WORKLOAD)
		return;
	bool by_pod = spec->target->counted == COUNTED_BY_POD;
	if (by_pod)
		; /* its split is its own */
	else if (text_starts(spec->provider, "appmesh"))
		problem_error(problems, "spec.provider",
			      "App Mesh finds pods by their labels, which a %s does not have",
			      spec->target->kube.kind);
	else if (strcmp(spec->provider, "kubernetes") == 0)
		problem_warning(
			problems, "spec.provider",
			"kubernetes leaves the traffic to the target itself: it has the new "
			"pods at once, whatever the analysis says");
	for (size_t i = 0; i < spec->metric_count; i++) {
		const struct metric_spec *metric = &spec->metrics[i];
		bool built_in =
			metric->query == NULL && metric->template_name == NULL &&
			(text_equal(metric->name, words[0]) || text_equal(metric->name, words[1]));
		const char *query =
			by_pod ? builtin_query_of_pods(spec->metrics_provider, metric->name)
			       : builtin_query_of_service(spec->metrics_provider, metric->name);
		if (!built_in || query != NULL)
			continue;
		char path[PROBLEM_PATH_MAX];
		problem_index(path, "spec.analysis.metrics", i);
		problem_error(problems, path,
			      by_pod ? "the built-in query of %s cannot tell one pod of a %s from "
				       "another: use a templateRef"
				     : "the built-in query of %s selects pods by the name of their "
				       "workload, which a %s does not know: use a templateRef",
			      spec->metrics_provider, spec->target->kube.kind);
	}
}

static bool has_policy(const struct canary_spec *spec)
{
	return spec->policy.source != POLICY_STOCK;
}

static void check_match(const struct canary_spec *spec, bool can, struct spec_problems *problems)
{
	static const char path[] = "spec.analysis.match";
	if (spec->match == NULL || spec->skip_analysis)
		return;
	bool weighs = spec->iterations < 1 && !has_policy(spec);
	if (weighs && can)
		problem_warning(problems, path,
				"keeps all others away from the canary: without "
				"spec.analysis.iterations, weights are about those who match");
	else if (weighs)
		problem_warning(problems, path,
				"has no effect, because the provider %s cannot tell requests apart",
				spec->provider);
	else if (!can)
		problem_error(problems, path,
			      "the provider %s cannot tell requests apart: all traffic would go to "
			      "the canary",
			      spec->provider);
}

static void check_mirror(struct canary_spec *spec, bool can, struct spec_problems *problems)
{
	if (spec->mirror && !can) {
		problem_warning(problems, "spec.analysis.mirror",
				"has no effect, because the provider %s cannot mirror",
				spec->provider);
		spec->mirror = false;
	} else if (spec->mirror_weight > 0 && !spec->mirror) {
		problem_warning(problems, "spec.analysis.mirrorWeight",
				"has no effect without spec.analysis.mirror");
	}
}

static void check_step_weights(const struct canary_spec *spec, struct spec_problems *problems)
{
	double last = 0;
	size_t at = 0;
	const cJSON *weight;
	cJSON_ArrayForEach(weight, spec->step_weights)
	{
		if (!cJSON_IsNumber(weight))
			return;
		if (weight->valuedouble <= last) {
			char path[PROBLEM_PATH_MAX];
			problem_index(path, "spec.analysis.stepWeights", at);
			problem_warning(problems, path,
					"is not above the step before it, and is passed over");
		}
		last = weight->valuedouble;
		at++;
	}
	if (at > 0 && last == 0 && spec->iterations < 1 && !has_policy(spec))
		problem_error(problems, "spec.analysis.stepWeights",
			      "end with 0: the canary would be promoted without any traffic");
	if (spec->max_weight > 0)
		problem_warning(problems, "spec.analysis.maxWeight",
				"has no effect beside stepWeights, whose last is the most");
}

static void check_step_weight(const struct canary_spec *spec, struct spec_problems *problems)
{
	int most = spec->max_weight, step = spec->step_weight;
	if (most < 1 || most > 100 || step > 100)
		return;
	int over = (most + step - 1) / step * step;
	if (over != most && over <= 100)
		problem_warning(problems, "spec.analysis.maxWeight",
				"is not a multiple of stepWeight: the last step goes to %d", over);
}

static void check_steps(struct canary_spec *spec, struct spec_problems *problems)
{
	bool weights = spec->step_weight > 0 || spec->step_weights != NULL;
	bool routed = strcmp(spec->provider, "kubernetes") != 0;
	if (!weights && spec->iterations < 1 && !has_policy(spec) && !spec->skip_analysis)
		problem_error(problems, "spec.analysis",
			      "says no way forward: it needs one of stepWeight, stepWeights, "
			      "iterations and policy");
	if (weights && spec->iterations > 0 && routed)
		problem_warning(problems, "spec.analysis.iterations",
				"makes this a rollout by iterations; %s has no effect",
				spec->step_weight > 0 ? "stepWeight" : "stepWeights");
	if (spec->step_weight > 0 && spec->step_weights != NULL) {
		problem_warning(problems, "spec.analysis.stepWeights",
				"has no effect beside stepWeight");
		spec->step_weights = NULL;
	}
	if (spec->step_weights != NULL)
		check_step_weights(spec, problems);
	else if (spec->step_weight > 0)
		check_step_weight(spec, problems);
}

static void check_pace(const struct canary_spec *spec, struct spec_problems *problems)
{
	size_t at = 0;
	const cJSON *entry;
	cJSON_ArrayForEach(entry, spec->step_intervals)
	{
		char path[PROBLEM_PATH_MAX], interval[DURATION_TEXT_MAX];
		int64_t us;
		problem_index(path, "spec.analysis.stepIntervals", at++);
		duration_text(spec->interval_us, interval);
		if (cJSON_IsString(entry) && duration_parse(entry->valuestring, &us, NULL) &&
		    us < spec->interval_us)
			problem_warning(problems, path,
					"is shorter than the interval of %s, which is used instead",
					interval);
	}
	if (spec->watch_us > 0 && strcmp(spec->provider, "kubernetes") == 0)
		problem_warning(problems, "spec.analysis.watch",
				"has no effect with the provider kubernetes, which has no step of "
				"all traffic");
	else if (spec->watch_us > 0 && spec->strategy == STRATEGY_AB_TESTING)
		problem_warning(problems, "spec.analysis.watch",
				"has no effect in an A/B test, which has no step of all traffic");
}

/* What the Canary says goes through the hook `thresholds`, and what it has failed into the status.
 */
static void check_metrics(const struct canary_spec *spec, struct spec_problems *problems)
{
	static const char list_path[] = "spec.analysis.metrics";
	size_t limited = 0;
	const cJSON *list = json_get(spec->analysis, "metrics");
	SCOPED(text) char *text = list == NULL ? NULL : json_text(list);
	if (text != NULL && strlen(text) > POLICY_RESULT_MAX)
		problem_error(problems, list_path, "have %zu bytes together, %d are allowed",
			      strlen(text), POLICY_RESULT_MAX);
	for (size_t i = 0; i < spec->metric_count; i++) {
		char path[PROBLEM_PATH_MAX], below[PROBLEM_PATH_MAX];
		const struct metric_spec *metric = &spec->metrics[i];
		if (json_get(metric->json, "failureLimit") == NULL)
			continue;
		problem_index(path, list_path, i);
		problem_path(below, path, "failureLimit");
		if (strlen(metric->name) > LIMITED_NAME_MAX)
			problem_error(problems, below, "needs a name of at most %d characters",
				      LIMITED_NAME_MAX);
		else if (++limited > LIMITED_METRICS_MAX)
			problem_error(problems, below, "is possible for at most %d metrics",
				      LIMITED_METRICS_MAX);
	}
}

/* What scales by itself has no autoscaler. */
static void check_autoscaler(struct canary_spec *spec, struct spec_problems *problems)
{
	if (spec->scaler_name == NULL || spec->target == NULL || spec->target->scales)
		return;
	problem_warning(problems, "spec.autoscalerRef", "has no effect on a %s",
			spec->target->kube.kind);
	spec->scaler = NULL;
	spec->scaler_kind = spec->scaler_name = NULL;
}

static void check_canary_replicas(struct canary_spec *spec, struct spec_problems *problems)
{
	static const char path[] = "spec.analysis.canaryReplicas";
	if (spec->canary_replicas == 0 && spec->canary_percent == 0)
		return;
	if (spec->target != NULL && !spec->target->scales) {
		problem_warning(problems, path, "has no effect on a %s", spec->target->kube.kind);
		spec->canary_replicas = spec->canary_percent = 0;
	} else if (spec->scaler_name != NULL) {
		problem_warning(problems, path, "has no effect beside spec.autoscalerRef");
		spec->canary_replicas = spec->canary_percent = 0;
	} else if (spec->strategy == STRATEGY_BLUE_GREEN || spec->watch_us > 0) {
		problem_warning(problems, path,
				"is the scale with which the canary carries all traffic, too");
	}
}

/* The hooks that one step of the analysis may have to wait for, one after the other. */
static void check_hook_time(const struct canary_spec *spec, struct spec_problems *problems)
{
	int64_t sum = 0;
	for (size_t i = 0; i < spec->webhook_count; i++) {
		const struct webhook_spec *hook = &spec->webhooks[i];
		switch (hook->type) {
		case WEBHOOK_ROLLOUT:
		case WEBHOOK_CONFIRM_TRAFFIC_INCREASE:
		case WEBHOOK_ROLLBACK:
			sum += hook->timeout_us > INT64_MAX / 2 - sum ? 0 : hook->timeout_us;
			break;
		case WEBHOOK_CONFIRM_ROLLOUT:
		case WEBHOOK_PRE_ROLLOUT:
		case WEBHOOK_CONFIRM_PROMOTION:
		case WEBHOOK_POST_ROLLOUT:
		case WEBHOOK_EVENT:
			break;
		}
	}
	if (sum <= spec->interval_us)
		return;
	char sum_text[DURATION_TEXT_MAX], interval[DURATION_TEXT_MAX];
	duration_text(sum, sum_text);
	duration_text(spec->interval_us, interval);
	problem_warning(problems, "spec.analysis.webhooks",
			"may take %s in one step, longer than the interval of %s", sum_text,
			interval);
}

static void check_affinity(const struct canary_spec *spec, bool can, struct spec_problems *problems)
{
	static const char path[] = "spec.analysis.sessionAffinity";
	const cJSON *affinity = json_get(spec->analysis, "sessionAffinity");
	if (!cJSON_IsObject(affinity))
		return;
	const char *cookie = json_string_or(affinity, "cookieName", "");
	const char *primary = json_string_or(affinity, "primaryCookieName", "");
	if (cookie[0] != '\0' && strcmp(cookie, primary) == 0)
		problem_error(problems, path,
			      "can't use the same cookie name for both primary and cookie name; "
			      "please update them to be different");
	if (can)
		return;
	problem_warning(problems, path,
			"has no effect, because the provider %s cannot pin sessions",
			spec->provider);
	json_remove(json_at(spec->json, "analysis"), "sessionAffinity");
}

static void check_reference(const struct canary_spec *spec, const cJSON *reference,
			    const char *path, const char *what, struct spec_problems *problems)
{
	const char *namespace = json_string_or(reference, "namespace", "");
	if (namespace[0] != '\0' && strcmp(namespace, spec->namespace) != 0)
		problem_error(problems, path,
			      "can't access %s %s.%s, cross-namespace references are blocked", what,
			      json_string_or(reference, "name", ""), namespace);
}

static void check_references(const struct canary_spec *spec, struct spec_problems *problems)
{
	check_reference(spec, json_at(spec->json, "upstreamRef"), "spec.upstreamRef",
			"gloo upstream", problems);
	size_t at = 0;
	const cJSON *alert;
	cJSON_ArrayForEach(alert, json_get(spec->analysis, "alerts"))
	{
		char path[PROBLEM_PATH_MAX];
		snprintf(path, sizeof(path), "spec.analysis.alerts[%zu].providerRef", at++);
		check_reference(spec, json_get(alert, "providerRef"), path, "alert provider",
				problems);
	}
}

static void check_scaler(const struct canary_spec *spec, struct spec_problems *problems)
{
	double min = json_number(spec->scaler, "primaryScalerReplicas.minReplicas", 1);
	double max = json_number(spec->scaler, "primaryScalerReplicas.maxReplicas", min);
	if (min > max)
		problem_error(problems, "spec.autoscalerRef.primaryScalerReplicas",
			      "has a minReplicas above its maxReplicas");
	if (text_equal(spec->scaler_kind, "HorizontalPodAutoscaler") &&
	    json_at(spec->scaler, "primaryScalerQueries") != NULL)
		problem_warning(problems, "spec.autoscalerRef.primaryScalerQueries",
				"has no effect on a HorizontalPodAutoscaler");
}

void spec_check_together(struct canary_spec *spec, const struct spec_options *options,
			 struct spec_problems *problems)
{
	struct abilities can = check_provider(spec, problems);
	check_match(spec, can.match, problems);
	check_mirror(spec, can.mirror, problems);
	check_steps(spec, problems);
	check_pace(spec, problems);
	check_metrics(spec, problems);
	check_pods(spec, problems);
	check_autoscaler(spec, problems);
	check_canary_replicas(spec, problems);
	check_hook_time(spec, problems);
	check_affinity(spec, can.stick, problems);
	check_scaler(spec, problems);
	if (options->no_cross_namespace_refs)
		check_references(spec, problems);
}
