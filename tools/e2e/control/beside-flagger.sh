# `sluice run --observe` beside a real Flagger: a release on which both agree, one on which a policy of the team's does not

given_cluster flagger all
# shellcheck source=tools/e2e/control/flagger.sh
. "$here/control/flagger.sh"
given_store
observer=system:serviceaccount:sluice-observer:sluice-observer
"$kubectl" kustomize "$root/tools/deploy/observe" | sed 's/^  replicas: 1$/  replicas: 0/' | "$kubectl" apply -f - >/dev/null ||
	wrong "tools/deploy/observe is not taken"
sed "s|token: .*}}|token: $("$kubectl" -n sluice-observer create token sluice-observer --duration 24h)}}|" \
	"$BED/sluice.kubeconfig" >"$folder/observer.kubeconfig"
given_team '"metrics":[{"name":"request-success-rate","interval":"1m","thresholdRange":{"min":99}},
	{"name":"request-duration","interval":"1m","thresholdRange":{"max":500}}],"webhooks":[{"name":"load","url":
	"http://127.0.0.1:9/load","type":"post-rollout","timeout":"1s"}]'
kube create configmap rules --from-literal=strict.lua='return { judge = function(rollout, sample)
  if rollout.weight >= 50 and sample.name == "request-duration" and sample.value * 1000 > 10 then
    return { verdict = "fail", reason = "slower than 10 ms: " .. sample.value }
  end
end }' >/dev/null

if ! start_flagger; then
	say "no flagger in the PATH or \$FLAGGER: not told"
else
	"$PROGRAMS/sluice" run --observe -o json --decision-log "$folder/decisions" --kubeconfig "$folder/observer.kubeconfig" \
		--metrics-server "$address/prometheus" --port 18092 >"$folder/observed" 2>"$folder/observer.log" &
	looking=$!
	decisions() { grep -c "\"alike\":$1" "$folder/observed"; }
	until_it 60 "Flagger does not initialise it" in_phase Initialized
	sleep 1
	release 2
	until_it 120 "Flagger does not promote it" in_phase Succeeded
	sleep 2
	say "a release that Flagger promotes: $(decisions true) decisions alike, $(decisions false) not"
	[ "$(decisions false)" = 0 ] || wrong "they differ: $(grep '"alike":false' "$folder/observed")"
	[ "$(decisions true)" -ge 6 ] || wrong "only $(decisions true) decisions were seen"

	store_says bad
	release 3
	until_it 120 "Flagger does not roll it back" in_phase Failed
	sleep 2
	[ "$(decisions false)" = 0 ] || wrong "they differ: $(grep '"alike":false' "$folder/observed")"
	grep -q '"move":"roll-back"' "$folder/observed" || wrong "the rollback was not seen"
	say "one that it rolls back: $(decisions true) decisions alike, $(decisions false) not"

	store_says good
	kube annotate canary web sluice.dev/policy=configmap/rules/strict.lua >/dev/null
	release 4
	until_it 120 "Flagger does not promote it" in_phase Succeeded
	sleep 2
	say "one that it promotes, and a policy of the team's would not have: $(decisions false) differ"
	grep '^{.*slower than 10 ms' "$folder/observer.log" | jq -r .msg | sed 's/^/           /'
	jq -se 'any(.[]; .alike == false and .at.weight == 50 and .at.step == 2 and .theirs.move == "promote" and
		.ours.move == "fail-check" and (.ours.reason | test("slower than 10 ms: 0.0")))' "$folder/observed" >/dev/null ||
		wrong "nothing says at which step and on which number: $(grep '"alike":false' "$folder/observed")"
	curl -s http://127.0.0.1:18092/metrics >"$folder/metrics"
	grep -q 'sluice_observe_differences_total{name="web",namespace="team",theirs="promote",ours="fail-check"} 1' "$folder/metrics" ||
		wrong "no metric of it: $(grep observe "$folder/metrics")"
	end $looking
	end $other
	tail -1 "$folder/observed" | jq -c .summary | sed 's/^/           /'
	sluice why "$folder/decisions" web | sed -n '1,3s/^/           /p'
	sluice why "$folder/decisions" web | grep -q 'observed: flagger did "promote"' || wrong "why does not know what Flagger did"
	sluice replay "$folder/decisions" --verify >"$folder/replayed" || wrong "the log is not replayed: $(cat "$folder/replayed")"
fi
kill "$store"
wait "$store"

# What it asked of the API server: nothing but reads, and nothing that the role does not allow.
asked=$(jq -r --arg who "$observer" 'select(.user.username == $who and .stage == "ResponseComplete") | .verb' "$BED/audit.log" |
	by_count)
say "of the API server the observer asked: $asked"
written=$(jq -r --arg who "$observer" 'select(.user.username == $who and (.verb | IN("get", "list", "watch") | not)) |
	.verb + " " + .requestURI' "$BED/audit.log")
[ -z "$written" ] || wrong "it wrote: $written"
denied=$(jq -r --arg who "$observer" 'select(.user.username == $who and .responseStatus.code == 403) | .verb + " " + .requestURI' \
	"$BED/audit.log" | sort | uniq -c)
[ -z "$denied" ] || wrong "its role does not allow: $denied"
! kube get canary web -o json | grep -q '"Sluice"' || wrong "the canary has a condition of ours"
