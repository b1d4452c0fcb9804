#!/bin/bash
# The program as a user runs it: examples, exit statuses, sentences. Usage: spec/cli/run.sh SLUICE
set -u
sluice=$1
passed=0
failed=0

# spec SENTENCE STATUS PART COMMAND...: the exit status, and a part of what it prints
spec() {
	local sentence=$1 wanted=$2 part=$3
	shift 3
	local output status
	output=$("$@" 2>&1 </dev/null)
	status=$?
	if [ "$status" = "$wanted" ] && [[ "$output" == *"$part"* ]]; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	printf '  FAILED cli: %s\n    %s\n    exit status %s, wanted %s with "%s":\n%s\n' \
		"$sentence" "$*" "$status" "$wanted" "$part" "$output"
}

canary=examples/podinfo/canary.yaml
bad=$(mktemp)
trap 'rm -f "$bad"' EXIT

spec "help" 0 "usage: sluice VERB" "$sluice" --help
spec "version" 0 "sluice " "$sluice" --version
spec "an unknown verb" 1 'there is no verb "rum"' "$sluice" rum
spec "no verb" 1 "usage:" "$sluice"
spec "completion" 0 "complete -F" "$sluice" completion bash

spec "the example is right" 0 "1 canaries, 0 errors" "$sluice" check "$canary"
sed 's/stepWeight: 5/stepWeight: 2.5/' "$canary" >"$bad"
spec "a wrong field, with file, line and path" 1 "$bad:27: spec.analysis.stepWeight: must be" "$sluice" check "$bad"
spec "a wrong field, as JSON" 1 '"path":"spec.analysis.stepWeight"' "$sluice" check -o json "$bad"
spec "a wrong field, in a rehearsal" 1 "$bad:27: spec.analysis.stepWeight" "$sluice" dry-run -f "$bad"
spec "a file that is not there" 1 "/no/such/file" "$sluice" check /no/such/file

for metrics in good slow-leak no-traffic; do
	case $metrics in
	good) status=0 part="succeeded after" ;;
	*) status=2 part="rolled back after" ;;
	esac
	spec "rehearses a release: $metrics" $status "$part" "$sluice" dry-run -f "$canary" --metrics "examples/recordings/$metrics.yaml"
done
spec "rehearses without a recording" 0 "succeeded after" "$sluice" dry-run -f "$canary"
spec "tells it as JSON" 0 '"outcome":"succeeded"' "$sluice" dry-run -f "$canary" -o json
spec "shows the objects" 0 "kind: VirtualRouter" "$sluice" dry-run -f "$canary" --objects
spec "not finished in time" 3 "not finished" "$sluice" dry-run -f "$canary" --limit 30s
spec "a recording that is not there" 1 "/no/such/file" "$sluice" dry-run -f "$canary" --metrics /no/such/file
spec "an unknown flag" 1 "did you mean --metrics?" "$sluice" dry-run --metric x

spec "a geometric curve" 0 "canary weight 16" "$sluice" dry-run -f "$canary" --policy examples/policies/geometric.lua
spec "thresholds by the hour" 0 "succeeded after" "$sluice" dry-run -f "$canary" --policy examples/policies/thresholds_by_hour.lua
spec "an early rollback" 2 "two checks in a row failed" "$sluice" dry-run -f "$canary" \
	--policy examples/policies/rollback_early.lua --metrics examples/recordings/slow-leak.yaml
echo 'return { step = function(r) while true do end end }' >"$bad"
spec "a policy that never ends is failed checks" 2 "ran for too long" "$sluice" dry-run -f "$canary" --policy "$bad"
printf 'return {\n  stop = function() end }\n' >"$bad"
spec "a policy with an unknown hook" 1 'there is no hook "stop"' "$sluice" dry-run -f "$canary" --policy "$bad"

echo "cli: $passed passed, $failed failed"
[ "$failed" = 0 ]
