# with the CRDs of Flagger itself instead of ours, a release is promoted by a daemon that is killed on the way
# Alone: a cluster has one CRD of canaries.
# shellcheck shell=bash disable=SC2034,SC2154

given_a_bed "its CRDs are not replaced"
at_end() { "$here/bed.sh" install; }
"$here/bed.sh" install flagger
"$kubectl" get crd canaries.flagger.app -o json >"$folder/crd"
! grep -q '"onGoodRevision"' "$folder/crd" || wrong "it is our CRD"
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 30
stepWeight: 10"

load 800
begin_release 6.0.1
until_weight 20
kill_daemon
start_daemon
say "the daemon is killed, and started again"
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1"
