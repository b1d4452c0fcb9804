# a Lua policy in a ConfigMap is changed in mid-analysis: the next step is the new policy's
# shellcheck shell=bash disable=SC2034,SC2154

steps_of() { printf 'return { step = function(rollout)
  if rollout.weight >= 50 then return { action = "promote" } end
  return { action = "route", weight = rollout.weight + %s }
end }\n' "$1"; }

given_object ConfigMap curve "policy.lua: |
$(steps_of 10 | sed 's/^/    /')"
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
policy: {configMap: {name: curve}}"

load 800
begin_release 6.0.1
until_weight 10
until_weight 20
change "the policy now goes by 15" patch configmap curve -p "$(jq -n --arg text "$(steps_of 15)" '{data: {"policy.lua": $text}}')"
until_weight 35
until_weight 50
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1
scenes:
  - {at: 13s, patch: {ConfigMap/curve: {data: {policy.lua: $(steps_of 15 | jq -Rs .)}}}}"
