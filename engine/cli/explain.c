/*
 * explain.c - `sluice explain phases|drivers|rbac PROVIDER`: the state machine, as the engine has
 * it, and what each provider can do and must be allowed, as its driver says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "canary/phase_table.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/overlay.h"
#include "traffic/rbac.h"
#include "traffic/table.h"

/* NULL with `err` unset: there is no such form. */
static char *table_in(const struct flag_texts *words, const char *form, struct error *err)
{
	const char *what = words->items[0];
	if (strcmp(what, "rbac") == 0)
		return strcmp(form, "json") == 0   ? traffic_rbac_json(words->items[1], err)
		       : strcmp(form, "text") == 0 ? traffic_rbac_text(words->items[1], err)
						   : NULL;
	if (strcmp(what, "drivers") == 0)
		return strcmp(form, "json") == 0   ? traffic_table_json()
		       : strcmp(form, "text") == 0 ? traffic_table_text()
						   : NULL;
	if (strcmp(form, "json") == 0)
		return phase_table_json();
	if (strcmp(form, "mermaid") == 0)
		return phase_table_mermaid();
	return strcmp(form, "text") == 0 ? phase_table_text() : NULL;
}

int cli_explain(int count, char **arguments)
{
	const char *output = "text", *lua = NULL;
	struct flag_texts words = {0};
	struct error err = {0};
	bool help = false;
	const struct flag flags[] = {
		{"o", FLAG_TEXT, &output, "text|json|mermaid", "how to say it"},
		OVERLAY_FLAG(lua),
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	if (!flags_parse(flags, count, arguments, &words, &err) || !overlay_use(lua, &err)) {
		fprintf(stderr, "sluice explain: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (help) {
		puts("usage: sluice explain [flags] phases|drivers|rbac PROVIDER\n\n"
		     "phases   of a canary: what each waits for, its deadline, how to abort it, "
		     "and where\n         each move leads\n"
		     "drivers  of traffic: what each provider can do, and which routes of a team's "
		     "it adopts\n"
		     "rbac     what the daemon must be allowed to do with the routes of a "
		     "provider, "
		     "as a\n         ClusterRole\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	if (words.count == 0) {
		fputs("sluice explain: what? phases, drivers or rbac PROVIDER\n", stderr);
		return EXIT_BAD_INPUT;
	}
	const char *what = words.items[0];
	bool about_one = strcmp(what, "rbac") == 0;
	if (!about_one && strcmp(what, "phases") != 0 && strcmp(what, "drivers") != 0) {
		fprintf(stderr,
			"sluice explain: explains \"phases\", \"drivers\" and \"rbac\", not "
			"\"%s\"\n",
			what);
		return EXIT_BAD_INPUT;
	}
	if (words.count != (about_one ? 2 : 1)) {
		fprintf(stderr, "sluice explain: %s\n",
			about_one ? "rbac of which provider? sluice explain drivers lists them"
				  : "explains one thing at a time");
		return EXIT_BAD_INPUT;
	}
	SCOPED(text) char *text = table_in(&words, output, &err);
	if (text == NULL && err.kind != ERROR_NONE) {
		fprintf(stderr, "sluice explain: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (text == NULL) {
		fprintf(stderr, "sluice explain: -o must be %s, is \"%s\"\n",
			strcmp(what, "phases") == 0 ? "text, json or mermaid" : "text or json",
			output);
		return EXIT_BAD_INPUT;
	}
	fputs(text, stdout);
	if (strcmp(output, "json") == 0)
		putchar('\n');
	return EXIT_GOOD;
}
