#!/bin/bash
# What of the end-to-end tests can be run here: with the cached binaries, or those that can be built in
# $E2E_BUILD_SECONDS (900; what was compiled by then is kept). Says which part it ran; ends with "N passed, N failed".
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
programs="etcd kube-apiserver kube-controller-manager kubectl"
# All of the control plane's but the one of two hundred canaries, which takes five minutes.
stories="as-flagger all-meshes crds install requests killed stopped restarted"
# And of the data plane's, what takes two minutes.
plane_stories="seed-promotion rollback acceptance-test ab-test image-reverted"

skip() {
	echo "e2e: NOT RUN: $*"
	echo "0 passed, 0 failed"
	exit 0
}

"$root/tools/setup.sh" e2e || skip "what it needs cannot be installed"
# shellcheck disable=SC2086
if ! "$here/binary.sh" --no-build $programs >/dev/null; then
	echo "e2e: building what is missing; it has ${E2E_BUILD_SECONDS:-900} s"
	# shellcheck disable=SC2086
	timeout "${E2E_BUILD_SECONDS:-900}" "$here/binary.sh" $programs >/dev/null ||
		skip "the control plane could not be built within ${E2E_BUILD_SECONDS:-900} s"
fi
unshare --user --map-root-user --net true 2>/dev/null || unshare --net true 2>/dev/null ||
	skip "this machine allows no namespaces (unshare --net)"
make -s -C "$root" -j2 all build/release/spec-cluster e2e-programs || exit 1
status=0
echo "e2e: the control plane: stories $stories"
# shellcheck disable=SC2086
"$here/control.sh" $stories || status=1
if ! "$here/envoy.sh" >/dev/null; then
	echo "e2e: NOT RUN: the data plane, there is no Envoy"
	exit $status
fi
echo "e2e: the data plane: stories $plane_stories"
# shellcheck disable=SC2086
"$here/run.sh" $plane_stories || status=1
exit $status
