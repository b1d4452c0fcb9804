#!/bin/bash
# The program as a user runs it: examples, exit statuses, sentences. Usage: spec/cli/run.sh SLUICE
set -u
sluice=$1
newline='
'
passed=0
failed=0

# spec SENTENCE STATUS PART COMMAND...: the exit status, and a part of what it prints
spec() {
	local sentence=$1 wanted=$2 part=$3
	shift 3
	local output status
	output=$("$@" 2>&1 </dev/null)
	status=$?
	if [ "$status" = "$wanted" ] && [[ "$output" == *"$part"* ]]; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	printf '  FAILED cli: %s\n    %s\n    exit status %s, wanted %s with "%s":\n%s\n' \
		"$sentence" "$*" "$status" "$wanted" "$part" "$output"
}

canary=examples/podinfo/canary.yaml
bad=$(mktemp)
trap 'rm -f "$bad"' EXIT

spec "help" 0 "usage: sluice VERB" "$sluice" --help
spec "version" 0 "sluice " "$sluice" --version
spec "an unknown verb" 1 'there is no verb "rum"' "$sluice" rum
spec "no verb" 1 "usage:" "$sluice"
spec "version, and what it runs on" 0 "libmicrohttpd/" "$sluice" --version -v
spec "version: a word too many" 1 'takes flags only, not "more"' "$sluice" version more
# each verb says how it is used, as the program promises
for verb in $("$sluice" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
	spec "help: $verb" 0 "usage: sluice $verb" "$sluice" "$verb" --help
done
. spec/cli/completion.sh
# what "make install" puts there
installed() {
	make --no-print-directory install "OUT=$(dirname "$sluice")" PREFIX=/usr "DESTDIR=$bad.root" >/dev/null &&
		(cd "$bad.root" && find . -type f | sort && cat usr/share/man/man1/sluice.1)
	local status=$?
	rm -rf "$bad.root"
	return $status
}
spec "install: the binary" 0 "./usr/bin/sluice" installed
spec "install: the manual has every flag" 0 '\-\-decision\-log DIR|\-' installed

spec "the example is right" 0 "1 canaries, 0 errors" "$sluice" check "$canary"
sed 's/stepWeight: 5/stepWeight: 2.5/' "$canary" >"$bad"
spec "a wrong field, with file, line and path" 1 "$bad:27: spec.analysis.stepWeight: must be" "$sluice" check "$bad"
spec "a wrong field, as JSON" 1 '"path":"spec.analysis.stepWeight"' "$sluice" check -o json "$bad"
spec "a wrong field, in a rehearsal" 1 "$bad:27: spec.analysis.stepWeight" "$sluice" dry-run -f "$bad"
spec "a file that is not there" 1 "/no/such/file" "$sluice" check /no/such/file

. spec/cli/drivers.sh
. spec/cli/dry_run.sh
. spec/cli/policies.sh
. spec/cli/decisions.sh
. spec/cli/secrets.sh
. spec/cli/observe.sh
. spec/cli/rbac.sh

# ---- the daemon, on the in-memory cluster over HTTP

folder=$(mktemp -d)
pids=
end() {
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -9 $pids 2>/dev/null
	rm -rf "$folder" "$bad"
}
trap end EXIT

# within SECONDS COMMAND...: until it succeeds
within() {
	local tries=$(($1 * 10))
	shift
	while [ $tries -gt 0 ]; do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
		tries=$((tries - 1))
	done
	return 1
}

spec "run: a flag that is wrong" 1 "--kubeconfig-qps must be a number" "$sluice" run --kubeconfig-qps many
spec "run: a kubeconfig that is not there" 1 "/no/such/file" "$sluice" run --kubeconfig /no/such/file
spec "run: the kubeconfig of the mesh's cluster is missing" 1 "--kubeconfig-service-mesh: " "$sluice" run --master http://127.0.0.1:1 --kubeconfig-service-mesh /nowhere
spec "run: help" 0 "usage: sluice run" "$sluice" run -h
spec "explain: the phases" 0 "waits for  a new revision of the target" "$sluice" explain phases
spec "explain: nothing" 1 "what? phases, drivers or rbac PROVIDER" "$sluice" explain
spec "explain: what there is not" 1 'explains "phases", "drivers" and "rbac"' "$sluice" explain weights
spec "explain: what a mesh can do, and what it adopts" 0 "istio                yes      yes      yes      yes      VirtualService" "$sluice" explain drivers
spec "explain: a form is a provider of its own" 0 '{"provider":"smi:v1alpha3","weights":true,"match":false,"mirror":false,"sticky":false,"adopts":[]}' "$sluice" explain drivers -o json
spec "follow: a phase that is none" 1 '"Ready" is none of' "$sluice" follow --until Ready
spec "sim: a port that is none" 1 "--port must be from 0 to 65535" "$sluice" sim --port x
spec "sim: a file that is not there" 1 "/no/such/file" "$sluice" sim --port 0 -f /no/such/file

sed 's/interval: 10s/interval: 1s/; s/stepWeight: 5/stepWeight: 25/; s/threshold: 5/threshold: 2/' "$canary" >"$folder/canary.yaml"
export KUBECONFIG=$folder/kubeconfig
"$sluice" sim --port 0 --kubeconfig "$KUBECONFIG" -f examples/podinfo/deployment.yaml -f "$folder/canary.yaml" >"$folder/sim.log" 2>&1 &
sim=$!
pids=$sim
within 10 test -s "$KUBECONFIG"
server=$(sed -n 's/.*server: //p' "$KUBECONFIG")
daemon() { # NAME: its log is $folder/NAME.log
	"$sluice" run --metrics-server "${server/:\/\//://user:hidden@}/prometheus" --min-analysis-interval 1s --port 0 \
		--enable-leader-election --decision-log "$folder/decisions" >"$folder/$1.log" 2>&1 &
}
release() {
	curl -sf -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
		-d '{"spec":{"template":{"spec":{"containers":[{"name":"podinfod","image":"podinfo:'"$1"'"}]}}}}' \
		"$server/apis/apps/v1/namespaces/test/deployments/podinfo"
}
# follows a release that begins now
outcome() {
	"$sluice" follow --wait --timeout 60s test/podinfo &
	local follower=$!
	sleep 0.5
	release "$1" >/dev/null
	wait $follower
}

# follows while somebody writes an event of his own
told() {
	"$sluice" follow --timeout 2s test/podinfo &
	local follower=$!
	sleep 0.5
	curl -sf -H 'Content-Type: application/json' -d '{"apiVersion":"v1","kind":"Event","metadata":{"name":"mine",
		"namespace":"test"},"involvedObject":{"kind":"Canary","namespace":"test","name":"podinfo"},"type":"Normal",
		"message":"'"$1"'"}' "$server/api/v1/namespaces/test/events" >/dev/null
	wait $follower
}

# follows a canary of somebody else's, whose status says this weight
odd() {
	local canaries=$server/apis/flagger.app/v1beta1/namespaces/test/canaries
	curl -s -X DELETE "$canaries/odd" >/dev/null
	curl -sf -H 'Content-Type: application/json' -d '{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{
		"name":"odd","namespace":"test","annotations":{"sluice.dev/class":"other"}},"status":{"phase":"Progressing",
		"canaryWeight":'"$1"'}}' "$canaries" >/dev/null
	"$sluice" follow --timeout 1s test/odd
}

daemon first
first=$!
pids="$pids $first"
spec "run: leads" 0 "" within 20 grep -q "acting as elected leader" "$folder/first.log"
spec "run: prepares what a release needs" 0 "Initialized" "$sluice" follow --until Initialized --timeout 30s test/podinfo
daemon second
second=$!
pids="$pids $second"
spec "run: promotes a good image" 0 "canary weight 50" outcome good
spec "run: tells the log" 0 "" grep -q "Advance podinfo.test canary weight 50" "$folder/first.log"
metrics=$(sed -n 's/.*HTTP server on port \([0-9]*\).*/\1/p' "$folder/first.log")
spec "run: tells Prometheus" 0 'flagger_canary_status{name="podinfo",namespace="test"} 1' curl -sf "http://127.0.0.1:$metrics/metrics"
spec "run: is alive" 0 "OK" curl -sf "http://127.0.0.1:$metrics/healthz"
spec "run: one daemon acts, the other waits" 1 "" grep -q "acting as elected leader" "$folder/second.log"
spec "run: tells no password of an URL" 0 "connected to metrics server http://127.0.0.1" grep -h "metrics server" "$folder/first.log"
spec "run: tells it nowhere" 1 "" grep -h "hidden" "$folder/first.log" "$folder/second.log"
spec "follow: an event does nothing to the terminal" 3 "?[2Jmine" told '\u001b[2Jmine'
# whoever may write a status does not get to draw beyond a line
spec "follow: a weight that is none" 3 "████████████████████ 100%" odd 2000000000
spec "follow: a weight below none" 3 "░░░░░░░░░░░░░░░░░░░░   0%" odd -7
kill -TERM $first
wait $first
spec "run: ends cleanly at SIGTERM" 0 "" test $? = 0
spec "run: the one that waited takes over" 0 "" within 20 grep -q "acting as elected leader" "$folder/second.log"
spec "run: rolls a bad image back" 2 "Canary failed! Scaling down podinfo.test" outcome bad
spec "run: rolls a silent image back" 2 "probably podinfo.test is not receiving traffic" outcome silent
spec "why: of a live canary, from its status" 0 "stood in the way: " "$sluice" why podinfo -n test
spec "why: of a live canary, from the daemon's log" 0 "no-data (no values found), must be at least 99" "$sluice" why test/podinfo --decision-log "$folder/decisions"
spec "why: a live canary that is not there" 1 "test/nobody" "$sluice" why test/nobody
spec "run: two daemons after one another, one decision log" 0 "no link of the chain missing" "$sluice" replay "$folder/decisions" --verify
. spec/cli/commands.sh
if command -v kubectl >/dev/null; then
	spec "kubectl: get" 0 "podinfo   Failed" kubectl get canaries -n test
	spec "kubectl: wait" 0 "condition met" kubectl wait -n test --for=condition=promoted=false --timeout 20s canary/podinfo
	spec "kubectl: apply" 0 "configured" kubectl apply -f examples/podinfo/deployment.yaml
	spec "kubectl: describe" 0 "Canary failed!" kubectl describe canary podinfo -n test
	spec "kubectl: delete" 0 "deleted" kubectl delete namespace test
else
	echo "kubectl is not there: what it makes of the in-memory cluster was not tried"
fi
kill -TERM $second
wait $second
lease=$server/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/sluice-leader-election
spec "run: gives its lease back at the end" 0 '"holderIdentity":"",' curl -sf "$lease"
kill -TERM $sim
wait $sim
spec "sim: ends cleanly at SIGTERM" 0 "" test $? = 0
pids=

echo "cli: $passed passed, $failed failed"
[ "$failed" = 0 ]
