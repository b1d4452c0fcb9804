#include "script/value.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "script/meter.h"

/* A list of 500 pods has some 100,000 values. */
enum { DEPTH_MAX = 32, VALUES_MAX = 20000, VALUES_MAX_EXACT = 400000, EXACT_DEPTH_MAX = 64 };
enum { SCAN_MAX = 1000000 /* units of meter.h: 10 ms */ };

static const char list_name[] = "json list";

void value_mark_list(lua_State *L)
{
	luaL_newmetatable(L, list_name);
	lua_setmetatable(L, -2);
}

static bool is_marked(lua_State *L, int index)
{
	if (!lua_getmetatable(L, index))
		return false;
	lua_pushstring(L, list_name);
	lua_rawget(L, LUA_REGISTRYINDEX);
	bool same = lua_rawequal(L, -1, -2) && lua_istable(L, -1);
	lua_pop(L, 2);
	return same;
}

/* ---- to Lua ---- */

static void push_number(lua_State *L, const cJSON *json)
{
	double number = json->valuedouble;
	char *end = NULL;
	if (json->valuestring != NULL) { /* a whole number that no double is */
		long long whole = strtoll(json->valuestring, &end, 10);
		lua_pushinteger(L, whole);
	} else if (fabs(number) < 9007199254740992.0 && number == (double)(lua_Integer)number) {
		lua_pushinteger(L, (lua_Integer)number);
	} else {
		lua_pushnumber(L, number);
	}
}

static void push_list(lua_State *L, const cJSON *list, bool exact);
static void push_object(lua_State *L, const cJSON *object, bool exact);

static void push(lua_State *L, const cJSON *json, bool exact)
{
	switch (json == NULL ? cJSON_Invalid : json->type & 0xFF) {
	case cJSON_False:
	case cJSON_True:
		lua_pushboolean(L, (json->type & 0xFF) == cJSON_True);
		return;
	case cJSON_Number:
		push_number(L, json);
		return;
	case cJSON_String:
		lua_pushstring(L, json->valuestring);
		return;
	case cJSON_Array:
		push_list(L, json, exact);
		return;
	case cJSON_Object:
		push_object(L, json, exact);
		return;
	default:
		if (exact && cJSON_IsNull(json))
			lua_pushlightuserdata(L, NULL);
		else
			lua_pushnil(L);
	}
}

static int count_children(const cJSON *parent)
{
	int count = 0;
	for (const cJSON *child = parent->child; child != NULL; child = child->next)
		count++;
	return count;
}

static void push_list(lua_State *L, const cJSON *list, bool exact)
{
	const cJSON *item;
	int i = 1;
	luaL_checkstack(L, 4, "value too deep");
	lua_createtable(L, count_children(list), 0);
	if (exact)
		value_mark_list(L);
	cJSON_ArrayForEach(item, list)
	{
		push(L, item, exact);
		lua_rawseti(L, -2, i++);
	}
}

/* Of its size at once: a table that grows is filled anew each time. */
static void push_object(lua_State *L, const cJSON *object, bool exact)
{
	const cJSON *item;
	luaL_checkstack(L, 4, "value too deep");
	lua_createtable(L, 0, count_children(object));
	cJSON_ArrayForEach(item, object)
	{
		lua_pushstring(L, item->string);
		push(L, item, exact);
		lua_rawset(L, -3);
	}
}

void value_push(lua_State *L, const cJSON *json)
{
	push(L, json, false);
}

void value_push_exact(lua_State *L, const cJSON *json)
{
	push(L, json, true);
}

/* ---- from Lua ---- */

struct reading {
	lua_State *L;
	bool exact;
	int depth_max;
	int left; /* values that may still come */
	size_t bytes, bytes_max;
	size_t scan_left; /* unless exact: what tables that were emptied take to go over */
	struct error *err;
};

static cJSON *read_value(struct reading *reading, int index, int depth);

static bool is_list(lua_State *L, int index, lua_Unsigned len)
{
	lua_Unsigned count = 0;
	for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
		if (++count > len || !lua_isinteger(L, -2)) {
			lua_pop(L, 2);
			return false;
		}
	return count == len;
}

bool value_is_list(lua_State *L, int index)
{
	if (!lua_istable(L, index))
		return false;
	if (is_marked(L, index))
		return true;
	lua_Unsigned len = lua_rawlen(L, index);
	return len > 0 && is_list(L, lua_absindex(L, index), len);
}

static cJSON *read_list(struct reading *reading, int index, lua_Unsigned len, int depth)
{
	cJSON *list = cJSON_CreateArray();
	for (lua_Unsigned i = 1; i <= len; i++) {
		lua_rawgeti(reading->L, index, (lua_Integer)i);
		cJSON *item = read_value(reading, lua_gettop(reading->L), depth + 1);
		lua_pop(reading->L, 1);
		if (item == NULL) {
			cJSON_Delete(list);
			return NULL;
		}
		cJSON_AddItemToArray(list, item);
	}
	return list;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

/* A table has no order of its own, and lua_next's differs from run to run. */
static void sort_members(cJSON *object)
{
	size_t count = (size_t)cJSON_GetArraySize(object), i = 0;
	if (count < 2)
		return;
	cJSON **members = xcalloc(count, sizeof(*members));
	for (cJSON *member = object->child; member != NULL; member = member->next)
		members[i++] = member;
	qsort(members, count, sizeof(*members), compare_keys);
	for (i = 0; i < count; i++) {
		members[i]->prev = members[i == 0 ? count - 1 : i - 1];
		members[i]->next = i + 1 < count ? members[i + 1] : NULL;
	}
	object->child = members[0];
	free(members);
}

static cJSON *read_object(struct reading *reading, int index, int depth)
{
	lua_State *L = reading->L;
	cJSON *object = cJSON_CreateObject();
	for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
		char number[32];
		const char *key = number;
		if (lua_type(L, -2) == LUA_TSTRING)
			key = lua_tostring(L, -2);
		else if (lua_isinteger(L, -2))
			snprintf(number, sizeof(number), "%lld", (long long)lua_tointeger(L, -2));
		else
			key = NULL;
		if (key == NULL)
			error_set(reading->err, ERROR_SCRIPT,
				  "a table in the result has a key that is no text");
		cJSON *item = key == NULL ? NULL : read_value(reading, lua_gettop(L), depth + 1);
		if (item == NULL) {
			lua_pop(L, 2);
			cJSON_Delete(object);
			return NULL;
		}
		cJSON_AddItemToObject(object, key, item);
	}
	sort_members(object);
	return object;
}

static cJSON *read_number(struct reading *reading, int index)
{
	double number = lua_tonumber(reading->L, index);
	if (!isfinite(number)) {
		error_set(reading->err, ERROR_SCRIPT, "a number in the result is not finite");
		return NULL;
	}
	cJSON *item = cJSON_CreateNumber(number);
	if (lua_isinteger(reading->L, index) && fabs(number) >= 9007199254740992.0)
		item->valuestring = xasprintf("%lld", (long long)lua_tointeger(reading->L, index));
	return item;
}

static cJSON *read_table(struct reading *reading, int index, int depth)
{
	lua_State *L = reading->L;
	lua_Unsigned count = lua_rawlen(L, index);
	bool list = count > 0 && is_list(L, index, count);
	if (!list && reading->exact && is_marked(L, index)) {
		lua_pushnil(L);
		list = lua_next(L, index) == 0;
		if (!list) {
			lua_pop(L, 2);
			error_set(reading->err, ERROR_SCRIPT,
				  "a list in the result has a hole or a key");
			return NULL;
		}
	}
	return list ? read_list(reading, index, count, depth) : read_object(reading, index, depth);
}

/* A table that was emptied is as long to go over as before, and may be named often. */
static bool may_scan(struct reading *reading)
{
	size_t scan = 2 * meter_scan_work(reading->L);
	if (scan > reading->scan_left)
		return error_set(reading->err, ERROR_SCRIPT, "the result is too deep or too large");
	reading->scan_left -= scan;
	return true;
}

static cJSON *read_value(struct reading *reading, int index, int depth)
{
	lua_State *L = reading->L;
	size_t len;
	if (depth > reading->depth_max || reading->left-- <= 0 || !lua_checkstack(L, 6)) {
		error_set(reading->err, ERROR_SCRIPT, "the result is too deep or too large");
		return NULL;
	}
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		return cJSON_CreateNull();
	case LUA_TBOOLEAN:
		return cJSON_CreateBool(lua_toboolean(L, index));
	case LUA_TNUMBER:
		return read_number(reading, index);
	case LUA_TSTRING: {
		const char *text = lua_tolstring(L, index, &len);
		reading->bytes += len;
		if (strlen(text) != len) {
			error_set(reading->err, ERROR_SCRIPT, "a text in the result holds a zero");
			return NULL;
		}
		if (reading->bytes <= reading->bytes_max)
			return cJSON_CreateString(text);
		error_set(reading->err, ERROR_SCRIPT, "the result is too large");
		return NULL;
	}
	case LUA_TTABLE:
		if (!reading->exact && !may_scan(reading))
			return NULL;
		return read_table(reading, index, depth);
	case LUA_TLIGHTUSERDATA:
		if (reading->exact && lua_touserdata(L, index) == NULL)
			return cJSON_CreateNull();
		error_set(reading->err, ERROR_SCRIPT, "the result holds a userdata");
		return NULL;
	default:
		error_set(reading->err, ERROR_SCRIPT, "the result holds a %s",
			  lua_typename(L, lua_type(L, index)));
		return NULL;
	}
}

bool value_read(lua_State *L, int index, cJSON **owned_json, struct error *err)
{
	struct reading reading = {.L = L,
				  .depth_max = DEPTH_MAX,
				  .left = VALUES_MAX,
				  .scan_left = SCAN_MAX,
				  .bytes_max = POLICY_RESULT_MAX,
				  .err = err};
	*owned_json = read_value(&reading, lua_absindex(L, index), 0);
	return *owned_json != NULL;
}

bool value_read_exact(lua_State *L, int index, size_t most, cJSON **owned_json, struct error *err)
{
	struct reading reading = {.L = L,
				  .exact = true,
				  .depth_max = EXACT_DEPTH_MAX,
				  .left = VALUES_MAX_EXACT,
				  .bytes_max = most,
				  .err = err};
	*owned_json = read_value(&reading, lua_absindex(L, index), 0);
	return *owned_json != NULL;
}
