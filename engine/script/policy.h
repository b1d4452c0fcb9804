/*
 * policy.h - a policy: Lua text that decides, in a sandbox that cannot hurt anybody.
 *
 * A policy text is compiled once, into a Lua state with a memory cap: one of a user's into a state
 * of its own. Each run loads the main chunk afresh, so nothing leaks from tick to tick or from
 * canary to canary; hooks take a table and return a table, and have no clock, no chance and no I/O.
 * Every call is metered: a policy that loops, allocates or works for ever ends in ERROR_SCRIPT with
 * file and line within 50 ms, whatever it caught with pcall.
 */
#ifndef SLUICE_SCRIPT_POLICY_H
#define SLUICE_SCRIPT_POLICY_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/error.h"
#include "script/meter.h"

struct policy;
struct policy_run;

enum policy_hook {
	HOOK_START,
	HOOK_THRESHOLDS,
	HOOK_MATCH,
	HOOK_JUDGE,
	HOOK_STEP,
	HOOK_PACE,
	HOOK_ROLLBACK,
	HOOK_PROMOTION,
	POLICY_HOOKS,
};
const char *policy_hook_name(enum policy_hook hook);

/* Compiles the text and runs its main chunk once, to check it: it must return a table whose keys
 * are hook names (or `name`, `description`, `params`), whose hooks are functions. `name` stands in
 * messages ("podinfo.lua:12: …"). NULL and ERROR_SCRIPT (or ERROR_INVALID for an unknown hook)
 * otherwise. */
struct policy *policy_new(const char *name, const char *text, size_t len,
			  struct error *err) MUST_CHECK;
/* A stock policy from the embedded (or overlaid) policies/: "canary", "blue-green", "ab-testing",
 * "defaults". ERROR_NOT_FOUND without it. `beside` is another one, whose Lua state it is put into,
 * or NULL. */
struct policy *policy_new_stock(const char *name, struct policy *beside,
				struct error *err) MUST_CHECK;
void policy_free(struct policy *policy);
const char *policy_name(const struct policy *policy);
const char *policy_hash(const struct policy *policy); /* 16 hex digits of the text's SHA-256 */
const char *policy_text(const struct policy *policy);
int policy_line(const struct policy *policy, enum policy_hook hook); /* where a hook begins; 0 */
bool policy_has(const struct policy *policy, enum policy_hook hook);
/* Asks the hook once more, to see the line of the `return` that gave its answer; the line where it
 * begins when there is none. False when it answers nil: then another policy is asked. */
bool policy_trace(struct policy *policy, enum policy_hook hook, const cJSON *rollout,
		  const cJSON *extra, int *line) MUST_CHECK;
/* What all calls to come may take together; borrowed. NULL: each what one call may. */
void policy_allow(struct policy *policy, struct meter_allowance *allowance);
/* Puts "mine.lua:12: step: " (where the hook begins) before what is wrong with its answer. */
void policy_blame(const struct policy *policy, enum policy_hook hook, struct error *err);
size_t policy_bytes(const struct policy *policy); /* what its Lua state holds now */

/* One tick's use of a policy: the main chunk runs in a fresh environment. Policies that `share` the
 * tables of a rollout are given the same ones again while these say the same (script/pushed.h):
 * they must leave them alone. */
struct policy_run *policy_run_new(struct policy *policy, bool shares, struct error *err) MUST_CHECK;
void policy_run_free(struct policy_run *run);
/* Calls a hook: `hook(rollout)` or `hook(rollout, extra)`. `*owned_result` is the value it
 * returned, as JSON (NULL for nil); the caller frees. Functions, cycles, too deep or too large
 * values in the result are errors. */
bool policy_call(struct policy_run *run, enum policy_hook hook, const cJSON *rollout,
		 const cJSON *extra, cJSON **owned_result, struct error *err) MUST_CHECK;

#endif
