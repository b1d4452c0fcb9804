/*
 * main.c - the program: finds the verb and runs it.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct verb {
	const char *name;
	int (*run)(int count, char **arguments);
	const char *help;
} verbs[] = {
	{"check", cli_check, "say what is wrong with canaries before they reach a cluster"},
	{"dry-run", cli_dry_run,
	 "rehearse a release on an in-memory cluster, with recorded metrics"},
	{"run", cli_run, "the daemon: take the canaries of a cluster through their releases"},
	{"follow", cli_follow, "watch releases as they go, with their weights drawn"},
	{"promote", cli_promote, "skip the rest of a release's analysis"},
	{"abort", cli_abort, "roll a release back at once"},
	{"pause", cli_pause, "leave a release where it is"},
	{"resume", cli_resume, "go on with what was paused"},
	{"retry", cli_retry, "start the revision that failed again"},
	{"skip-to", cli_skip_to, "give the canary a weight now"},
	{"approve", cli_approve, "open the gate that a release waits at"},
	{"handback", cli_handback, "leave canaries to another controller, as new"},
	{"sim", cli_sim, "an in-memory cluster over HTTP, for kubectl and for `sluice run`"},
	{"explain", cli_explain, "the phases of a canary; what each provider of traffic can do"},
	{"why", cli_why,
	 "a decision of a log or a live canary: the number, the limit, and what would have changed "
	 "it"},
	{"replay", cli_replay, "a decision log: told, verified, or asked of another policy"},
	{"completion", cli_completion, "print a completion script for bash, zsh or fish"},
	{"version", cli_version, "print the version; with -v those of the libraries too"},
};

static void usage(FILE *to)
{
	fputs("usage: sluice VERB [flags] [arguments]\n\n"
	      "Progressive delivery for Kubernetes, decided by Lua policies.\n\n",
	      to);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(to, "  %-12s %s\n", verbs[i].name, verbs[i].help);
	fputs("\nsluice VERB --help says more about a verb.\n", to);
}

int main(int count, char **arguments)
{
	if (count < 2) {
		usage(stderr);
		return EXIT_BAD_INPUT;
	}
	const char *verb = arguments[1];
	if (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
		usage(stdout);
		return EXIT_GOOD;
	}
	if (strcmp(verb, "--version") == 0)
		verb = "version";
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verb, verbs[i].name) == 0)
			return verbs[i].run(count - 2, arguments + 2);
	fprintf(stderr, "sluice: there is no verb \"%s\"; see sluice help\n", verb);
	return EXIT_BAD_INPUT;
}
