# a version of which one request in five fails is rolled back; nobody but its own pods failed a request
# shellcheck shell=bash disable=SC2034,SC2154

fault podinfo 6.0.2 errors=20
daemon_flags=(--decision-log "$folder/decisions")
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 2
maxWeight: 50
stepWeight: 10"

load 800
begin_release 6.0.2
until_weight 10
until_event "advancement success rate"
until_event "Rolling back"
until_phase Failed
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.0
# A tenth of 800 requests a second, in the six seconds of the query.
"$sluice" why "$folder/decisions" "$ns/podinfo" >"$folder/why"
behind=$(grep -oP 'request-success-rate is [0-9.]+, must be at least 99; of \K[0-9]+(?= requests)' "$folder/why" | head -1)
say "why: $(grep -m 1 'must be at least' "$folder/why" | sed 's/^ *//')"
{ [ "${behind:-0}" -ge 100 ] && [ "$behind" -le 1000 ]; } || wrong "the requests behind the number: ${behind:-not told}"
expect_rehearsal "image: example.com/podinfo:6.0.2" "
series:
  - {metric: request-success-rate, values: 80x60}
  - {metric: request-duration, values: 20x60}"
