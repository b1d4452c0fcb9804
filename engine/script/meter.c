#include "script/meter.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cells.h"
#include "base/mem.h"

enum {
	STEP = 500,	      /* instructions between two looks */
	CLOCK_EVERY = 1000,   /* units of work: what most calls never reach */
	BYTES_A_UNIT = 32,    /* of an allocation: what it takes to fill, and to free */
	SCANNED_A_UNIT = 256, /* bytes of tables: six nodes of 40 bytes, 10 ns */
	VARARGS_MAX = 250,    /* each look at "..." copies them all */
};

static struct meter *meter_of(lua_State *L)
{
	return *(struct meter **)lua_getextraspace(L);
}

/* The one clock that is read beside the loop's: it never decides anything, it only stops. */
static int64_t processor_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void look(lua_State *L, lua_Debug *activation);

static void note_place(struct meter *meter, lua_Debug *activation)
{
	if (lua_getinfo(meter->L, "Sl", activation) != 0 && activation->currentline > 0 &&
	    strcmp(activation->short_src, METER_TRUSTED) != 0)
		snprintf(meter->where, sizeof(meter->where), "%s:%d: ", activation->short_src,
			 activation->currentline);
}

static void spend(struct meter *meter, const char *why)
{
	if (meter->spent)
		return;
	meter->spent = true;
	meter->why = why;
	lua_sethook(meter->L, look, LUA_MASKCOUNT, 1);
}

static void note_caller(struct meter *meter)
{
	lua_Debug caller;
	for (int level = 0; meter->where[0] == '\0' && level < 4; level++)
		if (lua_getstack(meter->L, level, &caller) != 0)
			note_place(meter, &caller);
}

static void work(struct meter *meter, size_t units)
{
	meter->left -= (long)units;
	meter->unclocked += (long)units;
	if (meter->left <= 0) {
		spend(meter, "it ran for too long");
	} else if (meter->unclocked >= CLOCK_EVERY) {
		int64_t now_us = processor_us();
		meter->unclocked = 0;
		if (meter->end_us == 0)
			meter->end_us = now_us + meter->time_us;
		else if (now_us > meter->end_us)
			spend(meter, "it ran for too long");
	}
}

static void note_line(struct meter *meter, lua_Debug *activation)
{
	if (lua_getinfo(meter->L, "S", activation) != 0 &&
	    activation->linedefined == meter->traced &&
	    strcmp(activation->short_src, METER_TRUSTED) != 0)
		meter->traced_line = activation->currentline;
}

/* Every STEP instructions; once spent, at every one. */
static void look(lua_State *L, lua_Debug *activation)
{
	struct meter *meter = meter_of(L);
	if (activation->event == LUA_HOOKLINE) {
		note_line(meter, activation);
		return;
	}
	if (!meter->spent) {
		lua_Debug deep;
		work(meter, STEP);
		if (lua_getstack(L, METER_DEPTH_MAX, &deep) != 0)
			spend(meter, "its calls are nested too deep");
		else if (lua_getlocal(L, activation, -VARARGS_MAX) != NULL)
			spend(meter, "a function was given too many values");
		if (!meter->spent)
			return;
	}
	note_caller(meter);
	luaL_error(L, "%sthe policy was stopped: %s", meter->where, meter->why);
}

void *meter_allocate(void *owner, void *block, size_t old, size_t size)
{
	struct meter *meter = owner;
	/* https://www.lua.org/manual/5.4/manual.html#lua_Alloc: "When ptr is NULL, osize encodes
	 * the kind of object that Lua is allocating." */
	bool text = block == NULL && old == LUA_TSTRING;
	if (block == NULL)
		old = 0;
	if (size == 0) {
		meter->bytes -= old;
		cell_give(block);
		return NULL;
	}
	if (meter->running && size > old) {
		bool refused = meter->bytes - old + size > meter->bytes_most;
		if (refused)
			spend(meter, "it used too much memory");
		else if (text && size > METER_TEXT_MAX + 64)
			spend(meter, "it made too long a text");
		else
			work(meter, size / BYTES_A_UNIT);
		if (meter->spent)
			note_caller(meter);
		if (refused || (text && size > METER_TEXT_MAX + 64))
			return NULL;
	}
	void *moved = cell_resize(block, old, size);
	meter->bytes += size - old;
	return moved;
}

static void charge_call(lua_State *L, size_t units)
{
	struct meter *meter = meter_of(L);
	if (!meter->running)
		return;
	if (!meter->spent)
		work(meter, units > METER_WORK ? METER_WORK : units);
	if (!meter->spent)
		return;
	note_caller(meter);
	luaL_error(L, "%sthe policy was stopped: %s", meter->where, meter->why);
}

lua_State *meter_open(struct meter *meter)
{
	*meter = (struct meter){.charger = {charge_call}, .why = ""};
	meter->L = lua_newstate(meter_allocate, meter);
	*(struct meter **)lua_getextraspace(meter->L) = meter;
	lua_gc(meter->L, LUA_GCSTOP);
	return meter->L;
}

void meter_begin(struct meter *meter, struct meter_allowance *allowance)
{
	meter->running = true;
	meter->spent = false;
	meter->why = "";
	meter->where[0] = '\0';
	meter->left = METER_WORK;
	meter->time_us = METER_TIME_US;
	meter->allowance = allowance;
	if (allowance != NULL && allowance->work < meter->left)
		meter->left = allowance->work;
	if (allowance != NULL && allowance->time_us < meter->time_us)
		meter->time_us = allowance->time_us;
	meter->given = meter->left;
	meter->unclocked = 0;
	meter->bytes_most = meter->bytes + METER_BYTES;
	meter->end_us = 0;
	meter->traced_line = 0;
	lua_sethook(meter->L, look, LUA_MASKCOUNT | (meter->traced > 0 ? LUA_MASKLINE : 0), STEP);
}

void meter_end(struct meter *meter)
{
	meter->running = false;
	lua_sethook(meter->L, NULL, 0, 0);
	if (meter->allowance == NULL)
		return;
	meter->allowance->work -= meter->given - meter->left;
	if (meter->end_us != 0)
		meter->allowance->time_us -= processor_us() - (meter->end_us - meter->time_us);
	meter->allowance = NULL;
}

void meter_collect(struct meter *meter)
{
	lua_gc(meter->L, LUA_GCCOLLECT);
}

size_t meter_scan_work(lua_State *L)
{
	return meter_of(L)->bytes / SCANNED_A_UNIT;
}

bool meter_is_spent(lua_State *L)
{
	return meter_of(L)->spent;
}
