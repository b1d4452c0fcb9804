/*
 * observer_fleet.c - what policies see of the other canaries, while another controller has them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/observer_parts.h"

static cJSON *find_peer(void *owner, const struct canary_spec *spec, const char *namespace,
			const char *name)
{
	const struct observer *observer = owner;
	SCOPED(text) char *key = xasprintf("%s/%s", namespace, name);
	return records_peer(&observer->records, spec,
			    observer->options.spec.no_cross_namespace_refs, key);
}

/* The other controller knows no slots: whoever it has begun holds one. */
static bool grant_slot(void *owner, const struct canary_spec *spec, const char *slot, int limit,
		       int64_t since_us, struct buf *why)
{
	const struct observer *observer = owner;
	size_t total = observer->records.count, count = 0;
	SCOPED(text) char *key = xasprintf("%s/%s", spec->namespace, spec->name);
	struct claimant *others = xcalloc(total + 1, sizeof(*others));
	struct claim *claims = xcalloc(total + 1, sizeof(*claims));
	for (size_t i = 0; i < total; i++) {
		const struct record *record = observer->records.by_key[i];
		const struct status *status = &record->observed->before;
		if (strcmp(record->key, key) == 0 || strcmp(status->memory.slot, slot) != 0 ||
		    phase_is_at_rest(status->phase) ||
		    !peer_may_be_seen(spec, observer->options.spec.no_cross_namespace_refs,
				      record->key))
			continue;
		claims[count] = (struct claim){.holds = true, .since_us = status->memory.slot_us};
		text_copy(claims[count].slot, sizeof(claims[count].slot), slot);
		others[count] = (struct claimant){record->key, &claims[count]};
		count++;
	}
	bool granted =
		slot_is_free(others, count, key, since_us, limit, loop_now(observer->loop), why);
	free(claims);
	free(others);
	return granted;
}

void observer_fleet(struct observer *observer, struct fleet *fleet)
{
	*fleet = (struct fleet){observer, find_peer, grant_slot};
}
