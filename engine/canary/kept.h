/*
 * kept.h - what is known of the API server's objects from one tick to the next.
 *
 * Whatever a canary asks for is watched from then on, kind by kind, so that asking again costs
 * nothing: an object is as it was read or written last until its watch tells of a newer version.
 * Targets are watched whole, as their status is what rollouts wait for; all else as metadata,
 * to be read again when its version moves. What no watch vouches for (it is not current, the kind
 * may not be watched, another namespace) is not known.
 *
 * A canary at rest keeps versions and digests, about a hundred bytes an object; one that
 * progresses the objects too (packed, or as trees while canaries are few), KEPT_BYTES_MAX for all
 * together: what does not fit is read again.
 */
#ifndef SLUICE_CANARY_KEPT_H
#define SLUICE_CANARY_KEPT_H

#include "kube/client.h"
#include "kube/path.h"

struct kept;
struct kept_entry;

/* What is kept of an object besides its version: a tree takes twenty times as much as it packed. */
enum warmth { WARMTH_NONE, WARMTH_PACKED, WARMTH_TREE };

/* What one canary has asked for. Embedded by its owner, which forgets it before it goes. */
struct keeping {
	struct kept_entry *first;
	uint64_t id; /* the owner's */
	enum warmth warmth;
};

/* An object that a canary has asked for is not as it was. `matters`: in its spec, its content or
 * its being there, not in its status alone. */
typedef void kept_changed(void *owner, uint64_t id, const struct kube_kind *kind, bool matters);

struct kept *kept_new(struct kube *kube, const char *namespace, kept_changed *changed, void *owner);
void kept_free(struct kept *kept);

/* Watches a kind from now on, before anybody asked. */
void kept_watch(struct kept *kept, const struct kube_kind *kind);
/* Of those: all were listed; and the trouble of the first that has any. A kind that a canary asked
 * for need not exist. */
bool kept_is_ready(const struct kept *kept);
const struct error *kept_trouble(const struct kept *kept);

/* The path is about to be read: changes are noticed from now on. */
void kept_expect(struct kept *kept, struct keeping *keeping, const char *path);
/* The object as the API server answered; NULL: there is none. */
void kept_know(struct kept *kept, struct keeping *keeping, const char *path, struct tree *tree);
/* What is known may be wrong: a write failed. */
void kept_doubt(struct kept *kept, struct keeping *keeping, const char *path);
/* True when it is known; *owned_tree is NULL when it is known not to exist. */
bool kept_find(struct kept *kept, const struct keeping *keeping, const char *path,
	       struct tree **owned_tree);

/* Whether kept_find would find it now. */
bool kept_has(const struct kept *kept, const struct keeping *keeping, const char *path);

/* That the object says what a digest stands for, so that it needs no look to know that again. */
void kept_note(struct kept *kept, struct keeping *keeping, const char *path, uint64_t digest);
/* Whether it says so still. Otherwise `version` is that of an object that said something else and
 * was not touched since, and of which an apply takes away what it leaves out (to be overwritten
 * unread), or empty. */
bool kept_says(const struct kept *kept, const struct keeping *keeping, const char *path,
	       uint64_t digest, char version[24]);

/* So much is kept from now on; with WARMTH_NONE what was kept is forgotten. */
void kept_warm(struct kept *kept, struct keeping *keeping, enum warmth warmth);
void kept_forget(struct kept *kept, struct keeping *keeping);

#endif
