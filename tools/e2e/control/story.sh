# What stories of the control plane are told with. control.sh sources it inside a bed, with $BED, $PROGRAMS and $folder
# (what the story leaves), and then the story. An expectation that is not met is told, and the story goes on.
# shellcheck shell=bash disable=SC2154

began=$EPOCHREALTIME
ran=              # a daemon that must have asked for something
kubectl=$("$here/binary.sh" kubectl)
meshes=appmesh,kubernetes # whose CRDs are there: spec/crds
account=system:serviceaccount:sluice-system:sluice

elapsed() { awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1fs", to - from }'; }
say() { printf '   %-7s %s\n' "$(elapsed)" "$*"; }
wrong() {
	failures=$((failures + 1))
	say "WRONG: $*"
}

# given_cluster [ours|flagger] [all]: with these CRDs, those of App Mesh or of all meshes, and our RBAC.
given_cluster() {
	"$here/bed.sh" install "${1:-ours}" "${2:-}" 2>"$folder/install" || wrong "the cluster is not as it should be"
	say "given a cluster with CRDs: ${1:-ours}"
}

# A kubeconfig of the same ServiceAccount with a token of its own, by which the audit log tells two daemons apart.
second_kubeconfig() {
	sed "s|token: .*}}|token: $("$kubectl" -n sluice-system create token sluice --duration 24h)}}|" "$BED/sluice.kubeconfig"
}

# ---- a namespace of the story's own ----

# in_namespace NAME: it is made, and kube is about it from now on.
in_namespace() {
	namespace=$1
	"$kubectl" --kubeconfig "$BED/admin.kubeconfig" create namespace "$1" >/dev/null
}
kube() { "$kubectl" --kubeconfig "$BED/admin.kubeconfig" -n "$namespace" "$@"; }
messages() { kube get events -o json | jq -r '.items[].message'; }
phases() { kube get canaries -o json | jq -r '[.items[] | .metadata.name + " " + (.status.phase // "")] | join(", ")'; }
in_phase() { [ "$(kube get canary web -o jsonpath='{.status.phase}')" = "$1" ]; }
all_in_phase() { [ "$(kube get canaries -o json | jq -r '[.items[].status.phase] | unique | join(" ")')" = "$1" ]; }
are_gone() { [ -z "$(kube get canaries -o name)" ]; }

# There is no kubelet: whatever is asked for is ready, when the story looks.
make_ready() {
	local name generation replicas
	while read -r name generation replicas; do
		kube patch deployment "$name" --subresource=status --type=merge -p '{"status":{"observedGeneration":'"$generation"',
			"replicas":'"$replicas"',"updatedReplicas":'"$replicas"',"readyReplicas":'"$replicas"',
			"availableReplicas":'"$replicas"'}}' >/dev/null 2>&1
	done < <(kube get deployments -o json | jq -r '.items[] | select((.metadata.annotations["story/never-ready"] // "") == "") |
		"\(.metadata.name) \(.metadata.generation) \(.spec.replicas)"')
}
# What the world does while a story waits: one that plays more than the kubelet has its own.
play() { make_ready; }

# until_it SECONDS WHAT COMMAND…: it succeeds
until_it() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	while [ $SECONDS -lt $deadline ]; do
		play
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.3
	done
	wrong "$what: $(phases)"
	messages | tail -20
	return 1
}

# start_store [FLAGS OF sluice sim]: a metric store; $address, and $store is its process.
start_store() {
	"$PROGRAMS/sluice" sim --port 0 "$@" >"$folder/store" 2>&1 &
	store=$!
	for _ in $(seq 100); do
		address=$(grep -o 'http://127.0.0.1:[0-9]*' "$folder/store" | head -1)
		[ -z "$address" ] || return 0
		sleep 0.1
	done
	wrong "no metric store: $(cat "$folder/store")"
}

# releases [FLAGS OF spec-cluster] DAEMON: releases of spec/golden, compared with what Flagger did. DAEMON is sluice, or a
# script that runs it.
releases() {
	local election=(--elect sluice-system)
	[ "$1" != --no-election ] || {
		election=()
		shift
	}
	ran=yes
	"$PROGRAMS/spec-cluster" --make-ready --as "$BED/sluice.kubeconfig" "${election[@]}" "$@" >"$folder/releases" 2>&1
	local status=$? counts
	counts=$(tail -1 "$folder/releases")
	[ $status = 0 ] || {
		wrong "releases are not as Flagger's"
		grep -v '^  ok' "$folder/releases" | head -60
	}
	say "releases as Flagger's: ${counts#cluster: }"
}

# ---- what the API server was asked ----

# requests FROM TO FILTER: of our ServiceAccount between two times, beside watches and what the lease takes. FILTER is of jq.
requests() {
	jq -r --arg from "$1" --arg to "$2" --arg account "$account" "select(.user.username == \$account and
		.stage == \"ResponseComplete\" and .verb != \"watch\" and .objectRef.resource != \"leases\" and
		.requestReceivedTimestamp >= \$from and .requestReceivedTimestamp <= \$to) | ${3:-.verb}" "$BED/audit.log"
}

by_count() { sort | uniq -c | sort -rn | awk '{ n = $1; $1 = ""; printf "%s%s%d", sep, substr($0, 2) " ", n; sep = ", " } END { print "" }'; }

# Each change of the writer: "TIME TOKEN", of writes other than the lease's, whatever came of them.
writers() {
	jq -r --arg account "$account" 'select(.user.username == $account and .stage == "ResponseComplete" and
		(.verb == "create" or .verb == "patch" or .verb == "update" or .verb == "delete") and
		.objectRef.resource != "leases") |
		.requestReceivedTimestamp + " " + .user.extra["authentication.kubernetes.io/credential-id"][0]' "$BED/audit.log" |
		sort | uniq -f1
}

# The first daemon wrote, then the second one, and the first never again. TOLD is what harm.sh told.
expect_one_takeover() {
	local changes harmed began_us
	changes=$(writers | wc -l)
	harmed=$(awk '/killed|stopped/ { print $1; exit }' "$TOLD")
	began_us=$(writers | sed -n 2p | cut -d' ' -f1)
	[ "$changes" = 2 ] || wrong "the writer changed $((changes - 1)) times: $(writers)"
	[ -n "$began_us" ] || return 0
	say "from the harm to the first write of the other: $(awk -v a="$(date -d "$harmed" +%s.%N)" -v b="$(date -d "$began_us" +%s.%N)" \
		'BEGIN { printf "%.1f s", b - a }')"
}
