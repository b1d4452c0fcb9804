/*
 * sight.h - what was seen of another controller's decisions: each beside ours, told and counted.
 */
#ifndef SLUICE_CANARY_SIGHT_H
#define SLUICE_CANARY_SIGHT_H

#include <stdio.h>

#include "base/buf.h"
#include "canary/foresee.h"

enum { SIGHT_TEXT_MAX = 900, SIGHT_PAIRS_MAX = 24 };

/* How often theirs was one move and ours another. */
struct sight_pair {
	enum move_kind theirs, ours;
	unsigned long count;
};

/* Of one canary. */
struct sight {
	unsigned long releases;	    /* that began */
	unsigned long decisions;    /* that were compared */
	unsigned long differences;  /* of those */
	unsigned long not_compared; /* nobody can tell what we would have done */
	struct sight_pair pairs[SIGHT_PAIRS_MAX];
	size_t pair_count;
	unsigned long told;	    /* decisions by the last summary */
	char first[SIGHT_TEXT_MAX]; /* the first difference; "" none */
};

/* One decision; `next` is what ours would have made of the status that the tick has. */
struct sight_of {
	const char *key;	/* "namespace/name" */
	const char *controller; /* "flagger" */
	const struct tick *tick;
	const struct move *theirs;
	const struct status *next;
	bool alike;
	int64_t idle_us; /* since it wrote last, when it did not now */
};

/* Counts and tells it: a difference as a warning of the log. `json` may be NULL. */
void sight_add(struct sight *sight, const struct sight_of *of, FILE *json);
/* What there was since the last summary, if there was anything. */
void sight_sum_up(struct sight *sight, const char *key, const char *controller, int64_t now_us,
		  FILE *json);
/* The series of one family, of one canary. */
void sight_write_decisions(const struct sight *sight, const char *key, struct buf *into);
void sight_write_differences(const struct sight *sight, const char *key, struct buf *into);

#endif
