#include "spec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

SPEC("buf: grows as it is filled and is always terminated")
{
	SCOPED(buf) struct buf buf;
	buf_init(&buf, 100000);
	EXPECT_TEXT(buf.text, "");
	for (int i = 0; i < 5000; i++)
		EXPECT(buf_printf(&buf, "%04d,", i));
	EXPECT_INT(buf.len, 25000);
	EXPECT_INT(strlen(buf.text), 25000);
	EXPECT(text_ends(buf.text, "4998,4999,"));
}

SPEC("buf: an append past the cap leaves what was there and marks it full")
{
	SCOPED(buf) struct buf buf;
	buf_init(&buf, 5);
	EXPECT(buf_puts(&buf, "abcd"));
	EXPECT(!buf_puts(&buf, "ef"));
	EXPECT_TEXT(buf.text, "abcd");
	EXPECT(!buf_putc(&buf, 'e'));
	EXPECT(buf.full);
	buf_cut(&buf, 2);
	EXPECT(buf_puts(&buf, "xyz"));
	EXPECT_TEXT(buf.text, "abxyz");
	EXPECT(!buf_printf(&buf, "%s", "one more"));
	EXPECT_TEXT(buf.text, "abxyz");
	buf_clear(&buf);
	EXPECT(buf_printf(&buf, "%d", 12345));
	EXPECT_TEXT(buf.text, "12345");
}

SPEC("buf: bytes are dropped from the front")
{
	SCOPED(buf) struct buf buf;
	buf_init(&buf, 100);
	buf_puts(&buf, "line one\nline two");
	buf_drop(&buf, 9);
	EXPECT_TEXT(buf.text, "line two");
	buf_drop(&buf, 100);
	EXPECT_TEXT(buf.text, "");
	buf_drop(&buf, 1);
	EXPECT_INT(buf.len, 0);
}

SPEC("buf: what is taken is the caller's and the buffer begins anew")
{
	SCOPED(buf) struct buf buf;
	buf_init(&buf, 100);
	SCOPED(text) char *nothing = buf_take(&buf);
	EXPECT_TEXT(nothing, "");
	buf_puts(&buf, "one");
	SCOPED(text) char *one = buf_take(&buf);
	buf_puts(&buf, "two");
	EXPECT_TEXT(one, "one");
	EXPECT_TEXT(buf.text, "two");
}

SPEC("buf: a buffer that was never begun takes nothing and can be ended")
{
	SCOPED(buf) struct buf buf = {0};
	EXPECT(!buf_puts(&buf, "x"));
	SCOPED(buf) struct buf endless;
	buf_init(&endless, SIZE_MAX);
	EXPECT(buf_puts(&endless, "x"));
}

SPEC("buf: a file is read whole or refused")
{
	char path[] = "/tmp/sluice-spec-XXXXXX";
	int fd = mkstemp(path);
	EXPECT(fd >= 0 && write(fd, "12345678", 8) == 8);
	close(fd);
	struct error err;
	SCOPED(buf) struct buf buf;
	buf_init(&buf, 8);
	bool fits = file_read(path, &buf, &err);
	bool fits_again = file_read(path, &buf, &err); /* in place of what was there */
	SCOPED(buf) struct buf small;
	buf_init(&small, 7);
	bool too_large = !file_read(path, &small, &err);
	unlink(path);
	EXPECT(fits && fits_again);
	EXPECT_TEXT(buf.text, "12345678");
	EXPECT(too_large);
	EXPECT_CONTAINS(err.text, "larger than 7 bytes");
	EXPECT(!file_read(path, &buf, &err));
	EXPECT_INT(err.kind, ERROR_NOT_FOUND);
	EXPECT(!file_read("/", &buf, &err));
	EXPECT_INT(err.kind, ERROR_INVALID);
}
