#!/bin/bash
# What of the end-to-end tests can be run here: with the cached binaries, or those that can be built in
# $E2E_BUILD_SECONDS (420; what was compiled by then is kept). All of it has $E2E_SECONDS (570). Says which part it ran, and
# what was left out; ends with "N passed, N failed".
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
programs="etcd kube-apiserver kube-controller-manager kubectl"
# What matters most, the data plane, and then of the control plane's what does not take minutes.
first="release-on-all-meshes requests-of-a-release daemon-killed leader-stopped"
plane="seed-promotion rollback acceptance-test ab-test image-reverted new-revision policy-changed"

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
left_out=

# tell SECONDS SCRIPT WORD…: unless there is too little time left for it.
tell() {
	local log counts
	if [ $((SECONDS + $1)) -gt "${E2E_SECONDS:-570}" ]; then
		left_out="$left_out ${*:3}"
		return
	fi
	log=$(mktemp)
	"${@:2}" 2>&1 | tee "$log" | grep --line-buffered -v '^[a-z0-9 ]*: [0-9]* passed, [0-9]* failed$'
	counts=$(grep -Eo '^[a-z0-9 ]*: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -1)
	rm -f "$log"
	counts=${counts:-: 0 passed, 1 failed}
	counts=${counts#*: }
	passed=$((passed + ${counts%% *}))
	counts=${counts#*, }
	failed=$((failed + ${counts%% *}))
}

echo "e2e: the control plane"
# shellcheck disable=SC2086
tell 200 "$here/control.sh" $first
if "$here/envoy.sh" >/dev/null; then
	echo "e2e: the data plane"
	# shellcheck disable=SC2086
	tell 200 "$here/run.sh" $plane
else
	left_out="$left_out $plane (there is no Envoy)"
fi
# Two at a time, by what takes longest beside.
for pair in "api-server-restarted install-by-kustomize" "crds-of-flagger image-as-a-pod" leader-killed; do
	# shellcheck disable=SC2086
	tell 80 "$here/control.sh" $pair
done
[ -z "$left_out" ] || echo "e2e: NOT RUN, for want of time or means:$left_out"
echo "e2e: $passed passed, $failed failed"
[ "$failed" = 0 ]
