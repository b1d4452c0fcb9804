# the daemon is killed (-9) at ten random moments of a release and started again: nobody notices but the log
# shellcheck shell=bash disable=SC2034,SC2154

given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 5
maxWeight: 50
stepWeight: 10"

load 800
begin_release 6.0.1
for moment in 1 2 3 4 5 6 7 8 9 10; do
	sleep "$((RANDOM % 3)).$((RANDOM % 10))$((RANDOM % 10))"
	kill_daemon
	start_daemon
done
say "killed ten times, at these weights: $(cut -d: -f2 "$folder/killed" | tr "\n" " ")"
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1"
