#include "script/bind_host.h"

#include <lauxlib.h>
#include <stdlib.h>

static int env(lua_State *L)
{
	const char *value = getenv(luaL_checkstring(L, 1));
	if (value == NULL || value[0] == '\0')
		lua_pushnil(L);
	else
		lua_pushstring(L, value);
	return 1;
}

int bind_host(lua_State *L)
{
	static const luaL_Reg functions[] = {{"env", env}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
