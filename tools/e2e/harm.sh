#!/bin/bash
# Runs the daemon and does it harm; takes its flags, and ends with it at SIGTERM. $HARM:
#
#     killed           kill -9 at $TIMES random moments, and started again
#     each-killed      a daemon for each namespace that has a Canary, killed -9 at $TIMES random moments; each has a folder
#                      of $DECISIONS
#     leader-killed    two daemons; the leader is killed -9
#     leader-stopped   two daemons; the leader is stopped, and woken when the other one has taken over
#
# $SECOND is the kubeconfig of the second daemon, $DECISIONS a directory for decision logs. What was done when is told in
# $TOLD.
set -u
here=$(cd "$(dirname "$0")" && pwd)
kubectl=$("$here/binary.sh" kubectl)
log=$TOLD.log
pids=()

tell() { echo "$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ) $*" >>"$TOLD"; }

# start [FLAGS]: the daemon, with flags of its own after those that were given.
start() {
	"$PROGRAMS/sluice" "${flags[@]}" ${DECISIONS:+--decision-log "$DECISIONS"} "$@" >>"$log" 2>&1 &
	pids+=($!)
}

end() {
	kill "${pids[@]}" 2>/dev/null
	wait
	exit 0
}
trap end TERM

nap() {
	sleep "$1" &
	wait $!
}

holder() {
	"$kubectl" -n sluice-system get lease sluice-leader-election -o 'jsonpath={.spec.holderIdentity}' 2>/dev/null
}

# Until the lease is somebody else's.
until_taken_over() {
	local was=$1 now
	until now=$(holder) && [ -n "$now" ] && [ "$now" != "$was" ]; do
		nap 0.2
	done
	tell "taken over"
}

two_daemons() {
	start
	until [ -n "$(holder)" ]; do
		nap 0.1
	done
	leader=$(holder)
	start --kubeconfig "$SECOND"
	nap 4 # releases are under way
}

flags=("$@")
case $HARM in
killed)
	for _ in $(seq "$TIMES"); do
		start
		nap "$(awk -v seed="$RANDOM" 'BEGIN { srand(seed); print 0.2 + 2 * rand() }')"
		kill -KILL "${pids[-1]}"
		tell killed
	done
	start
	;;
each-killed)
	watch_over() { # NAMESPACE
		local daemon
		trap 'kill "$daemon" 2>/dev/null; wait; exit 0' TERM
		for kill in $(seq 0 "$TIMES"); do
			"$PROGRAMS/sluice" "${flags[@]}" --namespace "$1" --decision-log "$DECISIONS/$1" >>"$log" 2>&1 &
			daemon=$!
			[ "$kill" -lt "$TIMES" ] || break
			nap "$(awk -v seed="$RANDOM$BASHPID" 'BEGIN { srand(seed); print 1 + 6 * rand() }')"
			kill -KILL "$daemon"
			tell "killed the daemon of $1"
		done
		wait
	}
	mkdir -p "$DECISIONS"
	until namespaces=$("$kubectl" get canaries -A -o 'jsonpath={.items[*].metadata.namespace}') && [ -n "$namespaces" ]; do
		nap 0.5
	done
	for namespace in $namespaces; do
		watch_over "$namespace" &
		pids+=($!)
	done
	;;
leader-killed)
	two_daemons
	tell killed
	kill -KILL "${pids[0]}"
	until_taken_over "$leader"
	start # the killed one comes back, and waits
	;;
leader-stopped)
	two_daemons
	tell stopped
	kill -STOP "${pids[0]}"
	until_taken_over "$leader"
	nap 1
	tell woken
	kill -CONT "${pids[0]}"
	;;
esac
wait
