# fields that a Canary asks for no more go from the objects made for it, by us or by Flagger; what others wrote there stays

given_cluster ours all

canary() { # NAME SERVICE
	echo '{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"'"$1"'"},"spec":{"provider":"istio",
		"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"'"$1"'"},"service":'"$2"',"analysis":{"interval":
		"1s","threshold":3,"maxWeight":50,"stepWeight":50}}}'
}
deployment() { # NAME
	echo '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"'"$1"'"},"spec":{"replicas":1,"selector":{"matchLabels":
		{"app":"'"$1"'"}},"template":{"metadata":{"labels":{"app":"'"$1"'"}},"spec":{"containers":[{"name":"c","image":"c:1"}]}}}}'
}
more='{"port":80,"apex":{"annotations":{"team":"a"}},"retries":{"attempts":3},"trafficPolicy":{"tls":{"mode":"DISABLE"}}}'
less='{"port":80}'

dropped() { # NAME: what is left of it
	kube get "service/$1" -o json | jq -r '.metadata.annotations.team // empty'
	kube get "destinationrules.networking.istio.io/$1-primary" -o json | jq -r '.spec.trafficPolicy.tls.mode // empty'
	kube get "virtualservices.networking.istio.io/$1" -o json | jq -r '.spec.http[].retries.attempts // empty'
}

# expect_dropped NAME WHEN: within 10 s.
expect_dropped() {
	local _
	for _ in $(seq 20); do
		[ -n "$(dropped "$1")" ] || break
		sleep 0.5
	done
	[ -z "$(dropped "$1")" ] || wrong "$1 $2: there is still $(dropped "$1" | tr '\n' ' ')"
	[ "$(kube get "service/$1" -o json | jq -r '.metadata.annotations.theirs')" = stays ] || wrong "$1 $2: what others wrote is gone"
	say "$1: dropped $2"
}

start_daemon() {
	"$PROGRAMS/sluice" run --kubeconfig "$BED/sluice.kubeconfig" --min-analysis-interval 1s --port 0 >>"$folder/daemon.log" 2>&1 &
	daemon=$!
}
stop_daemon() {
	kill $daemon
	wait $daemon
}

in_namespace drop
for name in web left; do
	deployment $name
	canary $name "$more"
done | kube apply -f - >"$folder/given" 2>&1 || wrong "$(cat "$folder/given")"

# What Flagger would have made of one of them.
uid=$(kube get canary left -o json | jq -r .metadata.uid)
echo '{"apiVersion":"networking.istio.io/v1beta1","kind":"DestinationRule","metadata":{"name":"left-primary","ownerReferences":[{
	"apiVersion":"flagger.app/v1beta1","kind":"Canary","name":"left","uid":"'"$uid"'","controller":true,"blockOwnerDeletion":
	true}]},"spec":{"host":"left-primary","trafficPolicy":{"tls":{"mode":"DISABLE"}}}}' |
	kube create --field-manager flagger -f - >/dev/null

start_daemon
until_it 30 "not all are Initialized" all_in_phase Initialized
for name in web left; do kube annotate "service/$name" theirs=stays >/dev/null; done
for name in web left; do canary $name "$less"; done | kube apply -f - >/dev/null
expect_dropped web "while it runs"
expect_dropped left "of what Flagger made"
canary web "$more" | kube apply -f - >/dev/null
for _ in $(seq 20); do
	[ "$(dropped web | wc -l)" -lt 3 ] || break
	sleep 0.5
done
stop_daemon
canary web "$less" | kube apply -f - >/dev/null
start_daemon
expect_dropped web "while nobody looked"

sleep 2
since=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
sleep 5
at_rest=$(requests "$since" 9999 '.verb + " " + .requestURI')
[ -z "$at_rest" ] || wrong "at rest: $at_rest"
stop_daemon
managers=$(kube get services,destinationrules.networking.istio.io,virtualservices.networking.istio.io -o json --show-managed-fields |
	jq -r '.items[].metadata.managedFields[] | .manager + " " + .operation' | sort | uniq -c | awk '{ printf "%s %s %d, ", $2, $3, $1 }')
say "managers of the fields: $managers"
