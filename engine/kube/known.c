#include "kube/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct known_item {
	char *key; /* "namespace/name", "/name" */
	unsigned round;
};

void known_init(struct known *known)
{
	*known = (struct known){0};
}

void known_fini(struct known *known)
{
	for (size_t i = 0; i < known->count; i++)
		free(known->items[i].key);
	free(known->items);
	*known = (struct known){0};
}

static char *key_of(const char *namespace, const char *name)
{
	return xasprintf("%s/%s", namespace != NULL ? namespace : "", name);
}

/* Where the key is, or should be. */
static size_t find(const struct known *known, const char *key, bool *found)
{
	size_t low = 0, high = known->count;
	*found = false;
	if (high > 0 && strcmp(known->items[high - 1].key, key) < 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(known->items[middle].key, key);
		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void known_add(struct known *known, const char *namespace, const char *name)
{
	char *key = key_of(namespace, name);
	bool found;
	size_t at = find(known, key, &found);
	if (found) {
		free(key);
		known->items[at].round = known->round;
		return;
	}
	if (known->count == known->room) {
		known->room = known->room > 0 ? known->room * 2 : 16;
		known->items = xrealloc(known->items, known->room * sizeof(*known->items));
	}
	memmove(known->items + at + 1, known->items + at,
		(known->count - at) * sizeof(*known->items));
	known->items[at] = (struct known_item){.key = key, .round = known->round};
	known->count++;
}

void known_remove(struct known *known, const char *namespace, const char *name)
{
	SCOPED(text) char *key = key_of(namespace, name);
	bool found;
	size_t at = find(known, key, &found);
	if (!found)
		return;
	free(known->items[at].key);
	known->count--;
	memmove(known->items + at, known->items + at + 1,
		(known->count - at) * sizeof(*known->items));
}

void known_begin(struct known *known)
{
	known->round++;
}

void known_forget_stale(struct known *known, known_call *call, void *owner)
{
	size_t kept = 0, count = known->count;
	for (size_t i = 0; i < count; i++) {
		struct known_item item = known->items[i];
		if (item.round == known->round) {
			known->items[kept++] = item;
			continue;
		}
		char *slash = strchr(item.key, '/');
		*slash = '\0';
		call(owner, item.key[0] != '\0' ? item.key : NULL, slash + 1);
		free(item.key);
	}
	known->count = kept;
}
