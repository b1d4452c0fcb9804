# What operators ask of a release, on the in-memory cluster over HTTP. Sourced by run.sh while a daemon runs.
# shellcheck shell=bash disable=SC2154

phase() { curl -sf "$server/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo" | grep -o '"phase":"[A-Za-z]*"' | head -1; }
in_phase() { [ "$(phase)" = "\"phase\":\"$1\"" ]; }
asks() { "$sluice" "$@" --timeout 60s; }

for verb in promote abort pause resume retry skip-to approve; do
	spec "$verb: help" 0 "kubectl annotate canary NAME sluice.dev/command=" "$sluice" "$verb" --help
done
spec "promote: no canary" 1 "takes one canary" "$sluice" promote
spec "promote: a canary that is not there" 1 "test/nothing: reading it: " "$sluice" promote test/nothing
spec "skip-to: no weight" 1 "skip-to needs a weight" "$sluice" skip-to test/podinfo
spec "abort: at rest it is refused" 1 "sluice abort: test/podinfo: no release is under way" "$sluice" abort -n test podinfo
release again >/dev/null
within 20 in_phase Progressing
spec "skip-to: past the end of the analysis" 1 "its analysis ends at weight 50" "$sluice" skip-to 90 test/podinfo
spec "approve: where nothing waits" 1 "it waits at no gate" "$sluice" approve test/podinfo
spec "abort --wait: rolled back is 2" 2 "Rolling back podinfo.test aborted" asks abort --wait test/podinfo
aborted_before() { "$sluice" follow --since 1m --timeout 1s test/podinfo; }
spec "follow --since: what had happened is told too" 3 "Rolling back podinfo.test aborted" aborted_before
not_aborted() { ! "$sluice" follow --timeout 1s test/podinfo | grep "Rolling back"; }
spec "follow: what had happened is not told" 0 "" not_aborted
spec "follow: --since of the time to come" 1 "--since: must not be negative" "$sluice" follow --since -1m
spec "retry --wait: promoted is 0" 0 "Command retry of podinfo.test" asks retry --wait test/podinfo
release slow >/dev/null
within 20 in_phase Progressing
spec "pause: says that it was asked for" 0 "test/podinfo: pause is asked for" "$sluice" pause test/podinfo
paused() { curl -sf "$server/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo" | grep -q '"reason":"Paused"'; }
spec "pause: is told by the condition" 0 "" within 10 paused
spec "pause: twice" 1 "it is paused already" "$sluice" pause test/podinfo
spec "promote --wait: ends a pause" 0 "Command promote of podinfo.test" asks promote --wait test/podinfo

spec "handback: help" 0 "takes it for new" "$sluice" handback --help
spec "handback: no canary" 1 "takes one canary, or --all" "$sluice" handback
release again >/dev/null
within 20 in_phase Progressing
spec "handback: in mid-run it is refused" 1 "test/podinfo: a release is under way" "$sluice" handback test/podinfo
spec "handback: the release is promoted" 0 "Promotion completed" "$sluice" follow --wait --timeout 60s test/podinfo
handed() { "$sluice" handback test/podinfo; }
within 20 handed
canary_json() { curl -sf "$server/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo"; }
spec "handback: it has another class" 0 '"sluice.dev/class":"flagger"' canary_json
no_status() { ! canary_json | grep -q '"phase"'; }
spec "handback: its status is gone, and stays so" 0 "" no_status
take_again() {
	curl -sf -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{"metadata":{"annotations":{"sluice.dev/class":null}}}' \
		"$server/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo"
}
spec "handback: and is taken again" 0 "" take_again
spec "handback: as new, without a rollout" 0 "" within 20 in_phase Initialized
release bad >/dev/null
spec "a bad image fails as ever" 2 "Canary failed!" "$sluice" follow --wait --timeout 60s test/podinfo
