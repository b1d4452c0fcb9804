/*
 * observer_fleet.c - what policies see of the other canaries, while another controller has them.
 */
#include "base/mem.h"
#include "canary/observer_parts.h"

/* The other controller knows no slots: whoever it has begun holds one. */
static bool claim_of(const struct record *record, struct claim *claim)
{
	const struct status *status = &record->observed->before;
	if (phase_is_at_rest(status->phase))
		return false;
	*claim = (struct claim){.holds = true, .since_us = status->memory.slot_us};
	text_copy(claim->slot, sizeof(claim->slot), status->memory.slot);
	return true;
}

static cJSON *find_peer(void *owner, const struct canary_spec *spec, const char *namespace,
			const char *name)
{
	const struct observer *observer = owner;
	return peers_find(&observer->peers, spec, namespace, name);
}

static bool grant_slot(void *owner, const struct canary_spec *spec, const char *slot, int limit,
		       int64_t since_us, struct buf *why)
{
	const struct observer *observer = owner;
	return peers_leave_slot(&observer->peers, spec, slot, limit, since_us,
				loop_now(observer->loop), why);
}

void observer_fleet(struct observer *observer, struct fleet *fleet)
{
	observer->peers = (struct peers){&observer->records,
					 observer->options.spec.no_cross_namespace_refs, claim_of};
	*fleet = (struct fleet){observer, find_peer, grant_slot};
}
