/*
 * theirs.h - the move that another controller made, as its statuses tell, and whether it is ours.
 */
#ifndef SLUICE_CANARY_THEIRS_H
#define SLUICE_CANARY_THEIRS_H

#include "canary/phase.h"

/* The move from one status to the next: MOVE_SETTLE when nothing changed that means something.
 * False when no one move leads there: several were made in between. */
bool theirs_move(const struct canary_spec *spec, const struct status *before,
		 const struct status *after, struct move *move);

/* Whether what ours would have made of it says what theirs did: the phase, and in it what counts.
 * What Flagger shows beside that (weight 0 while it waits for promotion) does not matter. */
bool theirs_is_ours(const struct canary_spec *spec, const struct status *ours,
		    const struct status *theirs);

/* "advance to weight 15", "roll back", "count a failed check" … */
void theirs_words(const struct move *move, char *into, size_t size);

#endif
