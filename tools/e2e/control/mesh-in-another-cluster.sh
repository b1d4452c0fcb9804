# the mesh is in a second real cluster: routes are there and stay there, all else is here, and nobody needs more than he gets
# First: it takes minutes.

given_cluster ours
mesh=$folder/mesh
BED=$mesh "$here/bed.sh" up 2>/dev/null || wrong "no second cluster"
BED=$mesh "$here/bed.sh" install ours all 2>>"$folder/install" || wrong "the second cluster is not as it should be"
# What a Canary in another cluster has made, no garbage collector takes away.
"$kubectl" --kubeconfig "$mesh/admin.kubeconfig" patch clusterrole sluice-istio --type=json \
	-p '[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]' >/dev/null
there() { "$kubectl" --kubeconfig "$mesh/admin.kubeconfig" -n apart "$@"; }
weight() { there get virtualservices.networking.istio.io web -o json 2>/dev/null |
	jq -r '.spec.http[0].route[] | select(.destination.host | test("canary")) | .weight'; }
has_weight() { [ "$(weight)" = "$1" ]; }
routes() { there get virtualservices.networking.istio.io,destinationrules.networking.istio.io -o name | sort | tr '\n' ' '; }

start_store
in_namespace apart
there create namespace apart >/dev/null
kube apply -f - >"$folder/given" 2>&1 <<'END' || wrong "$(cat "$folder/given")"
{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":
"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"c:1"}]}}}},
{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"web"},"spec":{"provider":"istio","revertOnDeletion":
true,"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"service":{"port":80},"analysis":{"interval":
"2s","threshold":3,"maxWeight":50,"stepWeight":25}}}]}
END
start_daemon() {
	"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --kubeconfig-service-mesh "$mesh/sluice.kubeconfig" \
		--metrics-server "$address" --min-analysis-interval 2s --port 0 >>"$folder/daemon.log" 2>&1 &
	daemon=$!
}
start_daemon

until_it 60 "it is not initialized" in_phase Initialized
has_weight 0 || wrong "initialized it has weight $(weight)"
made=$(routes)
say "made there: $made"
sleep 15 # the garbage collector has seen them
[ "$(routes)" = "$made" ] || wrong "the garbage collector took them away: $(routes)"
there get virtualservices.networking.istio.io web -o json | jq -e '.metadata | .ownerReferences == null and
	(.annotations["sluice.dev/canary"] | startswith("web/"))' >/dev/null || wrong "it does not say whose it is"
kube set image deployment/web c=c:2 >/dev/null
until_it 40 "no first step" has_weight 25
until_it 60 "not promoted" in_phase Succeeded
has_weight 0 || wrong "promoted it has weight $(weight)"
say "a release: weights there, pods here"
there patch virtualservices.networking.istio.io web --type=json -p '[{"op":"replace","path":"/spec/http/0/route/1/weight","value":90},
	{"op":"replace","path":"/spec/http/0/route/0/weight","value":10}]' >/dev/null
until_it 5 "weights that somebody edits there are not put back" has_weight 0

# Another controller has it in mid-run, and is gone: as Flagger leaves it, no route there names an owner, by whatever means.
kube patch canary web --type=merge -p '{"spec":{"analysis":{"interval":"8s"}}}' >/dev/null
kube set image deployment/web c=c:3 >/dev/null
until_it 40 "no first step" has_weight 25
kill $daemon
wait $daemon
kube get canary web -o json | jq '.status.conditions |= map(select(.type == "Promoted"))' >"$folder/left"
kube replace --subresource=status -f "$folder/left" >/dev/null || wrong "the status is not as it was left"
there annotate virtualservices.networking.istio.io,destinationrules.networking.istio.io --all sluice.dev/canary- >/dev/null
revisions() { kube get events -o json | jq '[.items[] | select(.message | test("New revision")) | .count // 1] | add'; }
before=$(revisions)
"$kubectl" --kubeconfig "$mesh/admin.kubeconfig" -n apart get virtualservices.networking.istio.io web -w -o json >"$folder/seen" 2>/dev/null &
seeing=$!
start_daemon
until_it 60 "taken over, it is not promoted" in_phase Succeeded
until_it 10 "the canary keeps traffic" has_weight 0
sleep 1
kill $seeing
wait $seeing
weights=$(jq -rs '[.[].spec.http[0].route[] | select(.destination.host | test("canary")) | .weight] | reduce .[] as $one ([];
	if .[-1] == $one then . else . + [$one] end) | join(" ")' "$folder/seen")
[ "$weights" = "25 50 0" ] || wrong "taken over, the weights were $weights"
[ "$(revisions)" = "$before" ] || wrong "the change of controller set a rollout off"
[ "$(kube get deployment web-primary -o jsonpath='{.spec.template.spec.containers[0].image}')" = c:3 ] || wrong "the primary has not followed"
there get virtualservices.networking.istio.io,destinationrules.networking.istio.io -o json | jq -e '.items | length == 3 and all(
	.metadata.annotations["sluice.dev/canary"] | startswith("web/"))' >/dev/null || wrong "they do not say whose they are"
say "taken over in mid-run: weights there were $weights"

sleep 2
since=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
sleep 5
at_rest=$(requests "$since" 9999 '.verb + " " + .requestURI'; BED=$mesh requests "$since" 9999 '.verb + " " + .requestURI')
[ -z "$at_rest" ] || wrong "at rest: $at_rest"
kube delete canary web --wait=false >/dev/null
until_it 40 "the canary does not go" are_gone
[ -z "$(routes)" ] || wrong "left there: $(routes)"
kill $daemon $store
wait $daemon $store
say "there: $(jq -r --arg account "$account" 'select(.user.username == $account) | .objectRef.resource' "$mesh/audit.log" |
	by_count)"
asked=$(jq -r --arg account "$account" 'select(.user.username == $account) | .objectRef.apiGroup // "core"' "$mesh/audit.log" |
	sort -u | tr '\n' ' ')
[ "$asked" = "networking.istio.io " ] || wrong "the mesh's cluster was asked about $asked"
BED=$mesh expect_own_account
BED=$mesh "$here/bed.sh" down
cp "$mesh/audit.log" "$folder/mesh-audit.log"
rm -rf "$mesh"
