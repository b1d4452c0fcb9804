/*
 * decision.h - the exact inputs and answers of the policy's hooks in one run of a tick, as JSON.
 *
 *     {"policies": [{"name", "hash"}…], "rollout": {…}, "samples": […], "asked": ["query"…],
 *      "raw": ["what the store said"…], "calls": [{"hook", "chain": [0, 1], "measured", "sample",
 *      "answer" | "error"}…], "move": {"kind", "weight", …}, "theirs":
 *      {"controller", "did", …}}
 *
 * `chain` are positions in `policies`, in the order in which they were asked; `by` is the one that
 * answered, with the line where its hook begins. `measured`: the rollout had its samples; `sample`:
 * the position of the one that was judged; `rollout`: what differed from the first call's, as a
 * delta. A function of the policies' texts and of what stands here gives the answers again, bit for
 * bit.
 */
#ifndef SLUICE_CANARY_DECISION_H
#define SLUICE_CANARY_DECISION_H

#include "canary/phase.h"
#include "canary/policies.h"

struct decision; /* of one run */

/* For the next run of the same tick, whose answers to `rollback` and `thresholds` still hold when
 * they are not asked again. NULL: for the first run. */
struct decision *decision_again(struct decision *owned_earlier);
void decision_free(struct decision *decision);

/* `answer` or `err`: what policy_chain_call gave for the rest. `decision` may be NULL, here and
 * below. */
void decision_call(struct decision *decision, const struct policy_chain *chain,
		   enum policy_hook hook, const cJSON *rollout, const cJSON *extra,
		   const cJSON *answer, const struct error *err);
/* What was asked for the i-th sample, and what came. */
void decision_sample(struct decision *decision, const char *query, const char *raw);
/* The end of it: what came of the answers. */
void decision_move(struct decision *decision, const struct move *move);

/* Beside another controller: what that one did. */
void decision_theirs(struct decision *decision, cJSON *owned_theirs);

bool decision_is_empty(const struct decision *decision); /* no hook was called */
const cJSON *decision_json(const struct decision *decision);
#endif
