# whatever ConfigMap or Secret a pod uses sets off a release when it changes, and nothing else of it does

given_cluster ours all
kube() { "$kubectl" --kubeconfig "$BED/admin.kubeconfig" -n team "$@"; }

# The controllers of Deployments, and a kubelet whose pods are ready at once.
"$here/bed.sh" stop kube-controller-manager
BED_CONTROLLERS=deployment-controller,replicaset-controller,endpointslice-controller,$BED_CONTROLLERS \
	"$here/bed.sh" start kube-controller-manager
mkdir -p "$folder/kubelet/pods"
"$PROGRAMS/e2e-kubelet" --kubeconfig "$BED/admin.kubeconfig" --app "$PROGRAMS/e2e-app" --run "$folder/kubelet" --hollow \
	>"$folder/kubelet.log" 2>&1 &
kubelet=$!
for _ in $(seq 50); do
	! "$kubectl" --kubeconfig "$BED/admin.kubeconfig" taint node fake node.kubernetes.io/not-ready:NoSchedule- >/dev/null 2>&1 || break
	sleep 0.2
done

# Each by a name that says how it is used.
uses='{"volumes":[{"name":"a","configMap":{"name":"c-volume"}},{"name":"b","secret":{"secretName":"s-volume"}},
	{"name":"p","projected":{"sources":[{"configMap":{"name":"c-projected"}},{"secret":{"name":"s-projected"}}]}}],
	"initContainers":[{"name":"i","image":"app:1","envFrom":[{"configMapRef":{"name":"c-init"}}]}],
	"containers":[{"name":"c","image":"app:1","env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"c-env","key":"word"}}},
	{"name":"B","valueFrom":{"secretKeyRef":{"name":"s-env","key":"word"}}}],
	"envFrom":[{"configMapRef":{"name":"c-from"}},{"secretRef":{"name":"s-from"}},{"configMapRef":{"name":"c-later","optional":true}},
	{"secretRef":{"name":"s-out"}},{"configMapRef":{"name":"c-fixed"}}]}]}'
names="c-volume s-volume c-projected s-projected c-init c-env s-env c-from s-from"

config() { # NAME WORD [MORE]: s-… is a Secret
	case $1 in
	s-*) echo '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"'"$1"'"'"${3:-}"'},"stringData":{"word":"'"$2"'"}}' ;;
	*) echo '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"'"$1"'"'"${3:-}"'},"data":{"word":"'"$2"'"}}' ;;
	esac
}
fixed() { config c-fixed "$1" | sed 's/"data"/"immutable":true,&/'; }
given() {
	for name in $names; do
		config "$name" one
	done
	config s-out one ',"annotations":{"flagger.app/config-tracking":"disabled"}'
	fixed one
	echo '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"app"},"spec":{"replicas":1,"selector":{"matchLabels":
		{"app":"app"}},"template":{"metadata":{"labels":{"app":"app"}},"spec":'"$uses"'}}}'
	echo '{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"app"},"spec":{"provider":"kubernetes","skipAnalysis":true,
		"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"app"},"progressDeadlineSeconds":60,"service":{"port":80},
		"analysis":{"interval":"1s","threshold":3,"iterations":1}}}'
}

until_it() { # SECONDS WHAT COMMAND…: within so many seconds
	local _ seconds=$1 what=$2
	shift 2
	for _ in $(seq $((seconds * 5))); do
		! "$@" || return 0
		sleep 0.2
	done
	wrong "not in $seconds s: $what"
	kube get canaries,deployments,pods >>"$folder/wrong" 2>&1
	return 1
}
phase_is() { [ "$(kube get canary app -o json | jq -r .status.phase)" = "$1" ]; }
# How many releases have begun: the events of one text are one object with a count, or some.
releases_begun() { kube get events -o json | jq '[.items[] | select(.message | startswith("New revision detected")) | .count // 1] | add // 0'; }
begun_are() { [ "$(releases_begun)" -ge "$1" ] && phase_is Succeeded; }
copy_says() { # NAME WORD: the primary's copy
	case $1 in
	s-*) [ "$(kube get secret "$1-primary" -o json | jq -r '.data.word | @base64d')" = "$2" ] ;;
	*) [ "$(kube get configmap "$1-primary" -o json | jq -r .data.word)" = "$2" ] ;;
	esac
}
primary_uses() { # FILTER OF jq: within the pod's spec of the primary
	[ "$(kube get deployment app-primary -o json | jq -r ".spec.template.spec | $1")" = "$2" ]
}

"$kubectl" --kubeconfig "$BED/admin.kubeconfig" create namespace team >/dev/null
given | kube apply -f - >"$folder/given" 2>&1 || wrong "$(cat "$folder/given")"
"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --min-analysis-interval 1s --port 0 >"$folder/daemon.log" 2>&1 &
daemon=$!
until_it 60 "Initialized" phase_is Initialized
for name in $names c-fixed; do
	copy_says "$name" one || wrong "$name is not copied"
done
! kube get secret s-out-primary >/dev/null 2>&1 || wrong "what is opted out is copied"
primary_uses '.volumes[2].projected.sources[1].secret.name' s-projected-primary || wrong "the primary has not the copy"
say "copies for the primary"

count=0
for name in $names; do
	config "$name" two | kube apply -f - >/dev/null
	count=$((count + 1))
	until_it 30 "a release by $name" begun_are $count
	until_it 10 "the copy of $name" copy_says "$name" two
done
say "$count ways to use a config, $count releases"

nothing_begins() { # WHAT
	sleep 3
	[ "$(releases_begun)" = $count ] || wrong "$1 set off a release"
	count=$(releases_begun)
}
config s-out two ',"annotations":{"flagger.app/config-tracking":"disabled"}' | kube apply -f - >/dev/null
nothing_begins "a Secret that is opted out"
kube label configmap c-from colour=blue >/dev/null
nothing_begins "a label of a ConfigMap"
for i in $(seq 20); do
	kube annotate --overwrite secret s-from renewed="$i" >/dev/null
done
nothing_begins "a Secret that is written again and again"
say "what is opted out, and what says the same, sets off nothing"

config c-later one | kube apply -f - >/dev/null
count=$((count + 1))
until_it 30 "a release by an optional ConfigMap that comes later" begun_are $count
primary_uses '.containers[0].envFrom[2].configMapRef.name' c-later-primary || wrong "the primary has not the copy of it"
kube delete configmap c-later >/dev/null
count=$((count + 1))
until_it 30 "a release by an optional ConfigMap that goes" begun_are $count
primary_uses '.containers[0].envFrom[2].configMapRef.name' c-later || wrong "the primary has a copy of what is gone"
say "an optional ConfigMap comes and goes"

kube patch configmap c-from --type=merge -p '{"binaryData":{"logo":"AAEC"}}' >/dev/null
count=$((count + 1))
until_it 30 "a release by binaryData" begun_are $count
[ "$(kube get configmap c-from-primary -o json | jq -r .binaryData.logo)" = AAEC ] || wrong "binaryData is not copied"
kube delete configmap c-fixed >/dev/null
sleep 2
copy_says c-fixed one || wrong "the copy of what is gone for a moment has changed"
fixed two | kube apply -f - >/dev/null
count=$((count + 1))
until_it 30 "a release by an immutable ConfigMap that is made anew" begun_are $count
until_it 10 "the copy of it" copy_says c-fixed two
say "binaryData, and an immutable ConfigMap"
nothing_begins "nothing at all"

kill $daemon $kubelet
wait $daemon $kubelet 2>/dev/null
