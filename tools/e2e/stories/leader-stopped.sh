# two daemons; the leader is stopped in mid-analysis, and woken after the other one took over: it writes nothing any more
# shellcheck shell=bash disable=SC2034,SC2154

holder() { "$kubectl" -n sluice-system get lease sluice-leader-election -o 'jsonpath={.spec.holderIdentity}'; }

# Each change of the writer: "TIME TOKEN" of writes in this namespace, whatever came of them.
writers() {
	jq -r --arg ns "$ns" 'select(.objectRef.namespace == $ns and .stage == "ResponseComplete" and
		.user.username == "system:serviceaccount:sluice-system:sluice" and (.verb | test("create|patch|update|delete"))) |
		.requestReceivedTimestamp + " " + .user.extra["authentication.kubernetes.io/credential-id"][0]' "$BED/audit.log" |
		sort | uniq -f1
}

daemon_flags=(--enable-leader-election --leader-election-namespace sluice-system)
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 30
stepWeight: 10"
# By a token of its own the audit log tells it apart.
as_service_account sluice-system sluice "$folder/second.kubeconfig" || stuck "no second token"
daemon_kubeconfig=$folder/second.kubeconfig start_daemon second

load 800
begin_release 6.0.1
until_weight 20
leader=$(holder)
kill -STOP "$(cat "$folder/daemon.pid")"
say "the leader is stopped"
deadline=$((SECONDS + 40))
until [ "$(holder)" != "$leader" ]; do
	[ $SECONDS -lt $deadline ] || stuck "nobody takes over"
	sleep 0.2
done
sleep 1
kill -CONT "$(cat "$folder/daemon.pid")"
say "the other one took over, and the first is woken"
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1"
if [ -n "${BED:-}" ]; then
	writers >"$folder/writers"
	[ "$(wc -l <"$folder/writers")" = 2 ] || wrong "the writer changed other than once: see writers"
else
	say "there is no audit log to see that the first one wrote nothing after that"
fi
