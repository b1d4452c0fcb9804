# the API server is killed in mid-analysis and comes back five seconds later: requests go on, and so does the release
# Alone: all stories have one API server.
# shellcheck shell=bash disable=SC2034,SC2154

given_a_bed "its API server is not killed"
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 30
stepWeight: 10"

load 800
begin_release 6.0.1
until_weight 20
"$here/bed.sh" kill kube-apiserver
say "the API server is killed"
sleep 5
"$here/bed.sh" start kube-apiserver
say "the API server is back"
# Controllers begin to watch again when their backoff ends; a slice of endpoints was 50 s late.
until_phase Succeeded 180
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1
scenes:
  - {at: 13s, for: 5s, api: down}"
