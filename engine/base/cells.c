#include "base/cells.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "base/mem.h"

enum {
	GRAIN = 16,
	CLASSES = 32, /* up to 512 bytes */
	SLAB = 64 * KIB,
	SLABS = 16384, /* 1 GiB of addresses; memory is taken as it is touched */
};

struct cell {
	struct cell *next;
};

/* All cells of a slab have one size, so an address tells the size of its cell. */
static struct {
	char *base; /* NULL: there are no cells */
	size_t used;
	unsigned char class_of[SLABS];
	struct cell *spare[CLASSES];
} cells;

static struct cell *more(size_t class)
{
	size_t size = (class + 1) * GRAIN;
	if (cells.used == SLABS)
		return NULL;
	char *slab = cells.base + cells.used * SLAB;
	cells.class_of[cells.used++] = (unsigned char)class;
	struct cell *first = NULL;
	for (size_t at = SLAB / size * size; at >= size; at -= size) {
		struct cell *cell = (struct cell *)(void *)(slab + at - size);
		cell->next = first;
		first = cell;
	}
	return first;
}

void *cell_take(size_t size)
{
	size_t class = size == 0 ? 0 : (size - 1) / GRAIN;
	if (cells.base == NULL || class >= CLASSES)
		return xmalloc(size);
	if (cells.spare[class] == NULL)
		cells.spare[class] = more(class);
	struct cell *cell = cells.spare[class];
	if (cell == NULL)
		return xmalloc(size);
	cells.spare[class] = cell->next;
	return cell;
}

void cell_give(void *owned_cell)
{
	struct cell *cell = owned_cell;
	uintptr_t distance = (uintptr_t)owned_cell - (uintptr_t)cells.base;
	if (cells.base == NULL || distance >= cells.used * SLAB) {
		free(owned_cell);
		return;
	}
	size_t class = cells.class_of[distance / SLAB];
	cell->next = cells.spare[class];
	cells.spare[class] = cell;
}

void *cell_resize(void *owned_cell, size_t old, size_t size)
{
	if (cells.base == NULL || (old > CLASSES * GRAIN && size > CLASSES * GRAIN))
		return xrealloc(owned_cell, size);
	if (owned_cell == NULL)
		return cell_take(size);
	void *moved = memcpy(cell_take(size), owned_cell, old < size ? old : size);
	cell_give(owned_cell);
	return moved;
}

void cells_for_json(void)
{
#ifndef __SANITIZE_ADDRESS__
	void *base = mmap(NULL, (size_t)SLABS * SLAB, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return;
	cells.base = base;
	cJSON_InitHooks(&(cJSON_Hooks){cell_take, cell_give});
#endif
}
