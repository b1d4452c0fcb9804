#!/bin/bash
# Tells stories on a real cluster with a real data plane. Usage: tools/e2e/run.sh [WORD…]: of those whose names have one
# of the words. $KUBECONFIG: on that cluster; else on a test bed of its own, which is gone afterwards.
#
# With $PEER, the command line of another controller, both are measured instead: peer.sh.
#
# What a story leaves is in build/e2e/stories/NAME: events, counts of the pods, load, log of the daemon.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PROGRAMS=${PROGRAMS:-$root/build/release}
[ -n "${KUBECONFIG:-}" ] || exec "$here/bed.sh" in "$0" "$@"

plane=${PLANE:-$root/build/e2e/plane}
sluice=$PROGRAMS/sluice
kubectl=$("$here/binary.sh" kubectl) || exit 1

# shellcheck source=tools/e2e/common.sh
. "$here/common.sh"
for program in hey jq lua5.4 prometheus; do
	command -v $program >/dev/null || {
		echo "run.sh: there is no $program: tools/setup.sh e2e installs it" >&2
		exit 1
	}
done
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

is_wanted() {
	local word
	[ $# -gt 1 ] || return 0
	for word in "${@:2}"; do
		case $1 in *"$word"*) return 0 ;; esac
	done
	return 1
}

# In a shell of its own, so that a story can end at any line.
tell() (
	folder=$root/build/e2e/stories/$ns
	extra_objects=()
	rm -rf "$folder"
	mkdir -p "$folder"
	began=$EPOCHREALTIME
	# shellcheck source=tools/e2e/story.sh
	. "$here/story.sh"
	trap end_story EXIT
	"$kubectl" create namespace "$ns" >/dev/null || stuck "no namespace"
	# shellcheck disable=SC1090
	. "$1" </dev/null
	exit $((failures > 0))
)

passed=0
failed=0
for story in "$here"/stories/*.sh; do
	ns=$(basename "$story" .sh)
	is_wanted "$ns" "$@" || continue
	began=$SECONDS
	echo "== $ns: $(sed -n '1s/^# *//p' "$story")"
	if tell "$story"; then
		passed=$((passed + 1))
		echo "   ok in $((SECONDS - began)) s"
	else
		failed=$((failed + 1))
		echo "   FAILED: see build/e2e/stories/$ns"
	fi
done
echo "e2e: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
