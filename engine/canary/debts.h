/*
 * debts.h - pays what the last commits owe: events, post-rollout hooks, promotion, scaling down.
 *
 * In their order, each under the same identity however often it is tried. What was paid is taken
 * off the status by the next move, or at once when none is due.
 */
#ifndef SLUICE_CANARY_DEBTS_H
#define SLUICE_CANARY_DEBTS_H

#include "canary/tick.h"

/* Events only, up to the first debt of another kind: they need nothing but the API server. */
enum step debts_pay_events(struct tick *tick);
/* Those that come before any traffic moves, with the workload observed: a primary is restored. */
enum step debts_pay_restore(struct tick *tick);
/* All, with the workload observed. */
enum step debts_pay(struct tick *tick);

#endif
