/*
 * decide.h - what comes next in an analysis: gates, checks, and the policy's proposal.
 *
 * The policy judges; this validates what it says and turns it into a move. A policy that fails is a
 * failed check with a Warning, never a stop of the engine.
 */
#ifndef SLUICE_CANARY_DECIDE_H
#define SLUICE_CANARY_DECIDE_H

#include "canary/tick.h"

/* At rest or waiting, with a new revision: confirm-rollout and the policy's start. */
enum step decide_begin(struct tick *tick, const struct policy_chain *policies);
/* In the analysis, with a ready canary. */
enum step decide_analysis(struct tick *tick, const struct policy_chain *policies);
/* The same while the canary's own policy cannot be read. */
enum step decide_broken(struct tick *tick, const struct policy_chain *policies,
			const struct error *broken);
/* Promoting, with a ready primary: the next step of the way back. */
enum step decide_promotion(struct tick *tick, const struct policy_chain *policies);

#endif
