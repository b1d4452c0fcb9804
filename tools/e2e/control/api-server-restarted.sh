# the API server is killed in mid-run and comes back: all releases go on and end as Flagger's

given_cluster
(
	sleep 5
	"$here/bed.sh" kill kube-apiserver
	sleep 2
	"$here/bed.sh" start kube-apiserver
	date -u +%T >"$folder/restarted"
) &
releases --only "$meshes" --repeats --gaps --limit 4m "$PROGRAMS/sluice"
wait
[ -s "$folder/restarted" ] || wrong "the API server did not come back"
denied_is_fine="an API server that starts denies all until it has read its roles"
