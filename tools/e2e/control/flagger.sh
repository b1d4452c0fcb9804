# What stories of one canary, "web" in the namespace "team", and a real Flagger are told with. There is no kubelet: whatever
# is asked for is ready, when the story looks. `sluice sim` is the metric store: "$store_says IMAGE" is what it judges by.
# shellcheck shell=bash disable=SC2154

flagger=${FLAGGER:-$(command -v flagger || true)} # of `go install github.com/fluxcd/flagger/cmd/flagger@v1.44.0`
export KUBECONFIG=$BED/admin.kubeconfig
namespace=team
sluice() { "$PROGRAMS/sluice" "$@"; }

phase() { kube get canary web -o jsonpath='{.status.phase}'; }
weight() { kube get virtualservices.networking.istio.io web -o json | jq -r '.spec.http[0].route[] |
	select(.destination.host | test("canary")) | .weight'; }
condition() { kube get canary web -o json | jq -r --arg type "$1" '.status.conditions[]? | select(.type == $type) | .message'; }

has_weight() { [ "$(weight)" = "$1" ]; }
says() { messages | grep -qF "$1"; }
release() { kube set image deployment/web c="c:$1" >/dev/null; }
primary_runs() { [ "$(kube get deployment web-primary -o jsonpath='{.spec.template.spec.containers[0].image}')" = "c:$1" ]; }

# given_team [ANALYSIS] [MORE OF THE SPEC]: JSON members
given_team() {
	in_namespace team
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
	start_store -f "$folder/store.yaml"
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
