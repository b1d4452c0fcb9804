/*
 * rehearsal.h - a release of one canary played with the real engine, on an in-memory cluster and a
 * virtual clock; as often as wanted, the same way each time.
 *
 * Webhooks are not called: each answers 200, but one of type rollback, which answers 403, unless a
 * scenario says otherwise. The daemon can be cut off at any call of a port and started anew.
 */
#ifndef SLUICE_CLI_REHEARSAL_H
#define SLUICE_CLI_REHEARSAL_H

#include <cjson/cJSON.h>

#include "cli/scenario.h"
#include "metric/recording.h"
#include "ports.h"

/* Where the daemon is killed: at its n-th call of a port (from 1, since it was started), before the
 * call has an effect, or after it but before the reply. 0: not. */
struct cut {
	uint64_t call;
	bool after;
};
enum { CUTS_MAX = 2 };

/* All borrowed. */
struct rehearsal_input {
	const cJSON *objects; /* a list with exactly one Canary; its target may be missing */
	const struct recording *recording; /* NULL: all is well */
	struct metrics *(*live)(void *owner, struct loop *loop,
				const int64_t *start_us); /* instead of a recording; or NULL */
	const struct scenario *scenario;		  /* or NULL */
	int64_t limit_us;				  /* of the release */
	struct cut cuts[CUTS_MAX];			  /* one for each start of the daemon */
	/* Called for each write; `since_us` counts from the release, -1 before it. Or NULL. */
	void (*on_write)(void *owner, int64_t since_us, const char *path, const cJSON *object);
	void *owner;
};

/* Times are seconds since the release, negative before it. */
struct rehearsal_result {
	int status; /* EXIT_GOOD, EXIT_ROLLED_BACK, EXIT_UNFINISHED */
	char phase[32];
	int64_t took_us;
	cJSON *events;	 /* [{"at", "type", "reason", "message"}] */
	cJSON *statuses; /* [{"at", "phase", "weight", "failedChecks"}], each as often as it changed
			  */
	cJSON *hooks;	 /* [{"at", "name", "status"}] */
	cJSON *samples;	 /* [{"at", "metric", "value" or "text"}] */
	cJSON *objects;	 /* as they were left, by path */
	uint64_t calls[CUTS_MAX + 1]; /* of ports, by each start of the daemon */
	size_t starts;
};

void rehearse(const struct rehearsal_input *input, struct rehearsal_result *result);
void rehearsal_result_fini(struct rehearsal_result *result);

#endif
