# What stories of one canary, "web" in the namespace "team", and a real Flagger are told with. There is no kubelet: whatever
# is asked for is ready, when the story looks. `sluice sim` is the metric store: "$store_says IMAGE" is what it judges by.
# shellcheck shell=bash disable=SC2154

flagger=${FLAGGER:-$(command -v flagger || true)} # of `go install github.com/fluxcd/flagger/cmd/flagger@v1.44.0`
export KUBECONFIG=$BED/admin.kubeconfig
kube() { "$kubectl" --kubeconfig "$BED/admin.kubeconfig" -n team "$@"; }
sluice() { "$PROGRAMS/sluice" "$@"; }

make_ready() {
	local name generation replicas
	while read -r name generation replicas; do
		kube patch deployment "$name" --subresource=status --type=merge -p '{"status":{"observedGeneration":'"$generation"',
			"replicas":'"$replicas"',"updatedReplicas":'"$replicas"',"readyReplicas":'"$replicas"',
			"availableReplicas":'"$replicas"'}}' >/dev/null 2>&1
	done < <(kube get deployments -o json | jq -r '.items[] | select((.metadata.annotations["story/never-ready"] // "") == "") |
		"\(.metadata.name) \(.metadata.generation) \(.spec.replicas)"')
}
phase() { kube get canary web -o jsonpath='{.status.phase}'; }
weight() { kube get virtualservices.networking.istio.io web -o json | jq -r '.spec.http[0].route[] |
	select(.destination.host | test("canary")) | .weight'; }
messages() { kube get events -o json | jq -r '.items[].message'; }
condition() { kube get canary web -o json | jq -r --arg type "$1" '.status.conditions[]? | select(.type == $type) | .message'; }

# until_it SECONDS WHAT COMMAND...: it succeeds
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

# given_team [ANALYSIS] [MORE OF THE SPEC]: JSON members
given_team() {
	kube create namespace team >/dev/null
	kube apply -f - >"$folder/given" 2>&1 <<-END || wrong "$(cat "$folder/given")"
		{"apiVersion":"v1","kind":"List","items":[
		{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"color":"blue"}},
		{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":
		"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"c:1","envFrom":[
		{"configMapRef":{"name":"settings"}}]}]}}}},
		{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"web"},"spec":{"provider":"istio","targetRef":
		{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"service":{"port":80}${2:+,$2},"analysis":{"interval":"10s",
		"threshold":3,"maxWeight":50,"stepWeight":25${1:+,$1}}}}]}
	END
}

# The metric store; $address, and $store is its process.
given_store() {
	cat >"$folder/store.yaml" <<-END
		{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"team"},"spec":{"replicas":1,"selector":
		{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":
		"c:1"}]}}}}
	END
	"$PROGRAMS/sluice" sim --port 0 -f "$folder/store.yaml" >"$folder/store" 2>&1 &
	store=$!
	for _ in $(seq 100); do
		address=$(grep -o 'http://127.0.0.1:[0-9]*' "$folder/store" | head -1)
		[ -z "$address" ] || break
		sleep 0.1
	done
	[ -n "$address" ] || wrong "no metric store: $(cat "$folder/store")"
}
# store_says good|bad|slow|silent
store_says() {
	curl -sf -o /dev/null -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
		-d '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"c:'"$1"'"}]}}}}' \
		"$address/apis/apps/v1/namespaces/team/deployments/web" || wrong "the store cannot be told"
}

start_daemon() {
	"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --metrics-server "$address/prometheus" --port 0 "$@" \
		>>"$folder/daemon.log" 2>&1 &
	daemon=$!
}
# True when there is a Flagger.
start_flagger() {
	[ -n "$flagger" ] || return 1
	"$flagger" -kubeconfig="$BED/admin.kubeconfig" -metrics-server="$address/prometheus" -mesh-provider=istio -port=18089 \
		-zap-replace-globals=false >>"$folder/flagger.log" 2>&1 &
	other=$!
}
# end PID [SIGNAL]
end() {
	kill "-${2:-TERM}" "$1"
	wait "$1" 2>/dev/null
}
