#!/bin/bash
# The daemon against an API server over HTTP: that of $KUBECONFIG, else `sluice sim`.
# MAKE_READY=1: that one has no controller manager. Usage: spec/cluster/run.sh SLUICE SPEC-CLUSTER
set -u
if [ -n "${KUBECONFIG:-}" ]; then
	exec "$2" ${MAKE_READY:+--make-ready} "$1"
fi
folder=$(mktemp -d)
"$1" sim --port 0 --ready-after 200ms --kubeconfig "$folder/kubeconfig" >"$folder/sim.log" 2>&1 &
sim=$!
trap 'kill $sim 2>/dev/null; wait; rm -rf "$folder"' EXIT
for _ in $(seq 50); do
	[ ! -s "$folder/kubeconfig" ] || break
	sleep 0.1
done
KUBECONFIG=$folder/kubeconfig "$2" "$1"
