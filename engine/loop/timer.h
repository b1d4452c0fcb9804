/*
 * timer.h - what is due when: a heap of calls, by time and then by order of creation.
 *
 * Ids are never reused and never 0. Adding, cancelling and taking are O(log n).
 */
#ifndef SLUICE_LOOP_TIMER_H
#define SLUICE_LOOP_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

struct timer {
	int64_t when_us;
	uint64_t order; /* of creation */
	loop_call *call;
	void *owner;
	uint64_t token;
};

struct timers;

struct timers *timers_new(void);
void timers_free(struct timers *timers);
uint64_t timers_add(struct timers *timers, int64_t when_us, loop_call *call, void *owner,
		    uint64_t token);
void timers_cancel(struct timers *timers, uint64_t id);
/* Borrowed until the next change; NULL when there is none. */
const struct timer *timers_first(const struct timers *timers);
struct timer timers_take(struct timers *timers);	 /* the first one, which must exist */
uint64_t timers_next_order(const struct timers *timers); /* of the next one to be added */

#endif
