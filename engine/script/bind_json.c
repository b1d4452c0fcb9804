#include "script/bind_json.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "script/value.h"

/* Memory of C that must go even when Lua raises: freed with its box. */
struct box {
	cJSON *json;
	char *text;
};

static const char box_name[] = "sluice.json_box";

static int box_close(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, box_name);
	cJSON_Delete(box->json);
	free(box->text);
	*box = (struct box){0};
	return 0;
}

/* To be closed when the C function returns or raises. */
static struct box *box_push(lua_State *L)
{
	struct box *box = lua_newuserdatauv(L, sizeof(*box), 0);
	*box = (struct box){0};
	luaL_setmetatable(L, box_name);
	lua_toclose(L, -1);
	return box;
}

static int is_array(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushboolean(L, value_is_list(L, 1));
	return 1;
}

static int array(lua_State *L)
{
	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	value_mark_list(L);
	return 1;
}

static int encode(lua_State *L)
{
	struct error err = {0};
	luaL_checkany(L, 1);
	struct box *box = box_push(L);
	if (!value_read_exact(L, 1, METRIC_BODY_MAX, &box->json, &err))
		return luaL_error(L, "json.encode: %s", err.text);
	box->text = json_canonical(box->json);
	lua_pushstring(L, box->text);
	return 1;
}

static int decode(lua_State *L)
{
	size_t len;
	struct error err = {0};
	const char *text = luaL_checklstring(L, 1, &len);
	struct box *box = box_push(L);
	box->json = json_parse(text, len, &err);
	if (box->json == NULL) {
		lua_pushnil(L);
		lua_pushstring(L, err.text);
		return 2;
	}
	value_push_exact(L, box->json);
	return 1;
}

void bind_json(lua_State *L)
{
	static const luaL_Reg functions[] = {{"array", array},
					     {"decode", decode},
					     {"encode", encode},
					     {"is_array", is_array},
					     {NULL, NULL}};
	static const luaL_Reg closing[] = {
		{"__close", box_close}, {"__gc", box_close}, {NULL, NULL}};
	luaL_newmetatable(L, box_name);
	luaL_setfuncs(L, closing, 0);
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
}
