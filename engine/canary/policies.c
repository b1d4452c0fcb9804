#include "canary/policies.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* Tens of texts at most: searched in a row. */
struct kept {
	char *name;
	bool stock;
	char hash[SHA256_HEX_SIZE];
	struct policy *policy;
};

struct policies {
	struct kept *items;
	size_t count, room;
};

struct policies *policies_new(void)
{
	return xcalloc(1, sizeof(struct policies));
}

void policies_free(struct policies *policies)
{
	if (policies == NULL)
		return;
	for (size_t i = 0; i < policies->count; i++) {
		policy_free(policies->items[i].policy);
		free(policies->items[i].name);
	}
	free(policies->items);
	free(policies);
}

static struct policy *keep(struct policies *policies, const char *name, bool stock,
			   const char *hash, struct policy *policy)
{
	if (policies->count == policies->room) {
		policies->room = policies->room == 0 ? 8 : policies->room * 2;
		policies->items =
			xrealloc(policies->items, policies->room * sizeof(*policies->items));
	}
	struct kept *kept = &policies->items[policies->count++];
	*kept = (struct kept){.name = xstrdup(name), .stock = stock, .policy = policy};
	text_copy(kept->hash, sizeof(kept->hash), hash);
	return policy;
}

struct policy *policies_stock(struct policies *policies, const char *name, struct error *err)
{
	for (size_t i = 0; i < policies->count; i++)
		if (policies->items[i].stock && strcmp(policies->items[i].name, name) == 0)
			return policies->items[i].policy;
	struct policy *policy = policy_new_stock(name, err);
	return policy == NULL ? NULL : keep(policies, name, true, "", policy);
}

struct policy *policies_text(struct policies *policies, const char *name, const char *text,
			     size_t len, struct error *err)
{
	char hash[SHA256_HEX_SIZE];
	sha256_hex(text, len, hash);
	for (size_t i = 0; i < policies->count; i++) {
		const struct kept *kept = &policies->items[i];
		if (!kept->stock && strcmp(kept->hash, hash) == 0 && strcmp(kept->name, name) == 0)
			return kept->policy;
	}
	struct policy *policy = policy_new(name, text, len, err);
	return policy == NULL ? NULL : keep(policies, name, false, hash, policy);
}

bool policies_chain(struct policies *policies, enum strategy strategy, struct policy_chain *chain,
		    struct error *err)
{
	chain->stock = policies_stock(policies, strategy_name(strategy), err);
	if (chain->stock == NULL)
		return false;
	chain->defaults = policies_stock(policies, "defaults", err);
	return chain->defaults != NULL;
}

static bool call(struct policy *policy, enum policy_hook hook, const cJSON *rollout,
		 const cJSON *extra, cJSON **owned_result, struct error *err)
{
	struct policy_run *run = policy_run_new(policy, err);
	if (run == NULL)
		return false;
	bool called = policy_call(run, hook, rollout, extra, owned_result, err);
	policy_run_free(run);
	return called;
}

bool policy_chain_call(const struct policy_chain *chain, enum policy_hook hook,
		       const cJSON *rollout, const cJSON *extra, cJSON **owned_result,
		       struct error *err)
{
	struct policy *const policies[] = {chain->own, chain->stock, chain->defaults};
	*owned_result = NULL;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		if (policies[i] == NULL || !policy_has(policies[i], hook))
			continue;
		if (!call(policies[i], hook, rollout, extra, owned_result, err))
			return false;
		if (*owned_result != NULL)
			return true;
	}
	return error_set(err, ERROR_SCRIPT, "no policy has the hook %s", policy_hook_name(hook));
}
