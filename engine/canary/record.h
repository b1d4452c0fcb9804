/*
 * record.h - the canaries that an engine knows: a record of each, found by its key or its id.
 *
 * A record outlives the ticks of its canary and is what it costs at rest. The Canary itself is
 * kept packed, as a watch or an answer told it last: a tree of it would be twenty times as large,
 * and is kept only while it is ticked and canaries are few.
 */
#ifndef SLUICE_CANARY_RECORD_H
#define SLUICE_CANARY_RECORD_H

#include "base/hash.h"
#include "base/packed.h"
#include "base/tree.h"
#include "canary/custody.h"
#include "canary/kept.h"
#include "canary/tick.h"

struct record {
	uint64_t id;
	char *key; /* "namespace/name" */
	/* The Canary as it was told last, without managedFields: one of these, or nothing yet. */
	struct packed *packed;
	struct tree *tree;
	struct canary_spec *spec;  /* while it is ticked */
	struct canary_spec *spare; /* of the tick before, or NULL */
	struct tree
		*spec_of; /* what `spec` or `spare` was read from, when that was kept as a tree */
	struct tick *tick;
	struct keeping keeping; /* the objects that it asked for */
	char uid[40];
	char *target;	       /* "Deployment/podinfo" */
	char *apex;	       /* of its three Services, or NULL where there are none */
	struct claim *claim;   /* on a slot, or NULL */
	struct claim *granted; /* to its tick, whose commit will say so; or NULL */
	int64_t created_us;    /* the older of two has the target, or the Services */
	uint32_t paid_before;  /* see tick.h */
	struct herald *herald; /* once it has told somebody of an event; or NULL */
	int64_t denied_us;
	uint64_t reached[SIDES];
	uint64_t timer;
	int64_t backoff_us, began_us;
	int64_t timer_us, due_us; /* when its timer fires; when the one that fired did, or 0 */
	uint64_t shed_version;	  /* of what was known when its tick was shed */
	uint64_t version;	  /* of what is known: what is older says nothing */
	char complained[HASH_TEXT_MAX]; /* hash of what was said to be wrong with it */
	struct custody custody;
	bool queued, again, thorough, resting;
	bool away, measuring; /* see engine.h */
	bool waking;	      /* it will be resumed */
	bool stale; /* the last tick met what is newer than it knew: read before the next */
	struct observed *observed;     /* see observer.c, which owns it; or NULL */
	struct record *next_in_bucket; /* by id */
};

enum { RECORD_BUCKETS = 1024 };

/* All zero is none. Reading `by_key` and `count` is free for all. */
struct records {
	struct record **by_key; /* sorted */
	size_t count, room;
	struct record *buckets[RECORD_BUCKETS]; /* by id */
	uint64_t ids;
};

/* The records must be removed before. */
void records_fini(struct records *records);

struct record *records_find(const struct records *records, const char *key);
struct record *records_by_id(const struct records *records, uint64_t id);
struct record *records_add(struct records *records, const char *key);

/* Frees what is the record's own: its tick, its timer and what it keeps are ended before. */
void records_remove(struct records *records, struct record *record);

/* Keeps `object` as its Canary, without managedFields. False when it is known already, or older: a
 * watch tells of our own writes too, and lags. */
bool record_keep(struct record *record, cJSON *object);
bool record_is_news(const struct record *record, const cJSON *object);
void record_trim(cJSON *object); /* takes managedFields out */
/* The same as a tree, which has no managedFields. */
bool record_keep_tree(struct record *record, struct tree *tree);
bool record_is_known(const struct record *record); /* its Canary was told */
/* The Canary, held for the caller; NULL when it was not told yet. */
struct tree *record_tree(const struct record *record);
/* Packed from now on, and no spec of the last tick. */
void record_pack(struct record *record);

/* Its spec from `tree`: that of the last tick, if nothing but the status differs. */
struct canary_spec *record_spec(struct record *record, struct tree *tree,
				const struct spec_options *options, struct spec_problems *problems);
/* Its tick is over, or lets go of it. */
void record_end_spec(struct record *record);

/* Copied; what was granted before is forgotten. NULL: nothing. */
void record_grant(struct record *record, const struct claim *claim);
const struct claim *record_claim(const struct record *record); /* granted, or its own; or NULL */

/* Of its key: the namespace and the slash. */
size_t record_namespace_len(const struct record *record);

/* Calls for each other canary of the same target, or with Services of the same names. */
typedef void rival_call(void *owner, struct record *rival);
void records_each_rival(const struct records *records, const struct record *record,
			rival_call *call, void *owner);

/* Whether `object` is of another target or other Services than the record. */
bool record_moves(const struct record *record, const cJSON *object);

/* Of all of them, itself among them, the oldest. */
const struct record *records_first_rival(const struct records *records,
					 const struct record *record);

#endif
