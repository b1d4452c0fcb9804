# a release of a gRPC service is promoted, and loses no call
# shellcheck shell=bash disable=SC2034,SC2154

protocol=grpc
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 30
stepWeight: 10"
[ -n "$(kube get virtualrouter podinfo -o 'jsonpath={.spec.routes[0].grpcRoute}')" ] || wrong "its route is not of gRPC"

load_grpc 800
begin_release 6.0.1
until_weight 10
until_weight 30
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1"
