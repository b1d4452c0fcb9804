# a version of which one request in five fails is rolled back; nobody but its own pods failed a request
# shellcheck shell=bash disable=SC2034,SC2154

fault podinfo 6.0.2 errors=20
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
expect_rehearsal "image: example.com/podinfo:6.0.2" "
series:
  - {metric: request-success-rate, values: 80x60}
  - {metric: request-duration, values: 20x60}"
