#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"

SPEC("mem: a text that does not fit is cut between characters")
{
	char text[6];
	EXPECT(text_copy(text, sizeof(text), "hello"));
	EXPECT_TEXT(text, "hello");
	EXPECT(!text_copy(text, sizeof(text), "hello!"));
	EXPECT_TEXT(text, "hello");
	EXPECT(!text_copy(text, sizeof(text), "hell\xc3\xa9"));
	EXPECT_TEXT(text, "hell");
	EXPECT(!text_copy(text, 1, "x"));
	EXPECT_TEXT(text, "");
}

SPEC("mem: beginnings, ends and equality of texts")
{
	EXPECT(text_starts("podinfo-primary", "podinfo"));
	EXPECT(!text_starts("pod", "podinfo"));
	EXPECT(text_ends("podinfo-primary", "-primary"));
	EXPECT(!text_ends("y", "-primary"));
	EXPECT(text_equal(NULL, NULL) && !text_equal("", NULL) && text_equal("a", "a"));
}

SPEC("mem: copies end where they are told, or at the end of the text")
{
	SCOPED(text) char *part = xstrndup("abcdef", 3);
	EXPECT_TEXT(part, "abc");
	SCOPED(text) char *all = xstrndup("abc", 10);
	EXPECT_TEXT(all, "abc");
	SCOPED(text) char *printed = xasprintf("%s-%d", "x", 7);
	EXPECT_TEXT(printed, "x-7");
	EXPECT(xstrdup(NULL) == NULL);
}

/* Of files that are mapped, in KiB; see proc(5), /proc/pid/status. */
static long resident_files(void)
{
	SCOPED(buf) struct buf text;
	struct error err;
	buf_init(&text, 64UL * KIB);
	EXPECT(file_read("/proc/self/status", &text, &err));
	const char *at = strstr(text.text, "RssFile:");
	return at == NULL ? -1 : strtol(at + strlen("RssFile:"), NULL, 10);
}

SPEC("mem: code and constants that are given back come again when they are used")
{
	SCOPED(text) char *version = xstrdup(SLUICE_VERSION);
	long before = resident_files();
	mem_give_back();
	long after = resident_files();
	EXPECT(before > 0 && after < before);
	EXPECT_TEXT(version, SLUICE_VERSION);
	char hex[SHA256_HEX_SIZE];
	sha256_hex("", 0, hex);
	EXPECT(text_starts(hex, "e3b0c44298fc1c149afbf4c8996fb924"));
}
