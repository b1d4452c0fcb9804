#include "kube/lease.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/path.h"

static const int64_t default_duration = 15 * DURATION_SECOND;
static const int64_t default_renew = 10 * DURATION_SECOND;
static const int64_t default_retry = 2 * DURATION_SECOND;

/* What a Lease says, as far as it can change hands. */
struct record {
	char *holder;
	char *acquired;
	char *renewed; /* compared, never read as a time: it is by somebody else's clock */
	int64_t duration_us;
};

struct lease {
	struct kube *kube;
	struct loop *loop;
	char path[KUBE_PATH_MAX], collection[KUBE_PATH_MAX];
	char *namespace, *name, *identity;
	int64_t duration_us, renew_us, retry_us;
	lease_call *changed;
	void *owner;

	cJSON *object; /* as it was last seen; NULL: look first */
	struct record seen;
	int64_t seen_at;	      /* 0: never */
	int64_t silence;	      /* for how long we have watched it not change */
	char acquired[TIME_TEXT_MAX]; /* the acquireTime of our last attempt to take it */

	uint64_t request, request_timer, step_timer, end_timer;
	int64_t asked_at;   /* when the attempt under way left */
	int64_t held_until; /* 0: not held */
	bool told;	    /* what the owner was told last */
	bool is_troubled;
};

static void step(void *owner, uint64_t token);

/* ---- what the owner knows ---- */

static void tell(struct lease *lease)
{
	bool held = lease_is_held(lease);
	if (held == lease->told)
		return;
	lease->told = held;
	log_info(NULL, "lease %s/%s: %s", lease->namespace, lease->name, held ? "held" : "lost");
	lease->changed(lease->owner, held);
}

static void on_end_of_time(void *owner, uint64_t token)
{
	(void)token;
	struct lease *lease = owner;
	lease->end_timer = 0;
	tell(lease);
}

static void hold(struct lease *lease)
{
	lease->held_until = lease->asked_at + lease->renew_us;
	loop_cancel(lease->loop, lease->end_timer);
	lease->end_timer = loop_at(lease->loop, lease->held_until, on_end_of_time, lease, 0);
	tell(lease);
}

static void let_go(struct lease *lease)
{
	lease->held_until = 0;
	tell(lease);
}

/* ---- what is seen ---- */

static void record_fini(struct record *record)
{
	free(record->holder);
	free(record->acquired);
	free(record->renewed);
	*record = (struct record){0};
}

static struct record record_of(const cJSON *object)
{
	long seconds = json_int(object, "spec.leaseDurationSeconds", 0);
	if (seconds < 0 || seconds > INT32_MAX) /* what the API allows */
		seconds = 0;
	return (struct record){
		.holder = xstrdup(json_string_or(object, "spec.holderIdentity", "")),
		.acquired = xstrdup(json_string_or(object, "spec.acquireTime", "")),
		.renewed = xstrdup(json_string_or(object, "spec.renewTime", "")),
		.duration_us = seconds * DURATION_SECOND,
	};
}

/* It is ours only when this very process took it: a namesake is somebody else. */
static bool is_ours(const struct lease *lease)
{
	return lease->object != NULL && lease->acquired[0] != '\0' &&
	       text_equal(lease->seen.holder, lease->identity) &&
	       text_equal(lease->seen.acquired, lease->acquired);
}

/* The silence grows by what passed between two looks, but by no more than two retries a look: the
 * rest may be a clock that jumped, or we were stopped, and in that time nobody was watched. */
static void see(struct lease *lease, const cJSON *object)
{
	cJSON_Delete(lease->object);
	lease->object = cJSON_Duplicate(object, true);
	struct record now = record_of(object);
	int64_t passed = loop_now(lease->loop) - lease->seen_at;
	int64_t most = 2 * lease->retry_us;
	bool is_same = lease->seen_at != 0 && text_equal(now.holder, lease->seen.holder) &&
		       text_equal(now.renewed, lease->seen.renewed);
	if (!text_equal(now.holder, lease->seen.holder) && now.holder[0] != '\0')
		log_info(NULL, "lease %s/%s: the holder is %s", lease->namespace, lease->name,
			 now.holder);
	lease->silence = is_same ? lease->silence + (passed < most ? passed : most) : 0;
	lease->seen_at = loop_now(lease->loop);
	record_fini(&lease->seen);
	lease->seen = now;
}

static bool is_free(const struct lease *lease)
{
	if (lease->seen.holder[0] == '\0')
		return true;
	int64_t duration =
		lease->seen.duration_us > 0 ? lease->seen.duration_us : lease->duration_us;
	return lease->silence >= duration;
}

/* ---- attempts ---- */

static void step_later(struct lease *lease)
{
	/* Up to a fifth more, so that those who wait do not all ask at once. */
	double share = 1 + 0.2 * chance_unit(kube_chance(lease->kube));
	int64_t wait = (int64_t)((double)lease->retry_us * share);
	loop_cancel(lease->loop, lease->step_timer);
	lease->step_timer = loop_at(lease->loop, loop_now(lease->loop) + wait, step, lease, 0);
}

static void note_trouble(struct lease *lease, const struct error *why)
{
	if (!lease->is_troubled)
		log_warn(NULL, "lease %s/%s: %s; trying again", lease->namespace, lease->name,
			 why->text);
	lease->is_troubled = true;
}

static void end_request(struct lease *lease)
{
	lease->request = 0;
	loop_cancel(lease->loop, lease->request_timer);
	lease->request_timer = 0;
}

/* The attempt may still have its effect; we shall see what it says. */
static void on_request_timeout(void *owner, uint64_t token)
{
	(void)token;
	struct lease *lease = owner;
	lease->request_timer = 0;
	kube_cancel(lease->kube, lease->request);
	end_request(lease);
	struct error why;
	error_set(&why, ERROR_TIMEOUT, "no answer in time");
	note_trouble(lease, &why);
	cJSON_Delete(lease->object);
	lease->object = NULL;
	step_later(lease);
}

/* A request gets half of the time until we must stop. */
static void ask(struct lease *lease, enum kube_verb verb, const cJSON *body, kube_done *done)
{
	lease->asked_at = loop_clock(lease->loop);
	const char *path = verb == KUBE_CREATE ? lease->collection : lease->path;
	lease->request = kube_send(lease->kube, verb, path, body, done, lease, 0);
	lease->request_timer = loop_at(lease->loop, loop_now(lease->loop) + lease->renew_us / 2,
				       on_request_timeout, lease, 0);
}

static void on_taken(void *owner, uint64_t token, const struct kube_reply *reply)
{
	(void)token;
	struct lease *lease = owner;
	end_request(lease);
	if (reply->error.kind == ERROR_NONE) {
		lease->is_troubled = false;
		see(lease, reply->object);
		if (is_ours(lease))
			hold(lease);
	} else {
		/* A conflict is somebody who was faster: no trouble. */
		if (reply->error.kind != ERROR_CONFLICT && reply->error.kind != ERROR_EXISTS)
			note_trouble(lease, &reply->error);
		cJSON_Delete(lease->object);
		lease->object = NULL;
	}
	step_later(lease);
}

/* Takes it, or keeps it: what is not ours to change in the object stays as it is. */
static void take(struct lease *lease)
{
	bool was_ours = is_ours(lease), is_new = lease->object == NULL;
	SCOPED(json)
	cJSON *body = is_new ? cJSON_CreateObject() : cJSON_Duplicate(lease->object, true);
	json_put_string(body, "apiVersion", kube_lease.api_version);
	json_put_string(body, "kind", kube_lease.kind);
	json_put_string(body, "metadata.name", lease->name);
	json_put_string(body, "metadata.namespace", lease->namespace);
	json_remove(body, "metadata.managedFields");
	char now[TIME_TEXT_MAX];
	time_text_micro(loop_clock(lease->loop), now);
	if (!was_ours) {
		long changes = is_new ? 0 : json_int(body, "spec.leaseTransitions", 0) + 1;
		json_put_number(body, "spec.leaseTransitions", (double)changes);
		json_put_string(body, "spec.acquireTime", now);
		text_copy(lease->acquired, sizeof(lease->acquired), now);
	}
	json_put_string(body, "spec.holderIdentity", lease->identity);
	int64_t seconds = (lease->duration_us + DURATION_SECOND - 1) / DURATION_SECOND;
	json_put_number(body, "spec.leaseDurationSeconds", (double)seconds);
	json_put_string(body, "spec.renewTime", now);
	ask(lease, is_new ? KUBE_CREATE : KUBE_UPDATE, body, on_taken);
}

static void on_seen(void *owner, uint64_t token, const struct kube_reply *reply)
{
	(void)token;
	struct lease *lease = owner;
	end_request(lease);
	if (reply->error.kind == ERROR_NOT_FOUND) {
		let_go(lease); /* deleted: anybody may create it now */
		take(lease);
		return;
	}
	if (reply->error.kind != ERROR_NONE) {
		note_trouble(lease, &reply->error);
		step_later(lease);
		return;
	}
	lease->is_troubled = false;
	see(lease, reply->object);
	if (is_ours(lease) || is_free(lease)) {
		take(lease);
		return;
	}
	let_go(lease);
	step_later(lease);
}

static void step(void *owner, uint64_t token)
{
	(void)token;
	struct lease *lease = owner;
	lease->step_timer = 0;
	if (is_ours(lease))
		take(lease);
	else
		ask(lease, KUBE_GET, NULL, on_seen);
}

/* ---- the public face ---- */

static int64_t or_default(int64_t value, int64_t fallback)
{
	return value > 0 ? value : fallback;
}

struct lease *lease_new(struct kube *kube, const struct lease_options *options, lease_call *changed,
			void *owner, struct error *err)
{
	struct lease *lease = xcalloc(1, sizeof(*lease));
	*lease = (struct lease){
		.kube = kube,
		.loop = kube_loop(kube),
		.namespace = xstrdup(options->namespace),
		.name = xstrdup(options->name),
		.identity = xstrdup(options->identity),
		.duration_us = or_default(options->duration_us, default_duration),
		.renew_us = or_default(options->renew_us, default_renew),
		.retry_us = or_default(options->retry_us, default_retry),
		.changed = changed,
		.owner = owner,
	};
	lease->seen.holder = xstrdup("");
	bool has_path = kube_path(lease->path, &kube_lease, options->namespace, options->name) &&
			kube_path(lease->collection, &kube_lease, options->namespace, NULL);
	if (!has_path)
		error_set(err, ERROR_INVALID, "%s/%s is not the name of a Lease",
			  options->namespace, options->name);
	else if (lease->renew_us >= lease->duration_us || lease->retry_us >= lease->renew_us)
		error_set(err, ERROR_INVALID,
			  "lease %s/%s: retry, renew and duration must be ever longer",
			  options->namespace, options->name);
	else {
		ask(lease, KUBE_GET, NULL, on_seen);
		return lease;
	}
	lease_free(lease);
	return NULL;
}

/* Whatever of ours is still on its way loses against this: its version is older. */
static void give_back(struct lease *lease)
{
	char now[TIME_TEXT_MAX];
	time_text_micro(loop_clock(lease->loop), now);
	SCOPED(json) cJSON *patch = cJSON_CreateArray();
	json_patch_add(patch, "test", "/spec/holderIdentity", cJSON_CreateString(lease->identity));
	json_patch_add(patch, "replace", "/spec/holderIdentity", cJSON_CreateString(""));
	json_patch_add(patch, "replace", "/spec/renewTime", cJSON_CreateString(now));
	kube_send(lease->kube, KUBE_JSON_PATCH, lease->path, patch, NULL, NULL, 0);
}

void lease_free(struct lease *lease)
{
	if (lease == NULL)
		return;
	kube_cancel(lease->kube, lease->request);
	loop_cancel(lease->loop, lease->request_timer);
	loop_cancel(lease->loop, lease->step_timer);
	loop_cancel(lease->loop, lease->end_timer);
	if (lease->held_until != 0)
		give_back(lease);
	cJSON_Delete(lease->object);
	record_fini(&lease->seen);
	free(lease->namespace);
	free(lease->name);
	free(lease->identity);
	free(lease);
}

bool lease_is_held(const struct lease *lease)
{
	return loop_clock(lease->loop) < lease->held_until;
}

const char *lease_holder(const struct lease *lease)
{
	return lease->seen.holder;
}
