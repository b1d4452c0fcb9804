# shellcheck shell=bash disable=SC2154
# Secrets in all places that have them: none is in a log, an event, a status, the decision log or what is made of it.

secrets=$(mktemp -d)
cat >"$secrets/objects.yaml" <<'EOF'
apiVersion: v1
kind: Secret
metadata: {name: store, namespace: test}
stringData: {username: planted-user, password: planted-store}
data: {username: cGxhbnRlZC11c2Vy, password: cGxhbnRlZC1zdG9yZQ==}
---
apiVersion: v1
kind: Secret
metadata: {name: chat, namespace: test}
data: {address: aHR0cDovL3U6cGxhbnRlZC1hbGVydEAxMjcuMC4wLjE6MS9wbGFudGVkLXBhdGg=, token: cGxhbnRlZC1jaGF0}
---
apiVersion: flagger.app/v1beta1
kind: AlertProvider
metadata: {name: chat, namespace: test}
spec: {type: slack, channel: c, secretRef: {name: chat}}
---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: hits, namespace: test}
spec:
  provider:
    type: graphite
    address: http://u:planted-address@127.0.0.1:1
    headers: {X-Key: [planted-header]}
    secretRef: {name: store}
  query: target=hits
EOF
sed 's/interval: 10s/interval: 1s/; s/stepWeight: 5/stepWeight: 25/; /^    webhooks:/,$d; /^    metrics:/,$d' \
	examples/podinfo/canary.yaml | sed 's/^    port: .*/&\n    headers: {request: {set: {authorization: planted-header}}}/' >"$secrets/canary.yaml"
cat >>"$secrets/canary.yaml" <<'EOF'
    metrics:
      - {name: hits, templateRef: {name: hits}, thresholdRange: {min: 1}, interval: 1m, onError: fail}
    alerts:
      - {name: chat, severity: info, providerRef: {name: chat}}
    webhooks:
      - {name: told, type: event, url: "http://u:planted-hook@127.0.0.1:1/x?key=planted-query"}
      - name: test
        type: rollout
        url: "http://u:planted-hook@127.0.0.1:1/x?key=planted-query"
        timeout: 1s
        metadata: {cmd: "curl -H 'Authorization: Bearer planted-metadata' http://app", token: planted-metadata}
EOF
"$sluice" sim --port 0 --kubeconfig "$secrets/kubeconfig" -f examples/podinfo/deployment.yaml -f "$secrets/objects.yaml" \
	-f "$secrets/canary.yaml" >"$secrets/sim.log" 2>&1 &
holder=$!
for _ in $(seq 100); do
	[ ! -s "$secrets/kubeconfig" ] || break
	sleep 0.1
done
place=$(sed -n 's/.*server: //p' "$secrets/kubeconfig")
cat >"$secrets/daemon.kubeconfig" <<EOF
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "$place"}}]
users: [{name: u, user: {token: planted-token}}]
EOF
"$sluice" run --kubeconfig "$secrets/daemon.kubeconfig" --metrics-server "${place/:\/\//://u:planted-metrics@}/prometheus" \
	--min-analysis-interval 1s --port 0 --log-level debug --slack-url "http://u:planted-slack@127.0.0.1:1/planted-slack" \
	--slack-channel c --event-webhook "http://u:planted-events@127.0.0.1:1/?key=planted-events" \
	--decision-log "$secrets/decisions" >"$secrets/daemon.log" 2>&1 &
keeper=$!
spec "secrets: a release among them" 0 "Initialized" "$sluice" follow --kubeconfig "$secrets/kubeconfig" --until Initialized --timeout 30s test/podinfo
curl -sf -o /dev/null -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
	-d '{"spec":{"template":{"spec":{"containers":[{"name":"podinfod","image":"podinfo:next"}]}}}}' \
	"$place/apis/apps/v1/namespaces/test/deployments/podinfo"
spec "secrets: it fails, with many messages" 0 "Failed" "$sluice" follow --kubeconfig "$secrets/kubeconfig" --until Failed --timeout 60s test/podinfo
kill "$keeper"
wait "$keeper"
{
	cat "$secrets/daemon.log" "$secrets"/decisions/*
	curl -sf "$place/api/v1/namespaces/test/events"
	curl -sf "$place/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo" | sed 's/.*"status":/"status":/; s/"spec":.*//'
	"$sluice" replay "$secrets/decisions"
	"$sluice" replay "$secrets/decisions" --verify
	"$sluice" why "$secrets/decisions" --any
	"$sluice" why podinfo -n test --kubeconfig "$secrets/daemon.kubeconfig"
} >"$secrets/told" 2>&1
spec "secrets: the metric store was told to be down" 0 "" grep -q "hits" "$secrets/told"
spec "secrets: none is told" 1 "" grep -o ".\{60\}planted.\{20\}" "$secrets/told"
kill "$holder"
wait "$holder"
rm -rf "$secrets"
