#!/bin/bash
# Tells stories on a real cluster with a real data plane. Usage: tools/e2e/run.sh [WORD…]: of those whose names have one
# of the words. $KUBECONFIG: on that cluster; else on a test bed of its own, which is gone afterwards.
#
# With $PEER, the command line of another controller, both are measured instead: peer.sh. $LANES (2) stories are told at a
# time: 800 requests/s take half of a core.
#
# What a story leaves is in build/e2e/stories/NAME: events, counts of the pods, load, log of the daemon.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PROGRAMS=${PROGRAMS:-$root/build/release}
# shellcheck source=tools/e2e/common.sh
. "$here/common.sh"
need hey h2load jq lua5.4 prometheus curl ss || exit 1
[ -n "${KUBECONFIG:-}" ] || need openssl ip unshare || exit 1
"$here/envoy.sh" >/dev/null || exit 1
# One at a time in this folder: bed and data plane are in build/e2e.
if [ -z "${LOCKED:-}" ]; then
	mkdir -p "$root/build/e2e"
	exec 8>"$root/build/e2e/.lock"
	flock -n 8 || {
		echo "run.sh: another one runs here: waiting for it" >&2
		flock 8
	}
	export LOCKED=yes
fi
[ -n "${KUBECONFIG:-}" ] || exec "$here/bed.sh" in "$0" "$@"

plane=${PLANE:-$root/build/e2e/plane}
sluice=$PROGRAMS/sluice
kubectl=$("$here/binary.sh" kubectl) || exit 1

# shellcheck source=tools/e2e/stories.sh
. "$here/stories.sh"
# The daemon never runs as admin: daemon_kubeconfig is that of the ServiceAccount and the roles that we ship.
if [ -n "${BED:-}" ]; then
	"$here/bed.sh" install || exit 1
	daemon_kubeconfig=$BED/sluice.kubeconfig
else
	daemon_kubeconfig=$root/build/e2e/sluice.kubeconfig
	export SCHEDULER=e2e.sluice.dev # the pods of others are left alone
	mkdir -p "$root/build/e2e"
	{
		"$kubectl" kustomize "$root/tools/deploy" | sed 's/^  replicas: 2$/  replicas: 0/'
		printf -- '---\n'
		cat "$root/spec/crds/appmesh-v1beta2.yaml"
	} | "$kubectl" apply --server-side --force-conflicts -f - >/dev/null || exit 1
	"$kubectl" wait --for condition=established --timeout 30s crd --all >/dev/null || exit 1
	as_service_account sluice-system sluice "$daemon_kubeconfig" || exit 1
fi
end() {
	"$here/plane.sh" down
	[ -n "${BED:-}" ] || "$kubectl" delete node fake >/dev/null 2>&1
}
trap end EXIT
"$here/plane.sh" up || exit 1
# shellcheck disable=SC1091
. "$plane/ports"

if [ -n "${PEER:-}" ]; then
	# shellcheck source=tools/e2e/peer.sh
	. "$here/peer.sh"
	compare
	exit
fi

# In a shell of its own, so that a story can end at any line.
tell() (
	ns=$(basename "$1" .sh)
	folder=$root/build/e2e/stories/$ns
	extra_objects=()
	rm -rf "$folder"
	mkdir -p "$folder"
	began=$EPOCHREALTIME
	# shellcheck source=tools/e2e/story.sh
	. "$here/story.sh"
	# shellcheck source=tools/e2e/audit.sh
	. "$here/audit.sh"
	trap end_story EXIT
	"$kubectl" create namespace "$ns" >/dev/null || stuck "no namespace"
	# shellcheck disable=SC1090
	. "$1" </dev/null
	[ -z "${BED:-}" ] || expect_own_account "$ns"
	exit $((failures > 0))
)

# A step has 3,200 requests in 4 s; where others work, fewer come.
read -r busy _ </proc/loadavg
if [ -z "${INTERVAL:-}" ] && [ "${busy%.*}" -ge $((2 * $(nproc))) ]; then
	echo "e2e: this machine is busy (load $busy on $(nproc) cores): a step lasts 8 s instead of 4"
	INTERVAL=8s
fi
export interval=${INTERVAL:-4s} # of the analysis
lanes=${LANES:-2}
wanted_stories "$here/stories" "$@"
status=0
tell_all "data plane" "$root/build/e2e/stories" || status=1
if [ -n "${BED:-}" ]; then
	# shellcheck source=tools/e2e/audit.sh
	. "$here/audit.sh"
	expect_rights_cover "$root/build/e2e/stories" || status=1
fi
exit $status
