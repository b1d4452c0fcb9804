/*
 * model.h - every state that a canary can come into, in a small model of its world.
 *
 * The state machine is the engine's own (phase_next); the world beside it is a few bytes: which
 * revision target and primary run, whether they are ready, what the routes carry. A tick is cut
 * into its writes and whatever may happen happens between any two of them, so a crash at any point
 * is among the paths. What must not happen on any of them is in model_rules.h.
 *
 * A defect makes the model's tick, or what it takes over from phase_next, do what others did.
 */
#ifndef SLUICE_SPEC_MODEL_H
#define SLUICE_SPEC_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "canary/command.h"

enum { NOT_YET, IS_READY, NEVER };
enum { REVISIONS = 3, THRESHOLD = 2, NO_REVISION = 3 };

/* Bytes only: compared and hashed as they are. Shares of the canary: 0, 1 (half), 2 (all). */
struct world {
	uint8_t target_rev, target_up, target, primary_rev, primary;
	uint8_t route, route_mirror;
	uint8_t phase, split, mirror, failed, rev, owes_scale_down;
	uint8_t tried;		      /* revisions that an analysis began with */
	uint8_t former, owes_restore; /* what the primary ran before it was promoted */
	uint8_t command;	      /* that was given and not answered yet, and one; or 0 */
	uint8_t paused, approved, gated;
};

enum defect {
	SOUND,
	UNREADY_PRIMARY, /* traffic to a primary that is not ready, after a failed promotion */
	NO_DEADLINE,	 /* deadlines ignored while waiting */
	LOST_REVISION,	 /* a revision lost after a failure */
	MIRROR_LOOP,	 /* an endless mirror loop */
	WEIGHT_ABOVE,	 /* maxWeight above 100 */
	BLOCKED_FIX,	 /* a stable version that blocks its own fix */
	RESTART_LOOP,	 /* a restart loop from a Secret */
	ENDLESS_WAIT,	 /* failed checks that never end a wait */
	SILENT_ROLLBACK,
	RESET_ROUTES, /* routes reset in mid-run */
	LAST_COPY,    /* the last healthy copy is scaled down */
	PAUSE_IGNORED,
	STALE_PROMOTE, /* promote hits a revision that it was not meant for */
	BLIND_PROMOTE, /* promote does not wait for a canary that is ready */
	APPROVED_TWICE,
	LOST_RETRY,
	ABORT_FORGETS,	 /* a promotion that is aborted leaves the primary as it is */
	COMMAND_TWICE,	 /* a command acts again */
	COMMAND_UNHEARD, /* while it is paused */
	DEFECTS,
};

/* A run through them; the first rule that is broken ends it. */
struct model {
	enum defect defect;
	bool mirrors, commands;
	enum command_kind taking; /* the command that the next commit answers; COMMANDS: none */
	const char *refused;	  /* why it does not do it; or NULL */
	bool acted, waits;	  /* this tick */
	struct world *worlds;	  /* all that were seen, in order */
	size_t count, room;
	uint32_t *table; /* index + 1, by hash */
	size_t table_size;
	const char *broken;
};

/* What is wrong somewhere, or NULL when all is well everywhere. `phases`: a bit for each seen. */
const char *model_explore(enum defect defect, bool commands, size_t *states, unsigned *phases);

/* It is up and ready. */
bool model_canary_serves(const struct world *world);
/* Analysed and on its way onto the primary. */
bool model_is_promoted(const struct world *world);

#endif
