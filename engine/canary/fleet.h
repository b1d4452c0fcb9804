/*
 * fleet.h - what a canary may know of the others: who holds a named slot, and how its peers fare.
 *
 * A slot is held from the commit that begins a release until its end, and waited for in the order
 * in which the canaries asked. Both stand in the statuses, so a restart loses neither.
 */
#ifndef SLUICE_CANARY_FLEET_H
#define SLUICE_CANARY_FLEET_H

#include "base/buf.h"
#include "canary/spec.h"
#include "canary/status.h"

/* What the status of a canary says about a slot. */
struct claim {
	char slot[SLOT_NAME_MAX];
	bool holds;
	int64_t since_us; /* it asked, or got it */
	int64_t until_us; /* when one that waits asks again; long after that it does not wait */
};
/* False when it holds none and waits for none. */
bool claim_read(struct claim *claim, const cJSON *canary);

/* One of several that want the same slot. */
struct claimant {
	const char *key; /* "namespace/name" */
	struct claim claim;
};
/* Whether `key`, waiting since `since_us`, may have it: fewer than `limit` hold it, and no more
 * wait before it than are free. Else `why` says who is in the way. */
bool slot_is_free(const struct claimant *others, size_t count, const char *key, int64_t since_us,
		  int limit, int64_t now_us, struct buf *why);

/* Of all canaries, as their watch told last; of one namespace where references to another are
 * blocked. */
struct fleet {
	void *owner;
	/* The Canary, or NULL; the caller frees. */
	cJSON *(*peer)(void *owner, const struct canary_spec *spec, const char *namespace,
		       const char *name);
	/* Reserves the slot for the tick of this canary until it ends. */
	bool (*grant)(void *owner, const struct canary_spec *spec, const char *slot, int limit,
		      int64_t since_us, struct buf *why);
};

#endif
