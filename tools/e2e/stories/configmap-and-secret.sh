# a changed ConfigMap is a new revision, and so is a changed Secret; the primary gets copies of what was promoted
# shellcheck shell=bash disable=SC2034,SC2154

value_of() { kube get "$1" podinfo-primary -o "jsonpath={.data.$2}"; }

given_object ConfigMap podinfo "colour: blue"
given_object Secret podinfo "password: $(printf one | base64)"
given_podinfo 6.0.0 <<<"envFrom: [{configMapRef: {name: podinfo}}, {secretRef: {name: podinfo}}]"
given_canary "interval: $interval
threshold: 3
maxWeight: 20
stepWeight: 10"
[ "$(value_of configmap colour)" = blue ] || wrong "the primary's ConfigMap is no copy"

load 800
begin_change "the ConfigMap says green" patch configmap podinfo -p '{"data":{"colour":"green"}}'
until_event "New revision detected"
until_weight 10
[ "$(value_of configmap colour)" = blue ] || wrong "the primary got the ConfigMap before its time"
until_phase Succeeded
[ "$(value_of configmap colour)" = green ] || wrong "the primary did not get the ConfigMap"
expect_rehearsal "scenes: []"

begin_change "the Secret has another password" patch secret podinfo -p '{"stringData":{"password":"two"}}'
until_event "New revision detected"
until_phase Succeeded
expect_rehearsal "scenes: []"
[ "$(value_of secret password | base64 -d)" = two ] || wrong "the primary did not get the Secret"
end_load

expect_no_loss
expect_shares
! grep -q "password\|$(printf two | base64)" "$folder/follow" "$folder/daemon.log" || wrong "the password was told"
