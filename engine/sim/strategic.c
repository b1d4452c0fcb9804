#include "sim/strategic.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* The key by which the items of a list are the same; NULL: the list is replaced as a whole. From
 * the patchMergeKey tags of the built-in kinds. */
static const char *merge_key(const char *field, const cJSON *item)
{
	static const struct {
		const char *field, *key;
	} keys[] = {
		{"containers", "name"},
		{"initContainers", "name"},
		{"ephemeralContainers", "name"},
		{"volumes", "name"},
		{"env", "name"},
		{"imagePullSecrets", "name"},
		{"secrets", "name"},
		{"volumeMounts", "mountPath"},
		{"volumeDevices", "devicePath"},
		{"hostAliases", "ip"},
		{"topologySpreadConstraints", "topologyKey"},
		{"ownerReferences", "uid"},
		{"conditions", "type"},
	};
	if (strcmp(field, "ports") == 0)
		return json_get(item, "containerPort") != NULL ? "containerPort" : "port";
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(field, keys[i].field) == 0)
			return keys[i].key;
	return NULL;
}

static bool is_directive(const cJSON *member)
{
	return member->string != NULL && member->string[0] == '$';
}

/* A copy without directives: what is new has nothing to merge with. */
static cJSON *plain(const cJSON *value)
{
	if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
		return json_copy(value);
	cJSON *copy = cJSON_IsObject(value) ? cJSON_CreateObject() : cJSON_CreateArray();
	const cJSON *member;
	cJSON_ArrayForEach(member, value)
	{
		if (cJSON_IsArray(value))
			cJSON_AddItemToArray(copy, plain(member));
		else if (!is_directive(member) && !cJSON_IsNull(member))
			cJSON_AddItemToObject(copy, member->string, plain(member));
	}
	return copy;
}

static cJSON *item_with(const cJSON *list, const char *key, const cJSON *value)
{
	cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		if (json_equal(json_get(item, key), value))
			return item;
	}
	return NULL;
}

static void merge_list(cJSON *list, const cJSON *patch, const char *key)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, patch)
	{
		const char *directive = json_string_or(item, "$patch", "");
		cJSON *live = item_with(list, key, json_get(item, key));
		if (strcmp(directive, "delete") == 0) {
			if (live != NULL)
				json_free(cJSON_DetachItemViaPointer(list, live));
			continue;
		}
		if (live == NULL) {
			cJSON_AddItemToArray(list, plain(item));
			continue;
		}
		cJSON *merged = json_copy(live);
		strategic_merge(&merged, item);
		cJSON_ReplaceItemViaPointer(list, live, merged);
	}
}

static bool replaces_list(const cJSON *patch)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, patch)
	{
		if (text_equal(json_string(item, "$patch"), "replace"))
			return true;
	}
	return false;
}

static void put(cJSON *object, const char *key, cJSON *owned_value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	cJSON_AddItemToObject(object, key, owned_value);
}

static void retain_keys(cJSON *target, const cJSON *kept)
{
	for (cJSON *member = target->child, *next; member != NULL; member = next) {
		next = member->next;
		bool found = false;
		const cJSON *name;
		cJSON_ArrayForEach(name, kept) found |=
			text_equal(cJSON_GetStringValue(name), member->string);
		if (!found)
			json_free(cJSON_DetachItemViaPointer(target, member));
	}
}

static void delete_primitives(cJSON *list, const cJSON *gone)
{
	const cJSON *value;
	cJSON_ArrayForEach(value, gone)
	{
		for (cJSON *item = list == NULL ? NULL : list->child, *next; item != NULL;
		     item = next) {
			next = item->next;
			if (json_equal(item, value))
				json_free(cJSON_DetachItemViaPointer(list, item));
		}
	}
}

static void merge_member(cJSON *target, const cJSON *member)
{
	static const char from_primitives[] = "$deleteFromPrimitiveList/";
	if (text_starts(member->string, from_primitives)) {
		delete_primitives(json_get(target, member->string + sizeof(from_primitives) - 1),
				  member);
		return;
	}
	if (is_directive(member))
		return;
	cJSON *live = json_get(target, member->string);
	if (cJSON_IsNull(member)) {
		cJSON_DeleteItemFromObjectCaseSensitive(target, member->string);
	} else if (cJSON_IsObject(member)) {
		cJSON *merged = cJSON_IsObject(live) ? json_copy(live) : cJSON_CreateObject();
		strategic_merge(&merged, member);
		if (text_equal(json_string(member, "$patch"), "delete")) {
			json_free(merged);
			cJSON_DeleteItemFromObjectCaseSensitive(target, member->string);
		} else {
			put(target, member->string, merged);
		}
	} else if (cJSON_IsArray(member) && cJSON_IsArray(live) && !replaces_list(member) &&
		   merge_key(member->string, member->child) != NULL) {
		merge_list(live, member, merge_key(member->string, member->child));
	} else if (cJSON_IsArray(member) && strcmp(member->string, "finalizers") == 0 &&
		   cJSON_IsArray(live)) {
		const cJSON *item;
		cJSON_ArrayForEach(item, member)
		{
			bool there = false;
			const cJSON *old;
			cJSON_ArrayForEach(old, live) there |= json_equal(old, item);
			if (!there)
				cJSON_AddItemToArray(live, json_copy(item));
		}
	} else {
		cJSON *copy = plain(member);
		if (cJSON_IsArray(copy)) { /* an item that was a directive alone says nothing */
			for (cJSON *item = copy->child, *next; item != NULL; item = next) {
				next = item->next;
				if (cJSON_IsObject(item) && item->child == NULL)
					json_free(cJSON_DetachItemViaPointer(copy, item));
			}
		}
		put(target, member->string, copy);
	}
}

void strategic_merge(cJSON **target, const cJSON *patch)
{
	if (text_equal(json_string(patch, "$patch"), "replace")) {
		cJSON *next = plain(patch);
		json_free(*target);
		*target = next;
		return;
	}
	const cJSON *kept = json_get(patch, "$retainKeys");
	if (kept != NULL)
		retain_keys(*target, kept);
	const cJSON *member;
	cJSON_ArrayForEach(member, patch) merge_member(*target, member);
}
