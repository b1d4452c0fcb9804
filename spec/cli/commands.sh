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
spec "retry --wait: promoted is 0" 0 "Command retry of podinfo.test" asks retry --wait test/podinfo
release slow >/dev/null
within 20 in_phase Progressing
spec "pause: says that it was asked for" 0 "test/podinfo: pause is asked for" "$sluice" pause test/podinfo
paused() { curl -sf "$server/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo" | grep -q '"reason":"Paused"'; }
spec "pause: is told by the condition" 0 "" within 10 paused
spec "pause: twice" 1 "it is paused already" "$sluice" pause test/podinfo
spec "promote --wait: ends a pause" 0 "Command promote of podinfo.test" asks promote --wait test/podinfo
release bad >/dev/null
spec "a bad image fails again" 2 "Canary failed!" "$sluice" follow --wait --timeout 60s test/podinfo
