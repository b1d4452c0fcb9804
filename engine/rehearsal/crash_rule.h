/*
 * crash_rule.h - a rehearsal in which the daemon is killed at every call of a port, one run each:
 * before the call has its effect, and after it but before the reply; and once more during each
 * recovery.
 *
 * However it is killed, the release takes the same phases and weights, leaves the same objects, and
 * ends the same; no event is lost; no webhook is called more than once more for each kill.
 */
#ifndef SLUICE_REHEARSAL_CRASH_RULE_H
#define SLUICE_REHEARSAL_CRASH_RULE_H

#include "rehearsal/rehearsal.h"

/* At each call, or each `stride`th. Tells on standard output what broke, and how many runs there
 * were; true when the rule holds. */
bool crash_rule_check(const struct rehearsal_input *input, const struct rehearsal_result *whole,
		      uint64_t stride);

#endif
