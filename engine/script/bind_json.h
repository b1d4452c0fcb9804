/*
 * bind_json.h - the Lua module `json`: null, lists that may be empty, encode and decode.
 */
#ifndef SLUICE_SCRIPT_BIND_JSON_H
#define SLUICE_SCRIPT_BIND_JSON_H

#include <lua.h>

/* Leaves the module's table on the stack. Raises when memory runs out. */
void bind_json(lua_State *L);

#endif
