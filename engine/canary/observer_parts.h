/*
 * observer_parts.h - what the files of the observer share.
 */
#ifndef SLUICE_CANARY_OBSERVER_PARTS_H
#define SLUICE_CANARY_OBSERVER_PARTS_H

#include "canary/beside.h"
#include "canary/observer.h"
#include "canary/peers.h"
#include "canary/record.h"
#include "canary/sight.h"

struct observed {
	bool adopted;
	struct status before; /* owned: as it was when it was last looked at, with our memory */
	/* Digests of its status then, and of the one that is looked at now. */
	char seen[HASH_TEXT_MAX], now[HASH_TEXT_MAX];
	int64_t wrote_us;
	struct beside beside;
	char idle[HASH_TEXT_MAX]; /* what was told of its doing nothing */
	bool waits_for_begin;	  /* its target has changed */
	struct sight sight;
};

struct observer {
	const struct tick_world *world;
	struct observer_options options;
	struct kube *kube;
	struct loop *loop;
	struct watch *canaries;
	struct kept *kept;
	struct records records;
	struct peers peers;
	struct fleet fleet;
	size_t running;
};

/* What policies see of the other canaries. */
void observer_fleet(struct observer *observer, struct fleet *fleet);

#endif
