# the daemon is killed -9 at ten random moments: the same statuses and objects, no event lost, nothing invented

given_cluster
export HARM=killed TIMES=10 TOLD=$folder/harm
releases --no-election --only "$meshes" --repeats --limit 4m "$here/harm.sh"
say "killed $(grep -c killed "$TOLD") times"
