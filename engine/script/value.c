#include "script/value.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

#include "base/limits.h"

enum { DEPTH_MAX = 32, VALUES_MAX = 20000 };

void value_push(lua_State *L, const cJSON *json)
{
	luaL_checkstack(L, 4, "value too deep");
	const cJSON *item;
	int i = 1;
	if (cJSON_IsBool(json)) {
		lua_pushboolean(L, cJSON_IsTrue(json));
	} else if (cJSON_IsNumber(json)) {
		double number = json->valuedouble;
		if (number == floor(number) && fabs(number) < 9007199254740992.0)
			lua_pushinteger(L, (lua_Integer)number);
		else
			lua_pushnumber(L, number);
	} else if (cJSON_IsString(json)) {
		lua_pushstring(L, json->valuestring);
	} else if (cJSON_IsArray(json)) {
		lua_newtable(L);
		cJSON_ArrayForEach(item, json)
		{
			value_push(L, item);
			lua_rawseti(L, -2, i++);
		}
	} else if (cJSON_IsObject(json)) {
		lua_newtable(L);
		cJSON_ArrayForEach(item, json)
		{
			lua_pushstring(L, item->string);
			value_push(L, item);
			lua_rawset(L, -3);
		}
	} else {
		lua_pushnil(L);
	}
}

struct reading {
	lua_State *L;
	int left; /* values that may still come */
	size_t bytes;
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
	return object;
}

static cJSON *read_value(struct reading *reading, int index, int depth)
{
	lua_State *L = reading->L;
	size_t len;
	if (depth > DEPTH_MAX || reading->left-- <= 0 || !lua_checkstack(L, 6)) {
		error_set(reading->err, ERROR_SCRIPT, "the result is too deep or too large");
		return NULL;
	}
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		return cJSON_CreateNull();
	case LUA_TBOOLEAN:
		return cJSON_CreateBool(lua_toboolean(L, index));
	case LUA_TNUMBER: {
		double number = lua_tonumber(L, index);
		if (isfinite(number))
			return cJSON_CreateNumber(number);
		error_set(reading->err, ERROR_SCRIPT, "a number in the result is not finite");
		return NULL;
	}
	case LUA_TSTRING: {
		const char *text = lua_tolstring(L, index, &len);
		reading->bytes += len;
		if (reading->bytes <= POLICY_RESULT_MAX)
			return cJSON_CreateString(text);
		error_set(reading->err, ERROR_SCRIPT, "the result is too large");
		return NULL;
	}
	case LUA_TTABLE: {
		lua_Unsigned count = lua_rawlen(L, index);
		if (count > 0 && count <= VALUES_MAX && is_list(L, index, count))
			return read_list(reading, index, count, depth);
		return read_object(reading, index, depth);
	}
	default:
		error_set(reading->err, ERROR_SCRIPT, "the result holds a %s",
			  lua_typename(L, lua_type(L, index)));
		return NULL;
	}
}

bool value_read(lua_State *L, int index, cJSON **owned_json, struct error *err)
{
	struct reading reading = {.L = L, .left = VALUES_MAX, .err = err};
	*owned_json = read_value(&reading, lua_absindex(L, index), 0);
	return *owned_json != NULL;
}
