/*
 * lease.h - one of several replicas acts, by a Lease of coordination.k8s.io/v1.
 *
 * Held means: nobody else can have it before `renew_us` have passed since we last asked to keep it,
 * and for `duration_us - renew_us` after that. So whoever asks lease_is_held before each write has
 * that much time to get the write out. Whether somebody else's lease has run out is told by
 * watching it not change for its duration, never by comparing clocks; a clock that jumps is not
 * time that passed.
 */
#ifndef SLUICE_KUBE_LEASE_H
#define SLUICE_KUBE_LEASE_H

#include "kube/client.h"

struct lease;

struct lease_options {
	const char *namespace;
	const char *name;
	const char *identity; /* unique to this process */
	int64_t duration_us;  /* 0: 15 s; after so long without a sign of life others take over */
	int64_t renew_us;     /* 0: 10 s; after so long without a renewal we stop */
	int64_t retry_us;     /* 0: 2 s; between attempts to get or keep it */
};

/* It came or it went. */
typedef void lease_call(void *owner, bool held);

/* All options are copied. NULL when the namespace or the name cannot be one. */
struct lease *lease_new(struct kube *kube, const struct lease_options *options, lease_call *changed,
			void *owner, struct error *err) MUST_CHECK;
/* Gives it back, so that the next one need not wait: run the loop until kube_pending is 0. */
void lease_free(struct lease *lease);

/* By the clock of this very instant. */
bool lease_is_held(const struct lease *lease);
/* Who has it as far as is known; "" when nobody. Borrowed. */
const char *lease_holder(const struct lease *lease);

#endif
