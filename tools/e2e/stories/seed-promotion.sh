# the release of the seed, 5% more at each step up to 50%, is promoted and loses no request
# shellcheck shell=bash disable=SC2034,SC2154

given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 5
maxWeight: 50
stepWeight: 5
webhooks:
  - {name: acceptance-test, type: pre-rollout, url: http://127.0.0.1:$receiver/acceptance-test, timeout: 5s}
  - {name: load-test, type: rollout, url: http://127.0.0.1:$receiver/load-test, timeout: 5s}"

load 800
begin_release 6.0.1
until_event "Starting canary analysis"
until_weight 5
until_weight 50 120
until_phase Promoting
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1"
