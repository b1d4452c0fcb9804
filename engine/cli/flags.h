/*
 * flags.h - command lines: "--name value", "--name=value", with one dash or two, and bare words.
 *
 * A table says what flags a verb has; help and completion come from the same table. Flags are named
 * as Flagger's where they mean the same, so that its command line carries over.
 */
#ifndef SLUICE_CLI_FLAGS_H
#define SLUICE_CLI_FLAGS_H

#include <stddef.h>

#include "base/error.h"

enum flag_kind { FLAG_BOOL, FLAG_TEXT, FLAG_TEXTS };

enum { FLAG_TEXTS_MAX = 64 };
struct flag_texts {
	const char *items[FLAG_TEXTS_MAX];
	size_t count;
};

struct flag {
	const char *name; /* without dashes; one letter is written with one dash */
	enum flag_kind kind;
	void *value;	  /* bool *, const char **, struct flag_texts * */
	const char *what; /* of the value, for help: "FILE" */
	const char *help; /* NULL: accepted, but not shown */
};

/* Fills in the values and collects the bare words. `flags` ends with a NULL name. A flag that does
 * not exist is an error that names the one that was probably meant. Everything is borrowed. */
bool flags_parse(const struct flag *flags, int count, char **arguments, struct flag_texts *words,
		 struct error *err) MUST_CHECK;
void flags_help(const struct flag *flags); /* one line a flag, to standard output */

#endif
