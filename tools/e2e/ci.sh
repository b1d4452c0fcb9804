#!/bin/bash
# What of the end-to-end tests can be run here: with the cached binaries, or those that can be built in
# $E2E_BUILD_SECONDS (420; what was compiled by then is kept). All of it has $E2E_SECONDS (780), which the whole suite takes
# on two quiet cores. Says which part it ran, and what was left out; ends with "N passed, N failed".
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
programs="etcd kube-apiserver kube-controller-manager kubectl"
skip() {
	echo "e2e: NOT RUN: $*"
	echo "0 passed, 0 failed"
	exit 0
}

"$root/tools/setup.sh" e2e || skip "what it needs cannot be installed"
# shellcheck disable=SC2086
if ! "$here/binary.sh" --no-build $programs >/dev/null; then
	echo "e2e: building what is missing; it has ${E2E_BUILD_SECONDS:-420} s"
	# shellcheck disable=SC2086
	timeout "${E2E_BUILD_SECONDS:-420}" "$here/binary.sh" $programs >/dev/null ||
		skip "the control plane could not be built within ${E2E_BUILD_SECONDS:-420} s"
fi
unshare --user --map-root-user --net true 2>/dev/null || unshare --net true 2>/dev/null ||
	skip "this machine allows no namespaces (unshare --net)"
make -s -C "$root" -j2 all build/release/spec-cluster e2e-programs || exit 1

passed=0
failed=0
told=" "
left_out=

# of_suite SCRIPT: the names of its stories.
of_suite() {
	local folder=stories
	[ "$1" = run.sh ] || folder=control
	(cd "$here/$folder" && printf '%s\n' [a-z]*-*.sh | sed 's/\.sh$//')
}

# tell SECONDS SCRIPT NAME…: unless there is too little time left for it.
tell() {
	local script=$2 log counts
	told="$told$(printf "$script/%s " "${@:3}")"
	if [ "$script" = run.sh ] && [ "$envoy" = no ]; then
		left_out="$left_out ${*:3} (there is no Envoy)"
		return
	elif [ $((SECONDS + $1)) -gt "${E2E_SECONDS:-780}" ]; then
		left_out="$left_out ${*:3}"
		return
	fi
	log=$(mktemp)
	"$here/$script" "${@:3}" 2>&1 | tee "$log" | grep --line-buffered -v '^[a-z0-9 ]*: [0-9]* passed, [0-9]* failed$'
	counts=$(grep -Eo '^[a-z0-9 ]*: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -1)
	rm -f "$log"
	counts=${counts:-: 0 passed, 1 failed}
	counts=${counts#*: }
	passed=$((passed + ${counts%% *}))
	counts=${counts#*, }
	failed=$((failed + ${counts%% *}))
}

control() { tell "$1" control.sh "${@:2}"; }
plane() { tell "$1" run.sh "${@:2}"; }

# rest SECONDS SCRIPT: the stories of it that nobody has asked for by name.
rest() {
	local name names=()
	for name in $(of_suite "$2"); do
		case $told in *" $2/$name "*) ;; *) names+=("$name") ;; esac
	done
	[ ${#names[@]} = 0 ] || tell "$@" "${names[@]}"
}

envoy=no
"$here/envoy.sh" >/dev/null && envoy=yes
# What matters most comes first. Of the control plane's stories four are told at a time.
control 200 release-on-all-meshes requests-of-a-release daemon-killed leader-stopped
plane 200 seed-promotion rollback-on-errors rollback-on-latency acceptance-test-failing ab-test image-reverted new-revision \
	policy-changed
control 120 targets-of-other-kinds decisions-in-fifty-logs who-else-writes what-a-canary-drops
control 90 api-server-restarted install-by-kustomize crds-of-flagger image-as-a-pod
plane 150 configmap-and-secret grpc-promotion primary-failing pods-slow-or-crashing leader-stopped daemon-killed
control 90 release-as-flagger routes-of-the-team leader-killed keda-pauses-and-resumes
plane 120 rollback-by-evidence grpc-rollback-on-latency appmesh-v1beta1 crds-of-flagger
control 130 configs-set-off-releases what-a-release-reads left-in-each-phase beside-flagger
control 170 two-hundred-canaries moved-to-flagger-and-back mesh-in-another-cluster decisions-when-killed
rest 240 run.sh
rest 240 control.sh
[ -z "$left_out" ] || echo "e2e: NOT RUN, for want of time or means:$left_out"
echo "e2e: $passed passed, $failed failed"
[ "$failed" = 0 ]
