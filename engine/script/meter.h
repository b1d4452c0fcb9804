/*
 * meter.h - what one call of a policy may cost: work, memory, time.
 *
 * Work is counted in units of about 10 ns: an instruction of the virtual machine is one, a library
 * function charges what it is about to do, and so does each allocation. Once the work, the memory
 * or the time of a call is used up, every further instruction raises, so that neither pcall nor a
 * closing variable gets on. Work and memory are the same on every machine; the time, of this
 * thread's processor clock, is a net below them, for what they do not foresee.
 */
#ifndef SLUICE_SCRIPT_METER_H
#define SLUICE_SCRIPT_METER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script/charge.h"

enum {
	METER_WORK = 500000, /* units a call: 2 to 8 ms; a stock policy's hook takes some hundred */
	METER_BYTES = 8 * 1024 * 1024, /* a call, on top of what was there before it */
	METER_TEXT_MAX = 64 * 1024,    /* bytes of one Lua string: it is compared in one go */
	METER_TIME_US = 20000,	       /* of the processor, a call */
	METER_DEPTH_MAX = 190,	       /* nested calls; Lua itself stops C calls at 200 */
};

/* What several calls may take together. */
struct meter_allowance {
	long work;
	int64_t time_us;
};

/* The source whose lines are not the policy's. */
#define METER_TRUSTED "sandbox.lua"

struct meter {
	struct charger charger; /* first */
	lua_State *L;
	size_t bytes; /* held now */
	bool running; /* a call is metered now */
	/* Of the call. */
	bool spent;
	long given, left, unclocked;
	size_t bytes_most;
	int64_t time_us, end_us; /* 0: not yet looked at the clock */
	struct meter_allowance *allowance;
	const char *why; /* it was stopped */
	char where[120]; /* "mine.lua:12: ", when it was known */
	int traced;	 /* where the function begins whose lines are noted, or 0 */
	int traced_line; /* the last one that it came to */
};

/* A lua_Alloc; its first argument is the meter. */
void *meter_allocate(void *owner, void *block, size_t old, size_t size);
/* A state that counts on `meter`, with the collector stopped: it runs between calls, in
 * meter_collect. So what a call may do does not depend on when garbage was found. */
lua_State *meter_open(struct meter *meter);
/* A call with at most METER_WORK and METER_TIME_US, and no more than `allowance`, which gets
 * smaller by what it took; or NULL. */
void meter_begin(struct meter *meter, struct meter_allowance *allowance);
void meter_end(struct meter *meter);
void meter_collect(struct meter *meter);

/* What a scan over a whole table may cost: parts that were emptied are as long as ever. */
size_t meter_scan_work(lua_State *L);
bool meter_is_spent(lua_State *L);

#endif
