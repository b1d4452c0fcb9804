#include "loop/timer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/*
 * An id is a slot (low bits) and how often that slot was used (high bits): 16 million timers at
 * once, each slot good for a trillion. The heap holds slot numbers, a slot knows its place in the
 * heap.
 */
enum { SLOT_BITS = 24, FIRST_ROOM = 16 };
static const uint32_t free_slot = UINT32_MAX;

struct slot {
	struct timer timer;
	uint64_t uses;
	uint32_t place;	    /* in the heap, or free_slot */
	uint32_t next_free; /* while free */
};

struct timers {
	struct slot *slots;
	uint32_t *heap;
	uint32_t count, used, room; /* in the heap; slots ever used; of both arrays */
	uint32_t first_free;
	uint64_t orders;
};

struct timers *timers_new(void)
{
	struct timers *timers = xcalloc(1, sizeof(*timers));
	timers->first_free = free_slot;
	return timers;
}

void timers_free(struct timers *timers)
{
	if (timers == NULL)
		return;
	free(timers->slots);
	free(timers->heap);
	free(timers);
}

static bool is_before(const struct timers *timers, uint32_t a, uint32_t b)
{
	const struct timer *one = &timers->slots[a].timer, *other = &timers->slots[b].timer;
	if (one->when_us != other->when_us)
		return one->when_us < other->when_us;
	return one->order < other->order;
}

static void set(struct timers *timers, uint32_t place, uint32_t slot)
{
	timers->heap[place] = slot;
	timers->slots[slot].place = place;
}

static void sift_up(struct timers *timers, uint32_t place)
{
	uint32_t slot = timers->heap[place];
	while (place > 0) {
		uint32_t parent = (place - 1) / 2;
		if (!is_before(timers, slot, timers->heap[parent]))
			break;
		set(timers, place, timers->heap[parent]);
		place = parent;
	}
	set(timers, place, slot);
}

static void sift_down(struct timers *timers, uint32_t place)
{
	uint32_t slot = timers->heap[place];
	for (;;) {
		uint32_t child = place * 2 + 1;
		if (child >= timers->count)
			break;
		if (child + 1 < timers->count &&
		    is_before(timers, timers->heap[child + 1], timers->heap[child]))
			child++;
		if (!is_before(timers, timers->heap[child], slot))
			break;
		set(timers, place, timers->heap[child]);
		place = child;
	}
	set(timers, place, slot);
}

static uint32_t take_slot(struct timers *timers)
{
	uint32_t slot = timers->first_free;
	if (slot != free_slot) {
		timers->first_free = timers->slots[slot].next_free;
		return slot;
	}
	if (timers->used == timers->room) {
		timers->room = timers->room > 0 ? timers->room * 2 : FIRST_ROOM;
		assert(timers->room <= UINT32_C(1) << SLOT_BITS);
		timers->slots = xrealloc(timers->slots, timers->room * sizeof(*timers->slots));
		timers->heap = xrealloc(timers->heap, timers->room * sizeof(*timers->heap));
	}
	slot = timers->used++;
	timers->slots[slot].uses = 0;
	return slot;
}

static void remove_at(struct timers *timers, uint32_t place)
{
	uint32_t slot = timers->heap[place], last = timers->heap[--timers->count];
	timers->slots[slot].place = free_slot;
	timers->slots[slot].next_free = timers->first_free;
	timers->first_free = slot;
	if (last == slot)
		return;
	set(timers, place, last);
	sift_up(timers, place);
	sift_down(timers, timers->slots[last].place);
}

uint64_t timers_add(struct timers *timers, int64_t when_us, loop_call *call, void *owner,
		    uint64_t token)
{
	uint32_t number = take_slot(timers);
	struct slot *slot = &timers->slots[number];
	slot->uses++;
	slot->timer = (struct timer){.when_us = when_us,
				     .order = timers->orders++,
				     .call = call,
				     .owner = owner,
				     .token = token};
	set(timers, timers->count++, number);
	sift_up(timers, timers->count - 1);
	return slot->uses << SLOT_BITS | number;
}

void timers_cancel(struct timers *timers, uint64_t id)
{
	uint64_t number = id & ((UINT64_C(1) << SLOT_BITS) - 1);
	if (number >= timers->used)
		return;
	const struct slot *slot = &timers->slots[number];
	if (slot->uses == id >> SLOT_BITS && slot->place != free_slot)
		remove_at(timers, slot->place);
}

const struct timer *timers_first(const struct timers *timers)
{
	return timers->count > 0 ? &timers->slots[timers->heap[0]].timer : NULL;
}

struct timer timers_take(struct timers *timers)
{
	assert(timers->count > 0);
	struct timer timer = timers->slots[timers->heap[0]].timer;
	remove_at(timers, 0);
	return timer;
}

uint64_t timers_next_order(const struct timers *timers)
{
	return timers->orders;
}
