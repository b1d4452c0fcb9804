#include "canary/policies.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "canary/verdict.h"

/* Texts of users that are kept compiled; searched in a row. */
enum { TEXTS_MAX = 64 };

struct kept {
	char *name;
	bool stock;
	char hash[SHA256_HEX_SIZE];
	struct policy *policy; /* NULL: it cannot be compiled, as `why` says */
	struct error why;
	uint64_t used;
};

struct policies {
	struct kept *items;
	size_t count, room;
	uint64_t uses;
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

/* Where the next one goes: TEXTS_MAX of users' are kept, then the one that was not used for the
 * longest time goes. */
static struct kept *make_room(struct policies *policies)
{
	struct kept *oldest = NULL;
	size_t texts = 0;
	for (size_t i = 0; i < policies->count; i++) {
		struct kept *kept = &policies->items[i];
		if (kept->stock)
			continue;
		texts++;
		if (oldest == NULL || kept->used < oldest->used)
			oldest = kept;
	}
	if (texts >= TEXTS_MAX) {
		policy_free(oldest->policy);
		free(oldest->name);
		return oldest;
	}
	if (policies->count == policies->room) {
		policies->room = policies->room == 0 ? 8 : policies->room * 2;
		policies->items =
			xrealloc(policies->items, policies->room * sizeof(*policies->items));
	}
	return &policies->items[policies->count++];
}

static struct kept *keep(struct policies *policies, const char *name, bool stock, const char *hash,
			 struct policy *policy)
{
	struct kept *kept = make_room(policies);
	*kept = (struct kept){.name = xstrdup(name), .stock = stock, .policy = policy};
	text_copy(kept->hash, sizeof(kept->hash), hash);
	kept->used = ++policies->uses;
	return kept;
}

struct policy *policies_stock(struct policies *policies, const char *name, struct error *err)
{
	struct policy *other = NULL;
	for (size_t i = 0; i < policies->count; i++) {
		if (!policies->items[i].stock)
			continue;
		other = policies->items[i].policy;
		if (strcmp(policies->items[i].name, name) == 0)
			return other;
	}
	struct policy *policy = policy_new_stock(name, other, err);
	return policy == NULL ? NULL : keep(policies, name, true, "", policy)->policy;
}

struct policy *policies_text(struct policies *policies, const char *name, const char *text,
			     size_t len, struct error *err)
{
	char hash[SHA256_HEX_SIZE];
	sha256_hex(text, len, hash);
	struct kept *kept = NULL;
	for (size_t i = 0; i < policies->count && kept == NULL; i++) {
		struct kept *item = &policies->items[i];
		if (!item->stock && strcmp(item->hash, hash) == 0 && strcmp(item->name, name) == 0)
			kept = item;
	}
	if (kept == NULL) {
		struct error why = {0};
		struct policy *policy = policy_new(name, text, len, &why);
		kept = keep(policies, name, false, hash, policy);
		kept->why = why;
	}
	kept->used = ++policies->uses;
	if (kept->policy == NULL)
		*err = kept->why;
	return kept->policy;
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

void policy_runs_fini(struct policy_runs *runs)
{
	policy_run_free(runs->stock);
	policy_run_free(runs->defaults);
	*runs = (struct policy_runs){0};
}

/* `shared` is where a run is kept for the next call; NULL: it is used once. */
static bool call(struct policy *policy, struct policy_run **shared, enum policy_hook hook,
		 const cJSON *rollout, const cJSON *extra, cJSON **owned_result, struct error *err)
{
	struct policy_run *run = shared == NULL ? NULL : *shared;
	if (run == NULL)
		run = policy_run_new(policy, shared != NULL, err);
	if (run == NULL)
		return false;
	bool called = policy_call(run, hook, rollout, extra, owned_result, err);
	if (shared != NULL)
		*shared = run;
	else
		policy_run_free(run);
	return called;
}

bool policy_chain_call(const struct policy_chain *chain, enum policy_hook hook,
		       const cJSON *rollout, const cJSON *extra, cJSON **owned_result,
		       struct error *err)
{
	struct policy *const policies[] = {chain->own, chain->stock, chain->defaults};
	struct policy_runs *runs = chain->runs;
	struct policy_run **const shared[] = {NULL, runs == NULL ? NULL : &runs->stock,
					      runs == NULL ? NULL : &runs->defaults};
	*owned_result = NULL;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		if (policies[i] == NULL || !policy_has(policies[i], hook))
			continue;
		if (i == 0)
			policy_allow(chain->own, chain->allowance);
		bool called = call(policies[i], shared[i], hook, rollout, extra, owned_result, err);
		if (i == 0)
			policy_allow(chain->own, NULL);
		if (!called)
			return false;
		if (*owned_result == NULL)
			continue;
		if (verdict_check(hook, owned_result, err))
			return true;
		policy_blame(policies[i], hook, err);
		cJSON_Delete(*owned_result);
		*owned_result = NULL;
		return false;
	}
	return error_set(err, ERROR_SCRIPT, "no policy has the hook %s", policy_hook_name(hook));
}
