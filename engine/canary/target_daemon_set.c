/*
 * target_daemon_set.c - a DaemonSet as a target: it is stopped by a node selector that no node
 * has, and its primary is a copy.
 *
 * It has no conditions, so how long it makes no progress counts from when somebody began to wait.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"

#define STOP_KEY "flagger.app/scale-to-zero"
static const char stop_path[] = "spec.template.spec.nodeSelector[\"" STOP_KEY "\"]";

static bool fits(const cJSON *daemon_set, struct error *err)
{
	const char *type = json_string_or(daemon_set, "spec.updateStrategy.type", "");
	if (type[0] == '\0' || strcmp(type, "RollingUpdate") == 0)
		return true;
	return error_set(err, ERROR_INVALID,
			 "daemonset %s.%s must have RollingUpdate strategy but have %s",
			 json_string_or(daemon_set, "metadata.name", ""),
			 json_string_or(daemon_set, "metadata.namespace", ""), type);
}

static bool is_stopped(const cJSON *daemon_set)
{
	return json_string(daemon_set, stop_path) != NULL;
}

/* Stopped or not, it is the same revision. */
static cJSON *template(const cJSON *daemon_set)
{
	cJSON *copy = json_copy(json_at(daemon_set, "spec.template"));
	cJSON *selector = json_at(copy, "spec.nodeSelector");
	cJSON_DeleteItemFromObjectCaseSensitive(selector, STOP_KEY);
	if (selector != NULL && selector->child == NULL)
		json_remove(copy, "spec.nodeSelector");
	return copy;
}

static struct pod_counts pods(const cJSON *daemon_set)
{
	return (struct pod_counts){
		.wanted = json_int(daemon_set, "status.desiredNumberScheduled", 0),
		.updated = json_int(daemon_set, "status.updatedNumberScheduled", 0),
		.available = json_int(daemon_set, "status.numberAvailable", 0),
	};
}

static enum readiness ready(const cJSON *daemon_set, const struct ready_terms *terms,
			    struct error *why)
{
	static const char prefix[] = "waiting for rollout to finish: ";
	if (daemon_set == NULL) {
		error_set(why, ERROR_NOT_FOUND, "the daemonset is not there yet");
		return READY_NOT_YET;
	}
	const struct pod_counts counts = pods(daemon_set);
	if (json_int(daemon_set, "metadata.generation", 0) >
	    json_int(daemon_set, "status.observedGeneration", 0))
		error_set(why, ERROR_UNAVAILABLE,
			  "%sobserved daemonset generation less than desired generation", prefix);
	else if (counts.updated < counts.wanted)
		error_set(why, ERROR_UNAVAILABLE, "%s%ld out of %ld new pods have been updated",
			  prefix, counts.updated, counts.wanted);
	else if (counts.available < counts.wanted * terms->threshold / 100)
		error_set(why, ERROR_UNAVAILABLE,
			  "%s%ld of %ld (readyThreshold %d%%) updated pods are available", prefix,
			  counts.available, counts.wanted, terms->threshold);
	else
		return READY;
	/* At rest nobody knows since when a node is down; but who serves nobody must not stand in
	 * the way of a fix. */
	bool late = terms->since_us + terms->deadline_us < terms->now_us &&
		    (!terms->rests || counts.available == 0);
	return late ? READY_NEVER : READY_NOT_YET;
}

/* How many pods it has is for the nodes to say. */
static cJSON *scale(const cJSON *daemon_set, long replicas)
{
	if (is_stopped(daemon_set) == (replicas == 0))
		return NULL;
	cJSON *patch = cJSON_CreateObject();
	json_put(patch, stop_path, replicas == 0 ? cJSON_CreateString("true") : cJSON_CreateNull());
	return patch;
}

static const char *const copied[] = {"minReadySeconds", "revisionHistoryLimit", "updateStrategy",
				     NULL};

const struct target_kind target_daemon_set = {
	.kube = {"apps/v1", "DaemonSet", "daemonsets", false},
	.noun = "daemonset",
	.whole = true,
	.runs_pods = true,
	.tracks_configs = true,
	.pod_names = "[bcdfghjklmnpqrstvwxz2456789]{5}",
	.copied = copied,
	.fits = fits,
	.template = template,
	.pods = pods,
	.ready = ready,
	.is_stopped = is_stopped,
	.scale = scale,
};
