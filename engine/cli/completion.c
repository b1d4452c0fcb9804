/*
 * completion.c - `sluice completion bash|zsh|fish`: a script for the shell to source. The verbs are
 * those that `sluice help` tells, the flags those of `sluice VERB --help`.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/flags.h"

static const char bash[] = "_sluice() {\n"
			   "  local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}\n"
			   "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
			   "    COMPREPLY=($(compgen -W \"help $(sluice help 2>/dev/null |\n"
			   "      sed -n 's/^  \\([a-z-]*\\)  .*/\\1/p')\" -- \"$word\"))\n"
			   "  elif [ \"${word:0:1}\" = - ]; then\n"
			   "    COMPREPLY=($(compgen -W \"$(sluice \"$verb\" --help 2>/dev/null |\n"
			   "      sed -n 's/^  \\(--*[a-z-]*\\).*/\\1/p')\" -- \"$word\"))\n"
			   "  elif [ \"$verb\" = completion ]; then\n"
			   "    COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"))\n"
			   "  elif [ \"$verb\" = explain ]; then\n"
			   "    COMPREPLY=($(compgen -W 'phases drivers rbac' -- \"$word\"))\n"
			   "  else\n"
			   "    COMPREPLY=($(compgen -f -- \"$word\"))\n"
			   "  fi\n"
			   "}\n"
			   "complete -F _sluice sluice\n";

/* To be sourced, or a file of $fpath, which is called as the function that it defines. */
static const char zsh[] =
	"#compdef sluice\n"
	"_sluice() {\n"
	"  local -a found\n"
	"  if (( CURRENT == 2 )); then\n"
	"    found=(${(f)\"$(sluice help 2>/dev/null |\n"
	"      sed -n 's/:/\\\\:/g; s/^  \\([a-z-]*\\)  *\\(.*\\)/\\1:\\2/p')\"})\n"
	"    _describe verb found\n"
	"  elif [[ $words[CURRENT] == -* ]]; then\n"
	"    found=(${(f)\"$(sluice $words[2] --help 2>/dev/null |\n"
	"      sed -n 's/^  \\(--*[a-z-]*\\).*/\\1/p')\"})\n"
	"    compadd -a found\n"
	"  elif [[ $words[2] == completion ]]; then\n"
	"    compadd bash zsh fish\n"
	"  elif [[ $words[2] == explain ]]; then\n"
	"    compadd phases drivers rbac\n"
	"  else\n"
	"    _files\n"
	"  fi\n"
	"}\n"
	"if [[ $funcstack[1] == _sluice ]]; then _sluice \"$@\"; else compdef _sluice sluice; fi\n";

static const char fish[] =
	"complete -c sluice -n __fish_use_subcommand -f -a '(sluice help |\n"
	"  string replace -rf \"^  ([a-z-]+) +(.*)\" \"\\$1\\t\\$2\")'\n"
	"complete -c sluice -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n"
	"complete -c sluice -n '__fish_seen_subcommand_from explain' -f -a 'phases drivers rbac'\n"
	"complete -c sluice -n 'not __fish_use_subcommand' -a '(sluice (commandline -opc)[2] "
	"--help 2>/dev/null |\n"
	"  string replace -rf \"^  (--?[a-z-]+).*? {2,}(.*)\" \"\\$1\\t\\$2\")'\n";

int cli_completion(int count, char **arguments)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	struct flag_texts words = {0};
	struct error err = {0};
	bool help = false;
	const struct flag flags[] = {{"help", FLAG_BOOL, &help, NULL, "this"}, {0}};
	if (!flags_parse(flags, count, arguments, &words, &err)) {
		fprintf(stderr, "sluice completion: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (help) {
		puts("usage: sluice completion bash|zsh|fish\n\n"
		     "Prints what completes verbs and flags, for the shell to source:\n"
		     "source <(sluice completion bash)\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	for (size_t i = 0; words.count == 1 && i < ARRAY_LEN(scripts); i++)
		if (strcmp(words.items[0], scripts[i].shell) == 0) {
			fputs(scripts[i].script, stdout);
			return EXIT_GOOD;
		}
	fputs("sluice completion: which shell? bash, zsh or fish\n", stderr);
	return EXIT_BAD_INPUT;
}
