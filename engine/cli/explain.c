/*
 * explain.c - `sluice explain phases`: the state machine, as the engine has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "canary/phase_table.h"
#include "cli/cli.h"
#include "cli/flags.h"

static char *table_in(const char *form)
{
	if (strcmp(form, "json") == 0)
		return phase_table_json();
	if (strcmp(form, "mermaid") == 0)
		return phase_table_mermaid();
	return strcmp(form, "text") == 0 ? phase_table_text() : NULL;
}

int cli_explain(int count, char **arguments)
{
	const char *output = "text";
	struct flag_texts words = {0};
	struct error err = {0};
	bool help = false;
	const struct flag flags[] = {
		{"o", FLAG_TEXT, &output, "text|json|mermaid", "how to say it"},
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	if (!flags_parse(flags, count, arguments, &words, &err)) {
		fprintf(stderr, "sluice explain: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (help) {
		puts("usage: sluice explain [flags] phases\n\nThe phases of a canary: what each "
		     "waits for, its deadline, how to abort it, and where\neach move leads.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	if (words.count != 1 || strcmp(words.items[0], "phases") != 0) {
		fprintf(stderr, "sluice explain: explains \"phases\", not \"%s\"\n",
			words.count == 0 ? "" : words.items[0]);
		return EXIT_BAD_INPUT;
	}
	SCOPED(text) char *text = table_in(output);
	if (text == NULL) {
		fprintf(stderr, "sluice explain: -o must be text, json or mermaid, is \"%s\"\n",
			output);
		return EXIT_BAD_INPUT;
	}
	fputs(text, stdout);
	if (strcmp(output, "json") == 0)
		putchar('\n');
	return EXIT_GOOD;
}
