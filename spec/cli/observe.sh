# shellcheck shell=bash disable=SC2154
# sluice run --observe: its flags, and a canary that is looked at on an embedded cluster while a daemon has it.

spec "observe: does not stand for election" 1 "who observes does not act" "$sluice" run --observe --enable-leader-election
spec "observe: --policy is for it alone" 1 "--policy goes with --observe" "$sluice" run --policy examples/policies/geometric.lua
spec "observe: a policy that is none" 1 "--policy:" "$sluice" run --observe --policy "$canary"
spec "observe: an output that is none" 1 '-o must be text or json, is "xml"' "$sluice" run --observe -o xml

# A daemon takes a release through; beside it one decides by a policy of its own.
observed() {
	local folder server pids
	folder=$(mktemp -d)
	sed 's/interval: 10s/interval: 1s/; s/stepWeight: 5/stepWeight: 25/' "$canary" >"$folder/canary.yaml"
	"$sluice" sim --port 0 --kubeconfig "$folder/kc" -f examples/podinfo/deployment.yaml -f "$folder/canary.yaml" >/dev/null 2>&1 &
	pids=$!
	for _ in $(seq 100); do
		[ ! -s "$folder/kc" ] || break
		sleep 0.05
	done
	server=$(sed -n 's/.*server: //p' "$folder/kc")
	export KUBECONFIG=$folder/kc
	"$sluice" run --metrics-server "$server/prometheus" --min-analysis-interval 1s --port 0 >/dev/null 2>&1 &
	pids="$pids $!"
	"$sluice" follow --until Initialized --timeout 20s test/podinfo >/dev/null 2>&1
	echo 'return { judge = function(_, s) return { verdict = "fail", reason = s.name .. " as I say" } end }' >"$folder/policy.lua"
	"$sluice" run --observe -o json --policy "$folder/policy.lua" --decision-log "$folder/log" --metrics-server "$server/prometheus" \
		--min-analysis-interval 1s --port 0 2>/dev/null &
	pids="$pids $!"
	sleep 1.5
	curl -sf -o /dev/null -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
		-d '{"spec":{"template":{"spec":{"containers":[{"name":"podinfod","image":"podinfo:2"}]}}}}' \
		"$server/apis/apps/v1/namespaces/test/deployments/podinfo"
	"$sluice" follow --wait --timeout 30s test/podinfo >/dev/null 2>&1
	sleep 1
	# shellcheck disable=SC2086
	kill $pids
	# shellcheck disable=SC2086
	wait $pids 2>/dev/null
	"$sluice" why "$folder/log" podinfo
	"$sluice" replay "$folder/log" --verify
	rm -rf "$folder"
}
told=$(observed 2>&1)
spec "observe: each decision stands beside ours" 0 '"move":"fail-check","reason":"request-success-rate as I say"' echo "$told"
spec "observe: a release is summed up" 0 '"summary":{"releases":1,' echo "$told"
spec "observe: why knows what the other one did" 0 'observed: the other controller did "' echo "$told"
spec "observe: what was observed is replayed" 0 "the same, bit for bit" echo "$told"
