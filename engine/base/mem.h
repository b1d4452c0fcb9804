/*
 * mem.h - memory that never fails, and locals that clean up after themselves.
 *
 * Out of memory ends the process: all state is in the cluster, restarting is recovery.
 */
#ifndef SLUICE_BASE_MEM_H
#define SLUICE_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

#define NEVER_NULL __attribute__((returns_nonnull))

void *xmalloc(size_t size) NEVER_NULL;
void *xcalloc(size_t count, size_t size) NEVER_NULL;
void *xrealloc(void *owned_block, size_t size) NEVER_NULL;
char *xstrdup(const char *text); /* xstrdup(NULL) is NULL */
char *xstrndup(const char *text, size_t len) NEVER_NULL;
char *xasprintf(const char *format, ...) PRINTF_LIKE(1, 2) NEVER_NULL;
char *xvasprintf(const char *format, va_list args) NEVER_NULL;

/* `SCOPED(text) char *name = xstrdup(…);` frees at the end of the block. A type that can be scoped
 * has a function `void scope_<noun>(type *)`. */
#define SCOPED(noun) __attribute__((cleanup(scope_##noun)))

void scope_text(char **text); /* any char * from malloc */

/* For a process that stays: large blocks go back to the system when they are freed. */
void mem_be_frugal(void);
/* Gives back what is free, and the pages of code and constants that only the start needed. */
void mem_give_back(void);

/* Frees a text and leaves nothing of it in memory; NULL is nothing. */
void secret_free(char *owned_text);
/* Stars wherever `secret` stands in `text`; one of less than four bytes, or NULL, hides nothing. */
void secret_hide(char *text, const char *secret);

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* The most of `len` bytes that fit into `limit` without splitting a UTF-8 character. */
size_t text_fit(const char *text, size_t len, size_t limit);
/* Copies `text`, cut to fit between characters; always terminated. False when it was cut. */
bool text_copy(char *into, size_t size, const char *text);
bool text_equal(const char *a, const char *b); /* NULL equals only NULL */
bool text_starts(const char *text, const char *prefix);
bool text_ends(const char *text, const char *suffix);

#endif
