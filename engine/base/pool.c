#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK_BYTES = 4096, ALIGNMENT = 16 };

struct pool_block {
	struct pool_block *older;
	size_t size;
	_Alignas(ALIGNMENT) char bytes[];
};

void pool_init(struct pool *pool, size_t cap)
{
	*pool = (struct pool){.cap = cap};
}

void pool_fini(struct pool *pool)
{
	while (pool->newest != NULL) {
		struct pool_block *older = pool->newest->older;
		free(pool->newest);
		pool->newest = older;
	}
	pool->left = 0;
	pool->used = 0;
}

void scope_pool(struct pool *pool)
{
	pool_fini(pool);
}

void *pool_take(struct pool *pool, size_t size)
{
	if (size > pool->cap || pool->used > pool->cap - size)
		return NULL;
	size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (rounded > pool->left) {
		size_t room = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;
		struct pool_block *block = xmalloc(sizeof(*block) + room);
		block->older = pool->newest;
		block->size = room;
		pool->newest = block;
		pool->left = room;
	}
	char *piece = pool->newest->bytes + (pool->newest->size - pool->left);
	pool->left -= rounded;
	pool->used += rounded;
	memset(piece, 0, rounded);
	return piece;
}

char *pool_text(struct pool *pool, const char *text, size_t len)
{
	char *copy = pool_take(pool, len + 1);
	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}
