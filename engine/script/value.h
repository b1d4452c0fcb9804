/*
 * value.h - JSON to Lua and back, in two ways.
 *
 * For policies, plainly: null becomes nil, so a member that is null is not there; a table with the
 * keys 1 to n, n > 0, is a list, any other an object, also the empty one.
 *
 * For drivers, exactly: null is json.null (a light userdata that is NULL), lists carry a metatable
 * and stay lists when they are empty, and whole numbers are exact over the whole of 64 bits.
 */
#ifndef SLUICE_SCRIPT_VALUE_H
#define SLUICE_SCRIPT_VALUE_H

#include <cjson/cJSON.h>
#include <lua.h>

#include "base/error.h"

/* Pushes one value. Raises when memory or stack run out: call it under lua_pcall. */
void value_push(lua_State *L, const cJSON *json);
void value_push_exact(lua_State *L, const cJSON *json);

/* The value at an index; the caller frees. Never raises. Functions, cycles, and what is too deep or
 * too large are errors. */
bool value_read(lua_State *L, int index, cJSON **owned_json, struct error *err) MUST_CHECK;
/* `most` bytes of text at most. */
bool value_read_exact(lua_State *L, int index, size_t most, cJSON **owned_json,
		      struct error *err) MUST_CHECK;

/* Makes the table on top of the stack a list. Raises when memory runs out. */
void value_mark_list(lua_State *L);
/* Whether a value is a list: marked, or with the keys 1 to n, n > 0. */
bool value_is_list(lua_State *L, int index);

#endif
