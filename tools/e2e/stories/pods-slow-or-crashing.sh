# pods that take long to start are waited for; pods that crash roll the release back; requests notice neither
# shellcheck shell=bash disable=SC2034,SC2154

deadline=10
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 20
stepWeight: 10"

load 800
begin_change "new pods take 4 s to start" patch deployment podinfo -p \
	'{"spec":{"template":{"metadata":{"annotations":{"e2e.sluice.dev/start-after":"4s"}}}}}'
until_event "New revision detected"
sleep 3
[ "$(requests_of podinfo)" = 0 ] || wrong "a pod that was not ready got a request"
until_event "Starting canary analysis"
until_phase Succeeded
expect_rehearsal "image: none
scenes:
  - {at: 0s, patch: {target: {spec: {template: {metadata: {annotations: {some: thing}}}}}}}"

begin_change "new pods crash" patch deployment podinfo -p \
	'{"spec":{"template":{"metadata":{"annotations":{"e2e.sluice.dev/start-after":null,"e2e.sluice.dev/crash":"true"}}}}}'
until_event "New revision detected"
until_event "Rolling back"
until_phase Failed
end_load

expect_no_loss
expect_shares
expect_rehearsal "image: none
scenes:
  - {at: 0s, patch: {target: {spec: {template: {metadata: {annotations: {other: thing}}}}}}}
  - {at: 0s, for: 10m, pods: {target: stuck}}"
