/*
 * known.h - the names of what exists, as far as a watch has told; so that what a new list lacks is
 * known to be gone.
 *
 * A sorted array: servers list in that order, so adding is at the end but for new objects, and ten
 * thousand names are found in fourteen steps.
 */
#ifndef SLUICE_KUBE_KNOWN_H
#define SLUICE_KUBE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

struct known {
	struct known_item *items;
	size_t count, room;
	unsigned round;
};

void known_init(struct known *known);
void known_fini(struct known *known);

/* `namespace` is NULL for what has none. Adding twice is adding once. */
void known_add(struct known *known, const char *namespace, const char *name);
void known_remove(struct known *known, const char *namespace, const char *name);

/* From here on what is added is of a new round, and the rest is stale until it is added again. */
void known_begin(struct known *known);
/* Calls for each stale one, in order, and forgets it. `namespace` is NULL when it has none. */
typedef void known_call(void *owner, const char *namespace, const char *name);
void known_forget_stale(struct known *known, known_call *call, void *owner);

#endif
