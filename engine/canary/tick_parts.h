/*
 * tick_parts.h - what the files of a tick share.
 */
#ifndef SLUICE_CANARY_TICK_PARTS_H
#define SLUICE_CANARY_TICK_PARTS_H

#include "canary/tick.h"

/* What the phase asks for: STEP_ON with the move of this run. */
enum step tick_decide(struct tick *tick);

/* Nothing that an earlier run saw or decided holds any more. */
void tick_forget_run(struct tick *tick);
/* What this run saw, for phase_next. Borrowed until the next run. */
struct situation tick_situation(struct tick *tick);

/* What is on the target now is not what the status was last about. */
bool tick_target_changed(const struct tick *tick);
bool tick_target_is_promoted(const struct tick *tick);
/* The canary keeps all traffic, and the primary could not carry it. */
bool tick_primary_is_broken(struct tick *tick);
/* The primary is past its deadline: traffic is better off with the revision that may mend it, and
 * whatever fails, with a canary that is ready. */
bool tick_primary_is_lost(struct tick *tick);

#endif
