#include "canary/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"

static size_t place(const struct records *records, const char *key)
{
	size_t low = 0, high = records->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(records->by_key[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void records_fini(struct records *records)
{
	assert(records->count == 0);
	free(records->by_key);
}

struct record *records_find(const struct records *records, const char *key)
{
	size_t at = place(records, key);
	if (at < records->count && strcmp(records->by_key[at]->key, key) == 0)
		return records->by_key[at];
	return NULL;
}

struct record *records_by_id(const struct records *records, uint64_t id)
{
	struct record *record = records->buckets[id % RECORD_BUCKETS];
	while (record != NULL && record->id != id)
		record = record->next_in_bucket;
	return record;
}

struct record *records_add(struct records *records, const char *key)
{
	if (records->count == records->room) {
		records->room = records->room == 0 ? 64 : records->room * 2;
		records->by_key =
			xrealloc(records->by_key, records->room * sizeof(*records->by_key));
	}
	size_t at = place(records, key);
	memmove(records->by_key + at + 1, records->by_key + at,
		(records->count - at) * sizeof(*records->by_key));
	struct record *record = xcalloc(1, sizeof(*record));
	record->id = ++records->ids;
	record->key = xstrdup(key);
	record->thorough = true;
	record->keeping.id = record->id;
	record->next_in_bucket = records->buckets[record->id % RECORD_BUCKETS];
	records->buckets[record->id % RECORD_BUCKETS] = record;
	records->by_key[at] = record;
	records->count++;
	return record;
}

static void drop_spare(struct record *record)
{
	canary_spec_free(record->spare);
	record->spare = NULL;
	tree_drop(record->spec_of);
	record->spec_of = NULL;
}

void records_remove(struct records *records, struct record *record)
{
	assert(record->tick == NULL && record->spec == NULL);
	struct record **slot = &records->buckets[record->id % RECORD_BUCKETS];
	while (*slot != record)
		slot = &(*slot)->next_in_bucket;
	*slot = record->next_in_bucket;
	size_t at = place(records, record->key);
	memmove(records->by_key + at, records->by_key + at + 1,
		(records->count - at - 1) * sizeof(*records->by_key));
	records->count--;
	free(record->key);
	packed_free(record->packed);
	tree_drop(record->tree);
	drop_spare(record);
	free(record->target);
	free(record->apex);
	free(record->claim);
	free(record->granted);
	free(record);
}

/* Versions are numbers that grow (https://kubernetes.io/docs/reference/using-api/api-concepts/,
 * "Resource versions"); one that is none is taken as new. */
static uint64_t version_of(const cJSON *object)
{
	return strtoull(json_string_or(object, "metadata.resourceVersion", "0"), NULL, 10);
}

static struct claim *copy_claim(const struct claim *claim)
{
	struct claim *copy = xcalloc(1, sizeof(*copy));
	*copy = *claim;
	return copy;
}

bool record_is_news(const struct record *record, const cJSON *object)
{
	uint64_t version = version_of(object);
	return version == 0 || version > record->version;
}

static char *target_name(const cJSON *object)
{
	return xasprintf("%s/%s", json_string_or(object, "spec.targetRef.kind", ""),
			 json_string_or(object, "spec.targetRef.name", ""));
}

/* A target whose split is its own has no Services of ours. */
static char *apex_name(const cJSON *object)
{
	const char *name = json_string_or(object, "spec.service.name", "");
	const struct target_kind *kind =
		target_find(json_string_or(object, "spec.targetRef.apiVersion", ""),
			    json_string_or(object, "spec.targetRef.kind", ""));
	if (kind == NULL || kind->driver != NULL)
		return NULL;
	return xstrdup(name[0] != '\0' ? name : json_string_or(object, "spec.targetRef.name", ""));
}

bool record_moves(const struct record *record, const cJSON *object)
{
	SCOPED(text) char *target = target_name(object);
	SCOPED(text) char *apex = apex_name(object);
	bool same_apex = apex == NULL ? record->apex == NULL : text_equal(record->apex, apex);
	return !text_equal(record->target, target) || !same_apex;
}

static void note(struct record *record, const cJSON *object)
{
	record->version = version_of(object);
	packed_free(record->packed);
	record->packed = NULL;
	tree_drop(record->tree);
	record->tree = NULL;
	free(record->claim);
	struct claim claim;
	record->claim = claim_read(&claim, object) ? copy_claim(&claim) : NULL;
	free(record->target);
	free(record->apex);
	record->target = target_name(object);
	record->apex = apex_name(object);
	if (!time_parse(json_string_or(object, "metadata.creationTimestamp", ""),
			&record->created_us, NULL))
		record->created_us = 0;
}

void record_trim(cJSON *object)
{
	cJSON_DeleteItemFromObjectCaseSensitive(json_get(object, "metadata"), "managedFields");
}

bool record_keep(struct record *record, cJSON *object)
{
	if (!record_is_news(record, object))
		return false;
	record_trim(object);
	note(record, object);
	record->packed = packed_new(object);
	return true;
}

bool record_keep_tree(struct record *record, struct tree *tree)
{
	if (!record_is_news(record, tree->json))
		return false;
	struct tree *held = tree_hold(tree);
	note(record, tree->json);
	record->tree = held;
	return true;
}

bool record_is_known(const struct record *record)
{
	return record->packed != NULL || record->tree != NULL;
}

struct tree *record_tree(const struct record *record)
{
	if (record->tree != NULL)
		return tree_hold(record->tree);
	return record->packed == NULL ? NULL : tree_new(packed_json(record->packed));
}

void record_pack(struct record *record)
{
	if (record->spec == NULL)
		drop_spare(record);
	if (record->tree == NULL)
		return;
	record->packed = packed_new(record->tree->json);
	tree_drop(record->tree);
	record->tree = NULL;
}

static bool tells(const char *member)
{
	return strcmp(member, "status") != 0 && strcmp(member, "resourceVersion") != 0 &&
	       strcmp(member, "managedFields") != 0;
}

/* All that `a` tells of a spec, `b` tells too. */
static bool is_told(const cJSON *a, const cJSON *b)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, a)
	{
		const cJSON *other = tells(member->string) ? json_get(b, member->string) : NULL;
		bool same = strcmp(member->string, "metadata") == 0 ? is_told(member, other)
								    : json_equal(member, other);
		if (tells(member->string) && !same)
			return false;
	}
	return true;
}

struct canary_spec *record_spec(struct record *record, struct tree *tree,
				const struct spec_options *options, struct spec_problems *problems)
{
	bool same = record->spare != NULL && is_told(record->spec_of->json, tree->json) &&
		    is_told(tree->json, record->spec_of->json);
	if (!same) {
		drop_spare(record);
		record->spare = canary_spec_new(tree->json, options, problems);
		if (record->spare != NULL && record->tree == tree)
			record->spec_of = tree_hold(tree);
	}
	record->spec = record->spare;
	record->spare = NULL;
	return record->spec;
}

void record_end_spec(struct record *record)
{
	if (record->spec_of != NULL && record->spare == NULL)
		record->spare = record->spec;
	else
		canary_spec_free(record->spec);
	record->spec = NULL;
}

void record_grant(struct record *record, const struct claim *claim)
{
	free(record->granted);
	record->granted = claim == NULL ? NULL : copy_claim(claim);
}

const struct claim *record_claim(const struct record *record)
{
	return record->granted != NULL ? record->granted : record->claim;
}

size_t record_namespace_len(const struct record *record)
{
	return strcspn(record->key, "/") + 1;
}

static bool is_rival(const struct record *record, const struct record *other)
{
	return text_equal(other->target, record->target) ||
	       (record->apex != NULL && text_equal(other->apex, record->apex));
}

/* They stand side by side with those of their namespace. */
void records_each_rival(const struct records *records, const struct record *record,
			rival_call *call, void *owner)
{
	size_t len = record_namespace_len(record);
	SCOPED(text) char *prefix = xstrndup(record->key, len);
	for (size_t i = place(records, prefix);
	     i < records->count && strncmp(records->by_key[i]->key, prefix, len) == 0; i++)
		if (records->by_key[i] != record && is_rival(record, records->by_key[i]))
			call(owner, records->by_key[i]);
}

static void compare_age(void *owner, struct record *rival)
{
	const struct record **first = owner;
	if (rival->created_us < (*first)->created_us ||
	    (rival->created_us == (*first)->created_us && strcmp(rival->key, (*first)->key) < 0))
		*first = rival;
}

const struct record *records_first_rival(const struct records *records, const struct record *record)
{
	const struct record *first = record;
	records_each_rival(records, record, compare_age, &first);
	return first;
}
