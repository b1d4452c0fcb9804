#!/bin/bash
# Tells stories of the daemon on a real control plane, each in a test bed of its own; metric store, webhooks and readiness
# are scripted (spec/cluster). Usage: tools/e2e/control.sh [WORD…]: stories whose names have one of the words.
#
# $LANES (4) stories are told at a time: they wait for most of it. $PROGRAMS is the folder of sluice and spec-cluster (build/release). What a story leaves is in build/e2e/control/NAME:
# what was compared, the audit log, the log of the daemon.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PROGRAMS=${PROGRAMS:-$root/build/release}

# Deployments become ready as the story has it; the rest is done by the real controllers.
export BED_CONTROLLERS=serviceaccount-controller,namespace-controller,garbage-collector-controller

inside() {
	story=$1
	folder=$root/build/e2e/control/$(basename "$story" .sh)
	cd "$root" || exit 1
	failures=0
	# shellcheck source=tools/e2e/audit.sh
	. "$here/audit.sh"
	# shellcheck source=tools/e2e/control/story.sh
	. "$here/control/story.sh"
	# shellcheck disable=SC1090
	. "$story"
	expect_own_account
	cp "$BED/audit.log" "$folder/"
	exit $((failures > 0))
}

if [ "${1:-}" = --inside ]; then
	inside "$2"
fi

# shellcheck source=tools/e2e/common.sh
. "$here/common.sh"
need jq curl gzip openssl ip unshare || exit 1
"$here/binary.sh" etcd kube-apiserver kube-controller-manager kubectl >/dev/null || exit 1

# shellcheck source=tools/e2e/stories.sh
. "$here/stories.sh"
tell() {
	local name bed
	name=$(basename "$1" .sh)
	bed=$root/build/e2e/control/$name/bed
	rm -rf "$root/build/e2e/control/$name"
	mkdir -p "$root/build/e2e/control/$name"
	BED=$bed "$here/bed.sh" in "$here/control.sh" --inside "$1" && rm -rf "$bed"
}
lanes=${LANES:-4}
wanted_stories "$here/control" "$@"
status=0
tell_all "control plane" "$root/build/e2e/control" || status=1
# shellcheck source=tools/e2e/audit.sh
. "$here/audit.sh"
expect_rights_cover "$root/build/e2e/control" || status=1
exit $status
