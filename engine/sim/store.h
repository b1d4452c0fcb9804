/*
 * store.h - the objects of an in-memory API server, by path, with versions and a log of what
 * changed.
 */
#ifndef SLUICE_SIM_STORE_H
#define SLUICE_SIM_STORE_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "base/error.h"
#include "base/tree.h"
#include "kube/path.h"

struct stored {
	char *path;
	struct kube_ref ref;
	struct tree *tree;   /* with the log of changes */
	const cJSON *object; /* what is in it */
	char *managed;	     /* metadata.managedFields, which the object is kept without */
};

/* One change, for watches. */
struct change {
	uint64_t version;
	const char *type; /* ADDED, MODIFIED, DELETED */
	struct kube_ref ref;
	struct tree *object; /* NULL: it has been a while, and there is a text only */
	char *text;
	char *managed; /* metadata.managedFields of then */
};

struct store {
	struct stored **items; /* sorted by path */
	size_t count, room;
	uint64_t version;
	uint64_t uids, seed;
	struct change *changes; /* oldest first */
	size_t change_count, change_room, window;
	uint64_t forgotten; /* changes up to this version are not in the log any more */
};

void store_init(struct store *store, uint64_t seed, size_t window);
void store_fini(struct store *store);
/* Where it is, or would be. */
size_t store_place(const struct store *store, const char *path);
struct stored *store_find(const struct store *store, const char *path);

/* Puts an object that was not there; metadata is completed. `managed` is who owns its fields. */
struct stored *store_add(struct store *store, const char *path, const struct kube_ref *ref,
			 cJSON *owned_object, char *owned_managed, int64_t now_us);
/* Replaces the object; false when nothing changed. Generation counts changes outside metadata and
 * status. */
bool store_replace(struct store *store, struct stored *stored, cJSON *owned_object);
/* A new version of the same: who owns its fields has changed. */
void store_touch(struct store *store, struct stored *stored);
/* What a change made of its object; the caller drops it. */
struct tree *change_object(const struct change *change);
void store_remove(struct store *store, struct stored *stored);

#endif
