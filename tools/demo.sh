#!/bin/bash
# Two releases of podinfo on an embedded cluster: one promoted, one rolled back. Usage: tools/demo.sh SLUICE
set -eu
sluice=$1
folder=$(mktemp -d)
pids=
end() {
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill $pids 2>/dev/null || true
	wait
	rm -rf "$folder"
}
trap end EXIT

# The canary of the examples at the pace of a demonstration.
sed 's/interval: 10s/interval: 1s/; s/stepWeight: 5/stepWeight: 10/; s/threshold: 5/threshold: 3/' \
	examples/podinfo/canary.yaml >"$folder/canary.yaml"
"$sluice" sim --port 0 --kubeconfig "$folder/kubeconfig" \
	-f examples/podinfo/deployment.yaml -f "$folder/canary.yaml" >"$folder/sim.log" 2>&1 &
pids=$!
for _ in $(seq 50); do
	[ ! -s "$folder/kubeconfig" ] || break
	sleep 0.1
done
server=$(sed -n 's/.*server: //p' "$folder/kubeconfig")
[ -n "$server" ] || {
	cat "$folder/sim.log" >&2
	exit 1
}
export KUBECONFIG=$folder/kubeconfig
"$sluice" run --metrics-server "$server/prometheus" --min-analysis-interval 1s --port 0 >"$folder/run.log" 2>&1 &
pids="$pids $!"

say() { printf '\n== %s\n' "$*"; }

# What `kubectl set image deployment/podinfo podinfod=IMAGE` sends.
release() {
	curl -sf -o /dev/null -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
		-d '{"spec":{"template":{"spec":{"containers":[{"name":"podinfod","image":"'"$1"'"}]}}}}' \
		"$server/apis/apps/v1/namespaces/test/deployments/podinfo"
}

say "podinfo 6.0.0 gets a primary, services and a mesh"
"$sluice" follow --until Initialized --timeout 30s test/podinfo

say "podinfo 6.0.1 is released, and is good"
"$sluice" follow --wait --timeout 50s test/podinfo &
follower=$!
sleep 0.3
release ghcr.io/stefanprodan/podinfo:6.0.1
status=0
wait $follower || status=$?
[ $status = 0 ] || {
	echo "demo: the good release ended with $status" >&2
	exit 1
}

say "podinfo:bad is released: one request in six fails"
"$sluice" follow --wait --timeout 50s test/podinfo &
follower=$!
sleep 0.3
release ghcr.io/stefanprodan/podinfo:bad
status=0
wait $follower || status=$?
[ $status = 2 ] || {
	echo "demo: the bad release ended with $status" >&2
	exit 1
}
say "promoted once, rolled back once"
