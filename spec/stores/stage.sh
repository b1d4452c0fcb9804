# What the stories of metric stores are told with: objects, and the daemon on an in-memory cluster. Sourced with $sluice set;
# $query has a query by the name of a store. Everything is in $folder, and ends with the script.
# shellcheck shell=bash disable=SC2154

folder=$(mktemp -d)
lua= # a directory of drivers, for the daemon
pids=
end() {
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -9 $pids 2>/dev/null
	wait 2>/dev/null
	[ -n "${KEEP:-}" ] || rm -rf "$folder"
}
trap end EXIT
fail() {
	echo "  FAILED stores: $*" >&2
	exit 1
}

# ---- objects

# secret_of NAME KEY: VALUE, KEY: VALUE…
secret_of() {
	printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: test}\ndata:\n' "$1"
	tr ',' '\n' <<<"$2" | while IFS=: read -r key value; do
		printf '  %s: %s\n' "${key// /}" "$(tr -d ' "\n' <<<"$value" | base64 -w0)"
	done
}

# template STORE NAME ADDRESS SECRET
template() {
	printf -- '---\napiVersion: flagger.app/v1beta1\nkind: MetricTemplate\nmetadata: {name: %s, namespace: test}\nspec:\n' "$2"
	printf '  provider:\n    type: %s\n    address: "%s"\n    region: eu-west-1\n' "$1" "$3"
	[ -z "$4" ] || printf '    secretRef: {name: %s}\n' "$4"
	printf '  query: |\n    %s\n' "${query[$1]}"
}

# canary NAME METRIC…: its Deployment too
canary() {
	local name=$1
	shift
	sed "s/name: podinfo\$/name: $name/; s/app: podinfo/app: $name/" examples/podinfo/deployment.yaml
	printf -- '---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: %s, namespace: test}\nspec:\n' "$name"
	printf '  provider: kubernetes\n  targetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}\n  service: {port: 80}\n' "$name"
	printf '  analysis:\n    interval: 1s\n    threshold: 5\n    iterations: 100\n    metrics:\n'
	for metric in "$@"; do
		printf '    - {name: %s, templateRef: {name: %s}, thresholdRange: {min: 1}, interval: 1m}\n' "$metric" "$metric"
	done
}

# ---- the daemon

# cluster NAME OBJECTS: $server is its API server
cluster() {
	"$sluice" sim --port 0 --ready-after 100ms --kubeconfig "$folder/$1.kubeconfig" -f "$2" >"$folder/$1.sim.log" 2>&1 &
	pids="$pids $!"
	for _ in $(seq 100); do
		[ ! -s "$folder/$1.kubeconfig" ] || break
		sleep 0.1
	done
	server=$(sed -n 's/.*server: //p' "$folder/$1.kubeconfig")
	[ -n "$server" ] || fail "no cluster: $(cat "$folder/$1.sim.log")"
}

# daemon NAME [VARIABLE=VALUE…]: its decisions are $folder/NAME.decisions
daemon() {
	local name=$1
	shift
	env -u AWS_ACCESS_KEY_ID SSL_CERT_FILE="$folder/ca.crt" "$@" "$sluice" run --kubeconfig "$folder/$name.kubeconfig" \
		${lua:+--lua "$lua"} --min-analysis-interval 1s --port 0 --metrics-server "$server/prometheus" --log-level debug \
		--decision-log "$folder/$name.decisions" >"$folder/$name.log" 2>&1 &
	daemon=$!
	pids="$pids $daemon"
}
stop() {
	kill "$daemon"
	wait "$daemon"
}

# release NAME CANARY…: once all are initialized, a new image
release() {
	local cluster=$1 name
	shift
	for name in "$@"; do
		"$sluice" follow --kubeconfig "$folder/$cluster.kubeconfig" --until Initialized --timeout 60s "test/$name" \
			>/dev/null || fail "$name is not initialized: $(tail -3 "$folder/$cluster.log")"
	done
	for name in "$@"; do
		curl -sf -o /dev/null -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
			-d '{"spec":{"template":{"spec":{"containers":[{"name":"podinfod","image":"podinfo:next"}]}}}}' \
			"$server/apis/apps/v1/namespaces/test/deployments/$name"
	done
}

# measured NAME: "METRIC KIND VALUE TEXT" of the first time that each was asked
measured() {
	cat "$folder/$1".decisions/*.jsonl 2>/dev/null |
		grep -o '{"name":"[a-z0-9-]*","kind":"[a-z-]*"\(,"value":[^,]*\)\?\(,"text":"\([^"\\]\|\\.\)*"\)\?\(,"error":"[a-z ]*"\)\?' |
		sed 's/{"name":"\([^"]*\)","kind":"\([^"]*\)"/\1: \2/; s/,"value":/ /; s/,"text":"\(.*\)",/ "\1",/
			s/\(.*\) "\(.*\)","error":"\(.*\)"/\1 (\3): \2/; s/,"text":"\(.*\)"/: \1/' |
		awk -F: '!seen[$1]++'
}

# until_measured NAME COUNT
until_measured() {
	for _ in $(seq 600); do
		[ "$(measured "$1" | wc -l)" -lt "$2" ] || return 0
		sleep 0.1
	done
	fail "not all was measured: $(measured "$1" | wc -l) of $2; $(tail -3 "$folder/$1.log")"
}
