#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

void json_merge_patch(cJSON **target, const cJSON *patch)
{
	if (!cJSON_IsObject(patch)) {
		json_free(*target);
		*target = json_copy(patch);
		return;
	}
	if (!cJSON_IsObject(*target)) {
		json_free(*target);
		*target = cJSON_CreateObject();
	}
	for (const cJSON *change = patch->child; change != NULL; change = change->next) {
		cJSON *member = json_get(*target, change->string);
		if (member != NULL && cJSON_IsObject(change) && cJSON_IsObject(member)) {
			json_merge_patch(&member, change); /* stays in its place */
			continue;
		}
		cJSON *value = NULL;
		if (!cJSON_IsNull(change))
			json_merge_patch(&value, change);
		if (value == NULL)
			json_free(cJSON_DetachItemViaPointer(*target, member));
		else if (member == NULL)
			cJSON_AddItemToObject(*target, change->string, value);
		else
			cJSON_ReplaceItemInObjectCaseSensitive(*target, change->string, value);
	}
}

/*
 * RFC 6902 works on a copy, which replaces the document at the end. Copies within the document are
 * budgeted: thirty of them could double it thirty times.
 */
enum { COPY_NODES_MAX = 1000000 };

struct patching {
	cJSON *document;
	size_t copied;
	struct error *err;
};

/* Where a JSON Pointer leads. Without a parent it is the whole document (depth 0) or nowhere. */
struct place {
	cJSON *parent;
	cJSON *item; /* NULL when it is not there (yet) */
	char *token; /* the last one, unescaped, owned */
	int depth;
};

static void scope_place(struct place *place)
{
	free(place->token);
}

/* "~1" is '/', "~0" is '~', anything else after '~' is wrong. */
static bool unescape(char *token)
{
	char *into = token;
	for (const char *at = token; *at != '\0'; at++) {
		char c = *at;
		if (c == '~') {
			at++;
			if (*at != '0' && *at != '1')
				return false;
			c = *at == '0' ? '~' : '/';
		}
		*into++ = c;
	}
	*into = '\0';
	return true;
}

/* An index of a list: digits without leading zeros. */
static bool token_index(const char *token, size_t *index)
{
	size_t len = strlen(token);
	if (len == 0 || len > 9 || strspn(token, "0123456789") != len ||
	    (token[0] == '0' && len > 1))
		return false;
	*index = (size_t)strtoul(token, NULL, 10);
	return true;
}

static cJSON *child_of(const cJSON *parent, const char *token)
{
	size_t index;
	if (cJSON_IsObject(parent))
		return json_get(parent, token);
	if (!cJSON_IsArray(parent) || !token_index(token, &index))
		return NULL;
	return cJSON_GetArrayItem(parent, (int)index);
}

/* False when it is no pointer. */
static bool find(struct patching *patching, const char *pointer, struct place *place)
{
	struct error *err = patching->err;
	place->item = patching->document;
	if (pointer[0] != '\0' && pointer[0] != '/')
		return error_set(err, ERROR_INVALID, "the pointer \"%s\" must begin with /",
				 pointer);
	for (const char *at = pointer; *at == '/'; at += 1 + strcspn(at + 1, "/")) {
		free(place->token);
		place->token = xstrndup(at + 1, strcspn(at + 1, "/"));
		if (!unescape(place->token))
			return error_set(err, ERROR_INVALID, "the pointer \"%s\" has a lone ~",
					 pointer);
		bool inside = cJSON_IsObject(place->item) || cJSON_IsArray(place->item);
		place->parent = inside ? place->item : NULL;
		place->item = inside ? child_of(place->parent, place->token) : NULL;
		place->depth++;
	}
	return true;
}

static bool find_existing(struct patching *patching, const char *pointer, struct place *place)
{
	if (!find(patching, pointer, place))
		return false;
	if (place->item == NULL)
		return error_set(patching->err, ERROR_INVALID, "there is nothing at %s", pointer);
	return true;
}

static size_t count_nodes(const cJSON *item)
{
	size_t count = 1;
	for (const cJSON *child = item->child; child != NULL; child = child->next)
		count += count_nodes(child);
	return count;
}

static int depth_of(const cJSON *item)
{
	int deepest = 0;
	for (const cJSON *child = item->child; child != NULL; child = child->next) {
		int depth = depth_of(child);
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + (cJSON_IsObject(item) || cJSON_IsArray(item));
}

static bool add(struct patching *patching, const char *pointer, cJSON *owned_value)
{
	SCOPED(json) cJSON *value = owned_value;
	SCOPED(place) struct place place = {0};
	if (!find(patching, pointer, &place))
		return false;
	if (place.parent == NULL && place.depth > 0)
		return error_set(patching->err, ERROR_INVALID, "there is nothing around %s",
				 pointer);
	if (place.depth + depth_of(value) > JSON_DEPTH_MAX)
		return error_set(patching->err, ERROR_INVALID, "the result is nested too deeply");
	if (place.parent == NULL) {
		json_free(patching->document);
		patching->document = value;
		value = NULL;
		return true;
	}
	if (cJSON_IsObject(place.parent)) {
		if (place.item != NULL)
			cJSON_ReplaceItemInObjectCaseSensitive(place.parent, place.token, value);
		else
			cJSON_AddItemToObject(place.parent, place.token, value);
		value = NULL;
		return true;
	}
	size_t count = (size_t)cJSON_GetArraySize(place.parent), index = count;
	if (strcmp(place.token, "-") != 0 && (!token_index(place.token, &index) || index > count))
		return error_set(patching->err, ERROR_INVALID,
				 "%s is no place in a list of %zu elements", pointer, count);
	json_insert(place.parent, index, value);
	value = NULL;
	return true;
}

static bool take_out(struct patching *patching, const char *pointer)
{
	SCOPED(place) struct place place = {0};
	if (!find_existing(patching, pointer, &place))
		return false;
	if (place.parent == NULL)
		return error_set(patching->err, ERROR_INVALID,
				 "the whole document cannot be removed");
	json_free(cJSON_DetachItemViaPointer(place.parent, place.item));
	return true;
}

static bool replace(struct patching *patching, const char *pointer, const cJSON *value)
{
	SCOPED(place) struct place place = {0};
	if (!find_existing(patching, pointer, &place))
		return false;
	if (place.depth + depth_of(value) > JSON_DEPTH_MAX)
		return error_set(patching->err, ERROR_INVALID, "the result is nested too deeply");
	cJSON *copy = json_copy(value);
	if (place.parent == NULL) {
		json_free(patching->document);
		patching->document = copy;
	} else if (cJSON_IsObject(place.parent)) {
		cJSON_ReplaceItemInObjectCaseSensitive(place.parent, place.token, copy);
	} else {
		cJSON_ReplaceItemViaPointer(place.parent, place.item, copy);
	}
	return true;
}

static bool move(struct patching *patching, const char *from, const char *to)
{
	SCOPED(place) struct place place = {0};
	if (!find_existing(patching, from, &place))
		return false;
	size_t len = strlen(from);
	if (strcmp(from, to) == 0)
		return true;
	if (strncmp(from, to, len) == 0 && to[len] == '/')
		return error_set(patching->err, ERROR_INVALID, "%s cannot move into itself", from);
	return add(patching, to, cJSON_DetachItemViaPointer(place.parent, place.item));
}

static bool copy(struct patching *patching, const char *from, const char *to)
{
	SCOPED(place) struct place place = {0};
	if (!find_existing(patching, from, &place))
		return false;
	patching->copied += count_nodes(place.item);
	if (patching->copied > COPY_NODES_MAX)
		return error_set(patching->err, ERROR_INVALID, "the patch copies too much");
	return add(patching, to, json_copy(place.item));
}

static bool test(struct patching *patching, const char *pointer, const cJSON *value)
{
	SCOPED(place) struct place place = {0};
	struct error *err = patching->err;
	if (!find(patching, pointer, &place))
		return false;
	if (json_equal(place.item, value))
		return true;
	return error_set(err, ERROR_CONFLICT, "the test of %s failed", pointer);
}

static bool apply(struct patching *patching, const cJSON *operation)
{
	const char *op = json_string(operation, "op"), *path = json_string(operation, "path"),
		   *from = json_string(operation, "from");
	const cJSON *value = json_get(operation, "value");
	if (op == NULL || path == NULL)
		return error_set(patching->err, ERROR_INVALID, "op and path must be strings");
	bool needs_from = strcmp(op, "move") == 0 || strcmp(op, "copy") == 0;
	bool needs_value =
		strcmp(op, "add") == 0 || strcmp(op, "replace") == 0 || strcmp(op, "test") == 0;
	if (needs_from && from == NULL)
		return error_set(patching->err, ERROR_INVALID, "%s needs from", op);
	if (needs_value && value == NULL)
		return error_set(patching->err, ERROR_INVALID, "%s needs a value", op);
	if (strcmp(op, "add") == 0)
		return add(patching, path, json_copy(value));
	if (strcmp(op, "remove") == 0)
		return take_out(patching, path);
	if (strcmp(op, "replace") == 0)
		return replace(patching, path, value);
	if (strcmp(op, "move") == 0)
		return move(patching, from, path);
	if (strcmp(op, "copy") == 0)
		return copy(patching, from, path);
	if (strcmp(op, "test") == 0)
		return test(patching, path, value);
	return error_set(patching->err, ERROR_INVALID, "unknown op \"%s\"", op);
}

bool json_patch(cJSON **document, const cJSON *operations, struct error *err)
{
	if (!cJSON_IsArray(operations))
		return error_set(err, ERROR_INVALID, "a JSON Patch must be a list");
	struct patching patching = {.document = json_copy(*document), .err = err};
	size_t i = 0;
	for (const cJSON *op = operations->child; op != NULL; op = op->next, i++) {
		if (!apply(&patching, op)) {
			json_free(patching.document);
			return error_wrap(err, "operation %zu", i);
		}
	}
	json_free(*document);
	*document = patching.document;
	return true;
}

void json_patch_add(cJSON *operations, const char *op, const char *path, cJSON *owned_value)
{
	cJSON *operation = cJSON_CreateObject();
	cJSON_AddStringToObject(operation, "op", op);
	cJSON_AddStringToObject(operation, "path", path);
	if (owned_value != NULL)
		cJSON_AddItemToObject(operation, "value", owned_value);
	cJSON_AddItemToArray(operations, operation);
}
