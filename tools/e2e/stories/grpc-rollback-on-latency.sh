# a release of a gRPC service that becomes slow is rolled back, and loses no call
# shellcheck shell=bash disable=SC2034,SC2154

protocol=grpc
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 2
maxWeight: 50
stepWeight: 10"

load_grpc 800
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
