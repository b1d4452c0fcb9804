#include "canary/line.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "canary/engine.h"

static void add(struct ids *ids, uint64_t id)
{
	bool full = ids->first + ids->count == ids->room;
	if (full && ids->first > ids->count) {
		memmove(ids->items, ids->items + ids->first, ids->count * sizeof(*ids->items));
		ids->first = 0;
	} else if (full) {
		ids->room = ids->room == 0 ? 64 : ids->room * 2;
		ids->items = xrealloc(ids->items, ids->room * sizeof(*ids->items));
	}
	ids->items[ids->first + ids->count++] = id;
}

static uint64_t take(struct ids *ids)
{
	if (ids->count == 0)
		return 0;
	uint64_t id = ids->items[ids->first++];
	if (--ids->count == 0)
		ids->first = 0;
	return id;
}

void line_fini(struct line *line)
{
	free(line->waiting.items);
	free(line->back.items);
}

void line_join(struct line *line, uint64_t id)
{
	add(&line->waiting, id);
}

void line_come_back(struct line *line, uint64_t id)
{
	add(&line->back, id);
}

void line_disperse(struct line *line)
{
	line->waiting.count = line->waiting.first = 0;
}

bool line_is_empty(const struct line *line)
{
	return line->waiting.count == 0 && line->back.count == 0;
}

bool line_has_slot(const struct line *line)
{
	return line->running - line->away < ENGINE_SLOTS;
}

uint64_t line_next_back(struct line *line)
{
	return line_has_slot(line) ? take(&line->back) : 0;
}

uint64_t line_next(struct line *line)
{
	bool may_begin = line_has_slot(line) && line->away < ENGINE_AWAY &&
			 line->measuring < ENGINE_MEASURING;
	return may_begin ? take(&line->waiting) : 0;
}
