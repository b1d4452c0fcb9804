/*
 * bind_wait.h - the Lua modules whose functions wait: `http` and `task`.
 *
 * A function checks its arguments and yields what is to be waited for, which script/task.c then
 * asks of the ports. A wait inside of a callback of C (a comparator of table.sort, a function given
 * to string.gsub), or in a function that must answer at once, raises before anything is sent.
 */
#ifndef SLUICE_SCRIPT_BIND_WAIT_H
#define SLUICE_SCRIPT_BIND_WAIT_H

#include <lua.h>

#include "ports.h"

/* Each leaves the module's table on the stack. */
int bind_http(lua_State *L);
int bind_task(lua_State *L);

/* What a suspended function waits for stands on its stack. */
enum wait_kind { WAIT_NONE, WAIT_HTTP, WAIT_SLEEP };
enum { WAIT_HEADERS_MAX = 32 };
struct wait {
	enum wait_kind kind;
	struct http_request request; /* borrowed from the stack */
	struct http_header headers[WAIT_HEADERS_MAX];
	int64_t sleep_us;
};
/* Never raises. */
void wait_read(lua_State *thread, struct wait *wait);

/* Push what the function gets for its wait, under protection; how many. */
int wait_push_reply(lua_State *L, const struct http_reply *reply);
int wait_push_error(lua_State *L, const struct error *err); /* nil, and the error */

#endif
