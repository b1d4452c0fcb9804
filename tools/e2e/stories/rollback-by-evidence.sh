# with `policy: {name: evidence}` a step waits for as many requests as its answer needs; then 3% that fail are rolled back
# shellcheck shell=bash disable=SC2034,SC2154

fault podinfo 6.0.2 errors=3
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 40
stepWeight: 20
policy: {name: evidence}"

load 20
begin_release 6.0.1
until_weight 20
until_event "not enough evidence of request-success-rate"
sleep 12 # two windows of its query, of some 24 requests each
expect_no_event "canary weight 40"
load 800
until_weight 40
until_phase Succeeded

begin_release 6.0.2
until_weight 20
until_event "requests failed in this step"
until_phase Failed
end_load

say "$(live_events | grep -o 'request-success-rate: .* failed in this step' | head -1)"
expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
