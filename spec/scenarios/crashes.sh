#!/bin/bash
# The crash rule: releases of each strategy with the daemon killed at its calls, before their effect and after it.
# Usage: spec/scenarios/crashes.sh SLUICE [STRIDE]: at each call, or at each STRIDEth.
set -u
sluice=$(realpath "$1")
stride=${2:-1}
cd "$(dirname "$0")" || exit 1
passed=0
failed=0

# release SENTENCE STATUS ARGUMENTS...
release() {
	local sentence=$1 wanted=$2 output status
	shift 2
	output=$("$sluice" dry-run "$@" --every-crash --crash-stride "$stride" 2>&1)
	status=$?
	if [ $status = "$wanted" ] && [[ "$output" == *"the same phases, weights, objects"* ]]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf '  FAILED %s\n    sluice dry-run %s --every-crash\n%s\n' "$sentence" "$*" "$(tail -n 40 <<<"$output")"
	fi
}

v1beta1=$(mktemp)
trap 'rm -f "$v1beta1"' EXIT
sed 's/appmesh:v1beta2/appmesh/; s/^    port: 9898/&\n    meshName: global/' canary.yaml >"$v1beta1"
errors=errors_roll_it_back/recording.yaml

release "a canary is promoted" 0 -f canary.yaml
release "a canary is promoted on App Mesh v1beta1" 0 -f "$v1beta1"
release "a canary is rolled back" 2 -f canary.yaml --metrics $errors
release "a canary that tells people is rolled back" 2 -f alerts.yaml --metrics alerts_are_told_as_they_would_be_sent/recording.yaml
release "a canary is cancelled" 2 -f canary.yaml --scenario a_target_put_back_in_mid_run_cancels/scenario.yaml
release "a canary with all gates is promoted" 0 -f gates.yaml
release "a canary that waits for approval is promoted" 0 -f gates.yaml --scenario gates_hold_it_until_they_open/scenario.yaml
release "a receiver of events hangs" 0 -f gates.yaml --scenario an_event_receiver_that_hangs_holds_nothing_up/scenario.yaml
release "a canary is rolled back by a webhook" 2 -f gates.yaml --scenario a_rollback_hook_ends_it_at_a_gate/scenario.yaml
release "a promotion fails" 2 -f canary.yaml --scenario a_bad_fix_of_a_broken_primary_keeps_the_traffic/scenario.yaml
release "a canary is promoted, all watches late" 0 -f gates.yaml --lag 80ms
release "an A/B test is promoted" 0 -f ab.yaml
release "an A/B test is rolled back" 2 -f ab.yaml --metrics $errors
release "blue/green on a mesh is promoted" 0 -f blue_green.yaml
release "blue/green on a mesh is rolled back" 2 -f blue_green.yaml --metrics $errors
release "blue/green without a mesh is promoted" 0 -f kubernetes.yaml
release "blue/green without a mesh is rolled back" 2 -f kubernetes.yaml --metrics $errors
release "a canary with steps of their own length is promoted" 0 -f paced.yaml
release "a canary that is held for too long is rolled back" 2 -f paced.yaml --metrics a_hold_that_does_not_end_is_rolled_back/recording.yaml
release "a canary with a mirror on Istio is promoted" 0 -f istio.yaml
release "a canary with a mirror on Istio is rolled back" 2 -f istio.yaml --metrics $errors
release "a canary with sticky sessions on Gateway API is promoted" 0 -f gateway_sticky.yaml
release "a canary by a route of the team's is promoted" 0 -f team_route.yaml
release "a canary by a route of the team's is rolled back" 2 -f team_route.yaml --metrics $errors
release "commands of an operator" 0 -f gates.yaml --scenario an_operator_approves_pauses_and_promotes/scenario.yaml
release "an operator aborts" 2 -f canary.yaml --scenario an_operator_aborts/scenario.yaml
release "a DaemonSet is promoted" 0 -f daemon_set.yaml
release "a DaemonSet is rolled back" 2 -f daemon_set.yaml --scenario a_daemonset_that_never_becomes_ready_is_rolled_back/scenario.yaml
release "a Service is promoted" 0 -f service.yaml --scenario a_service_that_leads_to_another_workload_is_promoted/scenario.yaml
release "a StatefulSet is promoted by partition" 0 -f stateful_set.yaml
release "a StatefulSet goes back pod by pod" 2 -f stateful_set.yaml --metrics $errors
release "a StatefulSet gets a newer revision in mid-run" 0 -f stateful_set.yaml --scenario a_newer_revision_of_a_statefulset_starts_from_the_stable_one/scenario.yaml
release "a StatefulSet gets newer configs, and former ones" 2 -f stateful_config.yaml --scenario a_changed_config_is_a_revision_of_a_statefulset/scenario.yaml
release "a Knative Service is promoted" 0 -f knative.yaml
release "a Knative Service gets a newer revision in mid-run" 0 -f knative.yaml --scenario a_newer_knative_revision_gets_nothing_unanalysed/scenario.yaml
release "without an analysis" 0 -f skip.yaml
release "a canary that KEDA scales is promoted" 0 -f keda.yaml
release "a canary that KEDA scales is rolled back" 2 -f keda.yaml --metrics $errors

echo "crashes: $passed passed, $failed failed"
[ "$failed" = 0 ]
