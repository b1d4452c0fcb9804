/*
 * target_deployment.c - a Deployment as a target: it scales to zero, and its primary is a copy.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"

static const cJSON *condition_of(const cJSON *deployment, const char *type)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition, json_at(deployment, "status.conditions"))
	{
		if (text_equal(json_string(condition, "type"), type))
			return condition;
	}
	return NULL;
}

static bool is_older_than_deadline(const cJSON *condition, const struct ready_terms *terms)
{
	int64_t since_us;
	return time_parse(json_string_or(condition, "lastUpdateTime", ""), &since_us, NULL) &&
	       since_us + terms->deadline_us < terms->now_us;
}

/* It has been unavailable for longer than it may be; or its rolling update came no further for that
 * long, while old pods keep it available. */
static bool is_past_deadline(const cJSON *deployment, const struct ready_terms *terms)
{
	const cJSON *available = condition_of(deployment, "Available");
	const cJSON *progressing = condition_of(deployment, "Progressing");
	if (progressing == NULL || available == NULL)
		return false;
	if (text_equal(json_string(available, "status"), "False") &&
	    text_equal(json_string(available, "reason"), "MinimumReplicasUnavailable") &&
	    is_older_than_deadline(available, terms))
		return true;
	return !terms->rests &&
	       !text_equal(json_string(progressing, "reason"), "NewReplicaSetAvailable") &&
	       is_older_than_deadline(progressing, terms);
}

static struct pod_counts pods(const cJSON *deployment)
{
	return (struct pod_counts){
		.wanted = json_int(deployment, "spec.replicas", 1),
		.updated = json_int(deployment, "status.updatedReplicas", 0),
		.available = json_int(deployment, "status.availableReplicas", 0),
	};
}

static enum readiness ready(const cJSON *deployment, const struct ready_terms *terms,
			    struct error *reason)
{
	if (deployment == NULL) {
		error_set(reason, ERROR_NOT_FOUND, "the deployment is not there yet");
		return READY_NOT_YET;
	}
	const struct pod_counts counts = pods(deployment);
	long replicas = json_int(deployment, "status.replicas", 0);
	static const char prefix[] = "waiting for rollout to finish: ";
	if (json_int(deployment, "metadata.generation", 0) >
	    json_int(deployment, "status.observedGeneration", 0)) {
		error_set(reason, ERROR_UNAVAILABLE,
			  "%sobserved deployment generation less than desired generation", prefix);
		return READY_NOT_YET;
	}
	if (text_equal(json_string(condition_of(deployment, "Progressing"), "reason"),
		       "ProgressDeadlineExceeded")) {
		error_set(reason, ERROR_TIMEOUT, "deployment \"%s\" exceeded its progress deadline",
			  json_string_or(deployment, "metadata.name", ""));
		return READY_NEVER;
	}
	if (counts.updated < counts.wanted)
		error_set(reason, ERROR_UNAVAILABLE,
			  "%s%ld out of %ld new replicas have been updated", prefix, counts.updated,
			  counts.wanted);
	else if (replicas > counts.updated)
		error_set(reason, ERROR_UNAVAILABLE, "%s%ld old replicas are pending termination",
			  prefix, replicas - counts.updated);
	else if (counts.available < counts.updated * terms->threshold / 100)
		error_set(reason, ERROR_UNAVAILABLE,
			  "%s%ld of %ld (readyThreshold %d%%) updated replicas are available",
			  prefix, counts.available, counts.updated, terms->threshold);
	else
		return READY;
	return is_past_deadline(deployment, terms) ? READY_NEVER : READY_NOT_YET;
}

static int64_t settled_us(const cJSON *deployment)
{
	static const char *const types[] = {"Available", "Progressing"};
	int64_t last_us = 0, us;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const cJSON *condition = condition_of(deployment, types[i]);
		if (time_parse(json_string_or(condition, "lastUpdateTime", ""), &us, NULL) &&
		    us > last_us)
			last_us = us;
	}
	return last_us;
}

/* "ReplicaSet \"podinfo-primary-5d8f7\" has successfully progressed." Where a rollout needed no
 * pods, or all of them were ready at once, the condition is of an earlier one, which may have ended
 * in the very second in which this one began: hence its time, of whole seconds, and no grace.
 */
static void new_pods(const cJSON *deployment, int64_t since_us, char prefix[KUBE_NAME_MAX])
{
	const cJSON *condition = condition_of(deployment, "Progressing");
	const char *name = json_string_or(deployment, "metadata.name", "");
	const char *set = strchr(json_string_or(condition, "message", ""), '"');
	int64_t updated_us;
	prefix[0] = '\0';
	if (set == NULL ||
	    !text_equal(json_string(condition, "reason"), "NewReplicaSetAvailable") ||
	    !time_parse(json_string_or(condition, "lastUpdateTime", ""), &updated_us, NULL) ||
	    updated_us < since_us)
		return;
	set++;
	size_t len = strcspn(set, "\"");
	if (len + 2 <= KUBE_NAME_MAX && text_starts(set, name) && set[strlen(name)] == '-')
		snprintf(prefix, KUBE_NAME_MAX, "%.*s-", (int)len, set);
}

static bool is_stopped(const cJSON *deployment)
{
	return json_int(deployment, "spec.replicas", 1) == 0;
}

static cJSON *scale(const cJSON *deployment, long replicas)
{
	if (json_int(deployment, "spec.replicas", 1) == replicas)
		return NULL;
	cJSON *patch = cJSON_CreateObject();
	json_put_number(patch, "spec.replicas", (double)replicas);
	return patch;
}

static const char *const copied[] = {"progressDeadlineSeconds", "minReadySeconds",
				     "revisionHistoryLimit", "strategy", NULL};

const struct target_kind target_deployment = {
	.kube = {"apps/v1", "Deployment", "deployments", false},
	.noun = "deployment",
	.scales = true,
	.whole = true,
	.runs_pods = true,
	.tracks_configs = true,
	.rewrites_affinity = true,
	/* A hash of the template and one of the pod: TARGET-primary-… is not among them. */
	.pod_names = "[0-9a-zA-Z]+(-[0-9a-zA-Z]+)",
	.copied = copied,
	.pods = pods,
	.ready = ready,
	.settled_us = settled_us,
	.new_pods = new_pods,
	.is_stopped = is_stopped,
	.scale = scale,
};

int workload_wanted_replicas(const struct canary_spec *spec, const cJSON *target,
			     const cJSON *primary, const cJSON *scaler)
{
	long replicas = json_int(target, "spec.replicas", 1);
	if (spec->canary_replicas > 0)
		return spec->canary_replicas;
	if (spec->canary_percent > 0) {
		long of = json_int(primary, "spec.replicas", 1) * spec->canary_percent;
		return of > 100 ? (int)((of + 99) / 100) : 1;
	}
	if (replicas > 0)
		return (int)replicas;
	if (spec->scaler_name == NULL)
		replicas = json_int(primary, "spec.replicas", 1);
	else
		replicas = json_int(scaler, "spec.minReplicas",
				    json_int(scaler, "spec.minReplicaCount", 1));
	return replicas > 1 ? (int)replicas : 1;
}
