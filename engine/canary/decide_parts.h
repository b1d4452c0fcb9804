/*
 * decide_parts.h - what the files of a decision share.
 */
#ifndef SLUICE_CANARY_DECIDE_PARTS_H
#define SLUICE_CANARY_DECIDE_PARTS_H

#include "canary/decide.h"

/* The policy failed: a Warning, and one more failed check. */
enum step decide_fail_script(struct tick *tick, const struct error *err);
/* As a proposal of the policy says. */
enum step decide_hold(struct tick *tick, const cJSON *proposal);
/* Traffic stays as it is until the next check. */
enum step decide_let_it_run(struct tick *tick);

/* A weight that a policy proposed; -1 when it is none. */
int decide_weight(const cJSON *proposal);
/* A step that has not lasted long enough stays as it is, and is measured again meanwhile. */
enum step decide_pace(struct tick *tick, const struct policy_chain *policies, const cJSON *rollout,
		      bool *stays);
/* The check has passed: the policy's next step, if its gates are open. */
enum step decide_propose(struct tick *tick, const struct policy_chain *policies,
			 const cJSON *rollout);

#endif
