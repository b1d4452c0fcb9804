# the old image is put back in mid-analysis: the release is over at once, and nothing is promoted
# shellcheck shell=bash disable=SC2034,SC2154

given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 50
stepWeight: 10"

load 800
begin_release 6.0.1
until_weight 20
sleep 3
release 6.0.0
until_phase Failed 30
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.0
expect_rehearsal "image: example.com/podinfo:6.0.1
scenes:
  - {at: 13s, image: example.com/podinfo:6.0.0}"
