/*
 * rollout.h - the table that policies see: a rollout as plain data.
 *
 * A function of the tick's spec, status and observations, made afresh for each call.
 */
#ifndef SLUICE_CANARY_ROLLOUT_H
#define SLUICE_CANARY_ROLLOUT_H

#include "canary/tick.h"

/* What differs between the target and the primary, as far as a policy may care: bits of CHANGED_…
 */
unsigned rollout_changes(const struct tick *tick);
cJSON *rollout_table(const struct tick *tick); /* the caller frees */

#endif
