# every transcript of Flagger is a release, on every mesh, with the CRDs of the vendors: all of it is compared
# First: it takes minutes.

given_cluster ours all
releases --limit 4m "$PROGRAMS/sluice"
