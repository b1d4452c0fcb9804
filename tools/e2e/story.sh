# What stories are told with. run.sh sources it, sets $ns (the story's namespace), $folder (what it leaves) and the ports
# of the data plane, and then sources the story.
#
# A step that cannot be done ends the story; an expectation that is not met is told, and the story goes on.
# shellcheck shell=bash disable=SC2154

failures=0
ran= # a daemon that must have asked for something
release=0 # the line of the follower's log where the release began
declare -A mark=([state]=0 [event]=0) # the last one that was waited for: states and events overtake each other

say() { printf '   %-7s %s\n' "$(elapsed)" "$*"; }
elapsed() { awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1fs", to - from }'; }
wrong() {
	failures=$((failures + 1))
	say "WRONG: $*"
}
stuck() {
	say "STUCK: $*"
	exit 1
}
kube() { "$kubectl" -n "$ns" "$@"; }

# ---- what is given ----

# given_a_bed WHY: else the story is not run, and says so.
given_a_bed() {
	[ -z "${BED:-}" ] || return 0
	say "not on a cluster that was there before: $1"
	exit 77
}

# given_podinfo TAG: a Deployment of the demo app, of two pods. Standard input, if not a terminal's, is put in the pod spec.
given_podinfo() {
	cat >"$folder/deployment.yaml" <<-END
		apiVersion: apps/v1
		kind: Deployment
		metadata: {name: podinfo, namespace: $ns, labels: {app: podinfo}}
		spec:
		  replicas: 2
		  progressDeadlineSeconds: ${deadline:-60}
		  selector: {matchLabels: {app: podinfo}}
		  template:
		    metadata: {labels: {app: podinfo}}
		    spec:
		      schedulerName: ${SCHEDULER:-default-scheduler}
		      containers:
		        - name: podinfod
		          image: example.com/podinfo:$1
		          ports: [{name: ${protocol:-http}, containerPort: 9898, protocol: TCP}]
	END
	sed 's/^/          /' >>"$folder/deployment.yaml"
	kube apply -f "$folder/deployment.yaml" >/dev/null || stuck "no deployment"
	say "given podinfo $1"
}

# given_object ConfigMap|Secret NAME DATA: with its data as YAML.
given_object() {
	printf 'apiVersion: v1\nkind: %s\nmetadata: {name: %s, namespace: %s}\ndata:\n%s\n' "$1" "$2" "$ns" \
		"$(printf '%s' "$3" | sed '/^ /!s/^/  /')" >"$folder/$1.$2.yaml"
	kube apply -f "$folder/$1.$2.yaml" >/dev/null || stuck "no $1"
	extra_objects+=(-f "$folder/$1.$2.yaml")
	say "given $1 $2"
}

# given_canary ANALYSIS: its spec.analysis, as YAML; and the metrics of the seed, over 6 s. $provider: of App Mesh's objects.
given_canary() {
	cat >"$folder/canary.yaml" <<-END
		apiVersion: flagger.app/v1beta1
		kind: Canary
		metadata: {name: podinfo, namespace: $ns}
		spec:
		  provider: ${provider:-appmesh:v1beta2}
		  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
		  progressDeadlineSeconds: ${deadline:-60}
		  service: {port: 9898, portName: ${protocol:-http}, meshName: e2e, timeout: 15s, match: [{uri: {prefix: /}}], rewrite: {uri: /}}
		  analysis:
		    metrics:
		      - {name: request-success-rate, thresholdRange: {min: 99}, interval: 6s}
		      - {name: request-duration, thresholdRange: {max: 500}, interval: 6s}
	END
	printf '%s\n' "$1" | sed 's/^/    /' >>"$folder/canary.yaml"
	"$sluice" follow -o json "$ns/podinfo" >"$folder/follow" 2>"$folder/follow.log" &
	echo $! >"$folder/follower.pid"
	kube apply -f "$folder/canary.yaml" >/dev/null || stuck "no canary"
	start_daemon
	until_phase Initialized
}

# ---- what is done ----

# start_daemon [NAME]: as the ServiceAccount that we ship; $daemon_flags are more of its flags.
daemon_flags=()
start_daemon() {
	ran=yes
	# In a subshell, so that it is nobody's job here: how it ends is not told.
	(
		"$sluice" run --kubeconfig "$daemon_kubeconfig" --namespace "$ns" --mesh-provider appmesh:v1beta2 \
			--metrics-server "http://127.0.0.1:${metrics:-$prometheus}" --min-analysis-interval 1s --port 0 \
			"${daemon_flags[@]}" >>"$folder/daemon.log" 2>&1 &
		echo $! >"$folder/${1:-daemon}.pid"
	)
}

kill_daemon() {
	kill -KILL "$(cat "$folder/daemon.pid")"
	grep -o '"weight":[0-9]*' "$folder/follow" | tail -1 >>"$folder/killed"
}

# change WHAT ARGUMENTS OF kubectl
change() {
	kube "${@:2}" >/dev/null || stuck "cannot change: $1"
	say "$1"
}

# release TAG: what `kubectl set image` does.
release() { change "podinfo $1 is released" set image deployment/podinfo "podinfod=example.com/podinfo:$1"; }

# The same for what is to be followed from here on.
begin_change() {
	release=$(wc -l <"$folder/follow")
	mark=([state]=$release [event]=$release)
	change "$@"
}
begin_release() { begin_change "podinfo $1 is released" set image deployment/podinfo "podinfod=example.com/podinfo:$1"; }

# fault WORKLOAD TAG WORDS: what its pods do wrong from now on (app.c); no words: nothing.
fault() {
	printf '%s\n' "${3:-}" >"$plane/faults/.new"
	mv "$plane/faults/.new" "$plane/faults/$ns.$1.$2"
	say "$1 $2: ${3:-all is well}"
}

# hook_answers NAME STATUS
hook_answers() {
	echo "$2" >"$plane/hooks/$ns.$1"
	say "webhook $1 answers $2"
}

# load RATE [FLAGS OF hey]: requests a second to podinfo, by $clients, until end_load. May be called again: both run.
# The mesh has learnt of the first route: nobody is sent there before.
until_served() {
	local deadline=$((SECONDS + 30))
	until curl -sf -o "$folder/first" -H "Host: podinfo.$ns" "http://127.0.0.1:$front/"; do
		[ $SECONDS -lt $deadline ] || stuck "the mesh serves nobody within 30 s"
		sleep 0.1
	done
}

# A client waits for its answer: where pods dawdle, it takes more of them for the same rate.
loads=0
clients=20
load() {
	local rate=$1
	shift
	loads=$((loads + 1))
	until_served
	hey -z 20m -c "$clients" -q $((rate / clients)) -host "podinfo.$ns" "$@" "http://127.0.0.1:$front/" >"$folder/load.$loads" 2>&1 &
	echo $! >"$folder/load.$loads.pid"
	say "load: $rate requests/s $*"
}

# The same of gRPC: calls of the health service, which the demo app answers. The status of HTTP is 200 even where Envoy
# answers for want of a pod; expect_no_loss knows.
load_grpc() {
	loads=$((loads + 1))
	printf '\0\0\0\0\0' >"$folder/call"
	h2load -D 1200 -c "$clients" -m 10 --rps $(($1 / clients)) -d "$folder/call" -H 'content-type: application/grpc' -H 'te: trailers' \
		-H ":authority: podinfo.$ns" --log-file "$folder/calls.$loads" "http://127.0.0.1:$front/grpc.health.v1.Health/Check" \
		>"$folder/load.$loads" 2>&1 &
	echo $! >"$folder/load.$loads.pid"
	say "load: $1 calls/s"
}

stop_load() {
	local i pid signal
	for ((i = 1; i <= loads; i++)); do
		pid=$(cat "$folder/load.$i.pid" 2>/dev/null) || continue
		signal=INT # hey tells what it saw
		[ ! -e "$folder/calls.$i" ] || signal=TERM
		kill -$signal "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
		rm -f "$folder/load.$i.pid"
	done
}

# The same at another rate, as there is long to wait.
load_instead() {
	stop_load
	load "$@"
}

# Ends all of it, and sets $good and $bad to how many answers were 200, and how many not.
end_load() {
	stop_load
	sleep 0.3 # the pods write their counts ten times a second
	# "  [200]  31371 responses" of "Status code distribution", "  [3]  Get …" of "Error distribution"
	# "TIME 200 MICROSECONDS" of calls
	read -r good bad < <(cat "$folder"/load.* "$folder"/calls.* 2>/dev/null | awk 'NF == 3 && $1 > 1e9 && $3 == $3 + 0 { if ($2 == 200) good++; else bad++; next }
		/^[A-Z]/ { errors = /^Error/ }
		/^  \[[0-9]+\]/ { sub(/\[/, "", $1); sub(/\]/, "", $1); if (errors) bad += $1; else if ($1 == 200) good += $2; else bad += $2 }
		END { print good + 0, bad + 0 }')
}

# ---- what is awaited ----

# until_line KIND WHAT PATTERN SECONDS: a line of the follower's after the last one of this kind.
until_line() {
	local deadline=$((SECONDS + $4)) found
	until found=$(awk -v from="${mark[$1]}" -v pattern="$3" 'NR > from && index($0, pattern) { print NR; exit }' "$folder/follow") &&
		[ -n "$found" ]; do
		[ $SECONDS -lt $deadline ] || stuck "no $2 within $4 s: $(tail -1 "$folder/follow")"
		sleep 0.05
	done
	mark[$1]=$found
	say "$2"
}
until_phase() { until_line state "phase $1" "\"phase\":\"$1\"" "${2:-60}"; }
until_weight() { until_line state "weight $1" "\"weight\":$1," "${2:-60}"; }
until_event() { until_line event "event: $1" "$1" "${2:-60}"; }

# ---- what is expected ----

# Each step had at least 2,000 requests, and its share of them went to the canary.
expect_shares() {
	lua5.4 "$here/shares.lua" podinfo "${1:-2000}" "$plane/counts/$ns".* >"$folder/shares" || wrong "traffic is not split by weight"
	sed 's/^/             /' "$folder/shares"
}

# requests_of WORKLOAD [TAG]: at its pods, by whatever route.
requests_of() {
	cat "$plane/counts/$ns".* | awk -v of="$1" -v tag="${2:-}" '{ pod = $2; sub(/.*\//, "", pod); sub(/-[^-]*-[^-]*$/, "", pod) }
		pod == of && (tag == "" || $1 == tag) { n += $4 } END { print n + 0 }'
}

# The clients saw no failure but those that pods were told to make, and each request that they saw was counted at a pod.
expect_no_loss() {
	local counted told
	counted=$(cat "$plane/counts/$ns".* | awk '{ n += $4 } END { print n + 0 }')
	told=$(cat "$plane/counts/$ns".* | awk '{ n += $5 } END { print n + 0 }')
	say "load: $((good + bad)) answers, $bad failed, $told of them by order; $counted counted at the pods"
	[ "$good" -gt 0 ] || wrong "no request succeeded"
	[ "$bad" -le "$told" ] || {
		wrong "$((bad - told)) requests were lost"
		sed -n '/^Status code/,$p' "$folder"/load.*
	}
	[ "$counted" -ge $((good + bad)) ] || wrong "fewer requests at the pods than answers"
	! grep "^podinfo\.$ns " "$plane/mesh/lost" >"$folder/lost" || wrong "Envoy had no pod for some: $(sort "$folder/lost" | uniq -c)"
}

# Events without what depends on the moment: measured values, what is waited for meanwhile, and what has $meanwhile in it.
shorten() {
	grep -vE "^(canary deployment )?[^ ]+ not ready: ${meanwhile:+|$meanwhile}" |
		sed -E 's/(success rate|request duration) [0-9.a-zµ]+/\1 …/; s/\b[0-9.]+(ms|%)? ([<>]) /… \2 /
			s/(primary not ready:|not measured:|progress deadline exceeded) .*/\1 …/' | uniq
}
# The last ones of before may come late.
live_events() {
	tail -n +$((release + 1)) "$folder/follow" | jq -r 'select(.message) | .message' | sed -n '/^New revision/,$p' | shorten
}

# expect_rehearsal SCENARIO [RECORDING]: the dry run of the same objects tells the same. Times are those of an interval of
# 10 s there.
expect_rehearsal() {
	printf '%s\n' "$1" >"$folder/scenario.yaml"
	local recording=() tries
	if [ -n "${2:-}" ]; then
		printf '%s\n' "$2" >"$folder/recording.yaml"
		recording=(--metrics "$folder/recording.yaml")
	fi
	"$sluice" dry-run -f "$folder/deployment.yaml" -f "$folder/canary.yaml" "${extra_objects[@]}" --scenario "$folder/scenario.yaml" \
		"${recording[@]}" -o json >"$folder/rehearsal.json" 2>"$folder/rehearsal.log"
	[ -s "$folder/rehearsal.json" ] || {
		wrong "no rehearsal: $(tail -1 "$folder/rehearsal.log")"
		return
	}
	jq -r '.events[] | select(.at >= 0) | .message' "$folder/rehearsal.json" | shorten >"$folder/rehearsed"
	# The last events are on their way.
	for ((tries = 0; tries < 10; tries++)); do
		live_events >"$folder/events"
		if diff -u --label rehearsed --label live "$folder/rehearsed" "$folder/events" >"$folder/events.diff"; then
			say "events: as rehearsed ($(wc -l <"$folder/events"))"
			return
		fi
		sleep 0.5
	done
	wrong "events are not those of the rehearsal"
	sed 's/^/             /' "$folder/events.diff"
}

expect_image() {
	local image
	image=$(kube get deployment "$1" -o 'jsonpath={.spec.template.spec.containers[0].image}')
	[ "$image" = "example.com/podinfo:$2" ] || wrong "$1 has $image, not podinfo:$2"
}

expect_event() { live_events | grep -qF "$1" || wrong "no event: $1"; }
expect_no_event() { ! live_events | grep -qF "$1" || wrong "event: $1"; }

# ---- the end ----

# at_end: a story that leaves more behind has its own.
at_end() { :; }

end_story() {
	local name
	for name in "$folder"/*.pid; do
		[ ! -e "$name" ] || kill "$(cat "$name")" 2>/dev/null
	done
	at_end
	cat "$plane/counts/$ns".* >"$folder/counts" 2>/dev/null
	# A bed is gone soon; elsewhere the pods need the kubelet to go.
	"$kubectl" delete namespace "$ns" --wait="$([ -n "${BED:-}" ] && echo false || echo true)" --timeout 60s >/dev/null 2>&1
	rm -f "$plane/faults/$ns".* "$plane/hooks/$ns".*
}
