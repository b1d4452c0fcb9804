#include <float.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/meter.h"

void number_text(double number, char text[NUMBER_TEXT_MAX])
{
	if (isnan(number)) {
		snprintf(text, NUMBER_TEXT_MAX, "nan");
		return;
	}
	/* A text of 15 digits is never longer than it must be, but for subnormal numbers. */
	for (int digits = fabs(number) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		snprintf(text, NUMBER_TEXT_MAX - 2, "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	/* As Lua does it: a float is told from an integer. */
	size_t len = strlen(text);
	if (strspn(text, "-0123456789") == len)
		snprintf(text + len, NUMBER_TEXT_MAX - len, ".0");
}

int bind_tostring(lua_State *L)
{
	char text[NUMBER_TEXT_MAX];
	luaL_checkany(L, 1);
	switch (lua_type(L, 1)) {
	case LUA_TNUMBER:
		if (lua_isinteger(L, 1)) {
			lua_pushfstring(L, "%I", (LUAI_UACINT)lua_tointeger(L, 1));
		} else {
			number_text(lua_tonumber(L, 1), text);
			lua_pushstring(L, text);
		}
		return 1;
	case LUA_TTABLE:
		if (luaL_callmeta(L, 1, "__tostring")) {
			if (lua_type(L, -1) != LUA_TSTRING)
				return luaL_error(L, "'__tostring' must return a string");
			return 1;
		}
		lua_pushliteral(L, "table");
		return 1;
	case LUA_TNIL:
	case LUA_TBOOLEAN:
	case LUA_TSTRING:
		luaL_tolstring(L, 1, NULL);
		return 1;
	default:
		lua_pushstring(L, luaL_typename(L, 1));
		return 1;
	}
}

int bind_copy(lua_State *L)
{
	enum { ROOM = 32 };
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_createtable(L, 0, ROOM);
	for (lua_pushnil(L); lua_next(L, 1) != 0;) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, 2);
	}
	return 1;
}

int bind_charge(lua_State *L)
{
	lua_Integer units = luaL_checkinteger(L, 1);
	if (units > 0)
		charge_work(L, (size_t)units);
	return 0;
}

/* ---- keys in order: numbers, then texts byte by byte, then false and true ---- */

struct key {
	int kind;
	/* Holds every integer and every double: 64 bits of mantissa here, 113 on ARM. */
	long double number;
	const char *text;
	size_t len;
	lua_Integer at; /* in the list of keys as they were found */
};

static int key_order(const void *left, const void *right)
{
	const struct key *a = left, *b = right;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind != LUA_TSTRING)
		return a->number < b->number ? -1 : a->number > b->number;
	size_t len = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->text, b->text, len);
	if (order != 0)
		return order;
	return a->len < b->len ? -1 : a->len > b->len;
}

static void describe(lua_State *L, struct key *key)
{
	/* Numbers before texts before booleans, whatever the types' own order is. */
	switch (lua_type(L, -1)) {
	case LUA_TNUMBER:
		key->kind = 0;
		key->number = lua_isinteger(L, -1) ? (long double)lua_tointeger(L, -1)
						   : (long double)lua_tonumber(L, -1);
		break;
	case LUA_TSTRING:
		key->kind = LUA_TSTRING;
		key->text = lua_tolstring(L, -1, &key->len);
		break;
	case LUA_TBOOLEAN:
		key->kind = LUA_TSTRING + 1;
		key->number = lua_toboolean(L, -1);
		break;
	default:
		luaL_where(L, 2); /* who called pairs or next */
		lua_pushfstring(L,
				"%sa %s as a key has no order: pairs and next go over numbers, "
				"texts and booleans",
				lua_tostring(L, -1), luaL_typename(L, -2));
		lua_error(L);
	}
}

int bind_keys(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	charge_work(L, meter_scan_work(L));
	lua_newtable(L);
	lua_Integer count = 0;
	for (lua_pushnil(L); lua_next(L, 1) != 0;) {
		lua_pop(L, 1);
		charge_work(L, 10);
		lua_pushvalue(L, -1);
		lua_rawseti(L, 2, ++count);
	}
	/* Collected with the state: nothing is owned here when something raises. */
	struct key *keys = lua_newuserdatauv(L, sizeof(*keys) * (size_t)(count + 1), 0);
	for (lua_Integer i = 0; i < count; i++) {
		lua_rawgeti(L, 2, i + 1);
		keys[i] = (struct key){.at = i + 1};
		describe(L, &keys[i]);
		lua_pop(L, 1);
	}
	qsort(keys, (size_t)count, sizeof(*keys), key_order);
	lua_createtable(L, (int)count, 0);
	for (lua_Integer i = 0; i < count; i++) {
		lua_rawgeti(L, 2, keys[i].at);
		lua_rawseti(L, -2, i + 1);
	}
	lua_pushinteger(L, count);
	return 2;
}
