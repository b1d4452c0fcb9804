# Many canaries of a bed: how they are made, released and waited for, and what the audit log says of it. Sourced by bench.sh,
# which sets $count, $ns, $user, $table and $who.
# shellcheck shell=bash disable=SC2154

# ---- requests, many at once ----

credentials() {
	# shellcheck disable=SC1091
	. "$BED/ports"
	printf 'cacert = %s\ncert = %s\nkey = %s\n' "$BED/ca.crt" "$BED/admin.crt" "$BED/admin.key"
}

# As kubectl cannot: lines "METHOD PATH TYPE BODY", the body without blanks.
send() {
	local method path type body own
	own=$(credentials)
	# shellcheck disable=SC1091
	. "$BED/ports"
	while read -r method path type body; do
		printf 'next\nurl = "https://127.0.0.1:%s%s"\nrequest = %s\nheader = "content-type: application/%s"\ndata = "%s"\n' \
			"$api_port" "$path" "$method" "$type" "${body//\"/\\\"}"
		printf '%s\noutput = /dev/null\n' "$own"
	done | sed 1d | curl --parallel --parallel-max 20 -K - -w '%{response_code}\n' 2>"$table.curl" | grep -vc '^20[01]$' >"$table.refused"
	[ "$(cat "$table.refused")" = 0 ] || {
		echo "   $(cat "$table.refused") requests were refused; see $table.curl" >&2
		return 1
	}
}

# ---- the fleet ----

# Services are headless: an API server hands out cluster IPs one after the other (a lock around a request of its own), so
# three Services for each of a thousand canaries would take minutes that have nothing to do with the controller.
objects() {
	local i
	for ((i = 1; i <= count; i++)); do
		tr -d '\n\t ' <<-END | sed "s|^|POST /apis/apps/v1/namespaces/$ns/deployments json |; s|\$|\n|"
			{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app-$i"},
			 "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "app-$i"}},
			 "template": {"metadata": {"labels": {"app": "app-$i"}}, "spec": {"containers": [
			 {"name": "app", "image": "example.com/app:1", "ports": [{"containerPort": 9898}]}]}}}}
		END
		tr -d '\n\t ' <<-END | sed "s|^|POST /apis/flagger.app/v1beta1/namespaces/$ns/canaries json |; s|\$|\n|"
			{"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "app-$i"},
			 "spec": {"provider": "appmesh:v1beta2", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app-$i"},
			 "progressDeadlineSeconds": 600, "service": {"port": 9898, "timeout": "15s", "headless": true},
			 "analysis": {"interval": "10s", "threshold": 5, "maxWeight": 50, "stepWeight": 5, "metrics": [
			 {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
			 {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "30s"}]}}}
		END
	done
}

images() {
	local i
	for ((i = 1; i <= count; i++)); do
		echo "PATCH /apis/apps/v1/namespaces/$ns/deployments/app-$i json-patch+json" \
			'[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"example.com/app:2"}]'
	done
}

# "COUNT PHASE" of all canaries, as a table of the API server's: a fraction of what their JSON would be.
phases() {
	# shellcheck disable=SC1091
	. "$BED/ports"
	{
		credentials
		printf 'url = "https://127.0.0.1:%s/apis/flagger.app/v1beta1/namespaces/%s/canaries?includeObject=None&resourceVersion=0"\n' \
			"$api_port" "$ns"
		printf 'header = "accept: application/json;as=Table;v=v1;g=meta.k8s.io"\n'
	} | curl -sf -m 20 -K - | jq -r '(.columnDefinitions | map(.name) | index("Status")) as $at | .rows[].cells[$at] // "new"' |
		sort | uniq -c
}

# until_all PHASE SECONDS: says how far they are, each fifteen seconds.
until_all() {
	local began=$SECONDS deadline=$((SECONDS + $2)) there tell_at=$((SECONDS + 15))
	while :; do
		there=$(phases)
		[ "$(awk -v phase="$1" '$2 == phase { print $1 }' <<<"$there")" != "$count" ] || return 0
		if [ $SECONDS -ge $tell_at ]; then
			tell_at=$((SECONDS + 15))
			awk -v s=$((SECONDS - began)) '{ text = text sprintf("%s%s %s", NR > 1 ? ", " : "", $1, $2) } END { printf "   %3d s: %s\n", s, text }' \
				<<<"$there"
		fi
		if [ $SECONDS -ge $deadline ]; then
			echo "   not all are $1 after $2 s, as long as \$PATIENCE is" >&2
			return 1
		fi
		sleep 2
	done
}

# ---- the audit log: hundreds of megabytes, so each part of it is read once ----

mark() { marked=$(stat -c %s "$BED/audit.log"); }

# The controller's own requests since the mark: lines "VERB RESOURCE".
own() {
	tail -c "+$((marked + 1))" "$BED/audit.log" | grep -F "\"username\":\"$user\"" |
		jq -r 'select(.stage == "ResponseComplete") | "\(.verb) \(.objectRef.resource // "-")"'
}

# Seconds from each change of a Deployment, since the mark, to the controller's first write about its canary, sorted.
delays() {
	tail -c "+$((marked + 1))" "$BED/audit.log" | grep -E '"verb":"(create|update|patch)"' |
		grep -E '"resource":"(deployments|canaries)"' | grep -E "\"username\":\"(admin|$user)\"" |
		jq -r --arg user "$user" 'select(.stage == "ResponseComplete") |
			if .user.username == $user then "action" elif .objectRef.resource == "deployments" then "change" else empty end +
			" \(.objectRef.name) \(.requestReceivedTimestamp)"' |
		awk 'function seconds(t) { return substr(t, 12, 2) * 3600 + substr(t, 15, 2) * 60 + substr(t, 18, 9) }
			$1 == "change" { if (!($2 in changed)) changed[$2] = seconds($3) }
			$1 == "action" { t = seconds($3); if (!($2 in acted) || t < acted[$2]) acted[$2] = t }
			END { for (name in changed) if (name in acted) printf "%.3f\n", acted[name] - changed[name] }' | sort -n
}
