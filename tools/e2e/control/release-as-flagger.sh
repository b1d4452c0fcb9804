# every release of spec/golden, as our ServiceAccount and with leader election: events, hook calls, statuses, objects

given_cluster
releases --only "$meshes" "$PROGRAMS/sluice"
