#include "canary/fleet.h"

#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"

/* One that waits asks at each interval. When it is this late it is suspended, or cannot decide. */
static const int64_t lateness_us = 2 * DURATION_MINUTE;

/* Most canaries have nothing to do with slots, and are not parsed. */
static bool mentions_slot(const cJSON *canary)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition, json_at(canary, "status.conditions"))
	{
		if (text_equal(json_string(condition, "type"), "Sluice"))
			return strstr(json_string_or(condition, "message", ""), "\"slot\":") !=
			       NULL;
	}
	return false;
}

bool claim_read(struct claim *claim, const cJSON *canary)
{
	struct status status;
	if (!mentions_slot(canary))
		return false;
	status_read(&status, json_get(canary, "status"));
	const struct memory *memory = &status.memory;
	*claim = (struct claim){
		.holds = !phase_is_at_rest(status.phase) && status.phase != PHASE_WAITING,
		.since_us = memory->slot_us,
		.until_us = memory->due_us + lateness_us,
	};
	text_copy(claim->slot, sizeof(claim->slot), memory->slot);
	status_fini(&status);
	return claim->slot[0] != '\0';
}

static bool is_before(const struct claimant *a, const char *key, int64_t since_us)
{
	return a->claim.since_us < since_us ||
	       (a->claim.since_us == since_us && strcmp(a->key, key) < 0);
}

static void name(struct buf *why, int *named, const char *key)
{
	enum { NAMED_MAX = 5 };
	if (++*named <= NAMED_MAX)
		buf_printf(why, "%s%s", *named == 1 ? " " : ", ", key);
	else if (*named == NAMED_MAX + 1)
		buf_puts(why, ", …");
}

bool slot_is_free(const struct claimant *others, size_t count, const char *key, int64_t since_us,
		  int limit, int64_t now_us, struct buf *why)
{
	int held = 0, before = 0, named = 0;
	for (size_t i = 0; i < count; i++) {
		const struct claim *claim = &others[i].claim;
		held += claim->holds;
		before += !claim->holds && now_us <= claim->until_us &&
			  is_before(&others[i], key, since_us);
	}
	if (held + before < limit)
		return true;
	buf_printf(why, "%d of %d taken%s", held, limit, held > 0 ? " by" : "");
	for (size_t i = 0; i < count; i++)
		if (others[i].claim.holds)
			name(why, &named, others[i].key);
	named = 0;
	if (held < limit)
		buf_puts(why, ", before it");
	for (size_t i = 0; i < count && held < limit; i++)
		if (!others[i].claim.holds && now_us <= others[i].claim.until_us &&
		    is_before(&others[i], key, since_us))
			name(why, &named, others[i].key);
	return false;
}
