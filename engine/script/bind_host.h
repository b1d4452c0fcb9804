/*
 * bind_host.h - the Lua module `host`: what a driver may know of the machine.
 */
#ifndef SLUICE_SCRIPT_BIND_HOST_H
#define SLUICE_SCRIPT_BIND_HOST_H

#include <lua.h>

/* env(name): a variable of the environment, or nil when it is not set or empty. file(name): the
 * file that this variable names; only for the three that platforms point at an identity. */
int bind_host(lua_State *L);

#endif
