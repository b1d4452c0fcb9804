#include "base/json_delta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* Deep enough for any rollout; what is deeper is set whole. */
enum { DEPTH_MAX = 60 };

static cJSON *whole(const cJSON *to)
{
	cJSON *delta = cJSON_CreateArray();
	cJSON_AddItemToArray(delta, cJSON_Duplicate(to, true));
	return delta;
}

static cJSON *delta_of(const cJSON *from, const cJSON *to, int depth);

static cJSON *object_delta(const cJSON *from, const cJSON *to, int depth)
{
	cJSON *delta = cJSON_CreateObject();
	const cJSON *member;
	cJSON_ArrayForEach(member, from)
	{
		if (json_get(to, member->string) == NULL)
			cJSON_AddNullToObject(delta, member->string);
	}
	cJSON_ArrayForEach(member, to)
	{
		cJSON *change = delta_of(json_get(from, member->string), member, depth + 1);
		if (change != NULL)
			cJSON_AddItemToObject(delta, member->string, change);
	}
	return delta;
}

/* How many items at the beginning are gone, when the rest is still there, in front; -1: it is
 * not so. */
static int shift_of(const cJSON *from, const cJSON *to, int from_count, int to_count)
{
	for (int gone = 0; gone < from_count; gone++) {
		if (from_count - gone > to_count)
			continue;
		const cJSON *a = cJSON_GetArrayItem(from, gone), *b = to->child;
		while (a != NULL && json_equal(a, b)) {
			a = a->next;
			b = b->next;
		}
		if (a == NULL)
			return gone;
	}
	return -1;
}

static cJSON *list_delta(const cJSON *from, const cJSON *to, int depth)
{
	int from_count = cJSON_GetArraySize(from), to_count = cJSON_GetArraySize(to);
	int gone = from_count == 0 ? -1 : shift_of(from, to, from_count, to_count);
	if (gone >= 0) {
		cJSON *delta = cJSON_CreateArray(), *items = cJSON_CreateArray();
		cJSON_AddItemToArray(delta, cJSON_CreateNumber(gone));
		for (int i = from_count - gone; i < to_count; i++)
			cJSON_AddItemToArray(items,
					     cJSON_Duplicate(cJSON_GetArrayItem(to, i), true));
		cJSON_AddItemToArray(delta, items);
		return delta;
	}
	if (from_count != to_count)
		return whole(to);
	cJSON *delta = cJSON_CreateObject();
	for (int i = 0; i < to_count; i++) {
		char position[12];
		cJSON *change =
			delta_of(cJSON_GetArrayItem(from, i), cJSON_GetArrayItem(to, i), depth + 1);
		snprintf(position, sizeof(position), "%d", i);
		if (change != NULL)
			cJSON_AddItemToObject(delta, position, change);
	}
	return delta;
}

static cJSON *delta_of(const cJSON *from, const cJSON *to, int depth)
{
	if (from != NULL && json_equal(from, to))
		return NULL;
	if (depth < DEPTH_MAX && cJSON_IsObject(from) && cJSON_IsObject(to))
		return object_delta(from, to, depth);
	if (depth < DEPTH_MAX && cJSON_IsArray(from) && cJSON_IsArray(to))
		return list_delta(from, to, depth);
	return whole(to);
}

cJSON *json_delta(const cJSON *from, const cJSON *to)
{
	return delta_of(from, to, 0);
}

static bool wrong(struct error *err)
{
	return error_set(err, ERROR_INVALID, "a delta does not fit what it is of");
}

static bool apply(cJSON **value, const cJSON *delta, int depth, struct error *err);

static bool apply_object(cJSON *value, const cJSON *delta, int depth, struct error *err)
{
	const cJSON *change;
	cJSON_ArrayForEach(change, delta)
	{
		cJSON *old = cJSON_GetObjectItemCaseSensitive(value, change->string), *new = NULL;
		if (cJSON_IsNull(change)) {
			cJSON_DeleteItemFromObjectCaseSensitive(value, change->string);
			continue;
		}
		if (old != NULL)
			new = cJSON_Duplicate(old, true);
		if (!apply(&new, change, depth + 1, err)) {
			cJSON_Delete(new);
			return false;
		}
		if (old == NULL)
			cJSON_AddItemToObject(value, change->string, new);
		else
			cJSON_ReplaceItemInObjectCaseSensitive(value, change->string, new);
	}
	return true;
}

static bool apply_positions(cJSON *value, const cJSON *delta, int depth, struct error *err)
{
	const cJSON *change;
	cJSON_ArrayForEach(change, delta)
	{
		char *end;
		long position = strtol(change->string, &end, 10);
		if (*end != '\0' || position < 0 || position >= cJSON_GetArraySize(value) ||
		    cJSON_IsNull(change))
			return wrong(err);
		cJSON *new = cJSON_Duplicate(cJSON_GetArrayItem(value, (int)position), true);
		if (!apply(&new, change, depth + 1, err)) {
			cJSON_Delete(new);
			return false;
		}
		cJSON_ReplaceItemInArray(value, (int)position, new);
	}
	return true;
}

static bool apply_shift(cJSON *value, const cJSON *delta, struct error *err)
{
	int gone = (int)json_int(delta, "[0]", -1);
	const cJSON *items = json_at(delta, "[1]"), *item;
	if (!cJSON_IsArray(value) || !cJSON_IsArray(items) || gone < 0 ||
	    gone > cJSON_GetArraySize(value))
		return wrong(err);
	while (gone-- > 0)
		cJSON_DeleteItemFromArray(value, 0);
	cJSON_ArrayForEach(item, items)
	{
		cJSON_AddItemToArray(value, cJSON_Duplicate(item, true));
	}
	return true;
}

static bool apply(cJSON **value, const cJSON *delta, int depth, struct error *err)
{
	if (depth > DEPTH_MAX)
		return wrong(err);
	if (cJSON_IsArray(delta) && cJSON_GetArraySize(delta) == 1) {
		cJSON_Delete(*value);
		*value = cJSON_Duplicate(delta->child, true);
		return true;
	}
	if (cJSON_IsArray(delta))
		return apply_shift(*value, delta, err);
	if (cJSON_IsObject(delta) && cJSON_IsObject(*value))
		return apply_object(*value, delta, depth, err);
	if (cJSON_IsObject(delta) && cJSON_IsArray(*value))
		return apply_positions(*value, delta, depth, err);
	return wrong(err);
}

bool json_delta_apply(cJSON **value, const cJSON *delta, struct error *err)
{
	return apply(value, delta, 0, err);
}
