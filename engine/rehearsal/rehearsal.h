/*
 * rehearsal.h - a release of one canary played with the real engine, on an in-memory cluster and a
 * virtual clock; as often as wanted, the same way each time.
 *
 * Webhooks are not called: each answers 200, but one of type rollback, which answers 403, unless a
 * scenario says otherwise. Alerts are rendered by their drivers and taken by nobody; those to
 * AlertProviders that are not among the objects are left out. The daemon can be cut off at any call
 * of a port and started anew.
 */
#ifndef SLUICE_REHEARSAL_REHEARSAL_H
#define SLUICE_REHEARSAL_REHEARSAL_H

#include <cjson/cJSON.h>

#include "canary/decision_log.h"
#include "metric/recording.h"
#include "ports.h"
#include "rehearsal/scenario.h"

/* Where the daemon is killed: at its n-th call of a port (from 1, since it was started), before the
 * call has an effect, or after it but before the reply. 0: not. */
struct cut {
	uint64_t call;
	bool after;
};
enum { CUTS_MAX = 2 };

enum note_kind {
	NOTE_EVENT,
	NOTE_STATUS,
	NOTE_HOOK,
	NOTE_SAMPLE,
	NOTE_SCENE,
	NOTE_ALERT,
	NOTE_KINDS
};

/* Something happened: an item of one of the lists of the result. */
typedef void rehearsal_note(void *owner, enum note_kind kind, const cJSON *item);
/* An object was written; NULL: deleted. */
typedef void rehearsal_write(void *owner, const char *path, const cJSON *object);

/* All borrowed. */
struct rehearsal_input {
	const cJSON *objects; /* a list with exactly one Canary; its target and its scaler may be
				 missing */
	const struct recording *recording; /* NULL: all is well */
	struct metrics *(*live)(void *owner, struct loop *loop,
				const int64_t *start_us); /* instead of a recording; or NULL */
	const struct scenario *scenario;		  /* or NULL */
	int64_t limit_us;				  /* of the release */
	int64_t lag_us;		   /* replies and watches take up to this long, each its own time */
	struct cut cuts[CUTS_MAX]; /* one for each start of the daemon */
	struct decision_log *decisions; /* or NULL */
	rehearsal_note *on_note;	/* or NULL */
	rehearsal_write *on_write;	/* or NULL */
	void *owner;
};

enum outcome { OUTCOME_SUCCEEDED, OUTCOME_ROLLED_BACK, OUTCOME_UNFINISHED };

/* Times ("at") are seconds since the release, negative before it. */
struct rehearsal_result {
	enum outcome outcome;
	char phase[32];
	int64_t took_us;
	/* events: {"type", "reason", "message"}; statuses: {"phase", "weight", "iterations",
	 * "failedChecks"}, each as often as it changed; hooks: {"name", "status" or "text"};
	 * samples: {"metric", "value" or "text"}; scenes: {"text"}; alerts: {"to", "type",
	 * "severity", "message", "body" (as JSON where it is)}. */
	cJSON *notes[NOTE_KINDS];
	cJSON *objects;		      /* those that were written, as they were left, by path */
	uint64_t calls[CUTS_MAX + 1]; /* of ports, by each start of the daemon */
	size_t starts;
};

/* False: the scenario asks for something that cannot be done. */
bool rehearse(const struct rehearsal_input *input, struct rehearsal_result *result,
	      struct error *err) MUST_CHECK;
void rehearsal_result_fini(struct rehearsal_result *result);

#endif
