# two hundred canaries are released at once
# First: it takes minutes.

given_cluster
releases --only seed-promotion --copies 200 --together --interval 5s --limit 9m "$PROGRAMS/sluice"
released=$(awk '$1 == "ok" { print $3 }' "$folder/releases" | sort | head -1)
ended=$(awk '$1 == "ok" { print $4 }' "$folder/releases" | sort | tail -1)
say "from the first image to the last promotion: $(($(date -d "$ended" +%s) - $(date -d "$released" +%s))) s"
say "requests a release: $(requests "$released" "$ended" | wc -l | awk '{ print $1 / 200 }')"
