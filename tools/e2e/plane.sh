#!/bin/bash
# The data plane of a test bed: pods that are processes, an Envoy before them and one that follows App Mesh, Prometheus,
# and a receiver of webhooks.
#
#     plane.sh up | down                   for the cluster of $KUBECONFIG
#     plane.sh start|stop|kill NAME        kubelet, mesh, envoy-pods, envoy-mesh, prometheus, receiver;
#                                          another-prometheus, which `up` does not start: it can be down alone
#
# $SCHEDULER: only pods whose schedulerName is this are run; by default all pods of the cluster that have no node.
# $APPMESH: the version of App Mesh's objects that `start mesh` follows (v1beta2).
# $HOLLOW: pods have no processes, and there is no mesh: receiver and kubelet alone.
# All of it is in the folder $PLANE (build/e2e/plane): ports, NAME.log, NAME.pid, faults/, counts/, hooks/.
# shellcheck disable=SC2154 # ports are read from the file "ports"
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
plane=${PLANE:-$root/build/e2e/plane}
programs=${PROGRAMS:-$root/build/release}
components="receiver kubelet mesh envoy-pods envoy-mesh prometheus"

fail() {
	echo "plane.sh: $*" >&2
	exit 1
}

run=$plane
logs=$plane/logs
# shellcheck source=tools/e2e/process.sh
. "$here/process.sh"

# Pods of two beds on one machine must not meet: each bed takes a network that nobody listens on.
free_network() {
	local number
	for number in 244 $(shuf -i 100-243 -n 20); do
		ss -Hltn 2>/dev/null | grep -q "127\.$number\." || {
			echo "$number"
			return
		}
	done
	fail "no network for pods is free"
}

# ---- files ----

# What Envoy starts with: envoy NAME FOLDER
envoy() {
	local admin=$1_admin
	cat >"$plane/$1.yaml" <<-END
		node: {id: $1, cluster: $1}
		stats_flush_interval: 0.5s
		admin: {address: {socket_address: {address: 127.0.0.1, port_value: ${!admin}}}}
		dynamic_resources:
		  lds_config: {path_config_source: {path: $plane/$1/listeners.json}}
		  cds_config: {path_config_source: {path: $plane/$1/clusters.json}}
	END
}

# The labels are those of App Mesh's Prometheus: a cluster of the pods' Envoy is called "namespace/pod".
prometheus() {
	cat >"$plane/prometheus.yaml" <<-END
		global: {scrape_interval: 500ms, scrape_timeout: 500ms}
		scrape_configs:
		  - job_name: appmesh-envoy
		    metrics_path: /stats/prometheus
		    params: {usedonly: [""], filter: ['^cluster\..*\.upstream_rq_(time|[0-9]+)$']}
		    static_configs: [{targets: ["127.0.0.1:$pods_admin"]}]
		    metric_relabel_configs:
		      - {source_labels: [envoy_cluster_name], regex: '[^/]+/[^/]+', action: keep}
		      - {source_labels: [envoy_cluster_name], regex: '(.+)/(.+)', replacement: '\$1', target_label: kubernetes_namespace}
		      - {source_labels: [envoy_cluster_name], regex: '(.+)/(.+)', replacement: '\$2', target_label: kubernetes_pod_name}
	END
}

make_files() {
	mkdir -p "$plane"/{logs,faults,counts,hooks,pods,mesh/endpoints}
	cat >"$plane/ports" <<-END
		front=$(free_port 19080)
		mesh_admin=$(free_port 19901)
		pods_admin=$(free_port 19902)
		prometheus=$(free_port 19090)
		another_prometheus=$(free_port 19091)
		receiver=$(free_port 19004)
		network=$(free_network)
	END
	# shellcheck disable=SC1091
	. "$plane/ports"
	envoy mesh
	envoy pods
	prometheus
}

# ---- components ----

# Prometheus is ready seconds before it looks at its first target.
scrapes() { curl -sf "http://127.0.0.1:$1/api/v1/query?query=up" | grep -q '"1"\]'; }

start() {
	local path
	# shellcheck disable=SC1091
	. "$plane/ports"
	case $1 in
	receiver)
		spawn receiver "$programs/e2e-receiver" --port "$receiver" --run "$plane"
		until_it receiver curl -sf -o /dev/null -d '{}' "http://127.0.0.1:$receiver/up"
		;;
	kubelet)
		spawn kubelet "$programs/e2e-kubelet" --kubeconfig "$KUBECONFIG" --app "$programs/e2e-app" --run "$plane" \
			--network "$network" ${SCHEDULER:+--scheduler "$SCHEDULER"} ${HOLLOW:+--hollow}
		until_it kubelet test -s "$plane/pods/listeners.json"
		;;
	mesh)
		spawn mesh "$programs/e2e-mesh" --kubeconfig "$KUBECONFIG" --run "$plane" --port "$front" \
			--api "${APPMESH:-v1beta2}"
		until_it mesh test -s "$plane/mesh/routes.json"
		;;
	envoy-pods | envoy-mesh)
		local name=${1#envoy-}
		local admin=${name}_admin
		path=$("$here/envoy.sh")
		spawn "$1" "$path" -c "$plane/$name.yaml" --concurrency 1 --disable-hot-restart -l warn \
			--file-flush-interval-msec 100
		until_it "$1" curl -sf "http://127.0.0.1:${!admin}/ready"
		;;
	prometheus | another-prometheus)
		local port=${1/-/_}
		path=$(command -v prometheus) || fail "there is no prometheus: apt-get install prometheus"
		spawn "$1" "$path" --config.file "$plane/prometheus.yaml" --storage.tsdb.path "$plane/tsdb.$1" \
			--storage.tsdb.retention.time 1h --web.listen-address "127.0.0.1:${!port}" --log.level warn
		until_it "$1" scrapes "${!port}"
		;;
	*) fail "there is no $1; there are: $components" ;;
	esac
}

down() {
	local name
	for name in another-prometheus prometheus envoy-mesh mesh kubelet envoy-pods receiver; do
		stop "$name" TERM
	done
	rm -rf "$plane"/tsdb.*
}

up() {
	local name began=$SECONDS
	[ -n "${KUBECONFIG:-}" ] || fail "\$KUBECONFIG says which cluster"
	for name in app kubelet mesh receiver; do
		[ -x "$programs/e2e-$name" ] || fail "$programs/e2e-$name is not built: make e2e does"
	done
	[ -z "${HOLLOW:-}" ] || components="receiver kubelet"
	[ -n "${HOLLOW:-}" ] || "$here/envoy.sh" >/dev/null
	down
	rm -rf "$plane"
	trap 'down; exit 1' INT TERM EXIT
	make_files
	for name in $components; do
		start "$name"
	done
	trap - INT TERM EXIT
	echo "plane.sh: up in $((SECONDS - began)) s: $plane" >&2
}

case ${1:-} in
up) up ;;
down) down ;;
start)
	is_running "$2" || start "$2"
	;;
stop) stop "$2" TERM ;;
kill) stop "$2" KILL ;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 1
	;;
esac
