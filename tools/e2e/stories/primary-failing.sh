# the primary does not come up with the promoted version: the canary keeps the traffic, and a fix that is released takes over
# shellcheck shell=bash disable=SC2034,SC2154

deadline=8
weights='jsonpath={.spec.routes[0].httpRoute.action.weightedTargets[0].weight} {.spec.routes[0].httpRoute.action.weightedTargets[1].weight}'
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 20
stepWeight: 10"

load 800
begin_release 6.0.1
until_weight 20
fault podinfo-primary 6.0.1 unready=1
until_phase Promoting
until_event "Promotion of podinfo.$ns failed, primary not ready"
until_phase Failed
[ "$(kube get virtualrouter podinfo -o "$weights")" = "100 0" ] || wrong "the canary does not keep the traffic"

release 6.0.2
until_event "New revision detected"
until_phase Promoting
fix=$(requests_of podinfo 6.0.2)
[ "$fix" -ge 2000 ] || wrong "the fix is promoted after $fix requests"
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.2
expect_rehearsal "image: example.com/podinfo:6.0.1
scenes:
  - {at: 15s, for: 50s, pods: {primary: stuck}}
  - {at: 60s, image: example.com/podinfo:6.0.2}"
