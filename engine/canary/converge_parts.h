/*
 * converge_parts.h - what the files of converge share.
 */
#ifndef SLUICE_CANARY_CONVERGE_PARTS_H
#define SLUICE_CANARY_CONVERGE_PARTS_H

#include "canary/converge.h"

/* The object at a path: *object is NULL where there is none. */
enum step converge_look(struct tick *tick, const char *path, const cJSON **object);
/* Creates an owned object, or makes it say what is wanted. `path` is the object's. What was seen to
 * say it and not touched since is not looked at; what is not to be trusted is, as an element of a
 * list may say more (a mirror). */
enum step converge_ensure_as(struct tick *tick, const char *path, const cJSON *wanted,
			     bool trusted);
/* The same, where the json_digest of `wanted` is known. */
enum step converge_ensure_digest(struct tick *tick, const char *path, const cJSON *wanted,
				 uint64_t digest, bool trusted);
enum step converge_ensure(struct tick *tick, const struct kube_kind *kind, cJSON *owned_wanted);
/* It has a pod that can carry traffic. */
/* See converge_delete. */
enum step converge_delete_at(struct tick *tick, const char *path);
bool converge_serves(const struct tick *tick, enum side side);
/* No pod of the canary is available while the primary has some: until there is one again the routes
 * carry all on the primary, whatever was committed. Decided before the routes of a move are
 * compared, and not again until the next. */
void converge_divert(struct tick *tick);
/* What the routes shall carry now. */
struct split converge_split(const struct tick *tick);

#endif
