# a Knative Service: released, rolled back, never ready, broken in mid-run, taken over from Flagger, given back; Knative is a fake
# First: it takes minutes.

given_cluster ours all
# shellcheck source=tools/e2e/control/flagger.sh
. "$here/control/flagger.sh"
# shellcheck source=tools/e2e/control/knative.sh
. "$here/control/knative.sh"
given_store
kube create namespace team >/dev/null
given_knative

service='{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{"name":"web","namespace":"team"},"spec":{"template":
	{"spec":{"containers":[{"name":"c","image":"c:1"}]}}}}'
canary='{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"web","namespace":"team"},"spec":{"targetRef":
	{"apiVersion":"serving.knative.dev/v1","kind":"Service","name":"web"},"progressDeadlineSeconds":16,"service":{"port":80},
	"analysis":{"interval":"4s","threshold":1,"maxWeight":50,"stepWeight":25,"metrics":[{"name":"rate","interval":"1m","query":
	"rate{namespace=\"team\", workload=\"web\", route=\"{{ route }}\"}","thresholdRange":{"min":99}}]}}}'

# "web-00002 25, web-00001 75": of the spec, or of the status.
traffic() { kube get services.serving.knative.dev web -o json | jq -r --arg of "$1" '[.[$of].traffic[]? | select(.percent > 0) |
	"\(.revisionName) \(.percent)"] | join(", ")'; }
carries() { [ "$(traffic status)" = "$1" ]; }
weight() { traffic status; } # for until_it
primary_is() { [ "$(kube get services.serving.knative.dev web -o json |
	jq -r '.metadata.annotations["flagger.app/primary-revision"]')" = "web-$1" ]; }
release() { kube patch services.serving.knative.dev web --type=json \
	-p '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"'"$1"'"}]' >/dev/null || wrong "$1 is not released"; }
breaks() { kube annotate revisions.serving.knative.dev "web-$1" story/broken=yes >/dev/null; }
mends() { kube annotate revisions.serving.knative.dev "web-$1" story/broken- >/dev/null; }
canary_is() { [ "$(kube get canary web -o json | jq -r ".status.$1")" = "$2" ]; }
# What was routed one after the other, and never to a revision that is not ready.
routed() { jq -rs '[.[] | [.status.traffic[]? | select(.percent > 0) | "\(.revisionName) \(.percent)"] | join(", ") |
	select(. != "")] | reduce .[] as $one ([]; if .[-1] == $one then . else . + [$one] end) | .[]' "$folder/seen"; }
see() {
	: >"$folder/seen"
	"$kubectl" --kubeconfig "$BED/admin.kubeconfig" -n team get services.serving.knative.dev web -w -o json >"$folder/seen" 2>/dev/null &
	seeing=$!
}
# expect_routed LINES
expect_routed() {
	sleep 1
	end $seeing
	[ "$(routed)" = "$1" ] || {
		wrong "routed were:"
		routed
	}
}

shorten() { sed -E 's/(primary not ready:|not measured:|progress deadline exceeded) .*/\1 …/; s/ [0-9.]+ < / … < /' |
	grep -vE ' not ready: |has no revision yet' | uniq; }
# expect_rehearsal SCENARIO [RECORDING]: of the last release the dry run of the same objects tells the same.
expect_rehearsal() {
	local _
	printf '%s\n' "$1" >"$folder/scenario.yaml"
	printf '%s\n' "${2:-}" >"$folder/recording.yaml"
	printf '%s\n---\n%s\n' "$service" "$canary" >"$folder/objects.yaml"
	"$PROGRAMS/sluice" dry-run -f "$folder/objects.yaml" --scenario "$folder/scenario.yaml" \
		${2:+--metrics "$folder/recording.yaml"} -o json >"$folder/rehearsal.json" 2>"$folder/rehearsal.log"
	jq -r '.events[] | select(.at >= 0) | .message' "$folder/rehearsal.json" | shorten >"$folder/rehearsed"
	for _ in $(seq 10); do
		kube get events -o json | jq -r --arg since "$since" '[.items[] | select(.lastTimestamp >= $since or
			(.eventTime // "") >= $since)] | sort_by(.metadata.resourceVersion | tonumber) | .[] | .message' |
			sed -n '/^New revision/,$p' | shorten >"$folder/events"
		if diff -u --label rehearsed --label live "$folder/rehearsed" "$folder/events" >"$folder/events.diff"; then
			say "events: as rehearsed ($(wc -l <"$folder/events"))"
			return
		fi
		sleep 0.5
	done
	wrong "events are not those of the rehearsal"
	sed 's/^/             /' "$folder/events.diff"
}
mark() {
	sleep 1.1
	since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
}

printf '%s\n%s\n' "$service" "$canary" | kube apply -f - >"$folder/given" 2>&1 || wrong "$(cat "$folder/given")"
start_daemon --mesh-provider knative --min-analysis-interval 1s
until_it 40 "not Initialized" in_phase Initialized
until_it 10 "the first revision has not all" carries "web-00001 100"
primary_is 00001 || wrong "the annotation does not name the primary"
say "initialized: all goes to web-00001 by its name"

# ---- a promotion

mark
see
release c:2
until_it 60 "not promoted" in_phase Succeeded
until_it 10 "the new revision has not all" carries "web-00002 100"
primary_is 00002 || wrong "the annotation does not name the new primary"
expect_routed "web-00001 100
web-00002 25, web-00001 75
web-00002 50, web-00001 50
web-00002 100"
say "promoted: 25, 50 and 100 percent"
expect_rehearsal 'image: c:2' 'series: [{metric: rate, values: 100x60}]'

# ---- rollbacks

mark
see
store_says bad
release c:3
until_it 60 "not Failed" in_phase Failed
until_it 10 "the primary has not all again" carries "web-00002 100"
expect_routed "web-00002 100
web-00003 25, web-00002 75
web-00002 100"
primary_is 00002 || wrong "the annotation names the failed one"
store_says good
say "rolled back on its metric"
expect_rehearsal 'image: c:3' 'series: [{metric: rate, values: 80x60}]'

mark
see
release c:never-ready
until_it 20 "no release" in_phase Progressing
until_it 60 "not Failed" in_phase Failed
expect_routed "web-00002 100"
says 'Rolling back web.team progress deadline exceeded waiting for revision web-00004 to become ready: Unable to fetch image' ||
	wrong "why it was rolled back is not told"
say "never ready: rolled back at the deadline, with no traffic ever"
expect_rehearsal 'image: c:never-ready'

# ---- a revision that breaks

mark
see
release c:5
until_it 20 "no release" in_phase Progressing
until_it 40 "no first step" carries "web-00005 25, web-00002 75"
breaks 00005
until_it 10 "what is broken keeps its traffic" carries "web-00002 100"
in_phase Progressing || wrong "broken, it is $(phase)"
until_it 10 "nobody says that it is broken" says "not ready: waiting for revision web-00005 to become ready: Container failed"
mends 00005
until_it 10 "it has no traffic again" carries "web-00005 25, web-00002 75"
until_it 60 "not promoted" in_phase Succeeded
expect_routed "web-00002 100
web-00005 25, web-00002 75
web-00002 100
web-00005 25, web-00002 75
web-00005 50, web-00002 50
web-00005 100"
say "broken in mid-run: no traffic until it is ready again; promoted"

# ---- as Flagger leaves it, in mid-run

end "$daemon"
release c:6
until_it 10 "no revision" sh -c "'$kubectl' -n team get revisions.serving.knative.dev web-00006 -o json | grep -q '\"True\"'"
kube patch services.serving.knative.dev web --type=merge -p '{"spec":{"traffic":[{"latestRevision":true,"percent":25},{"revisionName":
	"web-00005","percent":75}]}}' >/dev/null
until_it 10 "not as Flagger leaves it" carries "web-00006 25, web-00005 75"
kube get canary web -o json | jq '.status |= {phase: "Progressing", canaryWeight: 25, failedChecks: 0, iterations: 0, lastAppliedSpec:
	"6c4d4bb5b9", lastPromotedSpec: "7d8f6c5b4d", lastTransitionTime: now | todate, conditions: [{type: "Promoted", status: "Unknown",
	reason: "CanaryProgressing", message: "New revision detected, progressing canary analysis.", lastUpdateTime: (now | todate),
	lastTransitionTime: (now | todate)}]}' >"$folder/left"
kube replace --subresource=status -f "$folder/left" >/dev/null || wrong "the status of Flagger is not taken"
see
start_daemon --mesh-provider knative --min-analysis-interval 1s
until_it 60 "not promoted" in_phase Succeeded
until_it 10 "the new revision has not all" carries "web-00006 100"
expect_routed "web-00006 25, web-00005 75
web-00006 50, web-00005 50
web-00006 100"
says "Restarting analysis" && wrong "the change of controller set a rollout off"
say "taken over from Flagger in mid-run: 25 percent all the while, then on"

# ---- and given back

kube patch canary web --type=merge -p '{"spec":{"revertOnDeletion":true}}' >/dev/null
release c:never
until_it 20 "no release" in_phase Progressing
sleep 2
kube delete canary web --wait=false >/dev/null
is_gone() { ! kube get canary web >/dev/null 2>&1; }
until_it 30 "the canary does not go" is_gone
kube get services.serving.knative.dev web -o json | jq -e '.spec.traffic == [{latestRevision: true, percent: 100}] and
	.metadata.annotations["flagger.app/primary-revision"] == null' >/dev/null || wrong "not given back: $(traffic spec)"
until_it 10 "what is ready has not all" carries "web-00006 100"
say "deleted: Knative leads to its latest ready revision by itself"

kill "$daemon" "$store" "$knative"
wait "$daemon" "$store" "$knative" 2>/dev/null
