#include "script/bind_host.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

/* Where an identity may be: what the platform writes, and rewrites, for its SDKs to read. */
static const char *const readable[] = {
	"AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"GOOGLE_APPLICATION_CREDENTIALS",
};

static int env(lua_State *L)
{
	const char *value = getenv(luaL_checkstring(L, 1));
	if (value == NULL || value[0] == '\0')
		lua_pushnil(L);
	else
		lua_pushstring(L, value);
	return 1;
}

static bool is_readable(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(readable); i++)
		if (strcmp(readable[i], name) == 0)
			return true;
	return false;
}

static int no_file(lua_State *L, const char *name, const char *path, const char *why)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s: %s", name, path, why);
	return 2;
}

/* The buffer is Lua's before the file is open, and nothing raises while it is. */
static int file(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	luaL_argcheck(L, is_readable(name), 1, "names no file that a driver may read");
	const char *path = getenv(name);
	if (path == NULL || path[0] == '\0') {
		lua_pushnil(L);
		return 1;
	}
	luaL_Buffer buffer;
	char *text = luaL_buffinitsize(L, &buffer, TOKEN_MAX);
	FILE *stream = fopen(path, "re");
	if (stream == NULL)
		return no_file(L, name, path, strerror(errno));
	size_t len = fread(text, 1, TOKEN_MAX, stream);
	bool whole = feof(stream) != 0 && ferror(stream) == 0;
	fclose(stream);
	if (!whole)
		return no_file(L, name, path, "cannot be read, or is too long");
	luaL_pushresultsize(&buffer, len);
	return 1;
}

int bind_host(lua_State *L)
{
	static const luaL_Reg functions[] = {{"env", env}, {"file", file}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
