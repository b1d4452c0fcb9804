# who sends a header sees the canary and nobody else does, until it is promoted
# shellcheck shell=bash disable=SC2034,SC2154

given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 2
iterations: 3
match:
  - headers: {x-user: {regex: '^in.*'}}"

load 250 -H 'x-user: insider'
load 550 -H 'x-user: outsider'
begin_release 6.0.1
until_event "Advance podinfo.$ns canary iteration 1/3"
until_event "Advance podinfo.$ns canary iteration 3/3"
until_phase Promoting
until_phase Succeeded
end_load

# at the pods: "version pod route/split requests failed"
insiders=$(awk '$3 ~ "^podinfo-a/podinfo-canary:100," && $2 !~ /podinfo-primary-/ { n += $4 } END { print n + 0 }' "$plane/counts/$ns".*)
strays=$(awk '$3 !~ "^podinfo-a/podinfo-canary:100," && $2 !~ /podinfo-primary-/ { n += $4 } END { print n + 0 }' "$plane/counts/$ns".*)
say "at the canary: $insiders requests of insiders, $strays of others"
[ "$insiders" -ge 2000 ] || wrong "insiders do not see the canary"
[ "$strays" = 0 ] || wrong "others see the canary"
expect_no_loss
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1"
