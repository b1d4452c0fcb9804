#!/bin/bash
# What N canaries cost an API server, and how late they are: at rest, and in a release of all. Usage: tools/e2e/bench.sh N
#
# The control plane is real, in a bed of its own; pods are hollow and all metrics are good. $PEER, the command line of
# another controller (peer.sh), is measured beside ours. Each canary is that of the seed: App Mesh, ten steps of 5%, 10 s.
# All of it shares the cores of this machine, so what each took of them is told too. $REST: seconds that are looked at while
# all is at rest (60); $PATIENCE: how long a phase may take for all canaries (900 s). Ends with 1 when a bound is missed, or
# a figure is not had.
# shellcheck disable=SC2154 # ports are read from the file "ports"
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PROGRAMS=${PROGRAMS:-$root/build/release}
count=${1:-1000}
rest=${REST:-60}
patience=${PATIENCE:-900}
unset KUBECONFIG
# The API server's collector of garbage runs less often: it is not what is measured, and the cores are few.
[ -n "${BED:-}" ] || exec env GOGC=400 "$here/bed.sh" in env -u GOGC "BED=$root/build/e2e/bed" "$0" "$@"

export KUBECONFIG=$BED/admin.kubeconfig
plane=${PLANE:-$root/build/e2e/plane}
kubectl=$("$here/binary.sh" kubectl) || exit 1
sluice=$PROGRAMS/sluice
# shellcheck source=tools/e2e/common.sh
. "$here/common.sh"
# shellcheck source=tools/e2e/peer.sh
. "$here/peer.sh"
# shellcheck source=tools/e2e/fleet.sh
. "$here/fleet.sh"
"$here/bed.sh" install || exit 1
HOLLOW=yes "$here/plane.sh" up || exit 1
# shellcheck disable=SC1091
. "$plane/ports"

# ---- what the machine does meanwhile ----

cpu_of() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/$1/stat"; }
memory_of() { awk -v which="$2" '$1 == which ":" { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }

# Lines "WHO SECONDS" of CPU time since they began: the parts of the cluster, the controller, and the whole machine.
cores() {
	local name
	for name in kube-apiserver etcd kube-controller-manager; do
		echo "$name $(cpu_of "$(cat "$BED/$name.pid")")"
	done
	echo "kubelet $(cpu_of "$(cat "$plane/kubelet.pid")")"
	echo "controller $(cpu_of "$pid")"
	awk -v hz="$(getconf CLK_TCK)" '$1 == "cpu" { printf "all %.2f\n", ($2 + $3 + $4 + $7 + $8) / hz }' /proc/stat
}

# tell_cores BEFORE SECONDS: who had the cores since then. What is left is this script, and whoever else uses the machine.
tell_cores() {
	{
		sed 's/^/before /' "$1"
		cores | sed 's/^/after /'
	} | awk -v seconds="$2" -v cores="$(nproc)" '
		$1 == "before" { was[$2] = $3; next }
		$2 == "all" { all = $3 - was[$2]; next }
		{ took = $3 - was[$2]; known += took; text = text sprintf("%s %.0f, ", $2, took) }
		END { printf "   CPU seconds, of %.0f that %d cores have: %sall else %.0f\n", seconds * cores, cores, text, all - known }'
}

# ---- what is told ----

# note_all WHAT: requests by verb, from the lines of own.
note_all() {
	local verb
	for verb in get list watch create update patch delete; do
		note "$1: $verb" "$(awk -v verb=$verb '$1 == verb' "$table.$who.own" | wc -l)"
	done
}

# bound WHAT VALUE BOUND: a figure of ours that the design bounds.
bound() {
	note "$1" "$2"
	[ "$who" = sluice ] || return 0
	awk -v value="$2" -v bound="$3" 'BEGIN { exit !(value + 0 < bound) }' && return
	echo "   MISSED: $1: $2, the bound is < $3"
	failed=$((failed + 1))
}

# not_had WHAT: what it would have been is told in its place.
not_had() {
	note "$1" "not had"
	failed=$((failed + 1))
	echo "   last lines of $table.$who.log:"
	tail -3 "$table.$who.log" | cut -c1-240 | sed 's/^/      /'
}

# ---- one controller ----

at_rest() {
	local began
	sleep 15
	mark
	began=$(cpu_of "$pid")
	echo "   $rest s at rest"
	sleep "$rest"
	own >"$table.$who.own"
	note_all "$rest s at rest"
	bound "$rest s at rest: requests but watches" "$(grep -cv '^watch ' "$table.$who.own")" 1
	note "$rest s at rest: CPU, s" "$(awk -v a="$began" -v b="$(cpu_of "$pid")" 'BEGIN { printf "%.2f", b - a }')"
	if [ "$count" = 1000 ]; then
		bound "at rest: memory, MB" "$(memory_of "$pid" VmRSS)" 13
	else
		note "at rest: memory, MB" "$(memory_of "$pid" VmRSS)"
	fi
}

release_all() {
	local began=$SECONDS cpu whole=yes took
	cpu=$(cpu_of "$pid")
	cores >"$table.$who.cores"
	mark
	images | send || return 1
	echo "   all are released in $((SECONDS - began)) s"
	until_all Succeeded "$patience" || whole=
	took=$((SECONDS - began))
	tell_cores "$table.$who.cores" "$took"
	own >"$table.$who.own"
	note_all "release of all"
	if [ -n "$whole" ]; then
		bound "release of all, s" "$took" 150
		bound "release of all: requests a canary" "$(awk -v n="$count" 'END { printf "%.1f", NR / n }' "$table.$who.own")" 60
	else
		not_had "release of all, s"
	fi
	note "release of all: CPU, s" "$(awk -v a="$cpu" -v b="$(cpu_of "$pid")" 'BEGIN { printf "%.2f", b - a }')"
	note "peak memory, MB" "$(memory_of "$pid" VmHWM)"
	delays >"$table.$who.delays"
	note "change to first action, s (p50, p99)" \
		"$(awk '{ d[NR] = $1 } END { printf "%.2f %.2f", d[int((NR + 1) / 2)], d[int(NR * 0.99 + 0.5)] }' "$table.$who.delays")"
}

# bench WHO USER KUBECONFIG COMMAND
bench() {
	local pid began
	who=$1
	user=$2
	ns=bench-$who
	echo "== $who: $4"
	KUBECONFIG=$3 METRICS=http://127.0.0.1:$receiver setsid sh -c "exec $4" >"$table.$who.log" 2>&1 &
	pid=$!
	"$kubectl" create namespace "$ns" >/dev/null
	began=$SECONDS
	cores >"$table.$who.cores"
	objects | send || return 1
	echo "   $count Deployments and Canaries are created in $((SECONDS - began)) s"
	if until_all Initialized "$patience"; then
		echo "   initialized in $((SECONDS - began)) s"
		tell_cores "$table.$who.cores" "$((SECONDS - began))"
		at_rest
		release_all
	else
		not_had "initialized"
	fi
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	"$kubectl" delete namespace "$ns" --wait=false >/dev/null
}

table=$root/build/e2e/bench/table
failed=0
rm -rf "$root/build/e2e/bench"
mkdir -p "$root/build/e2e/bench"
# A hundred requests a second, our default, would be what is measured.
ours="$ours --kubeconfig-qps 1000 --kubeconfig-burst 2000"
bench sluice system:serviceaccount:sluice-system:sluice "$BED/sluice.kubeconfig" "$ours" || failed=$((failed + 1))
if [ -n "${PEER:-}" ]; then
	bench peer system:serviceaccount:default:peer "$(peer_kubeconfig)" "$PEER" || failed=$((failed + 1))
fi
print_table
"$here/plane.sh" down
[ "$failed" = 0 ]
