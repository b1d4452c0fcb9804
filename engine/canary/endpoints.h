/*
 * endpoints.h - whether the Service of a side leads to the pods that its workload has ready.
 *
 * A workload is available before the EndpointSlices of its Service say so, by milliseconds or by
 * seconds, and what is sent there meanwhile is lost. So they are looked at before traffic goes to
 * pods that had none yet: once for each generation of the workload, as the owner of the tick
 * remembers. Where routes carry no weights, where a Service has no slice at all (nobody makes them)
 * and where they may not be listed, all is well.
 */
#ifndef SLUICE_CANARY_ENDPOINTS_H
#define SLUICE_CANARY_ENDPOINTS_H

#include "canary/tick.h"

/* *ready is READY once as many endpoints are ready as the side's readiness asks of its pods, and
 * READY_NEVER when they are still missing at the progress deadline; else `why` is set. The
 * workload of the side must be ready. */
enum step endpoints_await(struct tick *tick, enum side side, enum readiness *ready,
			  struct error *why);
/* Says so, and looks again soon. Always STEP_END. */
enum step endpoints_halt(struct tick *tick, enum side side, const struct error *why);
/* The routes carry this: whoever has traffic by it, and had pods before, is reached; and a canary
 * that has none by it has to be again. */
void endpoints_note_served(struct tick *tick, const struct split *split);

/* How many addresses are ready and not about to go, of the address family that has most, in a list
 * of EndpointSlices: those of pods whose names begin with `prefix`, and those of no pod. */
long endpoints_count(const cJSON *slices, const char *prefix);

#endif
