/*
 * bind.h - the C part of what a policy can use; lua/sandbox.lua is the other.
 *
 * Each function charges for its work before it does it (meter.h), and gives the same result on
 * every machine.
 */
#ifndef SLUICE_SCRIPT_BIND_H
#define SLUICE_SCRIPT_BIND_H

#include <lua.h>

/* Pushes a fresh `string`, without what would need a budget of its own (pack, dump). */
int bind_string(lua_State *L);
/* Pushes a fresh `math`, correctly rounded; without chance. */
int bind_math(lua_State *L);
/* tostring: numbers in their shortest form that reads back as the same; no addresses. */
int bind_tostring(lua_State *L);
/* keys(table): a list of its keys in order, and how many there are. */
int bind_keys(lua_State *L);
/* copy(table): a fresh one with the same members. */
int bind_copy(lua_State *L);
/* charge(work) */
int bind_charge(lua_State *L);

enum { NUMBER_TEXT_MAX = 40 };
/* The shortest form of a number; "nan" whatever its sign. */
void number_text(double number, char text[NUMBER_TEXT_MAX]);

#endif
