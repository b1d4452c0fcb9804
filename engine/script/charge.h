/*
 * charge.h - who counts the work that library functions do: the meter of a policy, or the vm of a
 * driver. A state's extra space points at what begins with a struct charger.
 */
#ifndef SLUICE_SCRIPT_CHARGE_H
#define SLUICE_SCRIPT_CHARGE_H

#include <lua.h>
#include <stddef.h>

struct charger {
	/* Raises when the call has not so much work left. A unit is about 10 ns. */
	void (*charge)(lua_State *L, size_t units);
};

/* For library functions, before the work is done. */
static inline void charge_work(lua_State *L, size_t units)
{
	(*(struct charger **)lua_getextraspace(L))->charge(L, units);
}

#endif
