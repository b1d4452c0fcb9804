# two daemons; the leader is stopped, and woken after the other one took over: it writes nothing any more

given_cluster
export HARM=leader-stopped TOLD=$folder/harm SECOND=$BED/second.kubeconfig
second_kubeconfig >"$SECOND"
releases --only "$meshes" --repeats --limit 4m --rest 10s "$here/harm.sh"
grep -q woken "$TOLD" || wrong "it was not woken"
expect_one_takeover
