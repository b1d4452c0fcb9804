#include "sim/fields.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/cells.h"
#include "base/json.h"
#include "base/mem.h"

/* ---- sets of fields, as fieldsV1 has them: {"f:spec": {"f:replicas": {}}} ---- */

static bool is_leaf(const cJSON *set)
{
	return set->child == NULL;
}

/* `owned_below` has no name yet. */
static void put_field(cJSON *set, const char *name, cJSON *owned_below)
{
	static const char prefix[] = "f:";
	size_t before = sizeof(prefix) - 1, size = strlen(name) + 1;
	owned_below->string = cell_take(before + size);
	memcpy(owned_below->string, prefix, before);
	memcpy(owned_below->string + before, name, size);
	cJSON_AddItemToArray(set, owned_below); /* which appends to objects as well */
}

static cJSON *set_of(const cJSON *value)
{
	cJSON *set = cJSON_CreateObject();
	const cJSON *member;
	if (!cJSON_IsObject(value))
		return set;
	cJSON_ArrayForEach(member, value) put_field(set, member->string, set_of(member));
	return set;
}

/* What of `after` is not in `before`, or is otherwise. */
static cJSON *changed_set(const cJSON *before, const cJSON *after)
{
	cJSON *set = cJSON_CreateObject();
	const cJSON *member;
	cJSON_ArrayForEach(member, after)
	{
		const cJSON *was = json_get(before, member->string);
		if (was != NULL && json_equal(was, member))
			continue;
		bool deeper = cJSON_IsObject(was) && cJSON_IsObject(member);
		cJSON *below = deeper ? changed_set(was, member) : set_of(member);
		if (deeper && is_leaf(below))
			json_free(below);
		else
			put_field(set, member->string, below);
	}
	return set;
}

static void add_set(cJSON *set, const cJSON *other)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, other)
	{
		cJSON *mine = cJSON_GetObjectItemCaseSensitive(set, member->string);
		if (mine == NULL)
			cJSON_AddItemToObject(set, member->string, json_copy(member));
		else
			add_set(mine, member);
	}
}

static void subtract(cJSON *set, const cJSON *other)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, other)
	{
		cJSON *mine = cJSON_GetObjectItemCaseSensitive(set, member->string);
		if (mine == NULL)
			continue;
		subtract(mine, member);
		if (is_leaf(member) || is_leaf(mine))
			cJSON_DeleteItemFromObjectCaseSensitive(set, member->string);
	}
}

static void remove_fields(cJSON *object, const cJSON *set)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, set)
	{
		const char *name = member->string + strlen("f:");
		cJSON *value = json_get(object, name);
		if (cJSON_IsObject(value))
			remove_fields(value, member);
		if (is_leaf(member) || (cJSON_IsObject(value) && value->child == NULL))
			cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	}
}

/* ---- managers ---- */

/* What somebody can own of an object. */
static cJSON *ownable(const cJSON *object)
{
	static const char *const metadata[] = {"labels", "annotations", "ownerReferences",
					       "finalizers"};
	cJSON *part = cJSON_CreateObject(), *kept = cJSON_CreateObject();
	const cJSON *member;
	cJSON_ArrayForEach(member, object)
	{
		if (strcmp(member->string, "apiVersion") != 0 &&
		    strcmp(member->string, "kind") != 0 && strcmp(member->string, "status") != 0 &&
		    strcmp(member->string, "metadata") != 0)
			cJSON_AddItemReferenceToObject(part, member->string, (cJSON *)member);
	}
	for (size_t i = 0; i < ARRAY_LEN(metadata); i++) {
		const cJSON *value = json_get(json_get(object, "metadata"), metadata[i]);
		if (value != NULL)
			cJSON_AddItemReferenceToObject(kept, metadata[i], (cJSON *)value);
	}
	if (kept->child != NULL)
		cJSON_AddItemToObject(part, "metadata", kept);
	else
		json_free(kept);
	return part;
}

static bool is_of(const cJSON *entry, const char *manager, const char *operation)
{
	return text_equal(json_string(entry, "manager"), manager) &&
	       text_equal(json_string(entry, "operation"), operation);
}

static cJSON *entry_of(cJSON *managed, const char *manager, const char *operation,
		       const cJSON *object)
{
	cJSON *entry;
	cJSON_ArrayForEach(entry, managed)
	{
		if (is_of(entry, manager, operation))
			return entry;
	}
	entry = cJSON_CreateObject();
	cJSON_AddStringToObject(entry, "manager", manager);
	cJSON_AddStringToObject(entry, "operation", operation);
	cJSON_AddStringToObject(entry, "apiVersion", json_string_or(object, "apiVersion", ""));
	cJSON_AddStringToObject(entry, "fieldsType", "FieldsV1");
	cJSON_AddItemToObject(entry, "fieldsV1", cJSON_CreateObject());
	cJSON_AddItemToArray(managed, entry);
	return entry;
}

/* The others lose `set`: all but the one entry, which may be NULL. */
static void take(cJSON *managed, const cJSON *entry, const cJSON *set)
{
	cJSON *other;
	cJSON_ArrayForEach(other, managed)
	{
		if (other != entry)
			subtract(json_get(other, "fieldsV1"), set);
	}
}

static void drop_empty(cJSON *managed)
{
	cJSON *entry = managed->child, *next;
	for (; entry != NULL; entry = next) {
		next = entry->next;
		if (json_get(entry, "fieldsV1")->child == NULL)
			json_free(cJSON_DetachItemViaPointer(managed, entry));
	}
}

static void set_time(cJSON *entry, const struct field_writer *writer)
{
	char time[TIME_TEXT_MAX];
	time_text(writer->now_us, time);
	json_put_string(entry, "time", time);
}

void fields_written(cJSON *managed, const cJSON *before, const cJSON *after,
		    const struct field_writer *writer)
{
	SCOPED(json) cJSON *was = ownable(before);
	SCOPED(json) cJSON *is = ownable(after);
	if (json_equal(was, is))
		return;
	SCOPED(json) cJSON *changed = changed_set(was, is);
	SCOPED(json) cJSON *gone = set_of(was);
	SCOPED(json) cJSON *there = set_of(is);
	subtract(gone, there);
	take(managed, NULL, gone);
	cJSON *entry = entry_of(managed, writer->manager, "Update", after);
	take(managed, entry, changed);
	add_set(json_get(entry, "fieldsV1"), changed);
	set_time(entry, writer);
	drop_empty(managed);
}

void fields_applied(cJSON *managed, cJSON *next, const cJSON *body,
		    const struct field_writer *writer)
{
	SCOPED(json) cJSON *said = ownable(body);
	cJSON *now = set_of(said);
	cJSON *entry = entry_of(managed, writer->manager, "Apply", body);
	SCOPED(json) cJSON *gone = json_copy(json_get(entry, "fieldsV1"));
	subtract(gone, now);
	const cJSON *other;
	cJSON_ArrayForEach(other, managed)
	{
		if (other != entry)
			subtract(gone, json_get(other, "fieldsV1"));
	}
	remove_fields(next, gone);
	SCOPED(json) cJSON *is = ownable(next);
	SCOPED(json) cJSON *changed = changed_set(is, said);
	take(managed, entry, changed);
	/* One that changes nothing leaves no trace. */
	if (changed->child != NULL || !json_equal(json_get(entry, "fieldsV1"), now))
		set_time(entry, writer);
	cJSON_ReplaceItemInObjectCaseSensitive(entry, "fieldsV1", now);
	drop_empty(managed);
}
