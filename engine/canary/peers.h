/*
 * peers.h - what a canary may know of the others of its engine: their objects, and whether they
 * leave it a slot. Where references to other namespaces are blocked, only those of its own count.
 */
#ifndef SLUICE_CANARY_PEERS_H
#define SLUICE_CANARY_PEERS_H

#include "canary/fleet.h"
#include "canary/record.h"

/* What is known of a canary's claim on a slot; false: it has none. */
typedef bool peer_claim(const struct record *record, struct claim *claim);

/* All of them; `claim` differs with who has the canaries. */
struct peers {
	const struct records *records;
	bool own_namespace_only;
	peer_claim *claim;
};

/* A copy of the Canary, or NULL when there is none that `spec` may see. The caller frees. */
cJSON *peers_find(const struct peers *peers, const struct canary_spec *spec, const char *namespace,
		  const char *name);

/* Whether the others leave `spec` a place in `slot` (canary/fleet.h). O(canaries), once when a
 * release wants to begin. */
bool peers_leave_slot(const struct peers *peers, const struct canary_spec *spec, const char *slot,
		      int limit, int64_t since_us, int64_t now_us, struct buf *why);

#endif
