/*
 * pool.h - memory that is handed out in pieces and given back all at once.
 *
 * For what lives and dies together: the nodes of a parsed text, the values of one evaluation.
 * Beyond the cap nothing more is handed out.
 */
#ifndef SLUICE_BASE_POOL_H
#define SLUICE_BASE_POOL_H

#include <stddef.h>

#include "base/error.h"

struct pool_block;
struct pool {
	struct pool_block *newest; /* private */
	size_t left;		   /* of the newest block */
	size_t used, cap;
};

void pool_init(struct pool *pool, size_t cap);
void pool_fini(struct pool *pool);
void scope_pool(struct pool *pool);

/* Zeroed, aligned for everything. NULL once the cap is reached. */
void *pool_take(struct pool *pool, size_t size);
/* A terminated copy, or NULL. */
char *pool_text(struct pool *pool, const char *text, size_t len);

#endif
