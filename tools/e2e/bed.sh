#!/bin/bash
# A test bed: etcd, kube-apiserver and kube-controller-manager as ordinary processes on this machine.
#
#     bed.sh in COMMAND…              runs a command in a bed with namespaces of its own; whatever it starts dies with it
#     bed.sh up | down                the same without namespaces, on free ports of 127.0.0.1
#     bed.sh install [ours|flagger] [all]   what a cluster is given: CRDs, ServiceAccount, RBAC; and the CRDs of App Mesh, or
#                                           of all meshes
#     bed.sh start|stop|kill|restart etcd|kube-apiserver|kube-controller-manager
#
# All of it is in the folder $BED (build/e2e/bed): admin.kubeconfig, sluice.kubeconfig (our ServiceAccount: after
# install), audit.log, NAME.log, NAME.pid. $BED_CONTROLLERS is the list of controllers; "" is none;
# $BED_KCM_FLAGS are more flags of its manager.
# The ports are read from $bed/ports.
# shellcheck disable=SC2154
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bed=${BED:-$root/build/e2e/bed}
controllers=deployment-controller,replicaset-controller,daemonset-controller,endpointslice-controller
controllers=$controllers,garbage-collector-controller,namespace-controller,horizontal-pod-autoscaler-controller
controllers=$controllers,serviceaccount-controller,root-ca-certificate-publisher-controller
controllers=${BED_CONTROLLERS-$controllers}
components="etcd kube-apiserver kube-controller-manager"

fail() {
	echo "bed.sh: $*" >&2
	exit 1
}

run=$bed
logs=$bed
# shellcheck source=tools/e2e/process.sh
. "$here/process.sh"

# ---- keys and ports ----

# certificate FILE SUBJECT [SAN]: signed by the CA of the bed.
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$bed/$1.key" -out "$bed/$1.csr" \
		-subj "$2" 2>/dev/null
	openssl x509 -req -in "$bed/$1.csr" -CA "$bed/ca.crt" -CAkey "$bed/ca.key" -CAcreateserial -days 30 -out "$bed/$1.crt" \
		-extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\n%s' "${3:+subjectAltName=$3}") 2>/dev/null
	rm -f "$bed/$1.csr"
}

# kubeconfig NAME USER, where USER is what stands under "user:".
kubeconfig() {
	(
		umask 077
		cat >"$bed/$1.kubeconfig" <<-END
			apiVersion: v1
			kind: Config
			current-context: bed
			contexts: [{name: bed, context: {cluster: bed, user: $1}}]
			clusters: [{name: bed, cluster: {server: "https://127.0.0.1:$api_port", certificate-authority: $bed/ca.crt}}]
			users: [{name: $1, user: $2}]
		END
	)
}

by_certificate() { kubeconfig "$1" "{client-certificate: $bed/$1.crt, client-key: $bed/$1.key}"; }

make_keys() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$bed/ca.key" -out "$bed/ca.crt" \
		-days 30 -subj /CN=bed 2>/dev/null
	certificate api /CN=kube-apiserver IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc
	certificate admin /O=system:masters/CN=admin
	certificate kcm /CN=system:kube-controller-manager
	openssl genrsa -out "$bed/sa.key" 2048 2>/dev/null
	openssl rsa -in "$bed/sa.key" -pubout -out "$bed/sa.pub" 2>/dev/null
	cat >"$bed/ports" <<-END
		etcd_port=$(free_port 2379)
		peer_port=$(free_port 2380)
		api_port=$(free_port 6443)
		kcm_port=$(free_port 10257)
	END
	# shellcheck disable=SC1091
	. "$bed/ports"
	by_certificate admin
	by_certificate kcm
	cat >"$bed/audit.yaml" <<-END
		apiVersion: audit.k8s.io/v1
		kind: Policy
		omitStages: [RequestReceived]
		rules: [{level: Metadata}]
	END
}

# ---- components ----

start() {
	local path
	path=$("$here/binary.sh" "$1")
	# shellcheck disable=SC1091
	. "$bed/ports"
	case $1 in
	etcd)
		spawn etcd "$path" --name bed --data-dir "$bed/etcd" --unsafe-no-fsync --log-level warn \
			--listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
			--listen-peer-urls "http://127.0.0.1:$peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
			--initial-cluster "bed=http://127.0.0.1:$peer_port"
		until_it etcd curl -sf "http://127.0.0.1:$etcd_port/readyz"
		;;
	kube-apiserver)
		spawn kube-apiserver "$path" --etcd-servers "http://127.0.0.1:$etcd_port" --secure-port "$api_port" \
			--bind-address 127.0.0.1 --advertise-address 10.0.0.1 --endpoint-reconciler-type none \
			--service-cluster-ip-range 10.96.0.0/16 --authorization-mode RBAC --client-ca-file "$bed/ca.crt" \
			--tls-cert-file "$bed/api.crt" --tls-private-key-file "$bed/api.key" \
			--service-account-issuer https://kubernetes.default.svc --service-account-key-file "$bed/sa.pub" \
			--service-account-signing-key-file "$bed/sa.key" --audit-policy-file "$bed/audit.yaml" \
			--audit-log-path "$bed/audit.log" --audit-log-maxsize 10000 --shutdown-delay-duration 0s
		until_it kube-apiserver curl -sf --cacert "$bed/ca.crt" --cert "$bed/admin.crt" \
			--key "$bed/admin.key" "https://127.0.0.1:$api_port/readyz"
		;;
	kube-controller-manager)
		[ -n "$controllers" ] || return 0
		spawn kube-controller-manager "$path" --kubeconfig "$bed/kcm.kubeconfig" --use-service-account-credentials \
			--service-account-private-key-file "$bed/sa.key" --root-ca-file "$bed/ca.crt" --leader-elect=false \
			--bind-address 127.0.0.1 --secure-port "$kcm_port" --controllers "$controllers" \
			--concurrent-deployment-syncs 20 --kube-api-qps 500 --kube-api-burst 1000 ${BED_KCM_FLAGS:-}
		until_it kube-controller-manager \
			curl -sfk "https://127.0.0.1:$kcm_port/healthz"
		;;
	*) fail "there is no $1; there are: $components" ;;
	esac
}

down() {
	local name
	for name in $(ls "$bed"/*.pid 2>/dev/null | sed 's|.*/||; s|\.pid$||' | tac); do
		case $name in
		etcd | kube-apiserver) ;; # last: the others use them
		*) stop "$name" TERM ;;
		esac
	done
	stop kube-apiserver KILL
	stop etcd KILL
	rm -rf "$bed/etcd"
}

up() {
	local name began=$SECONDS
	# shellcheck disable=SC2086
	"$here/binary.sh" $components kubectl >/dev/null # built here, not one by one while the clock runs
	if is_running kube-apiserver && is_running etcd; then
		echo "bed.sh: already up: KUBECONFIG=$bed/admin.kubeconfig" >&2
		return
	fi
	down
	rm -rf "$bed"
	mkdir -p "$bed"
	trap 'down; exit 1' INT TERM EXIT
	make_keys
	for name in $components; do
		start "$name"
	done
	trap - INT TERM EXIT
	echo "bed.sh: up in $((SECONDS - began)) s: KUBECONFIG=$bed/admin.kubeconfig" >&2
}

# ---- what the cluster is given ----

all_meshes() {
	local file
	for file in "$root"/spec/crds/meshes/*.gz; do
		printf -- '---\n'
		gzip -dc "$file"
	done
	for file in "$root"/tools/deploy/meshes/*.yaml; do
		printf -- '---\n'
		cat "$file"
	done
}

# The daemon runs beside the cluster, so its Deployment is there with no pods.
install() {
	local kubectl crds=${1:-ours}
	kubectl="$("$here/binary.sh" kubectl) --kubeconfig $bed/admin.kubeconfig"
	{
		$kubectl kustomize "$root/tools/deploy" | sed 's/^  replicas: 2$/  replicas: 0/'
		printf -- '---\n'
		cat "$root/spec/crds/appmesh-v1beta2.yaml"
		[ "${2:-}" != all ] || all_meshes
	} | $kubectl apply --server-side --force-conflicts -f - >/dev/null
	case $crds in
	ours) ;;
	flagger) $kubectl apply --server-side --force-conflicts -f "$root/spec/crds/flagger.yaml" >/dev/null ;;
	*) fail "install: there are the CRDs \"ours\" and \"flagger\", not \"$crds\"" ;;
	esac
	$kubectl wait --for condition=established --timeout 30s crd --all >/dev/null
	# shellcheck disable=SC1091
	. "$bed/ports"
	kubeconfig sluice "{token: $($kubectl -n sluice-system create token sluice --duration 24h)}"
}

# ---- namespaces ----

# Its own network: test traffic cannot leave, ports are free, and each address of a pod can be bound. Its own
# processes: the last thing that the kernel does for us is to end them all.
in_namespaces() {
	local flags="--net --pid --fork --mount --mount-proc --kill-child=KILL"
	[ "$(id -u)" = 0 ] || flags="--user --map-root-user $flags"
	# shellcheck disable=SC2086
	"$here/binary.sh" $components kubectl >/dev/null
	# shellcheck disable=SC2086
	exec unshare $flags "$0" inside "$@"
}

inside() {
	local status=0 began=$SECONDS worked
	ip link set lo up
	ip route add local 10.244.0.0/16 dev lo
	ip route add 10.96.0.0/16 dev lo
	trap 'down; exit 130' INT TERM
	up
	trap 'down; exit 130' INT TERM
	KUBECONFIG=$bed/admin.kubeconfig BED=$bed "$@" || status=$?
	# Ours is process 1 here: each that is there, with those of its children that ended; one may end just now.
	worked=$({ cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); n += $12 + $13 + $14 + $15 }
		END { printf "%d", n / ticks }')
	down
	echo "bed.sh: $((SECONDS - began)) s, of which processors worked $worked" >&2
	exit $status
}

verb=${1:-}
[ $# = 0 ] || shift
case $verb in
in)
	[ $# -gt 0 ] || fail "in: which command?"
	in_namespaces "$@"
	;;
inside) inside "$@" ;;
up) up ;;
down) down ;;
install) install "$@" ;;
start)
	is_running "$1" || start "$1"
	;;
stop) stop "$1" TERM ;;
kill) stop "$1" KILL ;;
restart)
	stop "$1" TERM
	start "$1"
	;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 1
	;;
esac
