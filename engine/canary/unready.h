/*
 * unready.h - a release that waits for pods, and what is said of it.
 *
 * Each release waits for its pods for a while: nothing is said of that before it lasts longer than
 * an interval of the analysis (WAIT_USUAL_S at most), as each word is an event and a write of the
 * status. Then it is said how far they are, and again each time the wait is four times as long. Of
 * the first primary, and of pods that served and are gone, it is said at once.
 */
#ifndef SLUICE_CANARY_UNREADY_H
#define SLUICE_CANARY_UNREADY_H

#include "canary/tick.h"

enum { WAIT_USUAL_S = 10 };

/* Always STEP_END. */
enum step unready_halt(struct tick *tick, enum side side, const struct error *why);

#endif
