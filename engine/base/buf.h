/*
 * buf.h - bytes that grow, up to a cap given at birth.
 *
 * `text` is always terminated and never NULL after buf_init. An append past the cap fails, leaves
 * what was there, and marks the buffer `full`; later appends fail too, so a run of appends may be
 * checked once, at the end. buf_clear and buf_cut take the mark away.
 */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"

struct buf {
	char *text;
	size_t len;
	size_t room; /* private */
	size_t cap;
	bool full;
};

void buf_init(struct buf *buf, size_t cap);
void buf_fini(struct buf *buf);
void scope_buf(struct buf *buf);

void buf_clear(struct buf *buf);
void buf_cut(struct buf *buf, size_t len);  /* keeps the first `len` bytes */
void buf_drop(struct buf *buf, size_t len); /* removes the first `len` bytes */
bool buf_add(struct buf *buf, const void *bytes, size_t len);
bool buf_puts(struct buf *buf, const char *text);
bool buf_putc(struct buf *buf, char c);
/* Where `more` bytes can be written, NULL past the cap; buf_grow then says how many were. */
char *buf_room(struct buf *buf, size_t more);
void buf_grow(struct buf *buf, size_t len);
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
bool buf_vprintf(struct buf *buf, const char *format, va_list args);
char *buf_take(struct buf *buf); /* the caller frees; the buffer is empty again */

/* Reads a whole file in place of what was there; fails when it is larger than the cap. */
bool file_read(const char *path, struct buf *into, struct error *err) MUST_CHECK;
/* The same from an open descriptor, which stays open; `name` is for messages. */
bool file_read_fd(int fd, const char *name, struct buf *into, struct error *err) MUST_CHECK;

#endif
