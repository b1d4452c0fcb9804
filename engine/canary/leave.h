/*
 * leave.h - the end of a canary that shall leave things as they were (spec.revertOnDeletion), and a
 * canary whose target has left.
 *
 * A finalizer holds the Canary until the target has the pods that the primary has, they are ready,
 * and what was adopted leads to them again. Until then the primary stays and carries traffic.
 */
#ifndef SLUICE_CANARY_LEAVE_H
#define SLUICE_CANARY_LEAVE_H

#include "canary/tick.h"

/* Whether the Canary is being deleted; and whether our finalizer is on it. */
bool leave_is_asked(const cJSON *canary);
bool leave_is_held(const cJSON *canary);

/* The finalizer is there if and only if the spec asks for it. */
enum step leave_hold(struct tick *tick);
/* One that is being deleted. */
enum step leave(struct tick *tick);
/* The target is gone: traffic goes to the primary, and stays there. */
enum step leave_without_target(struct tick *tick);

#endif
