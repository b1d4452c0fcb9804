# a new version in mid-analysis: the analysis starts again, and what is promoted is the new one
# shellcheck shell=bash disable=SC2034,SC2154

given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 30
stepWeight: 10"

load 800
begin_release 6.0.1
until_weight 20
release 6.0.2
until_event "New revision detected"
until_weight 10
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.2
expect_rehearsal "image: example.com/podinfo:6.0.1
scenes:
  - {at: 13s, image: example.com/podinfo:6.0.2}"
