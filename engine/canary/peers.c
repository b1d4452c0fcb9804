#include "canary/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static bool may_be_seen(const struct peers *peers, const struct canary_spec *spec, const char *key)
{
	size_t len = strcspn(key, "/");
	return !peers->own_namespace_only ||
	       (strlen(spec->namespace) == len && strncmp(spec->namespace, key, len) == 0);
}

cJSON *peers_find(const struct peers *peers, const struct canary_spec *spec, const char *namespace,
		  const char *name)
{
	SCOPED(text) char *key = xasprintf("%s/%s", namespace, name);
	if (!may_be_seen(peers, spec, key))
		return NULL;
	const struct record *record = records_find(peers->records, key);
	struct tree *tree = record == NULL ? NULL : record_tree(record);
	cJSON *canary = tree == NULL ? NULL : json_copy(tree->json);
	tree_drop(tree);
	return canary;
}

bool peers_leave_slot(const struct peers *peers, const struct canary_spec *spec, const char *slot,
		      int limit, int64_t since_us, int64_t now_us, struct buf *why)
{
	SCOPED(text) char *key = xasprintf("%s/%s", spec->namespace, spec->name);
	size_t total = peers->records->count, count = 0;
	struct claimant *others = xcalloc(total + 1, sizeof(*others));
	for (size_t i = 0; i < total; i++) {
		const struct record *record = peers->records->by_key[i];
		struct claim claim;
		if (strcmp(record->key, key) != 0 && may_be_seen(peers, spec, record->key) &&
		    peers->claim(record, &claim) && strcmp(claim.slot, slot) == 0)
			others[count++] = (struct claimant){record->key, claim};
	}
	bool free_for_it = slot_is_free(others, count, key, since_us, limit, now_us, why);
	free(others);
	return free_for_it;
}
