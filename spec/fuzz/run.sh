#!/bin/bash
# Runs fuzzers, two at a time: spec/fuzz/run.sh FOLDER SECONDS [NAME…]
#
# FOLDER is where they were built; what they found earlier (FOLDER/corpus/NAME) and the seeds are where they start.
# An input that breaks a promise is kept in FOLDER/found.
set -u
cd "$(dirname "$0")/../.." || exit 1
folder=$1
seconds=$2
shift 2
names=("$@")
[ $# -gt 0 ] || for source in spec/fuzz/*_fuzz.c; do
	names+=("$(basename "$source" _fuzz.c)")
done

fuzz() {
	local name=$1 seeds=() more
	case $name in
	policy) more="policies examples/policies" ;;
	recording) more="examples/recordings" ;;
	spec | yaml) more="examples/podinfo" ;;
	*) more= ;;
	esac
	for seed in "spec/fuzz/seeds/$name" $more; do
		[ ! -d "$seed" ] || seeds+=("$seed")
	done
	mkdir -p "$folder/corpus/$name" "$folder/found"
	if "$folder/${name}_fuzz" -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=1024 \
		-artifact_prefix="$folder/found/$name-" "$folder/corpus/$name" "${seeds[@]}" >"$folder/$name.log" 2>&1; then
		echo "  ok    $name: $(grep -Eo 'Done [0-9]+ runs' "$folder/$name.log" | tail -1)"
	else
		echo "  FAIL  $name (FUZZ=$name; the input is in $folder/found)"
		grep -E 'broken:|ERROR|SUMMARY|runtime error|#[0-9] .* in .*(engine|spec)/' "$folder/$name.log" | head -20
	fi
}

export -f fuzz
export folder seconds
log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf '%s\n' "${names[@]}" | xargs -P 2 -I{} bash -c 'fuzz {}' | tee "$log"
failed=$(grep -c '^  FAIL' "$log")
passed=$(grep -c '^  ok' "$log")
echo "fuzz: $passed passed, $((${#names[@]} - passed)) failed"
[ "$failed" = 0 ] && [ "$passed" = ${#names[@]} ]
