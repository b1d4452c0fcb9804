#!/bin/bash
# Releases under a daemon that is killed (-9) again and again: its decision log is whole, and asked again it answers the
# same. Usage: spec/cluster/killed.sh SLUICE [ROUNDS]; each round is ten releases.
set -u
sluice=$1
rounds=${2:-1}
canaries=10
folder=$(mktemp -d)
sim=
killer=
end() {
	[ -z "$killer" ] || kill "$killer" 2>/dev/null
	wait "$killer" 2>/dev/null
	[ -z "$sim" ] || kill "$sim" 2>/dev/null
	wait
	rm -rf "$folder"
}
trap end EXIT

fail() {
	echo "  FAILED killed: $*" >&2
	tail -5 "$folder/run.log" >&2
	exit 1
}

set --
for i in $(seq $canaries); do
	for file in deployment canary; do
		sed "s/namespace: test/namespace: test$i/; s/interval: 10s/interval: 1s/; s/stepWeight: 5/stepWeight: 20/" \
			"examples/podinfo/$file.yaml" >"$folder/$file$i.yaml"
		set -- "$@" -f "$folder/$file$i.yaml"
	done
done
export KUBECONFIG=$folder/kubeconfig
"$sluice" sim --port 0 --kubeconfig "$KUBECONFIG" "$@" >"$folder/sim.log" 2>&1 &
sim=$!
for _ in $(seq 50); do
	[ ! -s "$KUBECONFIG" ] || break
	sleep 0.1
done
server=$(sed -n 's/.*server: //p' "$KUBECONFIG")

# One daemon after the other, each killed after 0.2 to 2.2 seconds.
(
	daemon=
	trap '[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null; exit' TERM
	while :; do
		"$sluice" run --metrics-server "$server/prometheus" --min-analysis-interval 1s --port 0 \
			--decision-log "$folder/log" >>"$folder/run.log" 2>&1 &
		daemon=$!
		sleep "$((RANDOM % 3)).$((RANDOM % 8 + 2))"
		kill -9 $daemon
		wait $daemon 2>/dev/null
		echo killed >>"$folder/kills"
	done
) &
killer=$!

# reach PHASE...: all canaries are in one of these phases
reach() {
	for _ in $(seq 900); do
		local there=0
		for i in $(seq $canaries); do
			local phase
			phase=$(curl -sf "$server/apis/flagger.app/v1beta1/namespaces/test$i/canaries/podinfo" |
				sed -n 's/.*"phase":"\([A-Za-z]*\)".*/\1/p')
			[[ " $* " != *" $phase "* ]] || there=$((there + 1))
		done
		[ $there -lt $canaries ] || return 0
		sleep 0.2
	done
	fail "not all canaries came to $*"
}

reach Initialized
for round in $(seq "$rounds"); do
	for i in $(seq $canaries); do
		image=ghcr.io/stefanprodan/podinfo:$round
		[ $((i % 3)) != 0 ] || image=$image:bad
		curl -sf -o /dev/null -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
			-d '{"spec":{"template":{"spec":{"containers":[{"name":"podinfod","image":"'"$image"'"}]}}}}' \
			"$server/apis/apps/v1/namespaces/test$i/deployments/podinfo"
	done
	reach Progressing Promoting Finalising Succeeded Failed
	sleep 2
	reach Succeeded Failed
done
kill "$killer"
wait "$killer" 2>/dev/null
killer=

told=$("$sluice" replay "$folder/log" --verify) || fail "$told"
releases=$("$sluice" replay "$folder/log" | grep -c 'begin the release')
[ "$releases" -ge $((rounds * canaries)) ] || fail "$releases releases in the log, of $((rounds * canaries))"
bytes=$(cat "$folder"/log/* | wc -c)
decisions=$(cat "$folder"/log/* | grep -c '"canary"')
[ $((bytes / decisions)) -lt 2048 ] || fail "a decision takes $((bytes / decisions)) bytes"
echo "killed: $releases releases, $(wc -l <"$folder/kills") kills, $((bytes / decisions)) bytes a decision: ${told##*$'\n'}"
