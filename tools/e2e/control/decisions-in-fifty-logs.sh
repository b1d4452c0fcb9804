# fifty releases, each under a daemon of its own that is killed -9 at random moments: fifty logs, asked again, are the same

given_cluster
export HARM=each-killed TIMES=3 TOLD=$folder/harm DECISIONS=$folder/decisions
releases --no-election --only "$meshes" --copies "${COPIES:-4}" --repeats --limit 6m "$here/harm.sh"
say "killed $(grep -c killed "$TOLD") times"

logs=0
same=0
decisions=0
bytes=0
most=0
texts=0
for log in "$DECISIONS"/*/; do
	begun=$("$PROGRAMS/sluice" replay "$log" | grep -c 'begin the release')
	[ "$begun" -ge 1 ] || continue
	logs=$((logs + 1))
	if told=$("$PROGRAMS/sluice" replay "$log" --verify 2>&1); then
		same=$((same + 1))
	else
		wrong "$(basename "$log"), asked again: $(tail -2 <<<"$told")"
	fi
	count=$(cat "$log"*.jsonl | grep -c '"canary"')
	size=$(cat "$log"*.jsonl | grep '"canary"' | wc -c)
	texts=$((texts + $(cat "$log"*.jsonl | grep -v '"canary"' | wc -c)))
	decisions=$((decisions + count))
	bytes=$((bytes + size))
	[ $((size / count)) -le "$most" ] || most=$((size / count))
done
say "$logs logs of a release each, $same of them the same, bit for bit; $decisions decisions"
say "$((bytes / decisions)) bytes a tick, $most in the log that takes most; besides, the policies' texts: $((texts / logs)) bytes a log"
[ "$logs" -ge 50 ] || wrong "only $logs logs"
[ "$((bytes / decisions))" -lt 2048 ] || wrong "a tick takes $((bytes / decisions)) bytes"
[ "$(grep -c killed "$TOLD")" -ge "$logs" ] || wrong "fewer kills than logs"
