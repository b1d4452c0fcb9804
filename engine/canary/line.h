/*
 * line.h - which canary works next, and how many may at a time.
 *
 * Those that shall be ticked stand in their order. One that works with the API server holds a slot;
 * one that is away, waiting for a hook or a metric store, holds none, and comes back before those
 * who have not begun. The limits are canary/engine.h's.
 */
#ifndef SLUICE_CANARY_LINE_H
#define SLUICE_CANARY_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ids {
	uint64_t *items; /* owned */
	size_t first, count, room;
};

/* All zero is empty. Reading the numbers is free for all. */
struct line {
	struct ids waiting;   /* to begin */
	struct ids back;      /* of those that were away and have their answers, but no slot yet */
	size_t running, away; /* ticks; of those, that hold no slot */
	size_t measuring;     /* of those away, that wait for metrics */
};

void line_fini(struct line *line);

void line_join(struct line *line, uint64_t id);
void line_come_back(struct line *line, uint64_t id);
void line_disperse(struct line *line); /* nobody waits to begin any more */
bool line_is_empty(const struct line *line);

bool line_has_slot(const struct line *line);
/* The first that may go on, or begin; 0 when nobody may. It stands in the line no more. */
uint64_t line_next_back(struct line *line);
uint64_t line_next(struct line *line);

#endif
