# What policies of users do: the examples, and how they are checked; read by spec/cli/run.sh.
# shellcheck shell=bash disable=SC2154

policy=examples/policies
metrics=examples/recordings

# ---- a step curve

spec "geometric: doubles" 0 "canary weight 16" "$sluice" dry-run -f "$canary" --policy $policy/geometric.lua
spec "geometric: few see a bad release" 2 "rolled back after" "$sluice" dry-run -f "$canary" --policy $policy/geometric.lua \
	--metrics $metrics/no-traffic.yaml
spec "geometric: withstands every crash" 0 "the same phases, weights" "$sluice" dry-run -f "$canary" \
	--policy $policy/geometric.lua --metrics $metrics/good.yaml --every-crash --crash-stride 9

# ---- thresholds

spec "thresholds by the hour: not without" 2 "success rate 98.60% < 99%" "$sluice" dry-run -f "$canary" --metrics $metrics/night.yaml
spec "thresholds by the hour: by night" 0 "succeeded after" "$sluice" dry-run -f "$canary" --policy $policy/thresholds_by_hour.lua \
	--metrics $metrics/night.yaml
sed 's/^  analysis:/  analysis:\n    policy: {params: {from: 22, to: 23}}/' "$canary" >"$bad"
spec "thresholds by the hour: by day" 2 "success rate 98.60% < 99.5%" "$sluice" dry-run -f "$bad" \
	--policy $policy/thresholds_by_hour.lua --metrics $metrics/night.yaml

# ---- who sees the canary

spec "A/B by cookie and region: one region" 0 "regex: eu-west-1$newline" "$sluice" dry-run -f examples/podinfo/ab-testing.yaml \
	--policy $policy/ab_by_cookie_and_region.lua --objects
spec "A/B by cookie and region: then two" 0 "regex: eu-west-1|eu-central-1$newline" "$sluice" dry-run \
	-f examples/podinfo/ab-testing.yaml --policy $policy/ab_by_cookie_and_region.lua --objects
spec "A/B by cookie and region: withstands every crash" 0 "the same phases, weights, objects" "$sluice" dry-run \
	-f examples/podinfo/ab-testing.yaml --policy $policy/ab_by_cookie_and_region.lua --every-crash --crash-stride 9

# ---- evidence

spec "evidence: a failed request in a quiet minute rolls back without" 2 "success rate 98.33% < 99%" "$sluice" dry-run -f "$canary" \
	--metrics $metrics/few-requests.yaml
spec "evidence: and is none with it" 0 "succeeded after" "$sluice" dry-run -f "$canary" --policy policies/evidence.lua \
	--metrics $metrics/few-requests.yaml
sed 's/^  analysis:/  analysis:\n    policy: {name: evidence}/' "$canary" >"$bad"
spec "evidence: says how many requests are missing" 0 "about 20 more requests are needed" "$sluice" dry-run -f "$bad" \
	--metrics $metrics/few-requests.yaml
spec "evidence: no traffic is no failure" 3 "no requests yet, about 200 requests are needed" "$sluice" dry-run -f "$bad" \
	--metrics $metrics/no-traffic.yaml --limit 1h
worse=$(mktemp)
sed 's/values: 100x9.*/values: 90x900/; s/60x815/600x900/' $metrics/few-requests.yaml >"$worse"
spec "evidence: a bad release is rolled back" 2 "60 of 600 requests failed in this step" "$sluice" dry-run -f "$bad" --metrics "$worse"
spec "evidence: withstands every crash" 2 "the same phases, weights" "$sluice" dry-run -f "$bad" --metrics "$worse" --every-crash
rm -f "$worse"

# ---- rollback

spec "an early rollback" 2 "two checks in a row failed" "$sluice" dry-run -f "$canary" \
	--policy $policy/rollback_early.lua --metrics $metrics/slow-leak.yaml
spec "worse than the primary: not seen without" 0 "succeeded after" "$sluice" dry-run -f "$canary" \
	--metrics $metrics/worse-than-primary.yaml
sed 's/^  analysis:/  analysis:\n    policy: {params: {tolerance: 0.5}}/' "$canary" >"$bad"
spec "worse than the primary: rolled back" 2 "Rolling back podinfo.test worse than the primary 2 times in a row" \
	"$sluice" dry-run -f "$bad" --policy $policy/worse_than_primary.lua --metrics $metrics/worse-than-primary.yaml
spec "worse than the primary: says by how much" 2 "success rate 99.20% is 0.70 points below the primary's 99.90%" \
	"$sluice" dry-run -f "$bad" --policy $policy/worse_than_primary.lua --metrics $metrics/worse-than-primary.yaml
spec "a bad day: rolled back without" 2 "success rate 97.10% < 99%" "$sluice" dry-run -f "$canary" --metrics $metrics/bad-day.yaml
spec "a bad day: no fault of the release" 0 "succeeded after" "$sluice" dry-run -f "$canary" \
	--policy $policy/worse_than_primary.lua --metrics $metrics/bad-day.yaml

# ---- checked before they reach a cluster

spec "check: the examples are right" 0 "0 errors" "$sluice" check "$canary" $policy/*.lua
spec "check: --policy" 0 "0 errors" "$sluice" check --policy $policy/geometric.lua
printf 'return {\n  step = functon() end }\n' >"$bad.lua"
spec "check: a syntax error" 1 "$bad.lua:2: " "$sluice" check "$bad.lua"
printf 'return {\n  steps = function() end }\n' >"$bad.lua"
spec "check: an unknown hook" 1 'there is no hook "steps" (did you mean step?)' "$sluice" check --policy "$bad.lua"
printf 'return {\n  step = 5 }\n' >"$bad.lua"
spec "check: a hook that is no function" 1 "hook step must be a function, is a number" "$sluice" check "$bad.lua"
printf 'local x = nil\nreturn x.y\n' >"$bad.lua"
spec "check: an error in the file, as JSON" 1 '"line":2' "$sluice" check -o json "$bad.lua"
spec "check: a policy that is not there" 1 "/no/such.lua" "$sluice" check --policy /no/such.lua
sed 's/^  analysis:/  analysis:\n    policy:\n      inline: "return {\\n step = functon() }"/' "$canary" >"$bad"
spec "check: an inline policy" 1 "spec.analysis.policy.inline: policy.lua:2: " "$sluice" check "$bad"

echo 'return { step = function(r) while true do end end }' >"$bad"
spec "a policy that never ends is failed checks" 2 "ran for too long" "$sluice" dry-run -f "$canary" --policy "$bad"
printf 'return {\n  stop = function() end }\n' >"$bad"
spec "a policy with an unknown hook" 1 'there is no hook "stop"' "$sluice" dry-run -f "$canary" --policy "$bad"
rm -f "$bad.lua"

spec "policies are testable with nothing but Lua" 0 " 0 failed" lua5.4 spec/policies/run.lua

# ---- pinned: edited, broken, taken away in mid-run, with the daemon killed at each ninth of its calls

rules=$(mktemp)
cat >"$rules" <<'END'
apiVersion: v1
kind: ConfigMap
metadata: {name: rules, namespace: test}
data:
  mine.lua: |
    return { step = function(r)
      if r.weight >= 21 then return { action = "promote" } end
      return { action = "route", weight = r.weight + 7 } end }
END
sed 's/^  analysis:/  analysis:\n    policy: {configMap: {name: rules, key: mine.lua}}/' "$canary" >"$bad"
# pinned SENTENCE PART TEXT-OR-null: what becomes of the text at 15s
pinned() {
	printf 'image: podinfo:2\nscenes:\n  - {at: 15s, patch: {ConfigMap/rules: {data: {mine.lua: %s}}}}\n' "$3" >"$rules.scenario"
	spec "pinned: $1" 0 "$2" "$sluice" dry-run -f "$rules" -f "$bad" --scenario "$rules.scenario"
	spec "pinned: $1, withstands every crash" 0 "the same phases, weights" "$sluice" dry-run -f "$rules" -f "$bad" \
		--scenario "$rules.scenario" --every-crash --crash-stride 9
}
pinned "an edited text takes over" "Advance podinfo.test canary weight 34" \
	"\"return { step = function(r) if r.weight > 30 then return { action = 'promote' } end return { action = 'route', weight = 34 } end }\""
pinned "a broken text is refused" "refused: mine.lua:1: '}' expected near 'end'; the one that the release began with goes on" \
	'"return { step = functon() end }"'
pinned "a text that is gone is not missed" "Advance podinfo.test canary weight 21" null
rm -f "$rules" "$rules.scenario"

# ---- stock policies in the place of the built-in ones, and beside them

stock=$(mktemp -d)
mkdir "$stock/policies"
sed 's/analysis.stepWeight, rest/analysis.stepWeight * 3, rest/' policies/canary.lua >"$stock/policies/canary.lua"
cp $policy/geometric.lua "$stock/policies/doubling.lua"
sed 's/^  analysis:/  analysis:\n    policy: {name: doubling}/' "$canary" >"$bad"
spec "an overlaid stock policy decides" 0 "canary weight 45" "$sluice" dry-run --lua "$stock" -f "$canary"
spec "the other stock policies stay" 2 "failed checks threshold reached" "$sluice" dry-run --lua "$stock" -f "$canary" \
	--metrics $metrics/no-traffic.yaml
spec "a stock policy of the directory, by its name" 0 "canary weight 16" "$sluice" dry-run --lua "$stock" -f "$bad"
spec "without the directory there is none of that name" 3 'there is no stock policy "doubling"' "$sluice" dry-run -f "$bad"
echo 'return { step = functon() end }' >"$stock/policies/canary.lua"
spec "an overlaid stock policy with a mistake is told of" 3 "canary.lua:1:" "$sluice" dry-run --lua "$stock" -f "$canary"
rm -r "$stock"
