# a version that fails its acceptance test never gets a request, and is rolled back
# shellcheck shell=bash disable=SC2034,SC2154

hook_answers acceptance-test 500
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 2
maxWeight: 50
stepWeight: 10
webhooks:
  - {name: acceptance-test, type: pre-rollout, url: http://127.0.0.1:$receiver/acceptance-test, timeout: 5s}"

load 800
begin_release 6.0.1
until_event "pre-rollout check acceptance-test failed"
until_event "Rolling back"
until_phase Failed
end_load

expect_no_loss
expect_shares
[ "$(requests_of podinfo)" = 0 ] || wrong "the canary got $(requests_of podinfo) requests"
expect_image podinfo-primary 6.0.0
expect_rehearsal "image: example.com/podinfo:6.0.1
hooks: {acceptance-test: 500}"
