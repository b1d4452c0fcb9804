#include "canary/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/packed.h"
#include "canary/managed.h"
#include "canary/mark.h"
#include "canary/target.h"
#include "kube/watch.h"

enum state { IS_UNKNOWN, IS_KNOWN, IS_ABSENT };

struct kept_entry {
	struct kept_entry *next_in_bucket, *next_of_keeping;
	struct keeping *keeping;
	struct watched *watched;
	uint64_t hash;	  /* of the path */
	uint64_t version; /* the newest that is known of */
	uint64_t sense;	  /* digest of what matters of that version */
	uint64_t noted;	  /* see kept_note; 0: nothing */
	union {		  /* what is kept of it, or NULL */
		struct packed *packed;
		struct tree *tree;
	};
	uint32_t size;	/* of that */
	unsigned round; /* of the list that it was seen in last */
	enum state state;
	bool told; /* its watch has spoken since it was last asked for */
	bool is_tree;
	bool outlives; /* see managed_outlive: to be read before it is applied */
};

struct watched {
	struct watched *next;
	struct kept *kept;
	struct kube_kind kind;
	char api_version[128], plural[64];
	struct watch *watch;
	unsigned round;			  /* counts its lists */
	const struct target_kind *target; /* watched whole; or NULL */
	bool early;			  /* watched before anybody asked */
};

struct kept {
	struct kube *kube;
	char *namespace;
	kept_changed *changed;
	void *owner;
	struct watched *watched;
	struct kept_entry **buckets;
	size_t bucket_count, count;
	size_t kept_bytes;
};

struct kept *kept_new(struct kube *kube, const char *namespace, kept_changed *changed, void *owner)
{
	struct kept *kept = xcalloc(1, sizeof(*kept));
	kept->kube = kube;
	kept->namespace = xstrdup(namespace);
	kept->changed = changed;
	kept->owner = owner;
	kept->bucket_count = 64;
	kept->buckets = xcalloc(kept->bucket_count, sizeof(*kept->buckets));
	return kept;
}

void kept_free(struct kept *kept)
{
	if (kept == NULL)
		return;
	while (kept->watched != NULL) {
		struct watched *watched = kept->watched;
		kept->watched = watched->next;
		watch_free(watched->watch);
		free(watched);
	}
	free(kept->namespace);
	free(kept->buckets);
	free(kept);
}

/* ---- entries ---- */

static void drop(struct kept *kept, struct kept_entry *entry)
{
	kept->kept_bytes -= entry->size;
	if (entry->is_tree)
		tree_drop(entry->tree);
	else
		packed_free(entry->packed);
	entry->packed = NULL;
	entry->size = 0;
	entry->is_tree = false;
}

/* About what a tree takes. */
static size_t size_of(const cJSON *json)
{
	size_t size = sizeof(*json);
	if (json->valuestring != NULL)
		size += strlen(json->valuestring);
	for (const cJSON *child = json->child; child != NULL; child = child->next)
		size += size_of(child);
	return size;
}

/* The object in a tree, or, while that is NULL, by itself. */
static void keep(struct kept *kept, struct kept_entry *entry, struct tree *tree,
		 const cJSON *object)
{
	drop(kept, entry);
	bool is_tree = entry->keeping->warmth == WARMTH_TREE;
	struct packed *packed = is_tree ? NULL : packed_new(object);
	size_t size = is_tree ? size_of(object) : packed_size(packed);
	if (kept->kept_bytes + size > KEPT_BYTES_MAX) {
		packed_free(packed);
		return;
	}
	if (is_tree)
		entry->tree = tree != NULL ? tree_hold(tree) : tree_new(json_copy(object));
	else
		entry->packed = packed;
	entry->is_tree = is_tree;
	entry->size = (uint32_t)size;
	kept->kept_bytes += size;
}

static struct kept_entry **bucket_of(const struct kept *kept, uint64_t hash)
{
	return &kept->buckets[hash & (kept->bucket_count - 1)];
}

static struct kept_entry *find(const struct keeping *keeping, const char *path)
{
	uint64_t hash = hash64(path, strlen(path));
	for (struct kept_entry *entry = keeping->first; entry != NULL;
	     entry = entry->next_of_keeping)
		if (entry->hash == hash)
			return entry;
	return NULL;
}

static void grow(struct kept *kept)
{
	struct kept_entry **before = kept->buckets;
	size_t count = kept->bucket_count;
	kept->bucket_count = count * 2;
	kept->buckets = xcalloc(kept->bucket_count, sizeof(*kept->buckets));
	for (size_t i = 0; i < count; i++) {
		while (before[i] != NULL) {
			struct kept_entry *entry = before[i];
			before[i] = entry->next_in_bucket;
			struct kept_entry **bucket = bucket_of(kept, entry->hash);
			entry->next_in_bucket = *bucket;
			*bucket = entry;
		}
	}
	free(before);
}

/* ---- what watches tell ---- */

/* Versions are numbers that grow (https://kubernetes.io/docs/reference/using-api/api-concepts/,
 * "Resource versions"). 0: this one is none, and its object is never known. */
static uint64_t version_of(const cJSON *object)
{
	const char *text = json_string_or(object, "metadata.resourceVersion", "");
	char *end;
	uint64_t version = strtoull(text, &end, 10);
	return *text == '\0' || *end != '\0' ? 0 : version;
}

static uint64_t digest_of(const cJSON *json)
{
	return json == NULL ? 0 : json_digest(json);
}

/* The revision of what may be a target, its own split, and its mark (mark.h); the generation where
 * there is one, with labels and annotations; of an autoscaler, whose status moves all the time,
 * that it is there; else the version. Never 0. */
static uint64_t sense_of(const struct watched *watched, const cJSON *object)
{
	if (watched->target != NULL) {
		char hash[HASH_TEXT_MAX];
		target_hash(watched->target, object, hash);
		/* Pods where there were none, at rest, are somebody's doing (contest.h). */
		uint64_t pods = target_is_stopped(watched->target, object) ? 0 : 2;
		const char *mark = mark_of(object);
		uint64_t split = watched->target->driver == NULL
					 ? 0
					 : digest_of(json_at(object, "spec.updateStrategy")) ^
						   digest_of(json_at(object, "spec.traffic")) ^
						   hash64(mark, strlen(mark)) ^
						   digest_of(json_at(object, knative_primary_path));
		return (hash64(hash, strlen(hash)) ^ pods ^ split) | 1;
	}
	if (strcmp(watched->plural, kube_hpa.plural) == 0)
		return 1;
	const cJSON *metadata = json_get(object, "metadata");
	double generation = json_number(metadata, "generation", 0);
	if (generation <= 0)
		return version_of(object) | 1ULL << 63;
	return (((uint64_t)generation * 0x9e3779b97f4a7c15ULL) ^
		digest_of(json_get(metadata, "labels")) ^
		(digest_of(json_get(metadata, "annotations")) << 1)) |
	       1;
}

static void put(struct kept *kept, struct kept_entry *entry, const struct watched *watched,
		cJSON *object)
{
	uint64_t version = version_of(object);
	entry->told = true;
	if (version != 0 && version <= entry->version && entry->state == IS_KNOWN)
		return;
	if (version != 0 && version < entry->version)
		return;
	uint64_t sense = sense_of(watched, object);
	bool matters = sense != entry->sense;
	entry->version = version;
	entry->sense = sense;
	if (matters)
		entry->noted = 0;
	if (watched->target != NULL && version != 0) {
		entry->state = IS_KNOWN;
		if (entry->keeping->warmth != WARMTH_NONE || matters)
			keep(kept, entry, NULL, object);
		else
			drop(kept, entry);
	} else {
		entry->state = entry->noted != 0 ? IS_KNOWN : IS_UNKNOWN;
		drop(kept, entry);
	}
	kept->changed(kept->owner, entry->keeping->id, &watched->kind, matters);
}

static void gone(struct kept *kept, struct kept_entry *entry, const struct watched *watched,
		 const cJSON *object)
{
	uint64_t version = version_of(object);
	entry->told = true;
	if (entry->state == IS_ABSENT || (version != 0 && version < entry->version))
		return;
	/* What a new list lacks may have been made since: that is found out by reading. */
	entry->state = version != 0 ? IS_ABSENT : IS_UNKNOWN;
	if (version != 0)
		entry->version = version;
	entry->sense = 0;
	entry->noted = 0;
	drop(kept, entry);
	kept->changed(kept->owner, entry->keeping->id, &watched->kind, true);
}

/* What a complete list did not have is gone. */
static void sweep(struct watched *watched)
{
	static const cJSON nothing = {0};
	struct kept *kept = watched->kept;
	for (size_t i = 0; i < kept->bucket_count; i++) {
		struct kept_entry *entry = kept->buckets[i], *next;
		for (; entry != NULL; entry = next) {
			next = entry->next_in_bucket;
			if (entry->watched == watched && entry->round != watched->round)
				gone(kept, entry, watched, &nothing);
		}
	}
}

static void told(void *owner, enum watch_event event, cJSON *object)
{
	struct watched *watched = owner;
	struct kept *kept = watched->kept;
	char path[KUBE_PATH_MAX];
	if (event == WATCH_LISTING)
		watched->round++;
	if (event == WATCH_SYNCED)
		sweep(watched);
	if (object == NULL ||
	    !kube_path(path, &watched->kind, json_string(object, "metadata.namespace"),
		       json_string(object, "metadata.name")))
		return;
	cJSON_DeleteItemFromObjectCaseSensitive(json_get(object, "metadata"), "managedFields");
	uint64_t hash = hash64(path, strlen(path));
	struct kept_entry *entry = *bucket_of(kept, hash), *next;
	for (; entry != NULL; entry = next) {
		next = entry->next_in_bucket;
		if (entry->hash != hash)
			continue;
		entry->round = watched->round;
		if (event == WATCH_PUT)
			put(kept, entry, watched, object);
		else
			gone(kept, entry, watched, object);
	}
}

static struct watched *watch_kind(struct kept *kept, const char *api_version, const char *plural,
				  const char *kind)
{
	for (struct watched *watched = kept->watched; watched != NULL; watched = watched->next)
		if (strcmp(watched->plural, plural) == 0 &&
		    strcmp(watched->api_version, api_version) == 0)
			return watched;
	struct watched *watched = xcalloc(1, sizeof(*watched));
	text_copy(watched->api_version, sizeof(watched->api_version), api_version);
	text_copy(watched->plural, sizeof(watched->plural), plural);
	watched->kept = kept;
	watched->kind = (struct kube_kind){watched->api_version, kind, watched->plural, false};
	watched->target = target_of(api_version, plural);
	if (watched->target != NULL && !watched->target->whole)
		watched->target = NULL;
	watched->next = kept->watched;
	kept->watched = watched;
	const struct watch_options options = {.namespace = kept->namespace,
					      .metadata_only = watched->target == NULL,
					      .forgetful = true};
	watched->watch = watch_new(kept->kube, &watched->kind, &options, told, watched);
	return watched;
}

void kept_watch(struct kept *kept, const struct kube_kind *kind)
{
	watch_kind(kept, kind->api_version, kind->plural, kind->kind)->early = true;
}

bool kept_is_ready(const struct kept *kept)
{
	for (const struct watched *watched = kept->watched; watched != NULL;
	     watched = watched->next)
		if (watched->early && !watch_is_synced(watched->watch))
			return false;
	return true;
}

const struct error *kept_trouble(const struct kept *kept)
{
	static const struct error none = {0};
	for (const struct watched *watched = kept->watched; watched != NULL;
	     watched = watched->next)
		if (watched->early && watch_trouble(watched->watch)->kind != ERROR_NONE)
			return watch_trouble(watched->watch);
	return &none;
}

/* ---- asking ---- */

/* What is written and never read, and what has a watch of its own. */
static bool is_kept(const struct kept *kept, const char *path, struct kube_ref *ref)
{
	return kube_path_parse(path, ref) && ref->name[0] != '\0' &&
	       strcmp(ref->plural, kube_event.plural) != 0 &&
	       strcmp(ref->plural, kube_pod.plural) != 0 &&
	       strcmp(ref->plural, kube_canary.plural) != 0 &&
	       (kept->namespace == NULL || strcmp(kept->namespace, ref->namespace) == 0);
}

static struct kept_entry *entry_of(struct kept *kept, struct keeping *keeping, const char *path)
{
	struct kept_entry *entry = find(keeping, path);
	struct kube_ref ref;
	if (entry != NULL || !is_kept(kept, path, &ref))
		return entry;
	if (kept->count == kept->bucket_count)
		grow(kept);
	entry = xcalloc(1, sizeof(*entry));
	entry->hash = hash64(path, strlen(path));
	entry->keeping = keeping;
	const struct target_kind *target = target_of(ref.api_version, ref.plural);
	entry->watched = watch_kind(kept, ref.api_version, ref.plural,
				    target != NULL ? target->kube.kind : "");
	entry->next_of_keeping = keeping->first;
	keeping->first = entry;
	entry->next_in_bucket = *bucket_of(kept, entry->hash);
	*bucket_of(kept, entry->hash) = entry;
	kept->count++;
	return entry;
}

static bool is_current(const struct kept_entry *entry)
{
	return watch_is_synced(entry->watched->watch) &&
	       watch_trouble(entry->watched->watch)->kind == ERROR_NONE;
}

void kept_expect(struct kept *kept, struct keeping *keeping, const char *path)
{
	struct kept_entry *entry = entry_of(kept, keeping, path);
	if (entry != NULL)
		entry->told = false;
}

void kept_know(struct kept *kept, struct keeping *keeping, const char *path, struct tree *tree)
{
	const cJSON *object = tree == NULL ? NULL : tree->json;
	struct kept_entry *entry = entry_of(kept, keeping, path);
	if (entry == NULL)
		return;
	entry->round = entry->watched->round;
	if (object == NULL) {
		/* Unless it came to be while we asked. */
		entry->state = entry->told ? IS_UNKNOWN : IS_ABSENT;
		entry->sense = 0;
		entry->noted = 0;
		drop(kept, entry);
		return;
	}
	uint64_t version = version_of(object);
	if (version == 0 || version < entry->version)
		return;
	uint64_t sense = sense_of(entry->watched, object);
	if (sense != entry->sense)
		entry->noted = 0;
	entry->state = IS_KNOWN;
	entry->version = version;
	entry->sense = sense;
	entry->outlives = managed_outlive(object);
	if (keeping->warmth != WARMTH_NONE && entry->noted == 0)
		keep(kept, entry, tree, object);
	else
		drop(kept, entry);
}

void kept_doubt(struct kept *kept, struct keeping *keeping, const char *path)
{
	struct kept_entry *entry = find(keeping, path);
	if (entry == NULL)
		return;
	entry->state = IS_UNKNOWN;
	entry->noted = 0;
	drop(kept, entry);
}

bool kept_has(const struct kept *kept, const struct keeping *keeping, const char *path)
{
	const struct kept_entry *entry = find(keeping, path);
	(void)kept;
	return entry != NULL && is_current(entry) &&
	       (entry->state == IS_ABSENT || (entry->state == IS_KNOWN && entry->packed != NULL));
}

bool kept_find(struct kept *kept, const struct keeping *keeping, const char *path,
	       struct tree **owned_tree)
{
	const struct kept_entry *entry = find(keeping, path);
	*owned_tree = NULL;
	if (!kept_has(kept, keeping, path))
		return false;
	if (entry->state == IS_ABSENT)
		return true;
	*owned_tree =
		entry->is_tree ? tree_hold(entry->tree) : tree_new(packed_json(entry->packed));
	return true;
}

void kept_note(struct kept *kept, struct keeping *keeping, const char *path, uint64_t digest)
{
	struct kept_entry *entry = find(keeping, path);
	if (entry == NULL || entry->state != IS_KNOWN)
		return;
	entry->noted = digest != 0 ? digest : 1;
	drop(kept, entry);
}

bool kept_says(const struct kept *kept, const struct keeping *keeping, const char *path,
	       uint64_t digest, char version[24])
{
	const struct kept_entry *entry = find(keeping, path);
	(void)kept;
	version[0] = '\0';
	if (entry == NULL || entry->state != IS_KNOWN || entry->noted == 0 || !is_current(entry))
		return false;
	if (!entry->outlives)
		snprintf(version, 24, "%llu", (unsigned long long)entry->version);
	return entry->noted == (digest != 0 ? digest : 1);
}

void kept_warm(struct kept *kept, struct keeping *keeping, enum warmth warmth)
{
	keeping->warmth = warmth;
	if (warmth != WARMTH_NONE)
		return;
	for (struct kept_entry *entry = keeping->first; entry != NULL;
	     entry = entry->next_of_keeping)
		drop(kept, entry);
}

void kept_forget(struct kept *kept, struct keeping *keeping)
{
	while (keeping->first != NULL) {
		struct kept_entry *entry = keeping->first, **slot = bucket_of(kept, entry->hash);
		keeping->first = entry->next_of_keeping;
		while (*slot != entry)
			slot = &(*slot)->next_in_bucket;
		*slot = entry->next_in_bucket;
		drop(kept, entry);
		free(entry);
		kept->count--;
	}
}
