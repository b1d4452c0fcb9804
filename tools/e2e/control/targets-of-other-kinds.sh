# a DaemonSet, a Service and a StatefulSet are released and rolled back, as Kubernetes' own controllers roll them out

given_cluster ours all
kube() { "$kubectl" --kubeconfig "$BED/admin.kubeconfig" -n team "$@"; }
rest=2147483647

# The controllers of all kinds, and a kubelet whose pods are ready at once.
"$here/bed.sh" stop kube-controller-manager
BED_CONTROLLERS=daemonset-controller,statefulset-controller,endpointslice-controller,$BED_CONTROLLERS \
	"$here/bed.sh" start kube-controller-manager
mkdir -p "$folder/kubelet/pods"
"$PROGRAMS/e2e-kubelet" --kubeconfig "$BED/admin.kubeconfig" --app "$PROGRAMS/e2e-app" --run "$folder/kubelet" --hollow \
	>"$folder/kubelet.log" 2>&1 &
kubelet=$!
# A new node is tainted until the controller of nodes has seen it, which is none of these.
for _ in $(seq 50); do
	! "$kubectl" --kubeconfig "$BED/admin.kubeconfig" taint node fake node.kubernetes.io/not-ready:NoSchedule- >/dev/null 2>&1 || break
	sleep 0.2
done

template() { # NAME IMAGE [MORE]
	echo '{"metadata":{"labels":{"app":"'"$1"'"}},"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"c",
		"image":"'"$2"'"'"${3:-}"'}]}}'
}
canary() { # API-VERSION KIND NAME PROVIDER ANALYSIS
	echo '{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"'"$3"'"},"spec":{"provider":"'"$4"'",
		"targetRef":{"apiVersion":"'"$1"'","kind":"'"$2"'","name":"'"$3"'"},"progressDeadlineSeconds":60,"service":{"port":80},
		"analysis":{"interval":"2s","threshold":3,'"$5"'}}}'
}
uses=',"envFrom":[{"configMapRef":{"name":"settings"}},{"secretRef":{"name":"password","optional":true}}]'
given_targets() {
	echo '{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"agent"},"spec":{"selector":{"matchLabels":{"app":"agent"}},
		"template":'"$(template agent agent:1)"'}}'
	echo '{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db"},"spec":{"replicas":4,"serviceName":"db","selector":
		{"matchLabels":{"app":"db"}},"template":'"$(template db db:1 "$uses")"'}}'
	echo '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"cache":"1Gi"}}'
	echo '{"apiVersion":"v1","kind":"Service","metadata":{"name":"shop"},"spec":{"ports":[{"port":80}],"selector":{"app":"db"}}}'
	canary apps/v1 DaemonSet agent kubernetes '"iterations":2'
	canary apps/v1 StatefulSet db istio '"stepWeights":[25,50,75]'
	canary v1 Service shop istio '"stepWeight":50,"maxWeight":50'
}

# until_it SECONDS WHAT COMMAND…: within so many seconds.
until_it() {
	local _ seconds=$1 what=$2
	shift 2
	for _ in $(seq $((seconds * 5))); do
		! "$@" || return 0
		sleep 0.2
	done
	wrong "not in $seconds s: $what"
	kube get canaries,daemonsets,statefulsets,pods >>"$folder/wrong" 2>&1
	kube get events -o json | jq -r '.items[] | .message' | tail -20
	return 1
}
phase_is() { [ "$(kube get canary "$1" -o json | jq -r .status.phase)" = "$2" ]; }
weight_is() { [ "$(kube get canary "$1" -o json | jq -r .status.canaryWeight)" = "$2" ]; }
images() { # NAME: of its ready pods, by their names
	kube get pods -l "app=$1" -o json | jq -r '[.items | sort_by(.metadata.name)[] | select(.status.conditions // [] |
		any(.type == "Ready" and .status == "True")) | .spec.containers[0].image | split(":")[1]] | join(" ")'
}
images_are() { [ "$(images "$1")" = "$2" ]; }
partition_is() { [ "$(kube get statefulset db -o json | jq -r .spec.updateStrategy.rollingUpdate.partition)" = "$1" ]; }
release() { # KIND NAME IMAGE
	kube patch "$1" "$2" --type=json -p '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"'"$3"'"}]' \
		>/dev/null || wrong "$1 $2 is not released"
}

"$kubectl" --kubeconfig "$BED/admin.kubeconfig" create namespace team >/dev/null
given_targets | kube apply -f - >"$folder/given" 2>&1 || wrong "$(cat "$folder/given")"
"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --min-analysis-interval 1s --port 0 >"$folder/daemon.log" 2>&1 &
daemon=$!
for name in agent db shop; do
	until_it 60 "$name Initialized" phase_is $name Initialized
done
until_it 10 "the DaemonSet is stopped" images_are agent ""
until_it 10 "its primary runs" images_are agent-primary 1
until_it 10 "the partition is beyond all pods" partition_is $rest
say "initialized"

release daemonset agent agent:2
until_it 30 "the DaemonSet runs for its release" images_are agent 2
until_it 60 "agent Succeeded" phase_is agent Succeeded
until_it 10 "the DaemonSet is stopped again" images_are agent ""
until_it 10 "its primary runs the new revision" images_are agent-primary 2
say "the DaemonSet is released"

release statefulset db db:2
until_it 30 "one pod of four" images_are db "1 1 1 2"
until_it 30 "two pods of four" images_are db "1 1 2 2"
until_it 30 "three pods of four" images_are db "1 2 2 2"
until_it 60 "db Succeeded" phase_is db Succeeded
until_it 10 "all pods" images_are db "2 2 2 2"
partition_is $rest || wrong "the partition stays down"
say "the StatefulSet is released"

deletions() {
	jq -r 'select(.verb == "delete" and .objectRef.resource == "pods" and .stage == "ResponseComplete" and
		(.user.username | endswith(":sluice"))) | .requestReceivedTimestamp' "$BED/audit.log" | wc -l
}
# updated_are N: so many ready pods are of the revision that its template says.
updated_are() {
	local to
	to=$(kube get statefulset db -o json | jq -r .status.updateRevision)
	[ "$(kube get pods -l app=db -o json | jq --arg to "$to" '[.items[] | select(.status.conditions // [] |
		any(.type == "Ready" and .status == "True")) | select(.metadata.labels["controller-revision-hash"] == $to)] | length')" = "$1" ]
}
uids() { kube get pods -l app=db -o json | jq -r '[.items | sort_by(.metadata.name)[] | .metadata.uid] | join(" ")'; }
mark() { kube get statefulset db -o json | jq -r '.spec.template.metadata.annotations["sluice.dev/configs"]'; }
[ "$(mark)" = null ] || wrong "the template has a mark before its configs changed"
kube patch configmap settings --type=merge -p '{"data":{"cache":"2Gi"}}' >/dev/null
until_it 30 "one pod of four has the new config" updated_are 1
until_it 30 "two pods of four have it" updated_are 2
until_it 60 "three pods of four have it" updated_are 3
until_it 60 "the config is Succeeded" phase_is db Succeeded
until_it 10 "all pods have it" updated_are 4
partition_is $rest || wrong "the partition stays down after the config"
say "a changed ConfigMap of the StatefulSet is released"

marked=$(mark) before=$(uids)
kube patch statefulset db --type=merge -p '{"spec":{"template":{"metadata":{"annotations":null}}}}' >/dev/null
mark_is() { [ "$(mark)" = "$1" ]; }
until_it 20 "the mark that somebody dropped" mark_is "$marked"
sleep 4
[ "$(uids)" = "$before" ] || wrong "pods restarted, as somebody dropped the mark"
kube create secret generic password --from-literal=word=a >/dev/null
until_it 60 "a Secret that was not there is a release" phase_is db Progressing
kube annotate canary db sluice.dev/command=abort >/dev/null
until_it 30 "it is aborted" phase_is db Failed
until_it 60 "no pod has the Secret" updated_are 0
before=$(uids)
kube delete secret password >/dev/null
until_it 20 "the template says what its stable pods have" mark_is "$marked"
sleep 4
[ "$(uids)" = "$before" ] || wrong "pods restarted, as what was changed was put back"
phase_is db Failed || wrong "what was put back is a release"
kube annotate canary db sluice.dev/command- >/dev/null
say "a Secret that is put back sets off nothing"
deleted=$(deletions)

release statefulset db db:3
until_it 60 "half of the pods" images_are db "2 2 3 3"
kube annotate canary db sluice.dev/command=abort >/dev/null
until_it 30 "db Failed" phase_is db Failed
until_it 60 "all pods are stable again" images_are db "2 2 2 2"
partition_is $rest || wrong "the partition is not up after the rollback"
[ "$(kube get statefulset db -o json | jq -r '.spec.template.spec.containers[0].image')" = db:3 ] || wrong "the template was touched"
at_once=$(deletions)
[ $((at_once - deleted)) = 2 ] || wrong "$((at_once - deleted)) pods were deleted, not 2"
say "the StatefulSet is rolled back, pod by pod"

kube patch service shop --type=merge -p '{"spec":{"selector":{"app":"agent-primary"}}}' >/dev/null
until_it 30 "the Service has half of the traffic" weight_is shop 50
[ "$(kube get service shop-canary -o json | jq -r .spec.selector.app)" = agent-primary ] || wrong "the canary's copy does not follow"
[ "$(kube get service shop-primary -o json | jq -r .spec.selector.app)" = db ] || wrong "the primary's copy follows too soon"
until_it 60 "shop Succeeded" phase_is shop Succeeded
[ "$(kube get service shop-primary -o json | jq -r .spec.selector.app)" = agent-primary ] || wrong "the primary's copy does not follow"
say "the Service is released"

kill $daemon $kubelet
wait $daemon $kubelet 2>/dev/null
