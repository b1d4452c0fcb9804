# a release of ten steps takes fewer than 60 requests of the API server; at rest there are none but watches

given_cluster
releases --only seed-promotion --interval 1s --rest 23s "$PROGRAMS/sluice"
read -r _ _ released ended _ < <(grep '^  ok' "$folder/releases")
taken=$(requests "$released" "$ended" | wc -l)
say "requests of the release: $taken: $(requests "$released" "$ended" | by_count)"
say "by kind: $(requests "$released" "$ended" '.verb + " " + .objectRef.resource' | by_count)"
[ "$taken" -gt 0 ] && [ "$taken" -lt 60 ] || wrong "the budget is 60"

# The last events, and what the end of a release leaves to be done, have 3 s.
rest=$(date -u -d "$ended + 3 seconds" +%Y-%m-%dT%H:%M:%S.%6NZ)
at_rest=$(requests "$rest" 9999 '.verb + " " + .requestURI')
say "requests at rest, in 18 s: $(printf '%s' "$at_rest" | grep -c .)"
[ -z "$at_rest" ] || wrong "at rest: $at_rest"
