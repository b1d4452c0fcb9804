# a real Prometheus loses its target in mid-analysis, and its series go stale: told from errors, held where the Canary says so
# shellcheck shell=bash disable=SC2034,SC2154

# One of its own, as it is told to scrape nothing for a while.
metrics=$((prometheus + 40 + RANDOM % 20))
scrape() { # CONFIG
	cp "$1" "$folder/prometheus.yaml"
	[ ! -e "$folder/prometheus.pid" ] || kill -HUP "$(cat "$folder/prometheus.pid")"
}
sed 's/static_configs:.*/static_configs: []/' "$plane/prometheus.yaml" >"$folder/nothing.yaml"
scrape "$plane/prometheus.yaml"
(
	prometheus --config.file "$folder/prometheus.yaml" --storage.tsdb.path "$folder/tsdb" --log.level warn \
		--web.listen-address "127.0.0.1:$metrics" >"$folder/prometheus.log" 2>&1 &
	echo $! >"$folder/prometheus.pid"
)
at_end() { rm -rf "$folder/tsdb"; }

given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 2
maxWeight: 30
stepWeight: 10"
change "no data holds" patch canary podinfo --type=json -p '[
	{"op":"add","path":"/metadata/annotations","value":{"sluice.dev/on-no-data":"hold"}}]'

load 800
begin_release 6.0.1
until_weight 10
scrape "$folder/nothing.yaml"
say "Prometheus scrapes nothing"
until_event "no values found"
sleep 12
said=$(kube get canary podinfo -o json | jq -r '.status | [.phase, .failedChecks, (.conditions[] | select(.type == "Sluice") | .reason),
	(.conditions[] | select(.type == "Sluice") | .message | fromjson | .history[-1] | .[2] + " " + .[4])] | join(" ")')
[ "$said" = "Progressing 0 Holding hold no-data" ] || wrong "it is not held for want of data: $said"
"$sluice" why podinfo -n "$ns" >"$folder/why" 2>&1
grep -q "no values found" "$folder/why" || wrong "why does not say so: $(head -5 "$folder/why")"
scrape "$plane/prometheus.yaml"
say "Prometheus scrapes again"
until_phase Succeeded
expect_image podinfo-primary 6.0.1
expect_no_event "Rolling back"
say "a healthy release outlasts it"

fault podinfo 6.0.2 errors=20
begin_release 6.0.2
until_weight 10
scrape "$folder/nothing.yaml"
sleep 5
scrape "$plane/prometheus.yaml"
until_phase Failed 90
end_load
expect_image podinfo-primary 6.0.1
live_events | grep -q "advancement success rate" || wrong "it did not fail for its errors"
say "a bad one is caught when there is data again"
