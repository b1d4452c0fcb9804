# Prometheus is down for two minutes in mid-analysis: the release waits, and goes on when it is back
# First: it takes minutes.
# shellcheck shell=bash disable=SC2034,SC2154

"$here/plane.sh" start another-prometheus
metrics=$another_prometheus
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 5
maxWeight: 30
stepWeight: 10"

load 800
begin_release 6.0.1
until_weight 20
"$here/plane.sh" stop another-prometheus
say "Prometheus is stopped"
load_instead 100
sleep 117
[ "$(kube get canary podinfo -o 'jsonpath={.status.phase} {.status.canaryWeight} {.status.failedChecks}')" = "Progressing 20 0" ] ||
	wrong "the release did not wait: $(kube get canary podinfo -o 'jsonpath={.status}')"
load_instead 800
sleep 3
"$here/plane.sh" start another-prometheus
say "Prometheus is back"
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
# It answers before it has scraped what it can answer with, and that is no failed check.
meanwhile="has no data yet, its store was down"
expect_rehearsal "image: example.com/podinfo:6.0.1
scenes:
  - {at: 13s, for: 2m, metrics: down}"
