#include "base/json_path.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cells.h"
#include "base/json.h"
#include "base/mem.h"

enum { INDEX_MAX = 1000000 };

/* What ends a name in a path. */
static const bool ends[UCHAR_MAX + 1] = {['\0'] = true, ['.'] = true, ['['] = true};

static bool is_object(const cJSON *json)
{
	return json != NULL && (json->type & 0xFF) == cJSON_Object;
}

static bool step_index(const char **path, struct json_step *step)
{
	const char *at = *path + 1;
	size_t index = 0;
	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9' && index <= INDEX_MAX; at++)
		index = index * 10 + (size_t)(*at - '0');
	if (*at != ']')
		return false;
	*step = (struct json_step){.index = index};
	*path = at + 1;
	return true;
}

static bool step_quoted(const char **path, struct json_step *step)
{
	const char *from = *path + 2, *at = from;
	while (*at != '\0' && *at != '"')
		at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
	if (at[0] != '"' || at[1] != ']')
		return false;
	*step = (struct json_step){.key = from, .len = (size_t)(at - from), .quoted = true};
	*path = at + 2;
	return true;
}

bool json_step(const char **path, struct json_step *step)
{
	if (**path == '[')
		return (*path)[1] == '"' ? step_quoted(path, step) : step_index(path, step);
	const char *from = *path + (**path == '.');
	size_t len = 0;
	while (!ends[(unsigned char)from[len]])
		len++;
	if (len == 0)
		return false;
	*step = (struct json_step){.key = from, .len = len};
	*path = from + len;
	return true;
}

/* The key as it stands in the object; the caller frees. */
static char *step_key(const struct json_step *step)
{
	char *key = xstrndup(step->key, step->len), *into = key;
	for (const char *at = key; *at != '\0'; at++) {
		if (step->quoted && at[0] == '\\' && at[1] != '\0')
			at++;
		*into++ = *at;
	}
	*into = '\0';
	return key;
}

cJSON *json_step_into(const cJSON *parent, const struct json_step *step)
{
	if (step->key == NULL) {
		if (!cJSON_IsArray(parent))
			return NULL;
		cJSON *child = parent->child;
		for (size_t i = 0; i < step->index && child != NULL; i++)
			child = child->next;
		return child;
	}
	if (!is_object(parent))
		return NULL;
	char first = step->len > 0 ? step->key[0] : '\0';
	if (step->quoted && memchr(step->key, '\\', step->len) != NULL) {
		SCOPED(text) char *key = step_key(step);
		return json_get(parent, key);
	}
	for (cJSON *child = parent->child; child != NULL; child = child->next)
		if (child->string[0] == first &&
		    strncmp(child->string, step->key, step->len) == 0 &&
		    child->string[step->len] == '\0')
			return child;
	return NULL;
}

/* Whether the name that the path begins with is `key`; then `*path` is behind it. */
static bool begins_with(const char **path, const char *key)
{
	const char *at = *path;
	for (; !ends[(unsigned char)*at]; at++, key++)
		if (*at != *key)
			return false;
	if (*key != '\0')
		return false;
	*path = at;
	return true;
}

/* A step along a plain name, which is most of them; `name` begins with one. */
static cJSON *member_of(const cJSON *parent, const char *name, const char **path)
{
	*path = name;
	for (cJSON *child = is_object(parent) ? parent->child : NULL; child; child = child->next)
		if (child->string[0] == name[0] && begins_with(path, child->string))
			return child;
	return NULL;
}

cJSON *json_at(const cJSON *root, const char *path)
{
	struct json_step step;
	cJSON *here = (cJSON *)(uintptr_t)root; /* const goes as in cJSON_GetObjectItem */
	while (here != NULL && *path != '\0') {
		const char *name = path + (*path == '.');
		if (!ends[(unsigned char)*name])
			here = member_of(here, name, &path);
		else
			here = json_step(&path, &step) ? json_step_into(here, &step) : NULL;
	}
	return here;
}

cJSON *json_atf(const cJSON *root, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	SCOPED(text) char *path = xvasprintf(format, args);
	va_end(args);
	return json_at(root, path);
}

const char *json_string(const cJSON *root, const char *path)
{
	return cJSON_GetStringValue(json_at(root, path));
}

const char *json_string_or(const cJSON *root, const char *path, const char *fallback)
{
	const char *text = json_string(root, path);
	return text != NULL ? text : fallback;
}

double json_number(const cJSON *root, const char *path, double fallback)
{
	const cJSON *item = json_at(root, path);
	return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

long json_int(const cJSON *root, const char *path, long fallback)
{
	double number = json_number(root, path, NAN);
	if (isnan(number))
		return fallback;
	if (number >= (double)LONG_MAX)
		return LONG_MAX;
	return number <= (double)LONG_MIN ? LONG_MIN : (long)number;
}

bool json_bool(const cJSON *root, const char *path, bool fallback)
{
	const cJSON *item = json_at(root, path);
	return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

/* Turns what stands there into an empty object or list. */
static void become(cJSON *item, int type)
{
	cJSON_Delete(item->child);
	item->child = NULL;
	cJSON_free(item->valuestring);
	item->valuestring = NULL;
	item->type = type | (item->type & ~0xFF);
}

/* The key of a member to be. */
static void name_it(cJSON *item, const struct json_step *step)
{
	if ((item->type & cJSON_StringIsConst) == 0)
		cJSON_free(item->string);
	item->type &= ~cJSON_StringIsConst;
	if (step->quoted && memchr(step->key, '\\', step->len) != NULL) {
		SCOPED(text) char *key = step_key(step);
		item->string = memcpy(cell_take(strlen(key) + 1), key, strlen(key) + 1);
		return;
	}
	item->string = memcpy(cell_take(step->len + 1), step->key, step->len);
	item->string[step->len] = '\0';
}

/* Adds at a place that is not there yet: a new member, or the end of the list. */
static void add_at(cJSON *parent, const struct json_step *step, cJSON *owned_value)
{
	if (step->key != NULL)
		name_it(owned_value, step);
	/* The first one's `prev` is the last one, which is how cJSON finds the end. */
	cJSON *first = parent->child;
	owned_value->next = NULL;
	if (first == NULL) {
		parent->child = owned_value->prev = owned_value;
		return;
	}
	owned_value->prev = first->prev;
	first->prev->next = owned_value;
	first->prev = owned_value;
}

/* In the place of `child`, whose key it gets. */
static void replace(cJSON *parent, cJSON *child, const struct json_step *step, cJSON *owned_value)
{
	if (step->key != NULL)
		name_it(owned_value, step);
	cJSON_ReplaceItemViaPointer(parent, child, owned_value);
}

void json_put(cJSON *root, const char *path, cJSON *owned_value)
{
	struct json_step step;
	cJSON *here = root;
	bool more = json_step(&path, &step);
	if (!more || owned_value == NULL) {
		cJSON_Delete(owned_value);
		return;
	}
	for (;;) {
		int type = step.key == NULL ? cJSON_Array : cJSON_Object;
		if ((here->type & 0xFF) != type)
			become(here, type);
		cJSON *child = json_step_into(here, &step);
		struct json_step next;
		if (!json_step(&path, &next)) {
			if (child == NULL)
				add_at(here, &step, owned_value);
			else
				replace(here, child, &step, owned_value);
			return;
		}
		if (child == NULL) {
			child = json_new(cJSON_Object);
			add_at(here, &step, child);
		}
		here = child;
		step = next;
	}
}

void json_put_string(cJSON *root, const char *path, const char *value)
{
	if (value == NULL)
		json_remove(root, path);
	else
		json_put(root, path, json_new_string(value));
}

void json_put_number(cJSON *root, const char *path, double value)
{
	json_put(root, path, json_new_number(value));
}

void json_put_bool(cJSON *root, const char *path, bool value)
{
	json_put(root, path, cJSON_CreateBool(value));
}

void json_remove(cJSON *root, const char *path)
{
	struct json_step step;
	cJSON *parent = NULL, *here = root;
	while (here != NULL && json_step(&path, &step)) {
		parent = here;
		here = json_step_into(here, &step);
	}
	if (here != NULL && parent != NULL && *path == '\0')
		cJSON_Delete(cJSON_DetachItemViaPointer(parent, here));
}

void json_insert(cJSON *list, size_t index, cJSON *owned_value)
{
	cJSON *after = list->child;
	for (size_t i = 0; i < index && after != NULL; i++)
		after = after->next;
	if (after == NULL) {
		cJSON_AddItemToArray(list, owned_value);
		return;
	}
	owned_value->next = after;
	owned_value->prev = after->prev; /* of the first one: the last one, as it must be */
	if (after == list->child)
		list->child = owned_value;
	else
		after->prev->next = owned_value;
	after->prev = owned_value;
}
