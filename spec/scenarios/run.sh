#!/bin/bash
# Stories of whole releases, compared as text. Usage: spec/scenarios/run.sh SLUICE [PART OF A NAME]
# The first line of each transcript is the command. UPDATE=1 writes what came instead of comparing.
set -u
sluice=$(realpath "$1")
only=${2:-}
cd "$(dirname "$0")" || exit 1
passed=0
failed=0

play() { # STORY: what its transcript should be
	local command
	command=$(head -n 1 "$1/transcript.txt")
	echo "$command"
	(cd "$1" && eval "\"$sluice\" ${command#\$ sluice }" 2>&1)
	echo "exit status $?"
}

for story in */; do
	story=${story%/}
	[[ "$story" == *"$only"* ]] || continue
	got=$(play "$story")
	if [ -n "${UPDATE:-}" ]; then
		printf '%s\n' "$got" >"$story/transcript.txt"
	fi
	if difference=$(diff -u "$story/transcript.txt" <(printf '%s\n' "$got")); then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf '  FAILED %s\n%s\n' "$story" "$difference"
	fi
done
echo "scenarios: $passed passed, $failed failed"
[ "$failed" = 0 ]
