/*
 * policies.h - which policy decides for which canary.
 *
 * A canary's own policy (from a ConfigMap, inline, or a stock one by name) answers for the hooks it
 * has; the stock policy that the canary's fields select answers for the rest, and policies/defaults
 * for what all strategies share. Compiled policies are shared by text.
 */
#ifndef SLUICE_CANARY_POLICIES_H
#define SLUICE_CANARY_POLICIES_H

#include "canary/spec.h"
#include "script/policy.h"

struct policies;

struct policies *policies_new(void);
void policies_free(struct policies *policies);

/* The stock policy of a name. NULL and ERROR_NOT_FOUND without it. Owned by `policies`. */
struct policy *policies_stock(struct policies *policies, const char *name, struct error *err);
/* A policy of a text, compiled once (also when it cannot be). Owned by `policies`, which keeps the
 * last tens of texts: good until another one is asked for. */
struct policy *policies_text(struct policies *policies, const char *name, const char *text,
			     size_t len, struct error *err);

/* One tick's use of policies, asked in this order: the first that has the hook, and answers it with
 * something else than nil, decides. `own` may be NULL. */
struct policy_chain {
	struct policy *own, *stock, *defaults;
	struct policy_runs *runs; /* of the stock ones, for as long as the chain is used; or NULL */
	struct meter_allowance *allowance; /* what `own` may take in all; or NULL */
};
/* Fills in `stock` and `defaults`. Without policies/ there are none, and no strategy starts. */
bool policies_chain(struct policies *policies, enum strategy strategy, struct policy_chain *chain,
		    struct error *err) MUST_CHECK;
/* One run of the main chunk of each stock policy for all hooks that a tick asks in a row; for those
 * of users there is one for each hook, whose answer must not depend on what was asked before. */
struct policy_runs {
	struct policy_run *stock, *defaults;
};
void policy_runs_fini(struct policy_runs *runs);
/* `*owned_result` is what the hook answered; an error when nobody answers. */
bool policy_chain_call(const struct policy_chain *chain, enum policy_hook hook,
		       const cJSON *rollout, const cJSON *extra, cJSON **owned_result,
		       struct error *err) MUST_CHECK;

#endif
