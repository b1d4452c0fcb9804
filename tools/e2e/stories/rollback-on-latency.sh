# a version that becomes slow once it has a fifth of the traffic is rolled back
# shellcheck shell=bash disable=SC2034,SC2154

given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 2
maxWeight: 50
stepWeight: 10"

clients=200
load 800
begin_release 6.0.2
until_weight 20
fault podinfo 6.0.2 delay_ms=700
until_event "advancement request duration"
until_event "Rolling back"
until_phase Failed
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.0
expect_rehearsal "image: example.com/podinfo:6.0.2" "
interval: 10s
series:
  - {metric: request-success-rate, values: 100x60}
  - {metric: request-duration, values: 20x1 900x60}"
