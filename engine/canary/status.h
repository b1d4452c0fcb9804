/*
 * status.h - what a Canary's status says: Flagger's fields, and what Sluice remembers beyond them.
 *
 * The status is the only memory there is. Beyond Flagger's fields everything stands in one JSON
 * document of at most MEMORY_DOC_MAX bytes, the message of a condition of type "Sluice"; the API
 * server keeps conditions where it would prune unknown fields. Reading is total: a status of
 * Flagger, of an older Sluice, or garbage gives a valid struct.
 */
#ifndef SLUICE_CANARY_STATUS_H
#define SLUICE_CANARY_STATUS_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "base/error.h"

enum phase {
	PHASE_NONE, /* never seen */
	PHASE_INITIALIZING,
	PHASE_INITIALIZED,
	PHASE_WAITING,
	PHASE_PROGRESSING,
	PHASE_WAITING_PROMOTION,
	PHASE_PROMOTING,
	PHASE_FINALISING,
	PHASE_SUCCEEDED,
	PHASE_FAILED,
	PHASE_TERMINATING,
	PHASE_TERMINATED,
};
const char *phase_name(enum phase phase); /* "" for PHASE_NONE, "Progressing", … */
bool phase_parse(const char *name, enum phase *phase);
bool phase_is_at_rest(enum phase phase); /* Initialized, Succeeded, Failed */

/* Where traffic goes, absolutely: applying it twice is applying it once. */
struct split {
	int primary, canary; /* percent; sum is 100 (canary strategy), or 0/100 for those who match
				(A/B) */
	bool mirror;
};
bool split_equal(const struct split *a, const struct split *b);

enum { COOKIE_TEXT_MAX = 300 };
enum {
	HASH_TEXT_MAX = 24,
	DEBTS_MAX = 24,
	HISTORY_MAX = 12,
	GOOD_MAX = 4,
	SLOT_NAME_MAX = 64,
	DEBT_TEXT_MAX = 600,
	CONTESTED_MAX = 500
};

/* What a commit owes: done in order after it, each under the same identity however often it is
 * tried. */
enum debt_kind {
	DEBT_EVENT,	   /* a Kubernetes event, and the event webhooks */
	DEBT_POST_ROLLOUT, /* the post-rollout webhooks */
	DEBT_PROMOTE,	   /* the primary runs the revision (skipAnalysis) */
	DEBT_UNPIN,	   /* the ConfigMap of the policy whose hash is `text` goes */
	DEBT_SCALE_DOWN,   /* the target goes to zero, once the primary can carry all */
	DEBT_RESTORE,	   /* the primary gets its former template again */
};
struct debt {
	enum debt_kind kind;
	uint32_t id;	  /* counts up over the life of the canary */
	bool warning;	  /* event type Warning, else Normal */
	enum phase phase; /* as the event's receivers shall see it */
	int64_t time_us;
	char checksum[HASH_TEXT_MAX]; /* of the webhook payload */
	char text[DEBT_TEXT_MAX];
};

/* What somebody shall be told of; sent beside whatever else goes on (canary/alerts.h). */
enum alert_severity { ALERT_INFO, ALERT_WARN, ALERT_ERROR };
enum { ALERTS_MAX = 6, ALERT_TEXT_MAX = 240 };
struct owed_alert {
	uint32_t id; /* counted with the debts */
	enum alert_severity severity;
	bool detailed; /* with the fields that describe the rollout */
	char text[ALERT_TEXT_MAX];
};

struct history_entry { /* one tick that decided something */
	int64_t time_us;
	int weight;
	char verdict[16]; /* "pass", "fail", "hold", … */
	char text[120];
	char kind[12]; /* of the sample that decided, unless it is a value: "stale", "error", … */
};

enum { CHANGED_IMAGE = 1, CHANGED_ENV = 2, CHANGED_CONFIG = 4 };

/* What hooks of people may close. */
enum people_gate { PEOPLE_NONE, PEOPLE_ROLLOUT, PEOPLE_INCREASE, PEOPLE_PROMOTION };

struct memory {
	bool present;		      /* the condition was there and readable */
	unsigned changed;	      /* bits of CHANGED_…: what this release is about */
	char revision[HASH_TEXT_MAX]; /* of the target under analysis: hash of the template and the
					 tracked configs */
	struct split split;	      /* what the routes are to carry */
	cJSON *match; /* owned: who sees the canary, as the policy said; NULL: as the spec says */
	bool rematch; /* that changed with the last move: the routes differ, whatever their weights
		       */
	int64_t due_us;	    /* when the next decision is due; 0: at rest */
	int64_t since_us;   /* when this phase began: deadlines count from here */
	uint32_t next_debt; /* id of the next debt */
	struct debt *debts; /* owned: at most DEBTS_MAX; few canaries owe anything for long */
	size_t debt_count, debt_room;
	struct owed_alert alerts[ALERTS_MAX];
	size_t alert_count;
	char contested[CONTESTED_MAX]; /* who else writes what it needs: a condition of its own */
	char notice[HASH_TEXT_MAX];    /* hash of the last notice, so that the same is said once */
	char applied[HASH_TEXT_MAX];   /* hash of all objects last applied, weights apart */
	char policy[HASH_TEXT_MAX]; /* hash of the policy text that decides; "": a stock policy */
	bool pinned;		    /* its ConfigMap is there */
	bool foreign; /* the primary was made by another controller, under an id of its own */
	char refused[HASH_TEXT_MAX]; /* hash of why the named policy was last refused, so that it is
					said once */
	long generation;	     /* spec generation that was last acted on */
	int64_t scale_down_us;	  /* at rest: when the target goes to zero; 0: it has, or stays */
	char slot[SLOT_NAME_MAX]; /* that this release holds, or waits for; "": none */
	int64_t slot_us;	  /* since when */
	bool at_once;		  /* this release is promoted without an analysis */
	char good[GOOD_MAX][HASH_TEXT_MAX]; /* revisions that were promoted, newest first */
	int steps;			    /* of this release: how often its traffic changed */
	int64_t stepped_us;		    /* since when it is as it is */
	cJSON *failures; /* owned: {"metric": [failed, limit]}, of those with a limit, or NULL */
	int64_t held_us; /* since when metrics or the policy hold it; 0: they do not */
	int64_t hold_since_us; /* since when nothing could be decided; 0: it can */
	bool pending;	       /* the routes carry the split, but it is not in force yet */
	bool early; /* may act before due_us, as soon as the pods it waits for are ready */
	char configs[HASH_TEXT_MAX]; /* hash of the versions of the configs that tracked_configs was
					made of */
	/* Of a target that is its own primary, the configs that it was first seen with, and what
	 * its template said of them (mark.h). */
	char first_configs[HASH_TEXT_MAX], first_mark[HASH_TEXT_MAX];
	char command[HASH_TEXT_MAX]; /* digest of the last command that was taken (command.h) */
	bool refused_command;	     /* it had no meaning then */
	int64_t paused_us;	     /* since when it is paused; 0: it is not */
	int64_t paused_for_us;	     /* how long it was, in this phase: deadlines count without */
	bool gated;		     /* confirm-traffic-increase is waited for */
	enum people_gate approved;   /* this gate is open, by command */
	int replicas;		     /* of the target before it was scaled to zero; 0 unknown */
	char *scaler;	  /* owned: the ScaledObject that it has, and may have paused; or NULL */
	cJSON *inventory; /* owned: {"of": "Kind/name", "was": …} of a route that the team owns, as
			     it was before the first edit, or NULL */
	cJSON *state;	  /* owned: the policy's memory, an object, or NULL */
	struct history_entry history[HISTORY_MAX]; /* newest last */
	size_t history_count;
};

struct status {
	enum phase phase;
	int failed_checks, canary_weight, iterations;
	char last_applied_spec[HASH_TEXT_MAX], last_promoted_spec[HASH_TEXT_MAX];
	int64_t last_transition_us;
	/* Session affinity, "name=value": of the users that the canary serves now, and of those of
	 * the last release, whose cookies are to be taken away. */
	char cookie[COOKIE_TEXT_MAX], previous_cookie[COOKIE_TEXT_MAX];
	bool cookies_changed;	/* a patch must name them */
	cJSON *tracked_configs; /* owned: {"configmap/name": "hash"}, or NULL */
	cJSON *promoted;	/* owned: the Promoted condition as it stands, or NULL */
	cJSON *others;		/* owned: fields and conditions of others, kept as found, or NULL */
	cJSON *stored_configs;	/* owned: tracked_configs as they were read: a merge patch must name
				   what is gone */
	int64_t stored_since_us; /* when the Sluice condition appeared; 0: not yet */
	struct memory memory;
};

void status_init(struct status *status);
void status_fini(struct status *status);
void status_copy(struct status *into,
		 const struct status *from); /* `into` is initialised by this */

/* `json` is the object's .status, or NULL. */
void status_read(struct status *status, const cJSON *json);
/* A merge patch for the /status subresource: {"metadata":{"resourceVersion"},"status":{…}}; the
 * caller frees. Conditions: Promoted (texts of the reference, by phase), then Sluice (when
 * memory.present), then those of others. Cuts history, then the texts of debts, then fails (NULL,
 * ERROR_INVALID) when the memory would not fit into MEMORY_DOC_MAX or the policy's state not into
 * POLICY_STATE_MAX. `target_kind` stands in the Promoted message. lastTransitionTime is now, but at
 * rest that of the last change. */
cJSON *status_patch(const struct status *status, const char *resource_version,
		    const char *target_kind, int64_t now_us, struct error *err);

/* When DEBTS_MAX are owed, the oldest event gives way. */
void status_owe_event(struct status *status, bool warning, enum phase phase, const char *checksum,
		      int64_t now_us, const char *format, ...) PRINTF_LIKE(6, 7);
void status_owe(struct status *status, enum debt_kind kind, enum phase phase, const char *checksum,
		int64_t now_us);
/* When ALERTS_MAX are owed, the oldest gives way. */
void status_owe_alert(struct status *status, enum alert_severity severity, bool detailed,
		      const char *text);
/* `kind` is "" when no sample decided. */
void status_remember(struct status *status, int64_t now_us, const char *verdict, const char *text,
		     const char *kind);
/* The checksum of webhook payloads: a hash over tracked configs and the last applied spec. */
void status_checksum(const struct status *status, char checksum[HASH_TEXT_MAX]);

#endif
