# The verb dry-run; read by spec/cli/run.sh.
# shellcheck shell=bash disable=SC2154

for metrics in good slow-leak no-traffic; do
	case $metrics in
	good) status=0 part="succeeded after" ;;
	*) status=2 part="rolled back after" ;;
	esac
	spec "rehearses a release: $metrics" $status "$part" "$sluice" dry-run -f "$canary" --metrics "examples/recordings/$metrics.yaml"
done
spec "rehearses without a recording" 0 "succeeded after" "$sluice" dry-run -f "$canary"
spec "tells it as JSON" 0 '"outcome":"succeeded"' "$sluice" dry-run -f "$canary" -o json
spec "shows the objects" 0 "kind: VirtualRouter" "$sluice" dry-run -f "$canary" --objects
spec "not finished in time" 3 "not finished" "$sluice" dry-run -f "$canary" --limit 30s
spec "a recording that is not there" 1 "/no/such/file" "$sluice" dry-run -f "$canary" --metrics /no/such/file
spec "an unknown flag" 1 "did you mean --metrics?" "$sluice" dry-run --metric x

# ---- scenarios

cat >"$bad" <<'END'
image: podinfo:2
hooks:
  load-test: 500x2 200
scenes:
  - {at: 30s, image: podinfo:3}
  - {at: 1m, for: 40s, metrics: down}
  - {at: 2m, for: 20s, api: 503}
  - {at: 2m30s, crash: true}
END
spec "a scenario" 0 "metric store is down (scenario)" "$sluice" dry-run -f "$canary" --scenario "$bad"
spec "a new revision in mid-run" 0 "Restarting analysis for podinfo.test" "$sluice" dry-run -f "$canary" --scenario "$bad"
# wrong LINES PART: a scenario of these lines is refused so
wrong() {
	printf '%b' "$1" >"$bad"
	spec "a scenario that is wrong: $2" 1 "$2" "$sluice" dry-run -f "$canary" --scenario "$bad"
}
wrong 'scene: []\n' "$bad:1: scene is no field of a scenario"
wrong 'scenes:\n  - {image: a}\n' "$bad:2: scenes[0] needs a time: at"
wrong 'scenes:\n  - {at: soon, image: a}\n' "$bad:2: scenes[0].at must be a duration"
wrong 'scenes:\n  - {at: 1m, for: 1m, api: 418}\n' "$bad:2: scenes[0].api must be 403, 409, 410, 429"
wrong 'scenes:\n  - {at: 1m, api: 503}\n' "$bad:2: scenes[0] needs a duration: for"
wrong 'hooks:\n  load-test: well\n' "$bad:2: hooks[\"load-test\"] must be answers like"
spec "a scenario that is not there" 1 "/no/such/file" "$sluice" dry-run -f "$canary" --scenario /no/such/file

# ---- the past of a Prometheus, the page

spec "a Prometheus needs a time" 1 "needs --at TIME" "$sluice" dry-run -f "$canary" --metrics http://127.0.0.1:1
spec "a time that is none" 1 "--at: " "$sluice" dry-run -f "$canary" --metrics http://127.0.0.1:1 --at yesterday
spec "a time without a Prometheus" 1 "--at is for --metrics URL" "$sluice" dry-run -f "$canary" --at 2026-01-31T12:00:00Z
spec "a Prometheus that is down holds" 3 "Couldn't connect to server" "$sluice" dry-run -f "$canary" --limit 5m \
	--metrics http://127.0.0.1:1 --at 2026-01-31T12:00:00Z
spec "tells it as a page" 0 "<span class=\"badge good\">succeeded</span>" "$sluice" dry-run -f "$canary" -o html
spec "a way to tell it that is none" 1 '-o must be text, json or html, is "xml"' "$sluice" dry-run -f "$canary" -o xml

# ---- what else can happen

wrong 'scenes:\n  - {at: 1m, pods: {target: away}}\n' "$bad:2: scenes[0].pods must be {target: down}"
wrong 'scenes:\n  - {at: 1m, patch: {target: {}, canary: {}}}\n' "$bad:2: scenes[0].patch must have one member"
wrong 'scenes:\n  - {at: 1m, hooks: {a: maybe}}\n' "$bad:2: scenes[0].hooks[\"a\"] must be answers like"
wrong 'scenes:\n  - {at: 1m}\n' "$bad:2: scenes[0] says nothing that happens"
wrong 'scenes:\n  - {at: 1m, patch: {ConfigMap/none: {data: {a: b}}}}\n' "$bad:2: scenes[0]: ConfigMap/none not found"
spec "tells more when asked" 0 "Metric   request-success-rate: 100" "$sluice" dry-run -f "$canary" --verbose
spec "every crash, in a sample" 0 "the same phases, weights, objects" "$sluice" dry-run -f "$canary" --every-crash --crash-stride 97
spec "a stride that is none" 1 "--crash-stride must be a whole number" "$sluice" dry-run -f "$canary" --crash-stride 2

# ---- recordings as Prometheus answers

range=examples/recordings/query-range.json
spec "a range query's answer without a name" 1 "say which it is, METRIC=$range" "$sluice" dry-run -f "$canary" --metrics "$range"
spec "a range query's answer, by name, beside another recording" 0 "Metric   request-duration: 186" "$sluice" dry-run \
	-f "$canary" --metrics request-duration="$range" --metrics examples/recordings/good.yaml --verbose
spec "a recording of a metric that is not there" 1 "/no/such/file" "$sluice" dry-run -f "$canary" --metrics a=/no/such/file
spec "a Prometheus and a recording" 1 "--metrics URL stands alone" "$sluice" dry-run -f "$canary" \
	--metrics http://127.0.0.1:1 --metrics "$range" --at 2026-01-31T12:00:00Z
spec "a rough night" 0 "succeeded after" "$sluice" dry-run -f "$canary" --scenario examples/scenarios/rough-night.yaml
spec "a slow API server" 0 "succeeded after" "$sluice" dry-run -f "$canary" --lag 200ms
spec "a lag that is none" 1 "--lag must not be below 0" "$sluice" dry-run -f "$canary" --lag -1s

# ---- alerts

told=(-f spec/scenarios/alerts.yaml --metrics spec/scenarios/alerts_are_told_as_they_would_be_sent/recording.yaml)
spec "an alert, and to whom" 2 "Alert    to on-call.test (slack), error: Failed checks threshold reached 2" "$sluice" dry-run "${told[@]}"
spec "alerts as JSON" 2 '"alerts":[{"at":-1,"to":"team.test","type":"msteams","severity":"info","message":"New Deployment detected' \
	"$sluice" dry-run "${told[@]}" -o json
spec "alerts on the page" 2 "to everybody.chats (gchat): Failed checks threshold reached 2" "$sluice" dry-run "${told[@]}" -o html
for form in text json html; do
	spec "no address of an alert's receiver, nor its token ($form)" 1 "" grep -q "planted\|cGxhbnRlZC\|webhook/\|slack.test" \
		<("$sluice" dry-run "${told[@]}" --verbose -o $form | sed 's/"webhooks"//')
done

# ---- what KEDA scales
keda=spec/scenarios/keda.yaml
scaled=$(mktemp)
spec "check: what KEDA scales" 0 "1 canaries, 0 errors, 0 warnings" "$sluice" check $keda
sed 's/^      minReplicas: 3/&\n    primaryScalerQueries: {lode: up}/; s/minReplicaCount: 2/minReplicaCount: 0/' $keda >"$scaled"
spec "check: a query for a trigger that there is not" 0 \
	'warning: spec.autoscalerRef.primaryScalerQueries: the ScaledObject has no trigger named "lode"' "$sluice" check "$scaled"
spec "check: a canary that may be scaled to zero before it has traffic" 0 "its minReplicaCount is 0" "$sluice" check "$scaled"
sed '/^apiVersion: keda.sh/,/^---/d' $keda >"$scaled"
spec "a scaler that is not among the files is made up" 0 "succeeded after" "$sluice" dry-run -f "$scaled"
rm -f "$scaled"
