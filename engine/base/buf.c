#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { FIRST_ROOM = 64, READ_SIZE = 16384 };

static char nothing[1]; /* what an empty buffer without memory points at; stays "" */

/* Room for `more` bytes and the terminator. */
static bool reserve(struct buf *buf, size_t more)
{
	if (buf->full || more > buf->cap - buf->len) {
		buf->full = true;
		return false;
	}
	size_t wanted = buf->len + more + 1;
	if (wanted <= buf->room)
		return true;
	size_t room = buf->room > 0 ? buf->room * 2 : FIRST_ROOM;
	if (room < wanted)
		room = wanted;
	if (room > buf->cap + 1)
		room = buf->cap + 1;
	if (buf->room == 0) {
		buf->text = xmalloc(room);
		buf->text[0] = '\0';
	} else {
		buf->text = xrealloc(buf->text, room);
	}
	buf->room = room;
	return true;
}

void buf_init(struct buf *buf, size_t cap)
{
	*buf = (struct buf){.text = nothing, .cap = cap < SIZE_MAX / 4 ? cap : SIZE_MAX / 4};
}

void buf_fini(struct buf *buf)
{
	if (buf->room > 0)
		free(buf->text);
	*buf = (struct buf){0};
}

void scope_buf(struct buf *buf)
{
	buf_fini(buf);
}

void buf_clear(struct buf *buf)
{
	buf_cut(buf, 0);
}

void buf_cut(struct buf *buf, size_t len)
{
	if (len < buf->len) {
		buf->len = len;
		buf->text[len] = '\0';
	}
	buf->full = false;
}

void buf_drop(struct buf *buf, size_t len)
{
	if (len > buf->len)
		len = buf->len;
	if (len == 0)
		return;
	buf->len -= len;
	memmove(buf->text, buf->text + len, buf->len + 1);
}

bool buf_add(struct buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return !buf->full;
	if (!reserve(buf, len))
		return false;
	memcpy(buf->text + buf->len, bytes, len);
	buf->len += len;
	buf->text[buf->len] = '\0';
	return true;
}

bool buf_puts(struct buf *buf, const char *text)
{
	return buf_add(buf, text, strlen(text));
}

bool buf_putc(struct buf *buf, char c)
{
	char *at = buf_room(buf, 1);
	if (at == NULL)
		return false;
	*at = c;
	buf_grow(buf, 1);
	return true;
}

char *buf_room(struct buf *buf, size_t more)
{
	return reserve(buf, more) ? buf->text + buf->len : NULL;
}

void buf_grow(struct buf *buf, size_t len)
{
	buf->len += len;
	buf->text[buf->len] = '\0';
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	bool ok = buf_vprintf(buf, format, args);
	va_end(args);
	return ok;
}

bool buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	size_t room = buf->room > 0 ? buf->room - buf->len : 0;
	int len = vsnprintf(room > 0 ? buf->text + buf->len : NULL, room, format, args);
	bool ok = len >= 0 && reserve(buf, (size_t)len);
	if (ok && (size_t)len >= room)
		vsnprintf(buf->text + buf->len, (size_t)len + 1, format, again);
	va_end(again);
	if (ok)
		buf->len += (size_t)len;
	else if (room > 0)
		buf->text[buf->len] = '\0';
	return ok;
}

char *buf_take(struct buf *buf)
{
	char *text = buf->room > 0 ? buf->text : xstrdup("");
	buf_init(buf, buf->cap);
	return text;
}

bool file_read(const char *path, struct buf *into, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		enum error_kind kind = errno == ENOENT	 ? ERROR_NOT_FOUND
				       : errno == EACCES ? ERROR_DENIED
							 : ERROR_INVALID;
		return error_set(err, kind, "open %s: %s", path, strerror(errno));
	}
	bool ok = file_read_fd(fd, path, into, err);
	close(fd);
	return ok;
}

bool file_read_fd(int fd, const char *name, struct buf *into, struct error *err)
{
	char piece[READ_SIZE];
	buf_clear(into);
	for (;;) {
		ssize_t got = read(fd, piece, sizeof(piece));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set(err, ERROR_INVALID, "read %s: %s", name, strerror(errno));
		if (got == 0)
			return true;
		if (!buf_add(into, piece, (size_t)got))
			return error_set(err, ERROR_INVALID, "%s is larger than %zu bytes", name,
					 into->cap);
	}
}
