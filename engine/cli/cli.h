/*
 * cli.h - the verbs of the program. Each takes its own arguments and returns the exit status.
 */
#ifndef SLUICE_CLI_CLI_H
#define SLUICE_CLI_CLI_H

#include <stdbool.h>

enum {
	EXIT_GOOD = 0,
	EXIT_BAD_INPUT = 1,
	EXIT_ROLLED_BACK = 2, /* dry-run, follow, --wait */
	EXIT_UNFINISHED = 3,  /* dry-run, follow, --wait */
};

/* `arguments` are those after the verb, ended by NULL. */
int cli_run(int count, char **arguments);
int cli_dry_run(int count, char **arguments);
int cli_check(int count, char **arguments);
int cli_sim(int count, char **arguments);
int cli_follow(int count, char **arguments);
int cli_explain(int count, char **arguments);
int cli_replay(int count, char **arguments);
int cli_why(int count, char **arguments);
int cli_promote(int count, char **arguments);
int cli_abort(int count, char **arguments);
int cli_pause(int count, char **arguments);
int cli_resume(int count, char **arguments);
int cli_retry(int count, char **arguments);
int cli_skip_to(int count, char **arguments);
int cli_approve(int count, char **arguments);
int cli_handback(int count, char **arguments);
int cli_completion(int count, char **arguments);
int cli_version(int count, char **arguments);

#endif
