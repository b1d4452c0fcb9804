/*
 * scaler.h - the autoscalers of a canary: the primary's is made from the target's, and the target's
 * does nothing while the target has no pods.
 *
 * An HPA rests by itself at zero replicas. A ScaledObject of KEDA does not: it is paused at zero by
 * an annotation before the target is scaled down, and resumed before it is scaled up.
 */
#ifndef SLUICE_CANARY_SCALER_H
#define SLUICE_CANARY_SCALER_H

#include "canary/tick.h"

/* The target's autoscaler: *scaler is NULL where none is named. STEP_END with a halt when there is
 * no such. */
enum step scaler_look(struct tick *tick, const cJSON **scaler);
/* The primary has one: it is created, and else left as it is. */
enum step scaler_make(struct tick *tick);
/* At a promotion it says what the target's says now. */
enum step scaler_follow(struct tick *tick);
/* The target's is gone: nothing to do. */
enum step scaler_pause(struct tick *tick);
enum step scaler_resume(struct tick *tick);
/* What the Canary does not name any more is resumed, and forgotten by the next commit. */
enum step scaler_let_go(struct tick *tick);
/* The name for the status of the next commit, which is to say what scaler_let_go has seen. */
void scaler_remember(const struct tick *tick, struct status *next);

#endif
