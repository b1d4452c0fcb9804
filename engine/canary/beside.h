/*
 * beside.h - what another controller's next status tells of the world, to one that decides beside
 * it and may not touch anything.
 *
 * It has called the webhooks and waited for the pods; asking again would act a second time, and
 * what it did since has changed the answers. So where it went on, the gates were open and the pods
 * ready; where it counted a failed check that no metric explains, a webhook had said no. What its
 * status does not tell is not known, and nothing is compared then.
 */
#ifndef SLUICE_CANARY_BESIDE_H
#define SLUICE_CANARY_BESIDE_H

#include "canary/phase.h"
#include "canary/workload.h"

struct beside {
	struct status after; /* as it is now; the tick's own status is as it was before */
	bool acted;	     /* false: it has written nothing for longer than it should take */
	bool unknown;	     /* something was asked that cannot be known */
};

/* Whether the webhooks of a type let it go on. False with `unknown` set: nobody can tell. */
bool beside_passed(struct beside *beside, const struct status *before, enum webhook_type type,
		   int threshold);
/* Whether a failed check was counted that may be a webhook's. */
bool beside_failed(const struct beside *beside, const struct status *before);
/* As it saw the pods of the primary or of the canary; `live` is what they are by now. */
enum readiness beside_ready(const struct beside *beside, const struct status *before, bool primary,
			    int threshold, enum readiness live);

#endif
