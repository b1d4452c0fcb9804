#include "spec.h"

#include <string.h>

#include "base/error.h"

SPEC("error: a wrapped error keeps its kind and gains a prefix")
{
	struct error err = {0};
	EXPECT(!error_set(&err, ERROR_NOT_FOUND, "open %s", "x"));
	EXPECT(!error_wrap(&err, "token of %s", "podinfo"));
	EXPECT_INT(err.kind, ERROR_NOT_FOUND);
	EXPECT_TEXT(err.text, "token of podinfo: open x");
}

SPEC("error: the text may be made of itself")
{
	struct error err = {0};
	error_set(&err, ERROR_INVALID, "inner");
	error_set(&err, ERROR_SCRIPT, "outer: %s", err.text);
	EXPECT_TEXT(err.text, "outer: inner");
	EXPECT_INT(err.kind, ERROR_SCRIPT);
}

SPEC("error: nobody has to listen")
{
	EXPECT(!error_set(NULL, ERROR_INVALID, "x"));
	EXPECT(!error_wrap(NULL, "x"));
}

SPEC("error: a long text is cut between characters")
{
	char text[2000];
	memset(text, 'a', sizeof(text));
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "é", 2);
	text[sizeof(text) - 1] = '\0';
	struct error err = {0};
	error_set(&err, ERROR_INVALID, "%s", text);
	EXPECT_INT(strlen(err.text), ERROR_TEXT_MAX - 1);
	error_wrap(&err, "xy");
	size_t len = strlen(err.text);
	EXPECT((unsigned char)err.text[len - 1] == 0xA9);
}

SPEC("error: what it quotes is shown in UTF-8, and moves no cursor")
{
	struct error err = {0};
	error_set(&err, ERROR_INVALID, "\"%s\" is no number", "1\xC3\x28\x1B[2Jé\n");
	EXPECT_TEXT(err.text, "\"1?(?[2Jé\n\" is no number");
}
