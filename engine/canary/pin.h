/*
 * pin.h - which policy decides now: the text that the Canary names, or the one that its release
 * began with.
 *
 * A release pins its policy: the status holds the hash of the text, and an immutable ConfigMap that
 * the Canary owns, named by that hash, the text. An edited text takes over at the next tick, or
 * with `onPolicyChange: NextRollout` at the next release; one that is broken or gone is refused and
 * the pinned one goes on. The ConfigMap is there from the first tick of a release on, and goes
 * after it (a debt, see status.h). What is said about a policy is said once.
 */
#ifndef SLUICE_CANARY_PIN_H
#define SLUICE_CANARY_PIN_H

#include "canary/tick.h"

/* Fills in the chain, and tick->policy. STEP_ON with `err` set: the canary's own policy cannot be
 * used, or without chain->defaults, none. */
enum step pin_find(struct tick *tick, struct policy_chain *chain, struct error *err);
/* Deletes the ConfigMap of a hash. */
enum step pin_remove(struct tick *tick, const char *hash);

#endif
