# commands of an operator; then a canary is handed to a real Flagger, releases there, comes back, and is not worked on by both
# First: it takes minutes.

given_cluster flagger all
# shellcheck source=tools/e2e/control/flagger.sh
. "$here/control/flagger.sh"
given_store
given_team

# ---- one canary at a time

start_daemon --mesh-provider istio --selector moved=yes
for _ in $(seq 10); do
	make_ready
	sleep 0.5
done
[ -z "$(phase)" ] || wrong "a canary without the label was taken: $(phase)"
kube label canary web moved=yes >/dev/null
until_it 30 "it is not initialized once it has the label" in_phase Initialized
kube label canary web moved- >/dev/null
release 2
sleep 3
in_phase Initialized || wrong "a canary that has lost the label is worked on: $(phase)"
end "$daemon"
say "one canary at a time, by its label"
start_daemon --mesh-provider istio

# ---- commands

until_it 30 "no first step" has_weight 25
sluice pause team/web >/dev/null || wrong "it cannot be paused"
until_it 5 "nobody says that it is paused" says "Command pause of web.team by "
sleep 12
has_weight 25 || wrong "paused it has weight $(weight)"
sluice skip-to 40 team/web >/dev/null || wrong "no skip-to"
until_it 5 "not at 40" has_weight 40
kube annotate canary web sluice.dev/command=abort --overwrite >/dev/null
until_it 5 "not aborted" in_phase Failed
has_weight 0 || wrong "aborted it has weight $(weight)"
sluice abort team/web >/dev/null 2>&1 && wrong "an abort of nothing is taken"
sluice retry team/web >/dev/null || wrong "no retry"
until_it 30 "no first step again" has_weight 25
sluice promote team/web >/dev/null || wrong "no promotion"
until_it 30 "not promoted" in_phase Succeeded
primary_runs 2 || wrong "the primary does not run what was promoted"
say "commands: $(messages | grep -c '^Command') told, by $(messages | sed -n 's/^Command pause .* by \([^ ]*\) at.*/\1/p' | head -1)"

# ---- to Flagger, and back

until_it 15 "not handed back" sluice handback team/web
[ -z "$(phase)" ] || wrong "its status is still there: $(phase)"
if [ -z "$flagger" ]; then
	say "no flagger in the PATH or \$FLAGGER: what it makes of the canary was not tried"
else
	start_flagger
	until_it 60 "Flagger does not initialise it" in_phase Initialized
	primary_runs 2 || wrong "Flagger changed the primary"
	has_weight 0 || wrong "Flagger moved traffic: $(weight)"
	say "Flagger has initialised it, with the primary and the routes as they were"
	release 3
	until_it 120 "Flagger does not promote it" in_phase Succeeded
	primary_runs 3 || wrong "Flagger's primary does not run the release"
	! kube get canary web -o json | grep -q '"Sluice"' || wrong "our daemon wrote meanwhile"
	say "Flagger has promoted a release"
	kill $other
	wait $other
	kube annotate canary web sluice.dev/class- >/dev/null
	until_it 10 "not taken over" sh -c "'$kubectl' -n team get canary web -o json | grep -q '\"Sluice\"'"
	sleep 3
	in_phase Succeeded || wrong "the change of controller set something off: $(phase)"
	release 4
	until_it 90 "not promoted after the way back" in_phase Succeeded
	until_it 90 "not promoted after the way back" primary_runs 4
	say "taken over again: no rollout by that, and a release"
	start_flagger
	sleep 12
	release 5
	both() { kube get canary web -o json | jq -r '.status.conditions[]? | select(.type == "Valid") | .message' | grep -q "another controller"; }
	until_it 60 "that both work on it is not told" both
	say "beside a Flagger that writes: $(kube get canary web -o json | jq -r '.status.conditions[] | select(.type == "Valid") | .message')"
	kill $other
	wait $other
fi
kill $daemon $store
wait $daemon $store
