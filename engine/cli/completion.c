/*
 * completion.c - `sluice completion bash|zsh|fish`: a script for the shell to source. The flags are
 * those that `sluice VERB --help` tells.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const char bash[] =
	"_sluice() {\n"
	"  local word=${COMP_WORDS[COMP_CWORD]}\n"
	"  if [ \"$COMP_CWORD\" = 1 ]; then\n"
	"    COMPREPLY=($(compgen -W 'check dry-run run follow promote abort pause resume retry "
	"skip-to "
	"approve handback replay why sim explain completion help "
	"version' -- "
	"\"$word\"))\n"
	"  elif [ \"${COMP_WORDS[1]}\" = completion ]; then\n"
	"    COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"))\n"
	"  elif [ \"${word:0:1}\" = - ]; then\n"
	"    COMPREPLY=($(compgen -W \"$(sluice \"${COMP_WORDS[1]}\" --help 2>/dev/null |\n"
	"      sed -n 's/^  \\(--*[a-z-]*\\).*/\\1/p')\" -- \"$word\"))\n"
	"  else\n"
	"    COMPREPLY=($(compgen -f -- \"$word\"))\n"
	"  fi\n"
	"}\n"
	"complete -F _sluice sluice\n";

static const char fish[] =
	"complete -c sluice -n __fish_use_subcommand -f -a '(sluice help |\n"
	"  string replace -rf \"^  ([a-z-]+) +(.*)\" \"\\$1\\t\\$2\")'\n"
	"complete -c sluice -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n"
	"complete -c sluice -n 'not __fish_use_subcommand' -a '(sluice (commandline -opc)[2] "
	"--help 2>/dev/null |\n"
	"  string replace -rf \"^  (--?[a-z-]+).*? {2,}(.*)\" \"\\$1\\t\\$2\")'\n";

int cli_completion(int count, char **arguments)
{
	if (count == 1 && strcmp(arguments[0], "bash") == 0) {
		fputs(bash, stdout);
		return EXIT_GOOD;
	}
	if (count == 1 && strcmp(arguments[0], "zsh") == 0) {
		printf("autoload -U +X bashcompinit && bashcompinit\n%s", bash);
		return EXIT_GOOD;
	}
	if (count == 1 && strcmp(arguments[0], "fish") == 0) {
		fputs(fish, stdout);
		return EXIT_GOOD;
	}
	fputs("usage: sluice completion bash|zsh|fish\n", stderr);
	return EXIT_BAD_INPUT;
}
