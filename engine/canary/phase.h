/*
 * phase.h - the state machine: what a move makes of a status. Pure, and total.
 *
 * A tick ends in at most one move. `phase_next` says for every phase and every move what the next
 * status is, or that the move is not one of that phase (ERROR_BUG, nothing changed). It reads no
 * clock, no cluster and no policy; what it is told stands in the situation and the move. Whatever
 * follows from the move outside the status (events, hooks, scaling down) is owed by it: see
 * status.h.
 */
#ifndef SLUICE_CANARY_PHASE_H
#define SLUICE_CANARY_PHASE_H

#include "canary/command.h"
#include "canary/spec.h"
#include "canary/status.h"

enum move_kind {
	MOVE_SETTLE,	       /* nothing new: debts done, notices said, things remembered */
	MOVE_INITIALIZE,       /* a new canary */
	MOVE_INITIALIZED,      /* primary, services and routes are there */
	MOVE_ADOPT,	       /* a status that another controller left */
	MOVE_NOTICE_SPEC,      /* the target changed in a way that asks for no rollout */
	MOVE_WAIT,	       /* confirm-rollout is closed */
	MOVE_BEGIN,	       /* a new revision is accepted */
	MOVE_RESTART,	       /* a newer revision came during the analysis */
	MOVE_CANCEL,	       /* the target went back to what is promoted */
	MOVE_FAIL_CHECK,       /* one more failed check */
	MOVE_HOLD,	       /* not now */
	MOVE_ROUTE,	       /* a new split, or one more iteration */
	MOVE_WAIT_PROMOTION,   /* confirm-promotion is closed */
	MOVE_PROMOTE,	       /* the analysis passed */
	MOVE_SKIP,	       /* promote without analysis */
	MOVE_PRIMARY,	       /* traffic goes back to the primary, a step or the rest */
	MOVE_FINISH,	       /* all traffic is on the primary */
	MOVE_ROLL_BACK,	       /* the canary failed */
	MOVE_PROMOTION_FAILED, /* the primary does not come up with the new revision */
	MOVE_TERMINATE,	 /* the canary is being deleted, and shall leave things as they were */
	MOVE_TERMINATED, /* they are */
	MOVES,
};
const char *move_name(enum move_kind kind);

enum { NOTES_MAX = 20 };

/* Something to be said before what the move itself says. */
struct note {
	bool warning;
	enum phase phase;
	char text[DEBT_TEXT_MAX];
};

struct move {
	enum move_kind kind;
	struct split split; /* ROUTE, PRIMARY, ADOPT */
	bool has_iteration; /* ROUTE: sets status.iterations, and leaves the weight shown alone */
	int iteration;
	const cJSON *match;    /* ROUTE: who sees the canary; NULL: as the spec says */
	const char *message;   /* ROUTE, PRIMARY: instead of the usual event; "" for none */
	const char *reason;    /* HOLD, ROLL_BACK, CANCEL, PROMOTION_FAILED: a sentence; or NULL */
	bool muted;	       /* WAIT, WAIT_PROMOTION, HOLD: the gate's webhook mutes alerts */
	bool gated;	       /* HOLD: by confirm-traffic-increase */
	bool own_limits;       /* FAIL_CHECK: only of metrics that have limits of their own */
	const cJSON *failures; /* of those metrics, from now on; NULL leaves it */
	const char *slot;      /* BEGIN, HOLD: that it holds, or waits for; or NULL */
	bool give_up;	       /* SETTLE: at rest, what was held is no release any more */
	bool at_once;	       /* BEGIN: without an analysis */
	bool scaled_down;      /* SETTLE: the target, in its time */
	bool live;	       /* SETTLE: the step counts from now; ROUTE: it is one, as it is */
	bool by_hook;	       /* ROLL_BACK: a rollback webhook said so */
	bool gone;	       /* ROLL_BACK: the target is; what comes back is a new revision */
	bool restores;	       /* ROLL_BACK: the primary has the revision, and gives it back */
	int64_t due_us;	       /* when to decide again; 0: the usual time of the move */
	bool differs;	    /* ADOPT: the target is not what the primary runs: a rollout is due */
	const cJSON *state; /* the policy's memory from now on; NULL leaves it */
	const cJSON *inventory; /* of a route that the team owns, from now on; NULL leaves it */
	const struct command *command; /* that this move answers; NULL: none */
	const char *refused;	       /* why it does not do what that asks; or NULL */
	struct note *notes; /* owned, see move_clear: at most NOTES_MAX; most moves have none */
	size_t note_count;
};
/* To MOVE_SETTLE; lets go of the notes. */
void move_clear(struct move *move);

struct situation {
	const struct canary_spec *spec;
	int64_t now_us;
	unsigned changed;	   /* what a release of it is about: CHANGED_… */
	const char *template_hash; /* of the target as it is now */
	const cJSON *tracked;	   /* its configs */
	const char *revision;
	/* Of a target that is its own primary: the digest of its configs, and what its template
	 * says of them; else NULL. */
	const char *configs, *mark;
	const char *policy;	  /* hash of the policy text that decides; "" for a stock policy */
	const char *policy_after; /* and of the one that does once the analysis starts again */
	bool routed;		  /* the provider has routes (it is not plain Kubernetes) */
	/* The primary cannot carry traffic, and the canary carries it all: a new analysis leaves
	 * it there. */
	bool stay_on_canary;
	unsigned alerts; /* severities (1 << ALERT_INFO, …) that somebody wants to be told of */
};

void move_note(struct move *move, bool warning, enum phase phase, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* `next` is initialised by this and owned by the caller, also on failure. */
bool phase_next(const struct status *status, const struct situation *situation,
		const struct move *move, struct status *next, struct error *err) MUST_CHECK;

/* Whether a move is one of a phase: the table itself, for specs and for drawing it. */
bool phase_allows(enum phase phase, enum move_kind kind);

#endif
