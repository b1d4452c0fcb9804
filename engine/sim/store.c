#include "sim/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

void store_init(struct store *store, uint64_t seed, size_t window)
{
	*store = (struct store){.seed = seed, .window = window == 0 ? 10000 : window, .version = 1};
}

static void stored_free(struct stored *stored)
{
	free(stored->path);
	tree_drop(stored->tree);
	free(stored->managed);
	free(stored);
}

static void change_fini(struct change *change)
{
	free(change->text);
	free(change->managed);
	tree_drop(change->object);
}

void store_fini(struct store *store)
{
	for (size_t i = 0; i < store->count; i++)
		stored_free(store->items[i]);
	for (size_t i = 0; i < store->change_count; i++)
		change_fini(&store->changes[i]);
	free(store->items);
	free(store->changes);
}

size_t store_place(const struct store *store, const char *path)
{
	size_t low = 0, high = store->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(store->items[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct stored *store_find(const struct store *store, const char *path)
{
	size_t at = store_place(store, path);
	if (at < store->count && strcmp(store->items[at]->path, path) == 0)
		return store->items[at];
	return NULL;
}

struct tree *change_object(const struct change *change)
{
	return change->object != NULL
		       ? tree_hold(change->object)
		       : tree_new(json_parse(change->text, strlen(change->text), NULL));
}

/* Most watches have been told of a change soon. */
enum { TREES_MAX = 256 };

static void pack(struct change *change)
{
	change->text = json_text(change->object->json);
	tree_drop(change->object);
	change->object = NULL;
}

static void log_change(struct store *store, const struct stored *stored, const char *type)
{
	if (store->change_count == store->window) {
		size_t half = store->window / 2 + 1;
		store->forgotten = store->changes[half - 1].version;
		for (size_t i = 0; i < half; i++)
			change_fini(&store->changes[i]);
		store->change_count -= half;
		memmove(store->changes, store->changes + half,
			store->change_count * sizeof(*store->changes));
	}
	if (store->change_count == store->change_room) {
		store->change_room = store->change_room == 0 ? 64 : store->change_room * 2;
		store->changes =
			xrealloc(store->changes, store->change_room * sizeof(*store->changes));
	}
	store->changes[store->change_count++] = (struct change){
		.version = store->version,
		.type = type,
		.ref = stored->ref,
		.object = tree_hold(stored->tree),
		.managed = xstrdup(stored->managed),
	};
	if (store->change_count > TREES_MAX)
		pack(&store->changes[store->change_count - 1 - TREES_MAX]);
}

static void set_version(struct store *store, cJSON *object)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)++store->version);
	json_put_string(object, "metadata.resourceVersion", text);
}

static void put(struct stored *stored, cJSON *owned_object)
{
	tree_drop(stored->tree);
	stored->tree = tree_new(owned_object);
	stored->object = owned_object;
}

static void new_version(struct store *store, struct stored *stored)
{
	cJSON *object = json_copy(stored->object);
	set_version(store, object);
	put(stored, object);
}

static void give_uid(struct store *store, cJSON *object)
{
	char of[64], hex[SHA256_HEX_SIZE];
	int len = snprintf(of, sizeof(of), "%llu/%llu", (unsigned long long)store->seed,
			   (unsigned long long)++store->uids);
	sha256_hex(of, (size_t)len, hex);
	SCOPED(text)
	char *uid = xasprintf("%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15,
			      hex + 18);
	json_put_string(object, "metadata.uid", uid);
}

struct stored *store_add(struct store *store, const char *path, const struct kube_ref *ref,
			 cJSON *owned_object, char *owned_managed, int64_t now_us)
{
	if (store->count == store->room) {
		store->room = store->room == 0 ? 64 : store->room * 2;
		store->items = xrealloc(store->items, store->room * sizeof(*store->items));
	}
	char created[TIME_TEXT_MAX];
	time_text(now_us, created);
	give_uid(store, owned_object);
	json_put_string(owned_object, "metadata.creationTimestamp", created);
	json_put_number(owned_object, "metadata.generation", 1);
	json_put_string(owned_object, "metadata.name", ref->name);
	if (ref->namespace[0] != '\0')
		json_put_string(owned_object, "metadata.namespace", ref->namespace);
	set_version(store, owned_object);
	struct stored *stored = xcalloc(1, sizeof(*stored));
	stored->path = xstrdup(path);
	stored->ref = *ref;
	stored->ref.subresource[0] = '\0';
	stored->managed = owned_managed;
	put(stored, owned_object);
	size_t at = store_place(store, path);
	memmove(store->items + at + 1, store->items + at,
		(store->count - at) * sizeof(*store->items));
	store->items[at] = stored;
	store->count++;
	log_change(store, stored, "ADDED");
	return stored;
}

static bool differs_beyond_metadata(const cJSON *a, const cJSON *b)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, a)
	{
		if (strcmp(member->string, "metadata") != 0 &&
		    strcmp(member->string, "status") != 0 &&
		    !json_equal(member, json_get(b, member->string)))
			return true;
	}
	return false;
}

bool store_replace(struct store *store, struct stored *stored, cJSON *owned_object)
{
	static const char *const kept[] = {"metadata.uid",	  "metadata.creationTimestamp",
					   "metadata.generation", "metadata.resourceVersion",
					   "metadata.name",	  "metadata.namespace"};
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const cJSON *value = json_at(stored->object, kept[i]);
		if (value != NULL)
			json_put(owned_object, kept[i], json_copy(value));
	}
	if (json_equal(stored->object, owned_object)) {
		json_free(owned_object);
		return false;
	}
	if (differs_beyond_metadata(owned_object, stored->object) ||
	    differs_beyond_metadata(stored->object, owned_object))
		json_put_number(owned_object, "metadata.generation",
				json_number(stored->object, "metadata.generation", 0) + 1);
	set_version(store, owned_object);
	put(stored, owned_object);
	log_change(store, stored, "MODIFIED");
	return true;
}

void store_touch(struct store *store, struct stored *stored)
{
	new_version(store, stored);
	log_change(store, stored, "MODIFIED");
}

void store_remove(struct store *store, struct stored *stored)
{
	new_version(store, stored);
	log_change(store, stored, "DELETED");
	size_t at = store_place(store, stored->path);
	memmove(store->items + at, store->items + at + 1,
		(store->count - at - 1) * sizeof(*store->items));
	store->count--;
	stored_free(stored);
}
