/*
 * value.h - JSON to Lua and back.
 *
 * null becomes nil, so a member that is null is not there. A table with the keys 1 to n, n > 0, is
 * a list; any other is an object, also the empty one.
 */
#ifndef SLUICE_SCRIPT_VALUE_H
#define SLUICE_SCRIPT_VALUE_H

#include <cjson/cJSON.h>
#include <lua.h>

#include "base/error.h"

/* Pushes one value. Raises when memory or stack run out: call it under lua_pcall. */
void value_push(lua_State *L, const cJSON *json);
/* The value at an index; the caller frees. Never raises. Functions, cycles, and what is too deep or
 * too large are errors. */
bool value_read(lua_State *L, int index, cJSON **owned_json, struct error *err) MUST_CHECK;

#endif
