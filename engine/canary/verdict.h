/*
 * verdict.h - what a hook of a policy may answer.
 *
 * A verdict is data that the engine checks before it acts on it: kinds, ranges, words, and no
 * member that nobody reads. What is wrong is told with its place in the answer.
 */
#ifndef SLUICE_CANARY_VERDICT_H
#define SLUICE_CANARY_VERDICT_H

#include <cjson/cJSON.h>

#include "script/policy.h"

/* As many as a Canary may say itself: what it says goes through a policy, too. */
enum { VERDICT_CHECKS_MAX = 100, VERDICT_MATCHES_MAX = 100, VERDICT_HOLD_MAX = 7 * 24 * 3600 };

/* An empty table where a list is wanted becomes an empty list: in Lua they are the same. */
bool verdict_check(enum policy_hook hook, cJSON **answer, struct error *err) MUST_CHECK;

#endif
