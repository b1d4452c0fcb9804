#include "script/bind_wait.h"

#include <lauxlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/limits.h"
#include "base/mem.h"

static const char error_name[] = "sluice.error";

/* What is yielded: [1] the kind, then for a request its fields in this order. */
enum { AT_KIND = 1, AT_METHOD, AT_URL, AT_BODY, AT_HEADERS, AT_TIMEOUT, AT_INSECURE, AT_PROXY };

static void check_can_wait(lua_State *L, const char *what)
{
	if (!lua_isyieldable(L))
		luaL_error(L,
			   "%s: cannot wait here: inside of a sort or gsub, or of a function that "
			   "must answer at once",
			   what);
}

/* A field of the options, a text or nil; left on the stack. */
static void text_option(lua_State *L, const char *name, const char *fallback)
{
	int type = lua_getfield(L, 1, name);
	if (type == LUA_TNIL && fallback != NULL) {
		lua_pop(L, 1);
		lua_pushstring(L, fallback);
	} else if (type != LUA_TNIL && type != LUA_TSTRING) {
		luaL_error(L, "http.request: %s must be a string, is a %s", name,
			   lua_typename(L, type));
	}
}

static void check_headers(lua_State *L, int index)
{
	int count = 0;
	if (lua_isnil(L, index))
		return;
	luaL_argcheck(L, lua_istable(L, index), 1, "headers must be a table");
	for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
			luaL_error(L, "http.request: headers must be strings by name");
		if (++count > WAIT_HEADERS_MAX)
			luaL_error(L, "http.request: more than %d headers", WAIT_HEADERS_MAX);
	}
}

static int after_wait(lua_State *L, int status, lua_KContext where)
{
	(void)status;
	(void)where;
	return lua_gettop(L);
}

/* http.request{method=, url=, headers=, body=, timeout=, insecure=, proxy=}: a table with status,
 * body, and where the server said so retry_after and location, or nil and an error. */
static int request(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	check_can_wait(L, "http.request");
	lua_settop(L, 1);
	lua_pushinteger(L, WAIT_HTTP);
	text_option(L, "method", "GET");
	text_option(L, "url", NULL);
	luaL_argcheck(L, !lua_isnil(L, -1), 1, "url is missing");
	text_option(L, "body", NULL);
	lua_getfield(L, 1, "headers");
	check_headers(L, lua_gettop(L));
	lua_Number timeout = 5;
	if (lua_getfield(L, 1, "timeout") != LUA_TNIL)
		timeout = luaL_checknumber(L, -1);
	luaL_argcheck(L, timeout > 0 && timeout <= 600, 1, "timeout must be 0 to 600 seconds");
	lua_pop(L, 1);
	lua_pushnumber(L, timeout);
	lua_getfield(L, 1, "insecure");
	text_option(L, "proxy", NULL);
	lua_remove(L, 1);
	return lua_yieldk(L, AT_PROXY, 0, after_wait);
}

/* task.sleep(seconds) */
static int sleep_for(lua_State *L)
{
	lua_Number seconds = luaL_checknumber(L, 1);
	luaL_argcheck(L, seconds >= 0 && seconds <= 600, 1, "must be 0 to 600 seconds");
	check_can_wait(L, "task.sleep");
	lua_settop(L, 0);
	lua_pushinteger(L, WAIT_SLEEP);
	lua_pushnumber(L, seconds);
	return lua_yieldk(L, 2, 0, after_wait);
}

static int error_text(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "message");
	return 1;
}

int bind_http(lua_State *L)
{
	static const luaL_Reg functions[] = {{"request", request}, {NULL, NULL}};
	if (luaL_newmetatable(L, error_name)) {
		lua_pushcfunction(L, error_text);
		lua_setfield(L, -2, "__tostring");
	}
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}

int bind_task(lua_State *L)
{
	static const luaL_Reg functions[] = {{"sleep", sleep_for}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}

/* The texts are strings already, so nothing is converted and nothing can raise. */
static void read_headers(lua_State *thread, int index, struct wait *wait)
{
	if (!lua_istable(thread, index) || !lua_checkstack(thread, 4))
		return;
	for (lua_pushnil(thread); lua_next(thread, index) != 0; lua_pop(thread, 1))
		wait->headers[wait->request.header_count++] =
			(struct http_header){lua_tostring(thread, -2), lua_tostring(thread, -1)};
	wait->request.headers = wait->headers;
}

void wait_read(lua_State *thread, struct wait *wait)
{
	*wait = (struct wait){.kind = WAIT_NONE};
	int count = lua_gettop(thread);
	if (count == 2 && lua_tointeger(thread, AT_KIND) == WAIT_SLEEP) {
		wait->kind = WAIT_SLEEP;
		wait->sleep_us = (int64_t)(lua_tonumber(thread, 2) * (double)DURATION_SECOND);
	}
	if (count != AT_PROXY || lua_tointeger(thread, AT_KIND) != WAIT_HTTP)
		return;
	wait->kind = WAIT_HTTP;
	size_t len = 0;
	const char *body = lua_tolstring(thread, AT_BODY, &len);
	wait->request = (struct http_request){
		.method = lua_tostring(thread, AT_METHOD),
		.url = lua_tostring(thread, AT_URL),
		.body = body,
		.body_len = len,
		.reply_max = METRIC_BODY_MAX,
		.timeout_us = (int64_t)(lua_tonumber(thread, AT_TIMEOUT) * (double)DURATION_SECOND),
		.insecure_tls = lua_toboolean(thread, AT_INSECURE),
		.proxy = lua_tostring(thread, AT_PROXY),
		.secret_url = true,
		/* A key in a header of its own would go to whoever the answer names. */
		.no_redirect = true,
	};
	read_headers(thread, AT_HEADERS, wait);
}

int wait_push_reply(lua_State *L, const struct http_reply *reply)
{
	lua_createtable(L, 0, 4);
	lua_pushinteger(L, reply->status);
	lua_setfield(L, -2, "status");
	lua_pushlstring(L, reply->body, reply->body_len);
	lua_setfield(L, -2, "body");
	if (reply->retry_after_us > 0) {
		lua_pushnumber(L, (double)reply->retry_after_us / (double)DURATION_SECOND);
		lua_setfield(L, -2, "retry_after");
	}
	if (reply->location != NULL) {
		lua_pushstring(L, reply->location);
		lua_setfield(L, -2, "location");
	}
	return 1;
}

int wait_push_error(lua_State *L, const struct error *err)
{
	lua_pushnil(L);
	lua_createtable(L, 0, 2);
	lua_pushstring(L, error_kind_name(err->kind));
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, err->text);
	lua_setfield(L, -2, "message");
	luaL_setmetatable(L, error_name);
	return 2;
}
