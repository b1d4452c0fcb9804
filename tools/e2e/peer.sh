# Two controllers side by side: ours, and that of the command line $PEER, which takes the same objects. Sourced by run.sh and bench.sh.
#
# Each runs alone, as a ServiceAccount of its own, through a promotion and a rollback at an interval of 10 s, which every
# controller accepts. $PEER may speak of $KUBECONFIG and $METRICS:
#
#     make e2e PEER='flagger -kubeconfig=$KUBECONFIG -metrics-server=$METRICS -mesh-provider=appmesh:v1beta2 -port=18081'
#
# Requests are those of the audit log from the change to the end of the release; lost are answers that failed though no
# pod was told to fail them; the first action is the first write, but for Events and Leases.
# shellcheck shell=bash disable=SC2154

ours="$sluice run --kubeconfig \$KUBECONFIG --metrics-server \$METRICS --mesh-provider appmesh:v1beta2 --port 0"

peer_kubeconfig() {
	"$kubectl" create serviceaccount peer >/dev/null
	"$kubectl" create clusterrolebinding peer --clusterrole cluster-admin --serviceaccount default:peer >/dev/null
	as_service_account default peer "$BED/peer.kubeconfig"
	echo "$BED/peer.kubeconfig"
}

# Lines of the audit log that are the controller's own, since a time: verb, resource, when.
audited() {
	jq -r --arg user "$user" --arg since "$1" --arg until "${2:-9}" 'select(.user.username == $user and
		.requestReceivedTimestamp >= $since and .requestReceivedTimestamp < $until and .stage == "ResponseComplete") |
		"\(.verb) \(.objectRef.resource // "-") \(.requestReceivedTimestamp)"' "$BED/audit.log"
}

now() { date -u +%Y-%m-%dT%H:%M:%S.%6NZ; }

# note WHAT VALUE: a line of the table, for the one that runs.
note() { printf '%s\t%s\n' "$1" "$2" >>"$table.$who"; }

# All that was noted of ours, and of the peer if it ran.
print_table() {
	touch "$table.peer"
	printf '\n%-36s %16s %16s\n' "" sluice "${PEER:+peer}"
	awk -F '\t' 'FILENAME ~ /peer$/ { peer[$1] = $2; next } { printf "%-36s %16s %16s\n", $1, $2, peer[$1] }' \
		"$table.peer" "$table.sluice"
}

# release_of STORY TAG END: one release by the controller that runs, with what is noted of it.
release_of() (
	ns=$who-$1
	folder=$root/build/e2e/peer/$ns
	extra_objects=()
	rm -rf "$folder"
	mkdir -p "$folder"
	began=$EPOCHREALTIME
	# shellcheck source=tools/e2e/story.sh
	. "$here/story.sh"
	start_daemon() { :; } # it runs already
	trap end_story EXIT
	"$kubectl" create namespace "$ns" >/dev/null || stuck "no namespace"
	[ "$1" = promotion ] || fault podinfo "$2" errors=40
	given_podinfo 6.0.0
	given_canary "interval: 10s
threshold: 2
maxWeight: 40
stepWeight: 20"
	load 400
	local since until first
	since=$(now)
	begin_release "$2"
	until_phase "$3" 240
	until=$(now)
	end_load
	first=$(audited "$since" | awk '$1 ~ /create|update|patch|delete/ && $2 !~ /events|leases/ { print $3 }' | sort | head -1)
	note "$1: change to first action, s" "$(awk -v a="$(date -d "$since" +%s.%N)" -v b="$(date -d "$first" +%s.%N)" \
		'BEGIN { printf "%.2f", b - a }')"
	note "$1: change to end, s" "$(awk -v a="$(date -d "$since" +%s.%N)" -v b="$(date -d "$until" +%s.%N)" \
		'BEGIN { printf "%.1f", b - a }')"
	audited "$since" "$until" >"$folder/requests"
	for verb in get list watch create update patch delete; do
		note "$1: $verb" "$(awk -v verb=$verb '$1 == verb' "$folder/requests" | wc -l)"
	done
	note "$1: API requests" "$(wc -l <"$folder/requests")"
	told=$(cat "$plane/counts/$ns".* | awk '{ n += $5 } END { print n + 0 }')
	note "$1: requests lost" "$((bad > told ? bad - told : 0)) of $((good + bad))"
)

# through WHO USER KUBECONFIG COMMAND: both releases by one controller.
through() {
	local pid
	who=$1
	user=$2
	echo "== $who: $4"
	KUBECONFIG=$3 METRICS=http://127.0.0.1:$prometheus setsid sh -c "exec $4" >"$table.$who.log" 2>&1 &
	pid=$!
	release_of promotion 6.0.1 Succeeded || failed=$((failed + 1))
	release_of rollback 6.0.2 Failed || failed=$((failed + 1))
	if [ -r "/proc/$pid/status" ]; then
		note "CPU, s" "$(awk -v hz="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15) / hz }' "/proc/$pid/stat")"
		note "peak memory, MB" "$(awk '/^VmHWM/ { printf "%.1f", $2 / 1024 }' "/proc/$pid/status")"
		kill "$pid"
	else
		failed=$((failed + 1))
		tail -3 "$table.$who.log"
	fi
	wait "$pid" 2>/dev/null
}

compare() {
	table=$root/build/e2e/peer/table
	failed=0
	rm -rf "$root/build/e2e/peer"
	mkdir -p "$root/build/e2e/peer"
	[ -n "${BED:-}" ] || {
		echo "run.sh: PEER counts requests in the audit log of a bed of its own: without KUBECONFIG" >&2
		return 1
	}
	through sluice system:serviceaccount:sluice-system:sluice "$daemon_kubeconfig" "$ours"
	through peer system:serviceaccount:default:peer "$(peer_kubeconfig)" "$PEER"
	print_table
	[ "$failed" = 0 ]
}
