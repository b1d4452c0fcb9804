#include "script/bind_host.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
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

/* Pushes the text of a file; false: nil and why. The buffer is Lua's before the file is open, and
 * nothing raises while it is. */
static bool push_file(lua_State *L, const char *name, const char *path)
{
	luaL_Buffer buffer;
	char *text = luaL_buffinitsize(L, &buffer, TOKEN_MAX);
	FILE *stream = fopen(path, "re");
	if (stream == NULL) {
		no_file(L, name, path, strerror(errno));
		return false;
	}
	size_t len = fread(text, 1, TOKEN_MAX, stream);
	bool whole = feof(stream) != 0 && ferror(stream) == 0;
	fclose(stream);
	if (!whole) {
		no_file(L, name, path, "cannot be read, or is too long");
		return false;
	}
	luaL_pushresultsize(&buffer, len);
	return true;
}

/* The path that stands in a text of JSON. Nothing raises while it is taken apart. */
static bool path_in(const char *text, size_t len, const char *field, char path[PATH_MAX])
{
	SCOPED(json) cJSON *json = json_parse(text, len, NULL);
	const char *found = json_string(json, field);
	if (found == NULL || strlen(found) >= PATH_MAX)
		return false;
	text_copy(path, PATH_MAX, found);
	return true;
}

static int file(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	const char *field = luaL_optstring(L, 2, NULL);
	luaL_argcheck(L, is_readable(name), 1, "names no file that a driver may read");
	const char *path = getenv(name);
	char inner[PATH_MAX];
	size_t len;
	if (path == NULL || path[0] == '\0') {
		lua_pushnil(L);
		return 1;
	}
	if (!push_file(L, name, path))
		return 2;
	if (field == NULL)
		return 1;
	const char *text = lua_tolstring(L, -1, &len);
	if (!path_in(text, len, field, inner))
		return no_file(L, name, path, "names no file there");
	return push_file(L, name, inner) ? 1 : 2;
}

int bind_host(lua_State *L)
{
	static const luaL_Reg functions[] = {{"env", env}, {"file", file}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
