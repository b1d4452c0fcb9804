#!/bin/bash
# All stories, of the data plane (run.sh) and of the control plane (control.sh), and what each took. Usage:
# tools/e2e/all.sh [WORD…]: of those whose names have one of the words.
#
# $KUBECONFIG: on that cluster, which stories of the control plane do not use: they need beds of their own.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export SUMMARY=$root/build/e2e/summary

# has FOLDER WORD…: a story of it is wanted.
has() {
	# shellcheck source=tools/e2e/stories.sh
	. "$here/stories.sh"
	wanted_stories "$here/$1" "${@:2}"
	[ $((${#beside[@]} + ${#alone[@]})) -gt 0 ]
}

status=0
mkdir -p "$root/build/e2e"
: >"$SUMMARY"
if has stories "$@"; then
	"$here/run.sh" "$@" || status=1
fi
if has control "$@"; then
	if [ -z "${KUBECONFIG:-}" ]; then
		"$here/control.sh" "$@" || status=1
	else
		echo "e2e: NOT RUN: stories of the control plane, which take beds of their own: without KUBECONFIG"
	fi
fi
[ -s "$SUMMARY" ] || {
	echo "all.sh: no story has one of these words in its name: $*" >&2
	exit 1
}
printf '\n'
awk -F '\t' '{ printf "%-14s %-8s %4d s  %s\n", $1, $2, $3, $4 }' "$SUMMARY"
awk -F '\t' -v took=$SECONDS '{ n[$2]++ } END {
	if (n["NOT RUN"]) printf "e2e: %d NOT RUN, each with its reason above\n", n["NOT RUN"]
	printf "e2e: %d ok, %d FAILED, in %d min %d s\n", n["ok"], n["FAILED"], took / 60, took % 60 }' "$SUMMARY"
exit $status
