/*
 * foresee.h - what a tick would do, without doing it: the decision of a canary that another
 * controller works on.
 *
 * Reads objects, asks the policy and the metric store; calls no webhook and writes nothing, not
 * even in memory that outlives the run. The tick's status is the other controller's, with a memory
 * of what ours would have been had it made the same moves (foresee_follow).
 */
#ifndef SLUICE_CANARY_FORESEE_H
#define SLUICE_CANARY_FORESEE_H

#include "canary/tick.h"

enum foreseen {
	FORESEEN_WAIT,	  /* an answer is missing: again when woken */
	FORESEEN_MOVE,	  /* `next` is what it would make of the status */
	FORESEEN_NONE,	  /* nothing can be said of it */
	FORESEEN_TROUBLE, /* the world failed: see tick->trouble */
};

/* The status as it is becomes one of ours: `next`. */
enum foreseen foresee_adopt(struct tick *tick, struct status *next);
/* tick->beside says what the other controller has done. The move stays in the tick until it runs
 * again. `next` is initialised by this for FORESEEN_MOVE, and owned by the caller. */
enum foreseen foresee(struct tick *tick, struct status *next);
/* After FORESEEN_MOVE: the status as it is now, with the memory of having made `theirs`. False when
 * that is no move of this phase: it has to be adopted anew. */
bool foresee_follow(struct tick *tick, const struct move *theirs, struct status *next);
/* Why: what was measured, said by the policy, or seen. "" when there is nothing to say. */
void foresee_reason(const struct tick *tick, char *into, size_t size);

#endif
