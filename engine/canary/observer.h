/*
 * observer.h - all canaries of a cluster, looked at while another controller works on them.
 *
 * Each time that controller has moved one, the same decision is made beside it: from the status as
 * it was before, with the metrics of this moment, by the policy that would decide. What would have
 * come of it is compared with what did (canary/theirs.h). One that has not moved for longer than it
 * should take is decided about too. Nothing is written and no webhook is called; what a policy
 * remembers is kept in memory, and begins anew with the process.
 */
#ifndef SLUICE_CANARY_OBSERVER_H
#define SLUICE_CANARY_OBSERVER_H

#include <stdio.h>

#include "canary/tick.h"

struct observer;

struct observer_options {
	const char *namespace; /* NULL: all */
	const char *selector;  /* of the Canaries' labels; NULL: all */
	const char *class;     /* see custody.h; NULL: those without one */
	const char *policy;    /* a text that decides instead of the canaries' own; or NULL */
	FILE *json;	       /* each decision and summary, a line; or NULL */
	struct spec_options spec;
};

/* `world` and the texts of `options` are borrowed for the life of the observer. */
struct observer *observer_new(const struct tick_world *world,
			      const struct observer_options *options);
/* Says the summary of each canary that was decided about. */
void observer_free(struct observer *observer);

bool observer_is_ready(const struct observer *observer); /* all watches have listed */
const struct error *observer_trouble(const struct observer *observer);
size_t observer_running(const struct observer *observer);
/* sluice_observe_… in the text format of Prometheus. */
void observer_write(const struct observer *observer, struct buf *into);

#endif
