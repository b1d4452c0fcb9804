# an HPA, a ConfigMap, a Secret, a MetricTemplate, an AlertProvider and a policy: copied, followed, asked and told in a release

given_cluster
kube() { "$kubectl" --kubeconfig "$BED/admin.kubeconfig" -n team "$@"; }

# There is no kubelet: whatever is asked for is ready.
play() {
	local name generation replicas
	while read -r name generation replicas; do
		kube patch deployment "$name" --subresource=status --type=merge -p '{"status":{"observedGeneration":'"$generation"',
			"replicas":'"$replicas"',"updatedReplicas":'"$replicas"',"readyReplicas":'"$replicas"',
			"availableReplicas":'"$replicas"'}}' >/dev/null 2>&1
	done < <(kube get deployments -o json | jq -r '.items[] | select(.metadata.generation != .status.observedGeneration) |
		"\(.metadata.name) \(.metadata.generation) \(.spec.replicas)"')
}
until_it() { # SECONDS WHAT COMMAND...
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	while [ $SECONDS -lt $deadline ]; do
		play
		"$@" && return 0
		sleep 0.3
	done
	wrong "$what: phase $(kube get canary web -o jsonpath='{.status.phase}')"
	kube get events -o json | jq -r '.items[].message' | tail -20
	return 1
}
in_phase() { [ "$(kube get canary web -o jsonpath='{.status.phase}')" = "$1" ]; }
# is KIND NAME FILTER WANTED: what jq makes of it
is() { [ "$(kube get "$1" "$2" -o json 2>/dev/null | jq -rc "$3")" = "$4" ]; }
expect() { is "$@" || wrong "$1 $2: $3 is $(kube get "$1" "$2" -o json | jq -rc "$3"), not $4"; }
told() { grep -q "^alert .*$1" "$folder/hooks/calls"; }

mkdir -p "$folder/hooks"
"$PROGRAMS/e2e-receiver" --port 18093 --run "$folder" >"$folder/receiver.log" 2>&1 & # metric store and receiver of alerts
receiver=$!
"$kubectl" --kubeconfig "$BED/admin.kubeconfig" create namespace team >/dev/null
kube apply -f - >"$folder/given" 2>&1 <<'END' || wrong "$(cat "$folder/given")"
{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"colour":"blue"}},
{"apiVersion":"v1","kind":"Secret","metadata":{"name":"keys"},"stringData":{"key":"one"}},
{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"rules"},"data":{"steps.lua":
"return { step = function(rollout) if rollout.weight >= 40 then return { action = 'promote' } end return { action = 'route', weight = rollout.weight + 20 } end }"}},
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":
"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"c:1","envFrom":[
{"configMapRef":{"name":"settings"}},{"secretRef":{"name":"keys"}}]}]}}}},
{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web"},"spec":{"scaleTargetRef":{"apiVersion":
"apps/v1","kind":"Deployment","name":"web"},"minReplicas":2,"maxReplicas":4}},
{"apiVersion":"flagger.app/v1beta1","kind":"MetricTemplate","metadata":{"name":"errors"},"spec":{"provider":{"type":"prometheus",
"address":"http://127.0.0.1:18093"},"query":"sum(errors{namespace=\"{{ namespace }}\"})"}},
{"apiVersion":"flagger.app/v1beta1","kind":"AlertProvider","metadata":{"name":"chat"},"spec":{"type":"slack","channel":"general",
"username":"sluice","address":"http://127.0.0.1:18093/alert"}},
{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"web","annotations":{"sluice.dev/policy":
"configmap/rules/steps.lua"}},"spec":{"provider":"appmesh:v1beta2","targetRef":{"apiVersion":"apps/v1","kind":"Deployment",
"name":"web"},"autoscalerRef":{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","name":"web"},"service":{"port":80,
"meshName":"e2e"},"analysis":{"interval":"1s","threshold":3,"maxWeight":50,"stepWeight":25,"metrics":[{"name":"errors",
"templateRef":{"name":"errors"},"interval":"1m","thresholdRange":{"min":0}}],"alerts":[{"name":"team","severity":"info",
"providerRef":{"name":"chat"}}]}}}]}
END
"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --metrics-server http://127.0.0.1:18093 --min-analysis-interval 1s \
	--port 0 >"$folder/daemon.log" 2>&1 &
daemon=$!
ran=yes

until_it 40 "it is not initialized" in_phase Initialized
expect configmap settings-primary .data.colour blue
expect secret keys-primary '.data.key | @base64d' one
expect hpa web-primary '[.spec.scaleTargetRef.name, .spec.minReplicas, .spec.maxReplicas]' '["web-primary",2,4]'
expect deployment web-primary '[.spec.template.spec.containers[0].envFrom[][].name]' '["settings-primary","keys-primary"]'
say "initialized: the primary has its own ConfigMap, Secret and HPA"

kube patch hpa web --type=merge -p '{"spec":{"maxReplicas":6}}' >/dev/null
kube patch configmap settings --type=merge -p '{"data":{"colour":"green"}}' >/dev/null
until_it 40 "a changed ConfigMap is no release" in_phase Progressing
expect configmap settings-primary .data.colour blue
until_it 60 "not promoted" in_phase Succeeded
expect configmap settings-primary .data.colour green
until_it 10 "the primary's HPA does not follow" is hpa web-primary .spec.maxReplicas 6
weights=$(kube get events -o json | jq -r '.items[].message | select(test("canary weight")) | sub(".* "; "")' | sort -n | tr '\n' ' ')
[ "$weights" = "20 40 " ] || wrong "the policy's weights were not those: $weights"
until_it 10 "nobody was told" told "promotion finished"
say "a ConfigMap is released: weights ${weights% } by the policy, alerts heard: $(wc -l <"$folder/hooks/calls")"

kube patch secret keys --type=merge -p '{"stringData":{"key":"two"}}' >/dev/null
until_it 40 "a changed Secret is no release" in_phase Progressing
until_it 60 "not promoted" in_phase Succeeded
expect secret keys-primary '.data.key | @base64d' two
! grep -rq 'two\|dHdv' "$folder/daemon.log" "$folder/hooks/calls" || wrong "what is secret is told"
say "a Secret is released"

kube patch canary web --type=merge -p '{"spec":{"service":{"timeout":"7s","backends":["other"]}}}' >/dev/null
until_it 20 "the routes do not follow the service" is virtualnode web-primary '.spec.backends | length' 1
kill $daemon $receiver
wait $daemon $receiver
