# releases by routes of the team's own, of three kinds: only two weights change, and they are given back with the Canary gone

given_cluster ours all

# team_route KIND NAME: what the team has, as JSON. Odd on purpose: weights of 3 and none, a rule of somebody else's, filters.
team_route() {
	local backends='[{"name":"WEB-primary","port":80,"weight":3},{"name":"WEB-canary","port":80,"filters":[{"type":
		"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"a","value":"b"}]}}]}]'
	local old='{"backendRefs":[{"name":"old","port":80}]}'
	case $1 in
	VirtualService)
		echo '{"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","metadata":{"name":"team-mesh"},"spec":{"hosts":
			["mesh.example"],"http":[{"name":"old","match":[{"uri":{"prefix":"/old"}}],"route":[{"destination":{"host":"old"}}]},
			{"name":"ours","timeout":"3s","route":[{"destination":{"host":"mesh-canary.team.svc.cluster.local"},"weight":1},
			{"destination":{"host":"mesh-primary.team.svc.cluster.local","port":{"number":80}},"weight":99}]}]}}'
		;;
	*)
		echo '{"apiVersion":"gateway.networking.k8s.io/v1","kind":"'"$1"'","metadata":{"name":"team-'"$2"'","labels":{"a":"b"}},
			"spec":{"hostnames":["'"$2"'.example"],"rules":['"$old"',{"backendRefs":'"${backends//WEB/$2}"'}]}}'
		;;
	esac
}

given_canary() { # KIND NAME PROVIDER
	team_route "$1" "$2"
	echo '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"'"$2"'"},"spec":{"replicas":1,"selector":{"matchLabels":
		{"app":"'"$2"'"}},"template":{"metadata":{"labels":{"app":"'"$2"'"}},"spec":{"containers":[{"name":"c","image":"c:1"}]}}}}'
	echo '{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"'"$2"'"},"spec":{"provider":"'"$3"'",
		"revertOnDeletion":true,"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"'"$2"'"},"routeRef":{"apiVersion":
		"v1","kind":"'"$1"'","name":"team-'"$2"'"},"service":{"port":80},"analysis":{"interval":"1s","threshold":3,
		"stepWeight":50}}}'
}

routes() { # FILTER
	for name in httproutes/team-web grpcroutes/team-rpc virtualservices.networking.istio.io/team-mesh; do
		kube get "$name" -o json | jq -c "$1"
	done
}
masked='.spec | walk(if type == "object" then del(.weight) else . end)'
weights='[.. | objects | select(has("weight")) | .weight]'

start_store
in_namespace team
{
	given_canary HTTPRoute web gatewayapi:v1
	given_canary GRPCRoute rpc gatewayapi:v1
	given_canary VirtualService mesh istio
} | kube apply -f - >"$folder/given" 2>&1 || wrong "$(cat "$folder/given")"
routes .spec >"$folder/before"
routes "$masked" >"$folder/before-masked"
"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --metrics-server "$address" --min-analysis-interval 1s --port 0 \
	>"$folder/daemon.log" 2>&1 &
daemon=$!

until_it 40 "not all are Initialized" all_in_phase Initialized
say "weights at rest: $(routes "$weights" | tr '\n' ' ')"
# The API server's 1 is of the rule that leads elsewhere.
[ "$(routes "$weights" | sort -u | tr '\n' ' ')" = "[0,100] [1,100,0] " ] || wrong "not all is on the primaries"
for name in web rpc mesh; do kube set image "deployment/$name" c=c:2 >/dev/null; done
until_it 40 "not all are Succeeded" all_in_phase Succeeded
taken=$(jq -r 'select(.verb == "patch" and .stage == "ResponseComplete" and (.objectRef.name // "" | startswith("team-"))) |
	.objectRef.resource' "$BED/audit.log" | sort | uniq -c | awk '{ printf "%s %d ", $2, $1 }')
say "patches of each: $taken"
routes "$masked" >"$folder/after-masked"
diff "$folder/before-masked" "$folder/after-masked" >"$folder/differs" || wrong "more than weights changed: $(cat "$folder/differs")"

for name in web rpc mesh; do kube delete canary "$name" --wait=false >/dev/null; done
until_it 30 "canaries do not go" are_gone
routes .spec >"$folder/after"
diff "$folder/before" "$folder/after" >"$folder/differs" || wrong "the routes are not as they were: $(cat "$folder/differs")"
kill $daemon $store
wait $daemon $store
