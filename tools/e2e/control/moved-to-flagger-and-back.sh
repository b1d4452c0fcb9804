# commands of an operator; then a canary is handed to a real Flagger, releases there, comes back, and is not worked on by both

given_cluster flagger all
kube() { "$kubectl" --kubeconfig "$BED/admin.kubeconfig" -n team "$@"; }
flagger=${FLAGGER:-$(command -v flagger || true)} # of `go install github.com/fluxcd/flagger/cmd/flagger@v1.44.0`
export KUBECONFIG=$BED/admin.kubeconfig

# There is no kubelet: whatever is asked for is ready.
make_ready() {
	local name generation replicas
	while read -r name generation replicas; do
		kube patch deployment "$name" --subresource=status --type=merge -p '{"status":{"observedGeneration":'"$generation"',
			"replicas":'"$replicas"',"updatedReplicas":'"$replicas"',"readyReplicas":'"$replicas"',
			"availableReplicas":'"$replicas"'}}' >/dev/null 2>&1
	done < <(kube get deployments -o json | jq -r '.items[] | "\(.metadata.name) \(.metadata.generation) \(.spec.replicas)"')
}
phase() { kube get canary web -o jsonpath='{.status.phase}'; }
weight() { kube get virtualservices.networking.istio.io web -o json | jq -r '.spec.http[0].route[] |
	select(.destination.host | test("canary")) | .weight'; }
messages() { kube get events -o json | jq -r '.items[].message'; }

# until SECONDS WHAT COMMAND...: it succeeds
until_it() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	while [ $SECONDS -lt $deadline ]; do
		make_ready
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.3
	done
	wrong "$what: phase $(phase), weight $(weight)"
	messages | tail -20
	return 1
}
in_phase() { [ "$(phase)" = "$1" ]; }
has_weight() { [ "$(weight)" = "$1" ]; }
says() { messages | grep -qF "$1"; }
release() { kube set image deployment/web c="c:$1" >/dev/null; }
primary_runs() { [ "$(kube get deployment web-primary -o jsonpath='{.spec.template.spec.containers[0].image}')" = "c:$1" ]; }
sluice() { "$PROGRAMS/sluice" "$@"; }

"$PROGRAMS/sluice" sim --port 0 >"$folder/store" 2>&1 & # its metric store
store=$!
kube create namespace team >/dev/null
kube apply -f - >"$folder/given" 2>&1 <<'END' || wrong "$(cat "$folder/given")"
{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":
"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"c:1"}]}}}},
{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"web"},"spec":{"provider":"istio","targetRef":
{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"service":{"port":80},"analysis":{"interval":"10s","threshold":3,
"maxWeight":50,"stepWeight":25}}}]}
END
address=$(grep -o 'http://127.0.0.1:[0-9]*' "$folder/store" | head -1)
"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --metrics-server "$address" --port 0 >"$folder/daemon.log" 2>&1 &
daemon=$!

# ---- commands

until_it 30 "it is not initialized" in_phase Initialized
release 2
until_it 30 "no first step" has_weight 25
sluice pause team/web >/dev/null || wrong "it cannot be paused"
until_it 5 "nobody says that it is paused" says "Command pause of web.team by "
sleep 12
has_weight 25 || wrong "paused it has weight $(weight)"
sluice skip-to 40 team/web >/dev/null || wrong "no skip-to"
until_it 5 "not at 40" has_weight 40
kube annotate canary web sluice.dev/command=abort --overwrite >/dev/null
until_it 5 "not aborted" in_phase Failed
has_weight 0 || wrong "aborted it has weight $(weight)"
sluice abort team/web >/dev/null 2>&1 && wrong "an abort of nothing is taken"
sluice retry team/web >/dev/null || wrong "no retry"
until_it 30 "no first step again" has_weight 25
sluice promote team/web >/dev/null || wrong "no promotion"
until_it 30 "not promoted" in_phase Succeeded
primary_runs 2 || wrong "the primary does not run what was promoted"
say "commands: $(messages | grep -c '^Command') told, by $(messages | sed -n 's/^Command pause .* by \([^ ]*\) at.*/\1/p' | head -1)"

# ---- to Flagger, and back

until_it 15 "not handed back" sluice handback team/web
[ -z "$(phase)" ] || wrong "its status is still there: $(phase)"
if [ -z "$flagger" ]; then
	say "no flagger in the PATH or \$FLAGGER: what it makes of the canary was not tried"
else
	start_flagger() {
		"$flagger" -kubeconfig="$BED/admin.kubeconfig" -metrics-server="$address" -mesh-provider=istio -port=18089 \
			>>"$folder/flagger.log" 2>&1 &
		other=$!
	}
	start_flagger
	until_it 60 "Flagger does not initialise it" in_phase Initialized
	primary_runs 2 || wrong "Flagger changed the primary"
	has_weight 0 || wrong "Flagger moved traffic: $(weight)"
	say "Flagger has initialised it, with the primary and the routes as they were"
	release 3
	until_it 120 "Flagger does not promote it" in_phase Succeeded
	primary_runs 3 || wrong "Flagger's primary does not run the release"
	! kube get canary web -o json | grep -q '"Sluice"' || wrong "our daemon wrote meanwhile"
	say "Flagger has promoted a release"
	kill $other
	wait $other
	kube annotate canary web sluice.dev/class- >/dev/null
	until_it 10 "not taken over" sh -c "'$kubectl' -n team get canary web -o json | grep -q '\"Sluice\"'"
	sleep 3
	in_phase Succeeded || wrong "the change of controller set something off: $(phase)"
	release 4
	until_it 90 "not promoted after the way back" in_phase Succeeded
	until_it 90 "not promoted after the way back" primary_runs 4
	say "taken over again: no rollout by that, and a release"
	start_flagger
	sleep 12
	release 5
	both() { kube get canary web -o json | jq -r '.status.conditions[]? | select(.type == "Valid") | .message' | grep -q "another controller"; }
	until_it 60 "that both work on it is not told" both
	say "beside a Flagger that writes: $(kube get canary web -o json | jq -r '.status.conditions[] | select(.type == "Valid") | .message')"
	kill $other
	wait $other
fi
kill $daemon $store
wait $daemon $store
expect_nothing_denied
