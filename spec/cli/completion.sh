# What a shell completes. Sourced by run.sh.
# shellcheck shell=bash disable=SC2154

# completes SHELL WORD…: the last word, which may be empty
completes() {
	local path
	path=$(cd "$(dirname "$sluice")" && pwd):$PATH
	case $1 in
	bash)
		shift
		PATH=$path bash -c '. <(sluice completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sluice
			echo "${COMPREPLY[@]}"' bash "$@"
		;;
	fish)
		shift
		PATH=$path XDG_CONFIG_HOME=$bad.fish XDG_DATA_HOME=$bad.fish fish -c 'sluice completion fish | source
			complete -C "$argv"' "$@"
		;;
	esac
}
spec "completion: of which shell" 1 "which shell? bash, zsh or fish" "$sluice" completion tcsh
spec "completion for bash: a verb" 0 "dry-run" completes bash sluice dry
spec "completion for bash: each verb" 0 "run follow promote abort pause resume retry skip-to approve handback sim" completes bash sluice ""
spec "completion for bash: a flag of a verb" 0 "--every-crash" completes bash sluice dry-run --every
spec "completion for bash: what can be explained" 0 "phases drivers rbac" completes bash sluice explain ""
if command -v fish >/dev/null; then
	spec "completion for fish: a verb" 0 "dry-run" completes fish sluice dry
	spec "completion for fish: a flag of a verb" 0 "--every-crash" completes fish sluice dry-run --every
	rm -rf "$bad.fish"
fi
# As a file of $fpath it must say in its first line whose it is.
spec "completion for zsh" 0 "#compdef sluice" "$sluice" completion zsh
if command -v zsh >/dev/null; then
	spec "completion for zsh: is taken" 0 "_sluice" env "PATH=$(cd "$(dirname "$sluice")" && pwd):$PATH" zsh -fc \
		'autoload -U compinit && compinit -D -u; . <(sluice completion zsh); echo $_comps[sluice]'
fi
