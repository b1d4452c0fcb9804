#!/bin/bash
# What N canaries cost an API server, and how late they are: at rest, and in a release of all. Usage: tools/e2e/bench.sh N
#
# The control plane is real, in a bed of its own; pods are hollow and all metrics are good. $PEER, the command line of
# another controller (peer.sh), is measured beside ours. Each canary is that of the seed: App Mesh, ten steps of 5%, 10 s.
# shellcheck disable=SC2154 # ports are read from the file "ports"
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PROGRAMS=${PROGRAMS:-$root/build/release}
count=${1:-1000}
rest=${REST:-60} # seconds that are looked at while all is at rest
unset KUBECONFIG
[ -n "${BED:-}" ] || exec "$here/bed.sh" in env "BED=$root/build/e2e/bed" "$0" "$@"

export KUBECONFIG=$BED/admin.kubeconfig
plane=${PLANE:-$root/build/e2e/plane}
kubectl=$("$here/binary.sh" kubectl) || exit 1
sluice=$PROGRAMS/sluice
# shellcheck source=tools/e2e/common.sh
. "$here/common.sh"
# shellcheck source=tools/e2e/peer.sh
. "$here/peer.sh"
"$here/bed.sh" install || exit 1
HOLLOW=yes "$here/plane.sh" up || exit 1
# shellcheck disable=SC1091
. "$plane/ports"

# Many requests at once, as kubectl cannot: lines "METHOD PATH TYPE BODY", the body without blanks.
send() {
	local method path type body
	# shellcheck disable=SC1091
	. "$BED/ports"
	while read -r method path type body; do
		printf 'next\nurl = "https://127.0.0.1:%s%s"\nrequest = %s\nheader = "content-type: application/%s"\ndata = "%s"\n' \
			"$api_port" "$path" "$method" "$type" "${body//\"/\\\"}"
		printf 'cacert = %s\ncert = %s\nkey = %s\noutput = /dev/null\n' "$BED/ca.crt" "$BED/admin.crt" "$BED/admin.key"
	done | sed 1d | curl --parallel --parallel-max 20 -K - -w '%{response_code}\n' 2>"$table.curl" | grep -vc '^20[01]$' >"$table.refused"
	[ "$(cat "$table.refused")" = 0 ] || {
		echo "   $(cat "$table.refused") requests were refused; see $table.curl" >&2
		return 1
	}
}

objects() {
	local i
	for ((i = 1; i <= count; i++)); do
		tr -d '\n\t ' <<-END | sed "s|^|POST /apis/apps/v1/namespaces/$ns/deployments json |; s|\$|\n|"
			{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app-$i"},
			 "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "app-$i"}},
			 "template": {"metadata": {"labels": {"app": "app-$i"}}, "spec": {"containers": [
			 {"name": "app", "image": "example.com/app:1", "ports": [{"containerPort": 9898}]}]}}}}
		END
		tr -d '\n\t ' <<-END | sed "s|^|POST /apis/flagger.app/v1beta1/namespaces/$ns/canaries json |; s|\$|\n|"
			{"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "app-$i"},
			 "spec": {"provider": "appmesh:v1beta2", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app-$i"},
			 "progressDeadlineSeconds": 600, "service": {"port": 9898, "timeout": "15s"},
			 "analysis": {"interval": "10s", "threshold": 5, "maxWeight": 50, "stepWeight": 5, "metrics": [
			 {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
			 {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "30s"}]}}}
		END
	done
}

images() {
	local i
	for ((i = 1; i <= count; i++)); do
		echo "PATCH /apis/apps/v1/namespaces/$ns/deployments/app-$i json-patch+json" \
			'[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"example.com/app:2"}]'
	done
}

# until_all PHASE SECONDS
until_all() {
	local deadline=$((SECONDS + $2)) there
	while :; do
		there=$("$kubectl" -n "$ns" get canaries -o 'jsonpath={range .items[*]}{.status.phase}{"\n"}{end}' | grep -cx "$1")
		[ "$there" -lt "$count" ] || return 0
		if [ $SECONDS -ge $deadline ]; then
			echo "   $there of $count are $1 after $2 s" >&2
			failed=$((failed + 1))
			return 1
		fi
		sleep 2
	done
}

cpu_of() { awk -v hz="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15) / hz }' "/proc/$1/stat"; }
memory_of() { awk -v which="$2" '$1 == which ":" { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }
note_requests() {
	local verb
	for verb in get list watch create update patch delete; do
		note "$1: $verb" "$(audited "$2" "$3" | awk -v verb=$verb '$1 == verb' | wc -l)"
	done
}

# Seconds from each change of a Deployment to the controller's first write about its canary, sorted.
delays() {
	jq -r --arg user "$user" --arg since "$1" 'select(.requestReceivedTimestamp >= $since and .stage == "ResponseComplete") |
		if .verb == "patch" and .objectRef.resource == "deployments" and .user.username == "admin"
		then "change \(.objectRef.name) \(.requestReceivedTimestamp)"
		elif .user.username == $user and (.verb | test("create|update|patch")) and
			(.objectRef.resource | test("canaries|deployments"))
		then "action \(.objectRef.name) \(.requestReceivedTimestamp)" else empty end' "$BED/audit.log" |
		awk 'function seconds(t) { return substr(t, 12, 2) * 3600 + substr(t, 15, 2) * 60 + substr(t, 18, 9) }
			$1 == "change" { if (!($2 in changed)) changed[$2] = seconds($3) }
			$1 == "action" { t = seconds($3); if (!($2 in acted) || t < acted[$2]) acted[$2] = t }
			END { for (name in changed) if (name in acted) printf "%.3f\n", acted[name] - changed[name] }' | sort -n
}

# bench WHO USER KUBECONFIG COMMAND
bench() {
	local pid since until cpu began
	who=$1
	user=$2
	ns=bench-$who
	echo "== $who: $4"
	KUBECONFIG=$3 METRICS=http://127.0.0.1:$receiver setsid sh -c "exec $4" >"$table.$who.log" 2>&1 &
	pid=$!
	"$kubectl" create namespace "$ns" >/dev/null
	began=$SECONDS
	objects | send || return 1
	echo "   created in $((SECONDS - began)) s"
	until_all Initialized 1200 || return 1
	echo "   initialized in $((SECONDS - began)) s"
	sleep 15
	since=$(now)
	cpu=$(cpu_of "$pid")
	sleep "$rest"
	until=$(now)
	note_requests "$rest s at rest" "$since" "$until"
	note "$rest s at rest: CPU, s" "$(awk -v a="$cpu" -v b="$(cpu_of "$pid")" 'BEGIN { printf "%.2f", b - a }')"
	note "at rest: memory, MB" "$(memory_of "$pid" VmRSS)"
	since=$(now)
	cpu=$(cpu_of "$pid")
	began=$SECONDS
	images | send
	echo "   all are released in $((SECONDS - began)) s"
	until_all Succeeded 2400
	until=$(now)
	note "release of all, s" "$((SECONDS - began))"
	note_requests "release of all" "$since" "$until"
	note "release of all: requests a canary" "$(audited "$since" "$until" | awk -v n="$count" 'END { printf "%.1f", NR / n }')"
	note "release of all: CPU, s" "$(awk -v a="$cpu" -v b="$(cpu_of "$pid")" 'BEGIN { printf "%.2f", b - a }')"
	note "peak memory, MB" "$(memory_of "$pid" VmHWM)"
	delays "$since" >"$table.$who.delays"
	note "change to first action, s (p50, p99)" \
		"$(awk '{ d[NR] = $1 } END { printf "%.2f %.2f", d[int((NR + 1) / 2)], d[int(NR * 0.99 + 0.5)] }' "$table.$who.delays")"
	kill "$pid"
	wait "$pid" 2>/dev/null
	"$kubectl" delete namespace "$ns" --wait=false >/dev/null
}

table=$root/build/e2e/bench/table
failed=0
rm -rf "$root/build/e2e/bench"
mkdir -p "$root/build/e2e/bench"
# A hundred requests a second, our default, would be what is measured.
ours="$ours --kubeconfig-qps 1000 --kubeconfig-burst 2000"
bench sluice system:serviceaccount:sluice-system:sluice "$BED/sluice.kubeconfig" "$ours"
[ -z "${PEER:-}" ] || bench peer system:serviceaccount:default:peer "$(peer_kubeconfig)" "$PEER"
print_table
"$here/plane.sh" down
[ "$failed" = 0 ]
