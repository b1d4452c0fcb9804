/*
 * tick.h - one canary taken one decision further: converge, observe, check, decide, commit.
 *
 * A tick is run again from the top whenever an answer that it waits for has come (canary/ask.h). It
 * makes at most one move of the state machine (canary/phase.h) between two runs of tick_renew, and
 * that move reaches the world as one patch of the status. Killed anywhere, the next one converges
 * again: what follows from a move is owed by the status and paid before anything new is decided.
 */
#ifndef SLUICE_CANARY_TICK_H
#define SLUICE_CANARY_TICK_H

#include "canary/alerts.h"
#include "canary/ask.h"
#include "canary/beside.h"
#include "canary/command.h"
#include "canary/decision_log.h"
#include "canary/exporter.h"
#include "canary/fleet.h"
#include "canary/herald.h"
#include "canary/phase.h"
#include "canary/policies.h"
#include "canary/workload.h"
#include "kube/path.h"
#include "traffic/driver.h"

/* What all ticks share; everything is borrowed. */
struct tick_world {
	struct asks_world asks;
	struct workload_options workload;
	struct policies *policies;
	const char *metrics_server;
	const char *event_webhook; /* for canaries without an event webhook of their own; or NULL */
	const char *component;	   /* of events: "flagger" unless told otherwise */
	struct alerts *alerts;	   /* or NULL */
	struct decision_log *decisions; /* or NULL */
	struct exporter *exporter;	/* or NULL */
};

enum step {
	STEP_WAIT, /* an answer is missing: run again when woken */
	STEP_ON,   /* go on */
	STEP_END,  /* nothing more to do now, or trouble */
};

enum tick_result {
	TICK_WAITING,	/* will wake its owner; see tick_is_away */
	TICK_COMMITTED, /* a move was made: tick_renew and run again */
	TICK_DONE,	/* until due_us, or until something changes */
	TICK_STALE,	/* somebody else wrote the canary: read it again */
	TICK_TROUBLE,	/* the world failed: later, see `trouble` */
};

enum { TICK_FACTS_MAX = 600 };

enum side { SIDE_PRIMARY, SIDE_CANARY, SIDES };

struct tick {
	const struct tick_world *world;
	struct asks *asks;
	const struct canary_spec *spec; /* borrowed for the life of the tick */
	const struct fleet *fleet;	/* the others; or NULL */
	struct herald *herald;		/* of its events; NULL: the tick waits for receivers */
	const struct traffic_driver *driver;
	struct beside *beside; /* another controller acts, and we only look on; or NULL */
	char path[KUBE_PATH_MAX];
	char resource_version[64];
	struct status status;
	int64_t now_us;
	bool pending;  /* as far as this run knows: the routes are not in force yet */
	bool landed;   /* of this run: now they are, and before they were not */
	bool held;     /* our finalizer is on the Canary */
	bool thorough; /* look at every owned object, not only at those that moved */
	/* Since the last move, and not compared again: how many stages of the objects are done, how
	 * many objects of `routes` (owned, or NULL: what a blind driver wants), and whether all. */
	size_t stage, route_done;
	uint64_t route_digest; /* of the next of them, or 0 */
	cJSON *routes;
	bool objects_done, routes_done;
	bool diverted; /* no pod of the canary is available: the primary has all traffic */
	bool relieved; /* none of the primary is: the canary, which is ready, has all traffic */

	/* Observed; borrowed from the asks until the end of a run. */
	const cJSON *target, *primary;
	struct selector_label label;
	cJSON *configs;	  /* owned: the tracked ConfigMaps and Secrets, as references */
	cJSON *tracked;	  /* owned */
	bool copies_same; /* of a foreign primary: its configs say what the target's say */
	char configs_digest[HASH_TEXT_MAX]; /* of a target that is its own primary (mark.h) */
	char template_hash[HASH_TEXT_MAX], revision[HASH_TEXT_MAX];
	char hashed_version[64];     /* of the target that `template_hash` is of */
	char revised[HASH_TEXT_MAX]; /* the template_hash that `revision` is of alone, or empty */

	/* What the operator asks, when it was not taken yet; and what the annotation said when the
	 * tick began. */
	bool commanded;
	struct command command;
	char command_seen[HASH_TEXT_MAX];

	/* Decided in this run. */
	struct move move;
	char words[TICK_FACTS_MAX]; /* what move.message or move.reason points to */
	cJSON *inventory;	    /* owned: what move.inventory points to */
	cJSON *state;		    /* owned: what move.state points to */
	cJSON *match;		    /* owned: what move.match points to */
	cJSON *failures;	    /* owned: what move.failures points to */
	char slot[SLOT_NAME_MAX];   /* what move.slot points to */
	char verdict[16];	    /* what the history will say, with `verdict_text` */
	char verdict_text[120];
	char verdict_kind[12]; /* see struct history_entry */
	char notice[HASH_TEXT_MAX];
	/* Of the text that decides, and that will after a restart of the analysis; what
	 * memory.refused will be; whether there is something to say about it (see pin.h). */
	char policy[HASH_TEXT_MAX], policy_after[HASH_TEXT_MAX], refused[HASH_TEXT_MAX];
	bool policy_news;
	bool scaler_known, scaler_news; /* see scaler_let_go; it has resumed one */
	/* Since the last move: what memory.contested will be; "": as it is. */
	char contested[CONTESTED_MAX];
	bool put_back;
	struct meter_allowance policy_allowance; /* of one run: as much as one call may take */
	struct decision *decision;		 /* owned, when there is a decision log */
	uint32_t told[ALERTS_MAX];		 /* ids of alerts that are done with */
	size_t told_count;

	/* Debts are paid in their order: all with a lower id are. The next move takes them off; the
	 * owner carries this from tick to tick, and what a crash loses is paid again. */
	uint32_t paid_before;
	/* Since when the API server denies events; 0: it takes them. The owner carries this too. */
	int64_t denied_us;
	/* Which pods of a side its Service was seen to lead to (see endpoints.h); the owner carries
	 * this too. */
	uint64_t reached[SIDES];

	bool moved;	/* this run follows a move of the same tick */
	bool unseen;	/* of this run: the target is newer than its status */
	bool unreached; /* of this run: the routes wait for endpoints */
	bool wrote;	/* since this was false */
	/* What the policy said in an earlier run of this tick; it would say the same again. */
	bool went_on;		 /* `rollback`: no */
	cJSON *checks;		 /* owned: `thresholds`, or NULL */
	struct policy_runs runs; /* since the last move */
	bool routing;		 /* what is written now are routes */
	bool rerouted;		 /* the routes were written since the last commit */

	bool committing;
	enum phase left;     /* of TICK_COMMITTED: the phase before */
	struct status *next; /* owned: what is being committed, or NULL */
	struct error trouble;
	int64_t due_us; /* of TICK_DONE: when to run again; 0: when something changes */
};

/* `kept` and `keeping` as for asks_new. */
struct tick *tick_new(const struct tick_world *world, const struct canary_spec *spec,
		      struct kept *kept, struct keeping *keeping, asks_wake *wake, void *owner,
		      uint64_t token);
void tick_free(struct tick *tick);
/* From where it stands; `object` is the Canary as it is known now, borrowed. */
void tick_begin(struct tick *tick, const cJSON *object);
enum tick_result tick_run(struct tick *tick);
/* After TICK_COMMITTED: forgets the answers of the last move, but not the objects. */
void tick_renew(struct tick *tick);

/* While it waits for a hook or a metric store: what it has seen of the workloads is old. Run it
 * again: what is still to be asked is not asked twice. */
void tick_look_again(struct tick *tick);

/* Lets go of what can be had again, its spec among it: tick_take_up gives it one anew, before it
 * runs on. */
void tick_shed(struct tick *tick);
void tick_take_up(struct tick *tick, const struct canary_spec *spec);
/* What it waits for is not the API server: a hook, a metric store. */
bool tick_is_away(const struct tick *tick);
bool tick_measures(const struct tick *tick); /* a metric store among it */

/* For the parts of a tick. A failure of the world; always STEP_END. */
enum step tick_trouble(struct tick *tick, const struct error *err);
/* Said as a Warning event, once until something else is. */
void tick_notice(struct tick *tick, const char *text);
/* Something that keeps the rollout waiting: said once as an event. Always STEP_END. */
enum step tick_halt(struct tick *tick, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same, said once for each `what`, however the text changes. */
enum step tick_halt_as(struct tick *tick, const char *what, const char *format, ...)
	PRINTF_LIKE(3, 4);
/* Asks the policies, and writes down what they were asked and answered. */
bool tick_ask(struct tick *tick, const struct policy_chain *chain, enum policy_hook hook,
	      const cJSON *rollout, const cJSON *extra, cJSON **owned_result,
	      struct error *err) MUST_CHECK;
/* The move of this run. Always STEP_ON. */
enum step tick_move(struct tick *tick, enum move_kind kind);
/* A pointer to text that lives as long as the run. */
const char *tick_words(struct tick *tick, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
