#include "spec.h"

#include <stdlib.h>
#include <string.h>

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
