# a real Flagger is killed with a canary in each of its phases: all are taken over as they are, go on from there, and back

given_cluster flagger all
# shellcheck source=tools/e2e/control/flagger.sh
. "$here/control/flagger.sh"
hooks=http://127.0.0.1:18095
mkdir -p "$folder/hooks"
"$PROGRAMS/e2e-receiver" --port 18095 --run "$folder" >"$folder/receiver.log" 2>&1 &
receiver=$!
address=$hooks # where the metric store is too: every number is good

resting="initialized succeeded failed"
closed="waiting progressing waitingpromotion"
all="initializing $resting $closed promoting finalising terminating terminated"

# ---- what is given

# canary NAME [ANALYSIS] [MORE OF THE SPEC]
canary() {
	kube apply -f - >>"$folder/given" 2>&1 <<-END || wrong "$(tail -3 "$folder/given")"
		{"apiVersion":"v1","kind":"List","items":[
		{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"$1-settings"},"data":{"color":"blue"}},
		{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"$1"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":
		"$1"}},"template":{"metadata":{"labels":{"app":"$1"}},"spec":{"containers":[{"name":"c","image":"c:1","envFrom":[
		{"configMapRef":{"name":"$1-settings"}}]}]}}}},
		{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"$1"},"spec":{"provider":"istio","targetRef":
		{"apiVersion":"apps/v1","kind":"Deployment","name":"$1"},"progressDeadlineSeconds":600,"service":{"port":80}${3:+,$3},
		"analysis":{"interval":"10s","threshold":2,"maxWeight":50,"stepWeight":25${2:+,$2}}}}]}
	END
}
gate() { echo '"webhooks":[{"name":"gate","type":"'"$1"'","url":"'"$hooks/$2"'"}]'; }
close() { for name in "$@"; do echo 403 >"$folder/hooks/team.$name"; done; }
open() { for name in "$@"; do rm -f "$folder/hooks/team.$name"; done; }
stays_unready() { kube annotate deployment "$1" story/never-ready=yes >/dev/null; }
becomes_ready() { kube annotate deployment "$1" story/never-ready- >/dev/null; }
# Amid its rolling update: the pod of the old revision serves, there is none of the new one.
is_updating() {
	stays_unready "$1"
	kube patch deployment "$1" --subresource=status --type=merge -p '{"status":{"updatedReplicas":0}}' >/dev/null
}
phase_of() { kube get canary "$1" -o jsonpath='{.status.phase}'; }
weight_of() { kube get virtualservices.networking.istio.io "$1" -o json | jq -r '.spec.http[0].route[] |
	select(.destination.host | test("canary")) | .weight'; }
image_of() { kube get deployment "$1" -o jsonpath='{.spec.template.spec.containers[0].image}'; }
is() { [ "$(phase_of "$1")" = "$2" ]; }

# each_until SECONDS WHAT PHASE NAME...: each canary is in the phase; ON_PHASE is called once for each that is
each_until() {
	local deadline=$((SECONDS + $1)) what=$2 wanted=$3 name left
	shift 3
	left=" $* "
	while [ "$left" != " " ] && [ $SECONDS -lt $deadline ]; do
		make_ready
		for name in $left; do
			! is "$name" "$wanted" || left=${left/ $name / }
		done
		sleep 0.3
	done
	[ "$left" = " " ] && return
	wrong "$what: $(for name in $left; do echo "$name is $(phase_of "$name"), not $wanted;"; done)"
	for name in $left; do kube get events -o json | jq -r --arg name "$name" '.items[] | select(.involvedObject.name == $name) |
		.message' | tail -4; done
}
phases_are() {
	local name
	for name in $closed promoting finalising; do
		case $name in
		waiting) is waiting Waiting ;;
		progressing) is progressing Progressing ;;
		waitingpromotion) is waitingpromotion WaitingPromotion ;;
		promoting) is promoting Promoting ;;
		finalising) is finalising Finalising ;;
		esac || return 1
	done
}
# Everything of ours but what every write changes.
picture() {
	kube get deployments,services,configmaps,virtualservices.networking.istio.io,destinationrules.networking.istio.io \
		-l '!kubernetes.io/x' -o json | jq -S '[.items[] | select(.metadata.name | test("^(terminat|kube-root)") | not) |
		{kind, name: .metadata.name, uid: .metadata.uid, spec, data, template: .spec.template}]'
}

kube create namespace team >/dev/null
canary initializing
for name in initialized succeeded promoting finalising; do canary $name; done
canary failed '"metrics":[{"name":"request-duration","interval":"1m","thresholdRange":{"max":1}}]'
canary waiting "$(gate confirm-rollout waiting)"
canary progressing "$(gate confirm-traffic-increase progressing)"
canary waitingpromotion "$(gate confirm-promotion waitingpromotion)"
canary terminating '' '"revertOnDeletion":true'
canary terminated '' '"revertOnDeletion":true'
close waiting waitingpromotion

if ! start_flagger; then
	say "no flagger in the PATH or \$FLAGGER: not told"
	end $receiver
	return 0
fi

# ---- Flagger brings them there

# Its primary never comes up: from the moment that it is there.
for _ in $(seq 300); do
	kube get deployment initializing-primary >/dev/null 2>&1 && break
	sleep 0.1
done
stays_unready initializing-primary
each_until 90 "Flagger does not initialise" Initialized $resting $closed promoting finalising terminating terminated
is initializing Initializing || wrong "initializing is $(phase_of initializing)"
say "initialised by Flagger: all but the one whose primary does not come up"
for name in succeeded failed waiting progressing waitingpromotion promoting finalising; do
	kube set image "deployment/$name" c=c:2 >/dev/null
done
kube delete canary terminating terminated --wait=false >/dev/null
stays_unready terminating
stays_unready terminated
deadline=$((SECONDS + 150))
until { is succeeded Succeeded && is failed Failed && phases_are && is terminating Terminating; } || [ $SECONDS -ge $deadline ]; do
	make_ready
	[ "$(weight_of progressing)" != 25 ] || close progressing
	# A primary that has the new revision is ready no more.
	for name in promoting finalising; do
		wanted=Promoting
		[ $name = promoting ] || wanted=Finalising
		! is $name $wanted || is_updating $name-primary
	done
	sleep 0.2
done
kill -9 "$other"
wait "$other" 2>/dev/null
kube patch canary terminated --subresource=status --type=merge -p '{"status":{"phase":"Terminated"}}' >/dev/null
for name in $all; do printf '%s %s weight %s\n' "$name" "$(phase_of "$name")" "$(weight_of "$name")"; done >"$folder/left"
say "Flagger is killed, and has left: $(awk '{ printf "%s%s %s", sep, $2, $4; sep = ", " }' "$folder/left")"
phases_are || wrong "it did not leave each phase"
before=$(picture)
revisions=$(kube get events -o json | jq '[.items[] | select(.message | test("New revision"))] | length')

# ---- taken over as they are

start_daemon --mesh-provider istio
is_ours() { kube get canary "$1" -o json | jq -e '.status.conditions[]? | select(.type == "Sluice")' >/dev/null; }
for name in initializing $resting $closed promoting finalising; do until_it 20 "$name is not taken over" is_ours "$name"; done
for _ in $(seq 20); do
	make_ready
	sleep 0.5
done
for name in initializing $resting $closed promoting finalising; do
	[ "$name $(phase_of "$name") weight $(weight_of "$name")" = "$(grep "^$name " "$folder/left")" ] ||
		wrong "taken over, $name is $(phase_of "$name") with weight $(weight_of "$name"), was left as: $(grep "^$name " "$folder/left")"
done
after=$(picture)
[ "$before" = "$after" ] || wrong "taking over changed: $(diff <(echo "$before") <(echo "$after") | head -40)"
[ "$(kube get events -o json | jq '[.items[] | select(.message | test("New revision"))] | length')" = "$revisions" ] ||
	wrong "a rollout was set off: $(kube get events -o json | jq -r '.items[] | select(.message | test("New revision")) | .message')"
say "taken over by sluice: after ten seconds all are as they were, phase, weight, spec and configs"

# ---- and they go on from there

for name in initializing-primary promoting-primary finalising-primary terminating terminated; do becomes_ready $name 2>/dev/null; done
open $closed
each_until 30 "it is not initialised" Initialized initializing
each_until 120 "it does not go on" Succeeded $closed promoting finalising
for name in $closed promoting finalising; do
	[ "$(image_of "$name-primary")" = c:2 ] || wrong "the primary of $name runs $(image_of "$name-primary")"
	[ "$(weight_of "$name")" = 0 ] || wrong "$name has weight $(weight_of "$name")"
done
is initialized Initialized && is succeeded Succeeded && is failed Failed || wrong "what was at rest is not any more"
first_steps=$(kube get events -o json | jq '[.items[] | select(.message == "Advance progressing.team canary weight 25") | .count // 1] |
	add')
[ "$first_steps" = 1 ] || wrong "the first step was made $first_steps times"
is_gone() { ! kube get canary "$1" >/dev/null 2>&1; }
for name in terminating terminated; do
	until_it 60 "$name does not end" is_gone $name
	[ "$(kube get deployment $name -o jsonpath='{.spec.replicas}')" = 1 ] || wrong "the target of $name has no pods"
done
say "each goes on from where it was: promoted, initialised, or given back"

# ---- back

end "$daemon"
left="initializing $resting $closed promoting finalising"
generations() { kube get deployments -o json | jq -c '[.items[] | select(.metadata.name | test("-primary$")) | [.metadata.name,
	.metadata.generation]]'; }
before=$(generations)
sluice handback --all -n team >"$folder/handback" 2>&1 || wrong "not handed back: $(cat "$folder/handback")"
start_flagger
# shellcheck disable=SC2086
each_until 90 "Flagger does not take it back" Initialized $left
[ "$before" = "$(generations)" ] || wrong "handed back, primaries were changed: $before $(generations)"
end "$other"
end "$receiver"
say "handed back: Flagger has initialised all of them, and no primary was touched"
