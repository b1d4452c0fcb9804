# How stories are told: side by side, each with its time. run.sh and control.sh source it.
#
# A story is a file whose first line is what it says. One with a line "# Alone: why" is told when no other one is, one with
# "# First: why" before the others. $lanes: so many at a time; what a story prints comes when it has ended, or at once with
# one lane.
# shellcheck shell=bash disable=SC2154

passed=0
failed=0
not_run=0
declare -A telling=() # the story of each process

# is_wanted NAME WORD…: whether the name has one of the words; there may be none.
is_wanted() {
	local word
	[ $# -gt 1 ] || return 0
	for word in "${@:2}"; do
		case $1 in *"$word"*) return 0 ;; esac
	done
	return 1
}

# wanted_stories FOLDER WORD…: sets $beside and $alone to lists of files.
wanted_stories() {
	local story
	beside=()
	alone=()
	for story in "$1"/[a-z]*-*.sh; do
		is_wanted "$(basename "$story" .sh)" "${@:2}" || continue
		if grep -q '^# Alone: ' "$story"; then
			alone+=("$story")
		elif grep -q '^# First: ' "$story"; then
			beside=("$story" "${beside[@]}")
		else
			beside+=("$story")
		fi
	done
}

# What a story ended with is told; 77: it was not run, and has said why.
end_one() {
	local pid status=0 story name seconds word
	wait -n -p pid "${!telling[@]}" || status=$?
	story=${telling[$pid]}
	unset "telling[$pid]"
	name=$(basename "$story" .sh)
	seconds=$((SECONDS - ${start[$pid]}))
	if [ "$lanes" -gt 1 ]; then
		echo "== $name: $(sed -n '1s/^# *//p' "$story")"
		cat "$left/$name.out"
	fi
	case $status in
	0)
		passed=$((passed + 1))
		word="ok"
		echo "   ok in $seconds s"
		;;
	77)
		not_run=$((not_run + 1))
		word="NOT RUN"
		echo "   NOT RUN"
		;;
	*)
		failed=$((failed + 1))
		word=FAILED
		echo "   FAILED: see ${left#"$root/"}/$name"
		;;
	esac
	printf '%s\t%s\t%s\t%s\n' "$suite" "$word" "$seconds" "$name" >>"$summary"
}

begin_one() {
	local name
	name=$(basename "$1" .sh)
	if [ "$lanes" -gt 1 ]; then
		tell "$1" >"$left/$name.out" 2>&1 &
	else
		echo "== $name: $(sed -n '1s/^# *//p' "$1")"
		tell "$1" &
	fi
	telling[$!]=$1
	start[$!]=$SECONDS
}

# tell_all SUITE FOLDER: all of $beside, $lanes at a time, then each of $alone, by the function `tell`; FOLDER gets what they
# print.
tell_all() {
	local story most=$lanes
	declare -A start=()
	suite=$1
	left=$2
	summary=${SUMMARY:-$root/build/e2e/summary}
	mkdir -p "$left"
	[ -n "${SUMMARY:-}" ] || : >"$summary"
	[ $((${#beside[@]} + ${#alone[@]})) -gt 1 ] || lanes=1
	for story in "${beside[@]}"; do
		[ ${#telling[@]} -lt "$lanes" ] || end_one
		begin_one "$story"
	done
	while [ ${#telling[@]} -gt 0 ]; do end_one; done
	for story in "${alone[@]}"; do
		begin_one "$story"
		end_one
	done
	lanes=$most
	[ "$not_run" = 0 ] || echo "$suite: $not_run NOT RUN"
	echo "$suite: $passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
