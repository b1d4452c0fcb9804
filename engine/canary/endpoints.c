#include "canary/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"
#include "canary/unready.h"

/* Slices follow within a fraction of a second, unless the cluster is told to gather changes, or is
 * busy: then they are looked at ever more rarely, as each look is a request. */
static const int64_t look_soon_us = 500 * DURATION_MS;
static const int64_t first_slice_us = 2 * DURATION_SECOND;

static const cJSON *workload_of(const struct tick *tick, enum side side)
{
	return side == SIDE_PRIMARY ? tick->primary : tick->target;
}

/* Names the pods of a workload: others come with another generation, or where there is none with
 * another content. Never 0. */
static uint64_t pods_of(const cJSON *workload)
{
	char text[128];
	if (json_get(json_get(workload, "metadata"), "generation") == NULL)
		return json_digest(json_get(workload, "spec")) | 1;
	int len = snprintf(text, sizeof(text), "%.80s/%.0f",
			   json_string_or(workload, "metadata.uid", ""),
			   json_number(workload, "metadata.generation", 0));
	return hash64(text, (size_t)len) | 1;
}

/* Those that readiness was given for, but one at least where there shall be any. */
static long wanted_of(const struct tick *tick, enum side side)
{
	const struct target_kind *kind = tick->spec->target;
	const cJSON *workload = workload_of(tick, side);
	const struct pod_counts counts = kind->pods(workload);
	long wanted = side == SIDE_PRIMARY
			      ? counts.available
			      : counts.updated * tick->spec->canary_ready_threshold / 100;
	return wanted == 0 && kind->runs_pods && !target_is_stopped(kind, workload) ? 1 : wanted;
}

/* ---- the slices ---- */

/* https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/: "nil indicates an
 * unknown state", to be read as ready; and an endpoint may be in several slices for a while. */
static bool counts(const cJSON *endpoint, const char *prefix)
{
	const char *pod = text_equal(json_string(endpoint, "targetRef.kind"), "Pod")
				  ? json_string(endpoint, "targetRef.name")
				  : NULL;
	return json_bool(endpoint, "conditions.ready", true) &&
	       !json_bool(endpoint, "conditions.terminating", false) &&
	       (pod == NULL || text_starts(pod, prefix));
}

struct addresses {
	uint64_t *hashes; /* owned */
	size_t count, room;
};

static void add_address(struct addresses *addresses, const char *address)
{
	if (addresses->count == addresses->room) {
		addresses->room = addresses->room == 0 ? 64 : addresses->room * 2;
		addresses->hashes =
			xrealloc(addresses->hashes, addresses->room * sizeof(*addresses->hashes));
	}
	addresses->hashes[addresses->count++] = hash64(address, strlen(address));
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

static long count_family(const cJSON *slices, const char *family, const char *prefix)
{
	struct addresses addresses = {0};
	const cJSON *slice, *endpoint;
	cJSON_ArrayForEach(slice, json_get(slices, "items"))
	{
		if (strcmp(json_string_or(slice, "addressType", ""), family) != 0)
			continue;
		cJSON_ArrayForEach(endpoint, json_get(slice, "endpoints"))
		{
			if (counts(endpoint, prefix))
				add_address(&addresses,
					    json_string_or(endpoint, "addresses[0]", ""));
		}
	}
	long count = 0;
	if (addresses.count > 0)
		qsort(addresses.hashes, addresses.count, sizeof(*addresses.hashes), compare);
	for (size_t i = 0; i < addresses.count; i++)
		count += i == 0 || addresses.hashes[i] != addresses.hashes[i - 1];
	free(addresses.hashes);
	return count;
}

long endpoints_count(const cJSON *slices, const char *prefix)
{
	static const char *const families[] = {"IPv4", "IPv6", "FQDN"};
	long most = 0;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		long count = count_family(slices, families[i], prefix);
		most = count > most ? count : most;
	}
	return most;
}

/* ---- the wait ---- */

static int64_t since_us(const struct tick *tick, enum side side)
{
	const struct target_kind *kind = tick->spec->target;
	int64_t settled_us =
		kind->settled_us == NULL ? 0 : kind->settled_us(workload_of(tick, side));
	int64_t phase_us = tick->status.memory.since_us;
	return settled_us > phase_us ? settled_us : phase_us;
}

/* The Service is new, and so may be whoever makes its first slice: an empty one, at the least. */
static bool may_be_made(const struct tick *tick, enum side side)
{
	return tick->status.phase == PHASE_INITIALIZING &&
	       tick->now_us < since_us(tick, side) + first_slice_us;
}

static const struct answer *ask_slices(struct tick *tick, const char *service)
{
	char collection[KUBE_PATH_MAX], path[KUBE_PATH_MAX + KUBE_NAME_MAX + 64];
	kube_path(collection, &kube_endpoint_slice, tick->spec->namespace, NULL);
	snprintf(path, sizeof(path), "%s?labelSelector=kubernetes.io%%2Fservice-name%%3D%s",
		 collection, service);
	return ask_list(tick->asks, path);
}

enum step endpoints_await(struct tick *tick, enum side side, enum readiness *ready,
			  struct error *why)
{
	const struct canary_spec *spec = tick->spec;
	const char *service = side == SIDE_PRIMARY ? spec->primary : spec->canary;
	uint64_t pods = pods_of(workload_of(tick, side));
	*ready = READY;
	if (tick->beside != NULL || !tick->driver->can_weigh ||
	    tick->spec->target->driver != NULL || tick->reached[side] == pods)
		return STEP_ON;
	const struct answer *answer = ask_slices(tick, service);
	if (answer == NULL)
		return STEP_WAIT;
	bool unknown = answer->error.kind == ERROR_DENIED || answer->error.kind == ERROR_NOT_FOUND;
	if (answer->error.kind != ERROR_NONE && !unknown)
		return tick_trouble(tick, &answer->error);
	long wanted = wanted_of(tick, side);
	char prefix[KUBE_NAME_MAX] = "";
	if (spec->target->new_pods != NULL)
		spec->target->new_pods(workload_of(tick, side), tick->status.memory.since_us,
				       prefix);
	if (cJSON_GetArraySize(json_get(answer->object, "items")) == 0)
		unknown |= !may_be_made(tick, side);
	if (unknown || endpoints_count(answer->object, prefix) >= wanted) {
		tick->reached[side] = pods;
		return STEP_ON;
	}
	error_set(why, ERROR_UNAVAILABLE, "waiting for %ld endpoint%s of %s.%s", wanted,
		  wanted == 1 ? "" : "s", service, spec->namespace);
	bool late = since_us(tick, side) + spec->progress_deadline_us < tick->now_us;
	*ready = late ? READY_NEVER : READY_NOT_YET;
	return STEP_ON;
}

enum step endpoints_halt(struct tick *tick, enum side side, const struct error *why)
{
	unready_halt(tick, side, why);
	int64_t waited_us = tick->now_us - since_us(tick, side);
	int64_t pause_us = waited_us / 2 > look_soon_us ? waited_us / 2 : look_soon_us;
	if (tick->now_us + pause_us < tick->due_us)
		tick->due_us = tick->now_us + pause_us;
	return STEP_END;
}

void endpoints_note_served(struct tick *tick, const struct split *split)
{
	enum phase phase = tick->status.phase;
	/* The primary's pods are new then; the target's, once it is another revision. */
	bool renewed = phase == PHASE_INITIALIZING || phase == PHASE_PROMOTING ||
		       phase == PHASE_FINALISING;
	bool changed = strcmp(tick->revision, tick->status.memory.revision) != 0;
	if (tick->relieved)
		tick->reached[SIDE_PRIMARY] = 0;
	else if (split->primary > 0 && tick->primary != NULL && !renewed)
		tick->reached[SIDE_PRIMARY] = pods_of(tick->primary);
	if (tick->diverted)
		tick->reached[SIDE_CANARY] = 0;
	else if ((split->canary > 0 || split->mirror) && tick->target != NULL && !changed)
		tick->reached[SIDE_CANARY] = pods_of(tick->target);
}
