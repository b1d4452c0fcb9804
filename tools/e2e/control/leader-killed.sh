# two daemons; the leader is killed -9, and the other one goes on with its releases within seconds

given_cluster
export HARM=leader-killed TOLD=$folder/harm SECOND=$BED/second.kubeconfig
second_kubeconfig >"$SECOND"
releases --only "$meshes" --repeats --limit 4m "$here/harm.sh"
expect_one_takeover
