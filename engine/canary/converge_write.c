/*
 * converge_write.c - one object read, written, created or deleted, by the rules for all of them.
 */
#include "canary/converge_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/contest.h"
#include "canary/endpoints.h"
#include "canary/managed.h"
#include "canary/target.h"

enum step converge_look(struct tick *tick, const char *path, const cJSON **object)
{
	const struct answer *answer = ask_object(tick->asks, path);
	*object = NULL;
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->error.kind != ERROR_NONE)
		return tick_trouble(tick, &answer->error);
	*object = answer->object;
	return STEP_ON;
}

enum step converge_look_at(struct tick *tick, const struct kube_kind *kind, const char *name,
			   const cJSON **object)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, tick->spec->namespace, name);
	return converge_look(tick, path, object);
}

/* A step waits since it is due; before that, nobody does. */
static int64_t waits_since_us(const struct tick *tick)
{
	const struct memory *memory = &tick->status.memory;
	if (memory->due_us <= memory->since_us)
		return memory->since_us;
	return memory->due_us < tick->now_us ? memory->due_us : tick->now_us;
}

int64_t converge_pause_us(const struct tick *tick)
{
	int64_t since_us = tick->status.memory.paused_us;
	return since_us == 0 ? 0 : tick->now_us - since_us;
}

/* While it is paused no deadline runs out. */
enum readiness converge_ready(const struct tick *tick, enum side side, struct error *why)
{
	const struct canary_spec *spec = tick->spec;
	const struct memory *memory = &tick->status.memory;
	bool canary = side == SIDE_CANARY;
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	if (spec->target->also != NULL)
		spec->target->also(tick->target, paths);
	SCOPED(json) cJSON *others = asks_objects(tick->asks, paths);
	const struct ready_terms terms = {
		.canary = canary,
		.threshold = canary ? spec->canary_ready_threshold : spec->primary_ready_threshold,
		.deadline_us = spec->progress_deadline_us + memory->paused_for_us +
			       converge_pause_us(tick),
		.since_us = waits_since_us(tick),
		.rests = phase_is_at_rest(tick->status.phase),
		.now_us = tick->now_us,
		.others = others,
	};
	return spec->target->ready(canary ? tick->target : tick->primary, &terms, why);
}

static bool is_ready(const struct tick *tick, enum side side, struct error *why)
{
	const cJSON *workload = side == SIDE_CANARY ? tick->target : tick->primary;
	return !target_is_stopped(tick->spec->target, workload) &&
	       converge_ready(tick, side, why) == READY;
}

bool converge_serves(const struct tick *tick, enum side side)
{
	return tick->spec->target->pods(side == SIDE_CANARY ? tick->target : tick->primary)
		       .available > 0;
}

/* Traffic never goes to a backend that is not ready while the other one serves, whatever a policy
 * or a phase wants: the routes stay as they are until it is. Before the first release there is no
 * other. True when the split would do that. */
static bool would_harm(struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const struct split split = converge_split(tick);
	struct error why = {0};
	const char *name = NULL;
	if (tick->status.phase == PHASE_INITIALIZING || tick->primary == NULL ||
	    tick->target == NULL || spec->target->driver != NULL)
		return false;
	if (split.primary > 0 && converge_serves(tick, SIDE_CANARY) &&
	    !is_ready(tick, SIDE_PRIMARY, &why))
		name = spec->primary_target;
	else if (split.canary > 0 && converge_serves(tick, SIDE_PRIMARY) &&
		 !is_ready(tick, SIDE_CANARY, &why))
		name = spec->target_name;
	if (name != NULL)
		tick_halt(tick, "no traffic goes to %s.%s, which is not ready: %s", name,
			  spec->namespace, why.text);
	return name != NULL;
}

/* The same of the Services that lead there. */
static enum step await_endpoints(struct tick *tick)
{
	const struct split split = converge_split(tick);
	const struct {
		enum side side;
		bool wanted;
		enum side other;
	} sides[] = {
		{SIDE_PRIMARY, split.primary > 0, SIDE_CANARY},
		{SIDE_CANARY, split.canary > 0 || split.mirror, SIDE_PRIMARY},
	};
	if (tick->status.phase == PHASE_INITIALIZING || tick->primary == NULL ||
	    tick->target == NULL || tick->spec->target->driver != NULL)
		return STEP_ON;
	/* Routes that do not follow a move of ours are put back, and pods may be others since. */
	if (!tick->moved)
		memset(tick->reached, 0, sizeof(tick->reached));
	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		struct error why = {0};
		enum readiness ready;
		if (!sides[i].wanted || !converge_serves(tick, sides[i].other))
			continue;
		enum step step = endpoints_await(tick, sides[i].side, &ready, &why);
		if (step != STEP_ON)
			return step;
		tick->unreached = ready != READY;
		if (tick->unreached)
			return endpoints_halt(tick, sides[i].side, &why);
	}
	return STEP_ON;
}

static const struct answer *ask_to_write(struct tick *tick, enum kube_verb verb, const char *path,
					 const cJSON *body)
{
	char label[KUBE_PATH_MAX + KUBE_NAME_MAX + 16];
	snprintf(label, sizeof(label), "write %d %s/%s", (int)verb, path,
		 verb == KUBE_CREATE ? json_string_or(body, "metadata.name", "") : "");
	return ask_write(tick->asks, label, verb, path, body);
}

/* A test of the patch failed, or what it is about is not there: the object has moved since it was
 * read. An object that would come out invalid is named instead. */
static bool does_not_fit(const struct error *refused)
{
	return refused->kind == ERROR_INVALID &&
	       strstr(refused->text, "rejected our request due to an error in our request") != NULL;
}

enum step converge_write(struct tick *tick, enum kube_verb verb, const char *path,
			 const cJSON *body)
{
	if (tick->routing) {
		enum step step = would_harm(tick) ? STEP_END : await_endpoints(tick);
		if (step != STEP_ON)
			return step;
	}
	const struct answer *answer = ask_to_write(tick, verb, path, body);
	tick->wrote = true; /* once it is written a look says that all is well */
	if (answer == NULL)
		return STEP_WAIT;
	if (verb == KUBE_JSON_PATCH && does_not_fit(&answer->error)) {
		struct error err = answer->error;
		err.kind = ERROR_CONFLICT;
		return tick_trouble(tick, &err);
	}
	if (answer->error.kind == ERROR_INVALID)
		return tick_halt(tick, "%s", answer->error.text);
	if (answer->error.kind != ERROR_NONE)
		return tick_trouble(tick, &answer->error);
	return STEP_ON;
}

/* Fenced by the version that it was computed from. */
static enum step write_at(struct tick *tick, enum kube_verb verb, const char *path,
			  const cJSON *wanted, const char *version)
{
	SCOPED(json) cJSON *fenced = json_copy(wanted);
	json_put_string(fenced, "metadata.resourceVersion", version);
	return converge_write(tick, verb, path, fenced);
}

/* The same, after a look at it. What is not to be trusted is written though it seems to say what is
 * wanted: an element of a list may say more (a mirror). */
static enum step ensure_seen(struct tick *tick, const char *path, const cJSON *wanted, bool ours,
			     bool trusted)
{
	const cJSON *live;
	enum step step = converge_look(tick, path, &live);
	if (step != STEP_ON)
		return step;
	if (live == NULL) {
		char collection[KUBE_PATH_MAX];
		text_copy(collection, sizeof(collection), path);
		*strrchr(collection, '/') = '\0';
		return converge_write(tick, KUBE_CREATE, collection, wanted);
	}
	if (trusted && json_covers(live, wanted) && !(ours && managed_has_more(live, wanted)))
		return STEP_ON;
	if (ours && managed_outlive(live)) {
		SCOPED(json) cJSON *upgrade = managed_upgrade(live);
		step = converge_write(tick, KUBE_JSON_PATCH, path, upgrade);
		if (step == STEP_ON)
			step = converge_look(tick, path, &live);
		if (step != STEP_ON)
			return step;
	}
	step = contest_look(tick, path, json_string_or(wanted, "kind", ""), wanted);
	if (step != STEP_ON)
		return step;
	return write_at(tick, ours ? KUBE_APPLY : KUBE_MERGE, path, wanted,
			json_string(live, "metadata.resourceVersion"));
}

enum step converge_ensure_as(struct tick *tick, const char *path, const cJSON *wanted, bool trusted)
{
	return converge_ensure_digest(tick, path, wanted, json_digest(wanted), trusted);
}

enum step converge_ensure_digest(struct tick *tick, const char *path, const cJSON *wanted,
				 uint64_t digest, bool trusted)
{
	bool ours = json_get(json_get(wanted, "metadata"), "ownerReferences") != NULL;
	char version[24];
	if (asks_says(tick->asks, path, digest, version) && trusted)
		return STEP_ON;
	enum step step = STEP_ON;
	if (ours && version[0] != '\0') {
		step = write_at(tick, KUBE_APPLY, path, wanted, version);
	} else {
		step = ensure_seen(tick, path, wanted, ours, trusted);
	}
	if (step == STEP_ON)
		asks_note(tick->asks, path, digest);
	return step;
}

enum step converge_ensure(struct tick *tick, const struct kube_kind *kind, cJSON *owned_wanted)
{
	SCOPED(json) cJSON *wanted = owned_wanted;
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, tick->spec->namespace, json_string_or(wanted, "metadata.name", ""));
	return converge_ensure_as(tick, path, wanted, true);
}

enum step converge_create(struct tick *tick, const struct kube_kind *kind, cJSON *owned_wanted)
{
	SCOPED(json) cJSON *wanted = owned_wanted;
	const cJSON *live;
	enum step step =
		converge_look_at(tick, kind, json_string_or(wanted, "metadata.name", ""), &live);
	if (step != STEP_ON || live != NULL)
		return step;
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, tick->spec->namespace, NULL);
	return converge_write(tick, KUBE_CREATE, path, wanted);
}

enum step converge_delete_at(struct tick *tick, const char *path)
{
	const cJSON *live;
	enum step step = converge_look(tick, path, &live);
	if (step != STEP_ON || live == NULL)
		return step;
	const struct answer *answer = ask_to_write(tick, KUBE_DELETE, path, NULL);
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->error.kind == ERROR_NONE)
		return STEP_ON;
	if (answer->error.kind != ERROR_DENIED)
		return tick_trouble(tick, &answer->error);
	SCOPED(text) char *canary = xasprintf("%s.%s", tick->spec->name, tick->spec->namespace);
	log_warn(canary, "%s: it stays", answer->error.text);
	return STEP_ON;
}

enum step converge_delete(struct tick *tick, const struct kube_kind *kind, const char *name)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, tick->spec->namespace, name);
	return converge_delete_at(tick, path);
}
