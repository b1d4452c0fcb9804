#include "base/json.h"

#include <string.h>

#include "base/cells.h"
#include "base/mem.h"

static char *copy_text(const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(cell_take(size), text, size);
}

cJSON *json_new(int type)
{
	cJSON *json = cell_take(sizeof(*json));
	*json = (cJSON){.type = type};
	return json;
}

cJSON *json_new_string(const char *text)
{
	cJSON *json = json_new(cJSON_String);
	json->valuestring = copy_text(text);
	return json;
}

cJSON *json_new_number(double number)
{
	cJSON *json = json_new(cJSON_Number);
	cJSON_SetNumberHelper(json, number);
	return json;
}

cJSON *json_copy(const cJSON *json)
{
	if (json == NULL)
		return NULL;
	cJSON *copy = cell_take(sizeof(*copy)), *last = NULL;
	*copy = (cJSON){.type = json->type & ~cJSON_IsReference,
			.valueint = json->valueint,
			.valuedouble = json->valuedouble};
	if (json->valuestring != NULL)
		copy->valuestring = copy_text(json->valuestring);
	if (json->string != NULL)
		copy->string = (json->type & cJSON_StringIsConst) != 0 ? json->string
								       : copy_text(json->string);
	for (const cJSON *child = json->child; child != NULL; child = child->next) {
		cJSON *next = json_copy(child);
		if (last == NULL)
			copy->child = next;
		else
			last->next = next;
		next->prev = last;
		last = next;
	}
	if (last != NULL)
		copy->child->prev = last; /* which is how cJSON finds the end */
	return copy;
}

void json_free(cJSON *owned_json)
{
	for (cJSON *item = owned_json, *next; item != NULL; item = next) {
		next = item->next;
		if ((item->type & cJSON_IsReference) == 0) {
			if (item->child != NULL)
				json_free(item->child);
			if (item->valuestring != NULL)
				cell_give(item->valuestring);
		}
		if (item->string != NULL && (item->type & cJSON_StringIsConst) == 0)
			cell_give(item->string);
		cell_give(item);
	}
}

void scope_json(cJSON **json)
{
	json_free(*json);
}

cJSON *json_get(const cJSON *object, const char *key)
{
	if (object == NULL || (object->type & 0xFF) != cJSON_Object)
		return NULL;
	for (cJSON *member = object->child; member != NULL; member = member->next)
		if (member->string[0] == key[0] && strcmp(member->string, key) == 0)
			return member;
	return NULL;
}

bool json_has_text(const cJSON *list, const char *text)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		if (text_equal(cJSON_GetStringValue(item), text))
			return true;
	}
	return false;
}

void json_wipe(cJSON *json)
{
	if (json == NULL)
		return;
	if (json->valuestring != NULL && (json->type & cJSON_IsReference) == 0)
		explicit_bzero(json->valuestring, strlen(json->valuestring));
	for (cJSON *child = json->child; child != NULL; child = child->next)
		json_wipe(child);
}

static size_t count_children(const cJSON *parent)
{
	size_t count = 0;
	for (const cJSON *child = parent->child; child != NULL; child = child->next)
		count++;
	return count;
}

/* The member of `object` that has the key of `like`. `guess` is tried first: where both objects
 * have the same order, which is the rule, a comparison stays linear. */
static const cJSON *counterpart(const cJSON *object, const cJSON *like, const cJSON *guess)
{
	if (guess != NULL && strcmp(guess->string, like->string) == 0)
		return guess;
	return json_get(object, like->string);
}

bool json_equal(const cJSON *a, const cJSON *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	int type = a->type & 0xFF;
	if (type != (b->type & 0xFF))
		return false;
	if (type == cJSON_Number && (a->valuestring != NULL || b->valuestring != NULL))
		return text_equal(a->valuestring, b->valuestring);
	if (type == cJSON_Number)
		return !(a->valuedouble < b->valuedouble) && !(a->valuedouble > b->valuedouble);
	if (type == cJSON_String || type == cJSON_Raw)
		return strcmp(a->valuestring, b->valuestring) == 0;
	if (type != cJSON_Array && type != cJSON_Object)
		return true;
	if (count_children(a) != count_children(b))
		return false;
	const cJSON *other = b->child;
	for (const cJSON *child = a->child; child != NULL; child = child->next) {
		const cJSON *match = type == cJSON_Array ? other : counterpart(b, child, other);
		if (match == NULL || !json_equal(child, match))
			return false;
		other = match->next;
	}
	return true;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static uint64_t text_digest(const char *text)
{
	size_t len = strlen(text), at = 0;
	uint64_t hash = mix(7, len), word;
	for (; at + sizeof(word) <= len; at += sizeof(word)) {
		memcpy(&word, text + at, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	memcpy(&word, text + at, len - at);
	return mix(hash, word);
}

uint64_t json_digest(const cJSON *json)
{
	uint64_t hash = json == NULL ? 0 : (uint64_t)(json->type & 0xFF), sum = 0, bits;
	switch (hash) {
	case cJSON_Number:
		if (json->valuestring != NULL)
			return mix(hash, text_digest(json->valuestring));
		double number = json->valuedouble + 0.0; /* -0 is 0 */
		memcpy(&bits, &number, sizeof(bits));
		return mix(hash, bits);
	case cJSON_String:
	case cJSON_Raw:
		return mix(hash, text_digest(json->valuestring));
	case cJSON_Array:
		for (const cJSON *child = json->child; child != NULL; child = child->next)
			hash = mix(hash, json_digest(child));
		return mix(hash, 1);
	case cJSON_Object:
		/* In whatever order. */
		for (const cJSON *child = json->child; child != NULL; child = child->next)
			sum += mix(text_digest(child->string), json_digest(child));
		return mix(hash, sum);
	default:
		return mix(hash, 0);
	}
}

bool json_covers(const cJSON *live, const cJSON *wanted)
{
	if (wanted == NULL || cJSON_IsNull(wanted))
		return live == NULL || cJSON_IsNull(live);
	if (live == NULL || (live->type & 0xFF) != (wanted->type & 0xFF))
		return false;
	bool list = cJSON_IsArray(wanted);
	if (!list && !cJSON_IsObject(wanted))
		return json_equal(live, wanted);
	if (list && count_children(live) != count_children(wanted))
		return false;
	const cJSON *other = live->child;
	for (const cJSON *child = wanted->child; child != NULL; child = child->next) {
		const cJSON *match = list ? other : counterpart(live, child, other);
		if (!json_covers(match, child))
			return false;
		other = match != NULL ? match->next : other;
	}
	return true;
}
