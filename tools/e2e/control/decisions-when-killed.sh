# eighty releases under a daemon that is killed -9 at forty random moments: its decisions, asked again, are the same
# First: it takes minutes.

given_cluster
export HARM=killed TIMES=40 TOLD=$folder/harm DECISIONS=$folder/decisions
releases --no-election --only "$meshes" --copies "${COPIES:-6}" --repeats --limit 6m "$here/harm.sh"
say "killed $(grep -c killed "$TOLD") times"

told=$("$PROGRAMS/sluice" replay "$DECISIONS" --verify) || wrong "asked again, the decisions are others"
say "$(tail -1 <<<"$told")"
begun=$("$PROGRAMS/sluice" replay "$DECISIONS" | grep -c 'begin the release')
[ "$begun" -ge 50 ] || wrong "only $begun releases are in the log"
decisions=$(cat "$DECISIONS"/*.jsonl | grep -c '"canary"')
bytes=$(($(cat "$DECISIONS"/* | wc -c) / decisions))
say "$begun releases in $(find "$DECISIONS" -name '*.jsonl' | wc -l) files; $bytes bytes a decision"
[ "$bytes" -lt 2048 ] || wrong "a decision takes $bytes bytes"
