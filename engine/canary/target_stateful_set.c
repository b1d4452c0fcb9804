/*
 * target_stateful_set.c - a StatefulSet as a target: one object, whose pods are of two revisions
 * while it is released.
 *
 * Its partition says how many: pods from that ordinal on are of the update revision, those below it
 * of the current one, to which its controller makes them again. The current revision is forgotten
 * once all pods are of the other and ready, so until the promotion one pod stays as it was.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/mark.h"
#include "canary/target.h"

static long replicas_of(const cJSON *set)
{
	return json_int(set, "spec.replicas", 1);
}

static bool has_two(const cJSON *set)
{
	return !text_equal(json_string(set, "status.currentRevision"),
			   json_string(set, "status.updateRevision"));
}

bool partition_is_seen(const cJSON *set)
{
	return json_int(set, "metadata.generation", 0) <=
	       json_int(set, "status.observedGeneration", 0);
}

long partition_of(const cJSON *set)
{
	return json_int(set, "spec.updateStrategy.rollingUpdate.partition", 0);
}

long partition_stable_pods(const cJSON *set)
{
	long partition = partition_of(set), replicas = replicas_of(set);
	return partition < replicas ? partition : replicas;
}

/* Rounded down, so that the canary has no more traffic than it was given; but one pod at the least,
 * as none would have nothing to measure, and never the last one. */
static long pods_for(long replicas, int weight)
{
	long pods = replicas * weight / 100;
	if (pods < 1)
		pods = 1;
	return pods < replicas ? pods : replicas - 1;
}

long partition_wanted(const cJSON *set, const struct status *status, const struct split *split,
		      const char *revision)
{
	bool same = strcmp(revision, status->memory.revision) == 0;
	switch (status->phase) {
	case PHASE_NONE:
	case PHASE_INITIALIZING:
		return has_two(set) || !partition_is_seen(set) ? partition_of(set) : PARTITION_REST;
	case PHASE_SUCCEEDED:
	case PHASE_INITIALIZED:
		/* Until its controller has seen the template, nobody knows whether there are two.
		 */
		if (same && !partition_is_seen(set))
			return partition_of(set);
		return same && has_two(set) ? 0 : PARTITION_REST;
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
		return same && has_two(set) ? 0 : PARTITION_REST;
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
	case PHASE_WAITING:
		return split->canary > 0 && same
			       ? replicas_of(set) - pods_for(replicas_of(set), split->canary)
			       : PARTITION_REST;
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return 0;
	case PHASE_FAILED:
		return PARTITION_REST;
	}
	return PARTITION_REST;
}

static bool fits(const cJSON *set, struct error *err)
{
	const char *name = json_string_or(set, "metadata.name", "");
	const char *namespace = json_string_or(set, "metadata.namespace", "");
	const char *type = json_string_or(set, "spec.updateStrategy.type", "RollingUpdate");
	if (strcmp(type, "RollingUpdate") != 0)
		return error_set(err, ERROR_INVALID,
				 "statefulset %s.%s must have RollingUpdate strategy but have %s",
				 name, namespace, type);
	if (replicas_of(set) < 2)
		return error_set(err, ERROR_INVALID,
				 "statefulset %s.%s must have two replicas, so that one can be the "
				 "canary, but has %ld",
				 name, namespace, replicas_of(set));
	return true;
}

static struct pod_counts pods(const cJSON *set)
{
	return (struct pod_counts){
		.wanted = replicas_of(set),
		.updated = json_int(set, "status.updatedReplicas", 0),
		.available = json_int(set, "status.availableReplicas", 0),
	};
}

/* Its status does not say of which revision a pod is that is not available: of the newer one, as
 * its controller goes no further while such a one is not. */
static struct pod_counts side_pods(const cJSON *set, bool canary)
{
	const struct pod_counts all = pods(set);
	if (!has_two(set))
		return canary ? (struct pod_counts){0} : all;
	long newer = all.updated < all.wanted ? all.updated : all.wanted;
	long older = all.wanted - newer;
	long of_older = all.available < older ? all.available : older;
	if (!canary)
		return (struct pod_counts){older, 0, of_older};
	return (struct pod_counts){newer, newer, all.available - of_older};
}

static bool too_few(const char *noun, long available, long of, int threshold, struct error *why)
{
	if (available >= of * threshold / 100)
		return false;
	error_set(why, ERROR_UNAVAILABLE,
		  "waiting for rollout to finish: %ld of %ld (readyThreshold %d%%) %s pods are "
		  "available",
		  available > 0 ? available : 0, of, threshold, noun);
	return true;
}

/* Its status does not say of which revision a pod is that is not available: when the canary is
 * asked about, of the canary's, and else of the canary's as far as there are any. */
static bool waits(const cJSON *set, const struct ready_terms *terms, struct error *why)
{
	const struct pod_counts counts = pods(set);
	long stable = partition_stable_pods(set), missing = counts.wanted - counts.available;
	if (!partition_is_seen(set)) {
		error_set(
			why, ERROR_UNAVAILABLE,
			"waiting for rollout to finish: observed statefulset generation less than "
			"desired generation");
		return true;
	}
	if (!has_two(set))
		return !terms->canary &&
		       too_few("", counts.available, counts.wanted, terms->threshold, why);
	long canary = counts.wanted - stable;
	bool moves = terms->canary || stable == 0;
	if (moves && counts.updated < canary) {
		error_set(
			why, ERROR_UNAVAILABLE,
			"waiting for rollout to finish: %ld out of %ld new pods have been updated",
			counts.updated, canary);
		return true;
	}
	if (moves && too_few("updated", canary - missing, canary, terms->threshold, why))
		return true;
	if (terms->canary)
		return false;
	if (stable > 0)
		return too_few("stable", missing > canary ? stable - (missing - canary) : stable,
			       stable, terms->threshold, why);
	error_set(why, ERROR_UNAVAILABLE,
		  "waiting for rollout to finish: not all updated pods are ready");
	return true;
}

static enum readiness ready(const cJSON *set, const struct ready_terms *terms, struct error *why)
{
	if (set == NULL) {
		error_set(why, ERROR_NOT_FOUND, "the statefulset is not there yet");
		return READY_NOT_YET;
	}
	if (!waits(set, terms, why))
		return READY;
	/* As with a DaemonSet: who serves nobody must not stand in the way of a fix. */
	bool late = terms->since_us + terms->deadline_us < terms->now_us &&
		    (!terms->rests || pods(set).available == 0);
	return late ? READY_NEVER : READY_NOT_YET;
}

static bool same(const cJSON *set, const cJSON *primary)
{
	(void)primary;
	return partition_is_seen(set) && !has_two(set);
}

/* By their ordinals. */
static void name_pods(const cJSON *set, struct buf *pattern)
{
	long first = json_int(set, "spec.ordinals.start", 0);
	buf_puts(pattern, "(");
	for (long i = partition_stable_pods(set); i < replicas_of(set); i++)
		buf_printf(pattern, "%s%ld", pattern->len > 1 ? "|" : "", first + i);
	buf_puts(pattern, ")");
}

const struct target_kind target_stateful_set = {
	.kube = {"apps/v1", "StatefulSet", "statefulsets", false},
	.noun = "statefulset",
	.whole = true,
	.driver = "partition",
	.is_own_primary = true,
	.tracks_configs = true,
	.counted = COUNTED_BY_POD,
	.name_pods = name_pods,
	.fits = fits,
	.template = mark_without,
	.same = same,
	.pods = pods,
	.side_pods = side_pods,
	.ready = ready,
};
