/*
 * measure.h - what one check of the analysis finds: rollout hooks, then all metrics.
 *
 * Every metric is measured, in parallel, also when one of them fails; the policy says what to
 * measure and judges each number.
 */
#ifndef SLUICE_CANARY_MEASURE_H
#define SLUICE_CANARY_MEASURE_H

#include "canary/tick.h"

enum check { CHECK_PASSED, CHECK_FAILED, CHECK_HELD };

/* STEP_ON: *check says how it went, notes were added to the move, and rollout.samples holds what
 * was measured. `rollout` gains "samples". */
enum step measure(struct tick *tick, const struct policy_chain *policies, cJSON *rollout,
		  enum check *check);
/* Whether the metric stores can be asked at all, before the first rollout. */
enum step measure_online(struct tick *tick);

#endif
