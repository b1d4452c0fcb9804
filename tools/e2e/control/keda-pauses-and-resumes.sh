# a ScaledObject is paused at rest and resumed for a release; the primary's passes KEDA's own schema and is never paused

given_cluster ours all
gzip -dc spec/crds/keda.yaml.gz | "$kubectl" --kubeconfig "$BED/admin.kubeconfig" apply --server-side -f - >/dev/null ||
	wrong "KEDA's CRD is not taken"
"$kubectl" --kubeconfig "$BED/admin.kubeconfig" wait --for condition=established --timeout 30s crd/scaledobjects.keda.sh >/dev/null

# KEDA, as far as its annotation and its least go.
play() {
	local name wanted now
	while read -r name wanted; do
		now=$(kube get deployment "$name" -o jsonpath='{.spec.replicas}' 2>/dev/null) || continue
		case $wanted in
		paused:*) wanted=${wanted#paused:} ;;
		*) [ "$now" -lt "$wanted" ] || wanted=$now ;;
		esac
		[ "$now" = "$wanted" ] || kube scale deployment "$name" --replicas "$wanted" >/dev/null
	done < <(kube get scaledobjects -o json | jq -r '.items[] | .spec.scaleTargetRef.name + " " +
		(if .metadata.annotations["autoscaling.keda.sh/paused-replicas"] then
		"paused:" + .metadata.annotations["autoscaling.keda.sh/paused-replicas"] else "\(.spec.minReplicaCount // 0)" end)')
	make_ready
}
paused() { kube get "scaledobject/$1" -o json | jq -r '.metadata.annotations["autoscaling.keda.sh/paused-replicas"] // "no"'; }
has_pods() { [ "$(kube get deployment "$1" -o jsonpath='{.spec.replicas}')" = "$2" ]; }
is_made() { kube get scaledobject "$1" >/dev/null 2>&1; }

start_store
in_namespace keda
kube apply -f - >"$folder/given" 2>&1 <<'END' || wrong "$(cat "$folder/given")"
{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":
"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"c:1"}]}}}},
{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","metadata":{"name":"web"},"spec":{"scaleTargetRef":{"name":"web"},
"minReplicaCount":2,"maxReplicaCount":6,"advanced":{"horizontalPodAutoscalerConfig":{"name":"web-hpa"}},"triggers":[{"name":
"load","type":"prometheus","metadata":{"serverAddress":"http://prometheus","threshold":"100","query":
"sum(rate(requests{app=\"web\"}[30s]))"}}]}},
{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"web"},"spec":{"provider":"istio","revertOnDeletion":
true,"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"autoscalerRef":{"apiVersion":"keda.sh/v1alpha1",
"kind":"ScaledObject","name":"web","primaryScalerReplicas":{"minReplicas":3}},"service":{"port":80},"analysis":{"interval":
"1s","threshold":3,"maxWeight":50,"stepWeight":25}}}]}
END
"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --metrics-server "$address" --min-analysis-interval 1s --port 0 \
	>"$folder/daemon.log" 2>&1 &
daemon=$!

until_it 40 "it is not initialized" in_phase Initialized
[ "$(paused web)" = 0 ] || wrong "at rest the target's is paused at: $(paused web)"
[ "$(paused web-primary)" = no ] || wrong "the primary's is paused"
primary=$(kube get scaledobject web-primary -o json | jq -c '[.spec.scaleTargetRef.name, .spec.minReplicaCount, .spec.maxReplicaCount,
	.spec.advanced.horizontalPodAutoscalerConfig.name, .spec.triggers[0].metadata.query]')
[ "$primary" = '["web-primary",3,6,"web-hpa-primary","sum(rate(requests{app=\"web-primary\"}[30s]))"]' ] ||
	wrong "the primary's is $primary"
until_it 10 "the primary has not 3 pods" has_pods web-primary 3
has_pods web 0 || wrong "the target has pods at rest"
say "at rest: the target's paused at 0, the primary with its own three pods"

kube set image deployment/web c=c:2 >/dev/null
until_it 20 "the target gets no pods" has_pods web 2
[ "$(paused web)" = no ] || wrong "in a release the target's is paused at $(paused web)"
until_it 60 "not promoted" in_phase Succeeded
until_it 10 "the target keeps its pods" has_pods web 0
[ "$(paused web)" = 0 ] || wrong "after the release it is paused at: $(paused web)"
[ "$(paused web-primary)" = no ] || wrong "after the release the primary's is paused"
kube delete scaledobject web-primary >/dev/null
until_it 10 "the primary's is not made again" is_made web-primary
[ "$(paused web-primary)" = no ] || wrong "made again, the primary's is paused"
has_pods web-primary 3 || wrong "the primary lost its pods"
say "a release: resumed, promoted, paused; the primary's made again is not paused"

ref=$(kube get canary web -o json | jq -c '{spec: {autoscalerRef: .spec.autoscalerRef}}')
is_resumed() { [ "$(paused web)" = no ]; }
kube patch canary web --type=merge -p '{"spec":{"autoscalerRef":null}}' >/dev/null
until_it 10 "what is named no more stays paused" is_resumed
until_it 10 "what is named no more gets no pods" has_pods web 2
kube patch canary web --type=merge -p "$ref" >/dev/null
kube set image deployment/web c=c:3 >/dev/null
runs_3() { [ "$(kube get deployment web-primary -o jsonpath='{.spec.template.spec.containers[0].image}')" = c:3 ]; }
until_it 60 "not promoted" runs_3
until_it 60 "the target keeps its pods" has_pods web 0
[ "$(paused web)" = 0 ] || wrong "named again, it is paused at: $(paused web)"
say "named no more it is resumed, named again it is paused after the release"

kube delete canary web --wait=false >/dev/null
until_it 40 "the canary does not go" are_gone
[ "$(paused web)" = no ] || wrong "given back it is paused at $(paused web)"
until_it 10 "given back it has not the primary's pods" has_pods web 3
kill $daemon $store
wait $daemon $store
