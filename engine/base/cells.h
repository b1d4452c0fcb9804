/*
 * cells.h - small pieces of memory, taken and given back much faster than malloc does, for a
 * process that works hard and ends soon: what was given back is used again, but never returned to
 * the system.
 *
 * One thread. Under AddressSanitizer it is malloc, so that nothing is hidden from it.
 */
#ifndef SLUICE_BASE_CELLS_H
#define SLUICE_BASE_CELLS_H

#include <stddef.h>

/* From now on all JSON lives in cells; before the first JSON there is. */
void cells_for_json(void);

void *cell_take(size_t size);
/* `old` is the size that it was taken with. */
void *cell_resize(void *owned_cell, size_t old, size_t size);
void cell_give(void *owned_cell); /* NULL is nothing; what came from malloc too */

#endif
