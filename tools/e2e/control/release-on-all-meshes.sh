# every release of spec/golden on every mesh, with the vendors' CRDs: what is written passes the API server's validation
# First: it takes minutes.

given_cluster ours all
releases --limit 4m "$PROGRAMS/sluice"
