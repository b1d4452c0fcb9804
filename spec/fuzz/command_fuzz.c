/*
 * command_fuzz.c - any text as the annotation of a command: refused with a sentence, or read within
 * its bounds and told without control characters; its digest is there in any case.
 */

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "canary/command.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	SCOPED(text) char *text = xstrndup((const char *)bytes, len);
	struct error err = {0};
	struct command command;
	char digest[HASH_TEXT_MAX], told[400];
	bool good = command_parse(&command, text, &err);
	command_digest(text, digest);
	REQUIRE(strlen(digest) == 16 && strcmp(digest, command.digest) == 0);
	if (!good)
		REQUIRE_SENTENCE(err);
	else
		REQUIRE(command.kind < COMMANDS && command.weight >= 0 && command.weight <= 100);
	command_describe(&command, "a", "b", told, sizeof(told));
	for (const char *at = told; *at != '\0'; at++)
		REQUIRE(!iscntrl((unsigned char)*at));
	return 0;
}
