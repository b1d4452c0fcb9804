# the same with the CRDs of Flagger itself instead of ours

given_cluster flagger
releases --only "$meshes" "$PROGRAMS/sluice"
