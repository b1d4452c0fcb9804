# `kubectl apply -k tools/deploy` on a cluster that has nothing: all of it is accepted, and the daemon's pods too

# As it would be without us: by the ReplicaSet's controller, in a namespace that allows restricted pods alone.
"$here/bed.sh" kill kube-controller-manager
BED_CONTROLLERS=serviceaccount-controller,deployment-controller,replicaset-controller "$here/bed.sh" start kube-controller-manager
kube() { "$kubectl" --kubeconfig "$BED/admin.kubeconfig" "$@"; }
kube apply -k "$root/tools/deploy" >"$folder/applied" 2>&1 || wrong "$(cat "$folder/applied")"
for _ in $(seq 100); do
	pods=$(kube -n sluice-system get pods -o name | wc -l)
	[ "$pods" -lt 2 ] || break
	sleep 0.2
done
[ "$pods" = 2 ] || wrong "$pods pods: $(kube -n sluice-system get events)"
say "applied: $(grep -c created "$folder/applied") objects, $pods pods"
kube apply -k "$root/tools/deploy" >"$folder/again" 2>&1 || wrong "$(cat "$folder/again")"
# (The selector of a PodDisruptionBudget is sent each time: its patch strategy is "replace".)
! grep -v 'unchanged$\|^poddisruptionbudget' "$folder/again" || wrong "applied twice is not applied once"

# What Flagger takes, ours takes: every canary of its transcripts, and nothing of it is dropped.
kube wait --for condition=established --timeout 30s crd --all >/dev/null
taken=0
for transcript in "$root"/spec/golden/*.json; do
	while read -r given; do
		name=$(basename "$transcript" .json)
		if ! stored=$(kube -n default create --dry-run=server -o json -f - <<<"$given" 2>&1); then
			wrong "$name: $stored"
		elif ! jq -e --argjson given "$given" '.spec as $stored | ($given.spec | [paths(scalars)] | all(. as $p |
			($stored | getpath($p)) == ($given.spec | getpath($p))))' <<<"$stored" >/dev/null; then
			wrong "$name: a field was dropped"
		else
			taken=$((taken + 1))
		fi
	done < <(jq -c '.given[] | select(.apiVersion == "flagger.app/v1beta1") | del(.metadata.namespace, .metadata.resourceVersion,
		.metadata.uid)' "$transcript")
done
say "canaries of transcripts that are taken as they are: $taken"
[ "$taken" -gt 0 ] || wrong "there are none"

# Nor does a mesh or a store of one's own (--lua DIR) need CRDs of one's own: those of lua/README.md.
awk '/^```yaml/ { on = 1; next } /^```/ { on = 0 } on' "$root/lua/README.md" | sed 's/namespace: test/namespace: default/' |
	kube create --dry-run=server -f - >"$folder/own" 2>&1 || wrong "a mesh of one's own: $(cat "$folder/own")"
kube create --dry-run=server -f - >"$folder/own" 2>&1 <<'EOF' || wrong "a store of one's own: $(cat "$folder/own")"
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: own, namespace: default}
spec: {provider: {type: store, address: "http://store"}, query: hits}
---
apiVersion: flagger.app/v1beta1
kind: AlertProvider
metadata: {name: own, namespace: default}
spec: {type: pigeon, address: "http://loft"}
EOF

# Each field has a description.
undocumented=$(kube get crd -o json | jq -r '.items[] | select(.spec.group == "flagger.app") | .metadata.name as $crd |
	.spec.versions[].schema.openAPIV3Schema | paths(type == "object" and has("type")) as $p |
	select(($p | length) > 1 and $p[-2] == "properties" and (getpath($p).description | not)) | $crd + " " + ($p | join("."))' |
	grep -v ' properties.metadata$')
[ -z "$undocumented" ] || wrong "no description: $undocumented"
