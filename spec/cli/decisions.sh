# shellcheck shell=bash disable=SC2154
# Decision logs: what a rehearsal writes down is verified, asked of another policy, and cannot be changed unseen.

logs=$(mktemp -d)
spec "dry-run: writes its decisions down" 2 "rolled back" \
	"$sluice" dry-run -f "$canary" --metrics examples/recordings/slow-leak.yaml --decision-log "$logs/a"
spec "replay: tells them" 0 "a failed check, on request-duration = 690" "$sluice" replay "$logs/a"
spec "replay: asks all hooks again" 0 "13 decisions, 49 answers: the same, bit for bit" "$sluice" replay "$logs/a" --verify
spec "replay: says where another policy differs" 2 "would be: roll back: two checks in a row failed" \
	"$sluice" replay "$logs/a" --policy examples/policies/rollback_early.lua
spec "replay: says from where on nothing can be known" 2 "13 decisions: 1 would have been other, of 11 nobody can know" \
	"$sluice" replay "$logs/a" --policy examples/policies/geometric.lua
spec "why: the number, the limit, the requests behind it" 0 "request-duration is 990, must be at most 500; of 250 requests" \
	"$sluice" why "$logs/a"
limit=$(grep -n 'verdict = "fail", reason = halt' policies/defaults.lua | tail -1 | cut -d: -f1)
spec "why: the policy's file, and the line that returned" 0 "judged fail by policies/defaults.lua:$limit:" "$sluice" why "$logs/a" podinfo
spec "why: the smallest change, tried" 0 "with the number 500 instead of 990 the verdict would have been pass" \
	"$sluice" why "$logs/a" test/podinfo
spec "why: what was asked of the store" 0 "asked: histogram_quantile(0.99" "$sluice" why "$logs/a"
spec "why: a decision that let the release go on" 0 "with the number 98.99 instead of 99.9 the verdict would have been fail" \
	"$sluice" why "$logs/a" --any --at 2023-11-14T22:13:55Z
spec "why: a canary that is not in it" 1 "no decision of nobody" "$sluice" why "$logs/a" nobody
"$sluice" dry-run -f spec/scenarios/canary.yaml --metrics spec/scenarios/a_store_that_answers_with_what_is_old_holds_it/recording.yaml \
	--decision-log "$logs/old" >/dev/null
spec "why: a value that is old is no reason" 0 "request-success-rate was 100: stale (the newest value is 151 seconds old)" \
	"$sluice" why "$logs/old" --at 2023-11-14T22:17:00Z
"$sluice" dry-run -f "$canary" --decision-log - | grep '^{' >"$logs/b.jsonl"
spec "replay: a log of standard output" 0 "the same, bit for bit" "$sluice" replay "$logs/b.jsonl" --verify
average=$(awk '{ bytes += length($0) } END { print int(bytes / NR) }' "$logs"/a/*.jsonl)
spec "dry-run: a decision takes less than 2 KB" 0 "" test "$average" -lt 2048
sed -i 's/"weight":5}/"weight":6}/' "$logs"/a/*.jsonl
spec "replay: a log that was changed" 1 ": was changed" "$sluice" replay "$logs/a" --verify
spec "replay: no log" 1 "No such file" "$sluice" replay /no/such/log
rm -rf "$logs"
