#!/bin/bash
# The daemon with metric stores and receivers of alerts that speak the protocols of the real ones, over TLS: each as it
# should be, and in each bad mood. What it made of their answers is spec/stores/transcript.txt (UPDATE=1 writes it).
# Usage: spec/stores/run.sh SLUICE FAKE-STORES
set -u
sluice=$1
fake_stores=$2
here=spec/stores
# shellcheck source=spec/stores/stage.sh
. $here/stage.sh

stores="graphite datadog newrelic dynatrace influxdb cloudwatch stackdriver splunk externalmetrics"
moods="ok 401 403 404 429 500 slow half badjson empty nodata nan several moved away"
declare -A more=([cloudwatch]=expired) # moods of its own
receivers="slack discord rocket msteams gchat"
receiver_moods="ok 401 404 429 500 slow half moved away"

# ---- who answers

(
	cd "$folder" || exit 1
	new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
	$new -x509 -subj /CN=ca -keyout ca.key -out ca.crt -days 2
	$new -subj /CN=stores -keyout stores.key -out stores.csr
	printf 'subjectAltName=IP:127.0.0.1,DNS:localhost' >ext
	openssl x509 -req -in stores.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out stores.crt
	openssl genrsa -out google.pem 2048
) 2>/dev/null || fail "no certificates"
"$fake_stores" "$folder/stores.crt" "$folder/stores.key" >"$folder/taken" 2>"$folder/fake.log" &
pids=$!
for _ in $(seq 50); do
	[ ! -s "$folder/taken" ] || break
	sleep 0.1
done
read -r port plain <"$folder/taken" || fail "no stores"

# ---- what is asked

declare -A query=(
	[graphite]='target=sumSeries(hits.*)&from=-5min' [datadog]='avg:hits{*}' [newrelic]='SELECT 1' [dynatrace]='builtin:hits'
	[influxdb]='from(bucket: "b") |> range(start: -1m)' [cloudwatch]='[{"Id":"e1","Expression":"1"}]' [stackdriver]='fetch a'
	[splunk]="data('hits').publish()" [externalmetrics]='team/hits?labelSelector=app%3Dweb'
)
declare -A path=([splunk]=splunk-api)
google="{\"type\": \"service_account\", \"client_email\": \"me@mine\", \"token_uri\": \"https://127.0.0.1:$port/google/ok/token\",
  \"private_key\": \"$(sed ':a;N;$!ba;s/\n/\\n/g' "$folder/google.pem")\"}"
declare -A secret=(
	[graphite]='username: planted-user, password: planted-key' [datadog]='datadog_api_key: planted-key, datadog_application_key: planted-app'
	[newrelic]='newrelic_account_id: "4711", newrelic_query_key: planted-key' [dynatrace]='dynatrace_token: planted-key'
	[influxdb]='token: planted-key, org: mine' [cloudwatch]='aws_access_key_id: planted-id, aws_secret_access_key: planted-key'
	[stackdriver]='project: mine' [splunk]='sf_token_key: planted-key' [externalmetrics]='token: planted-key'
)

# provider NAME TYPE ADDRESS SECRET
provider() {
	printf -- '---\napiVersion: flagger.app/v1beta1\nkind: AlertProvider\nmetadata: {name: %s, namespace: test}\nspec:\n' "$1"
	printf '  type: %s\n  channel: c\n  %s\n' "$2" "${4:+secretRef: {name: $4\}}"
	[ -n "$4" ] || printf '  address: "%s"\n' "$3"
}

# alerted NAME…: a canary that tells these providers
alerted() {
	canary alerts | sed '/^    metrics:/d'
	echo "    alerts:"
	for name in "$@"; do printf '    - {name: %s, severity: info, providerRef: {name: %s}}\n' "$name" "$name"; done
}

{
	for store in $stores; do
		secret_of "$store" "${secret[$store]}"
		names=
		for mood in $moods ${more[$store]:-}; do
			template "$store" "$store-$mood" "https://127.0.0.1:$port/${path[$store]:-$store}/$mood" "$store"
			names="$names $store-$mood"
		done
		echo ---
		# shellcheck disable=SC2086
		canary "$store" $names
	done
	# Keptn is objects of the API server.
	printf -- '---\napiVersion: metrics.keptn.sh/v1beta1\nkind: KeptnMetric\nmetadata: {name: hits, namespace: test}\n'
	printf 'status: {value: "42"}\n'
	for what in ok=keptnmetric/test/hits 404=keptnmetric/test/nobody slow=analysis/test/slo; do
		query[keptn]=${what#*=}
		template keptn "keptn-${what%%=*}" "" ""
	done
	echo ---
	canary keptn keptn-ok keptn-404 keptn-slow
	# A driver of one's own, as lua/README.md has it.
	query[store]='hits & more'
	names=
	for mood in ok 429 nodata; do
		template store "store-$mood" "https://127.0.0.1:$port/store/$mood" ""
		names="$names store-$mood"
	done
	echo ---
	# shellcheck disable=SC2086
	canary store $names
	# Google's key is JSON, and too long for a line of words.
	sed -n 's/^/  /p' <<<"serviceAccountKey: $(base64 -w0 <<<"$google")" >"$folder/google"
	names=
	for receiver in $receivers; do
		for mood in $receiver_moods; do
			name=$receiver-$mood
			names="$names $name"
			secret_of "$name" "address: @"
			provider "$name" "$receiver" "" "$name"
		done
	done
	secret_of bot-ok "address: @, token: planted-bot"
	provider bot-ok slack "" bot-ok
	secret_of bot-refused "address: @, token: planted-bot"
	provider bot-refused slack "" bot-refused
	echo ---
	# shellcheck disable=SC2086
	alerted $names bot-ok bot-refused
} >"$folder/objects.yaml"
# Addresses have colons, which end a key above.
awk -v at="https://127.0.0.1:$port" -v google="$folder/google" '
	function coded(text, command, line) {
		command = "printf %s \047" text "\047 | base64 -w0"
		command | getline line
		close(command)
		return line
	}
	/^metadata: \{name: / { name = $2 == "{name:" ? $3 : ""; sub(/,.*/, "", name) }
	/^  address: QA==/ {
		mood = name
		sub(/.*-/, "", mood)
		who = substr(name, 1, length(name) - length(mood) - 1)
		hook = who == "bot" ? "/api/chat.postMessage" : "/planted-hook"
		print "  address: " coded(at "/" (who == "bot" ? "slackbot" : who) "/" mood hook)
		next
	}
	{ print }
	/^  project: / { while ((getline line <google) > 0) print line }
' "$folder/objects.yaml" >"$folder/all.yaml"

# ---- what comes of it

mkdir -p "$folder/lua/metric"
awk '/^    --- A store of one number/ { on = 1 } on { sub(/^    /, ""); print } on && /^return M/ { exit }' lua/README.md \
	>"$folder/lua/metric/store.lua"
cluster all "$folder/all.yaml"
lua=$folder/lua
daemon all
lua=
# shellcheck disable=SC2086
release all $stores keptn store alerts
given_up() { grep -o 'alert provider [a-z0-9-]*\.test send error: [^"]*' "$folder/all.log"; }
iterations() {
	curl -sf "$server/apis/flagger.app/v1beta1/namespaces/test/canaries/alerts" | grep -o '"iterations":[0-9]*' | tail -1 | tr -dc 0-9
}
# Whoever hangs takes half a minute to be given up; the release is three checks on by then.
going_on=no
for _ in $(seq 100); do
	if [ "$(iterations)" -ge 3 ] 2>/dev/null; then
		[ "$(given_up | grep -c slack-slow)" -gt 1 ] || going_on=yes
		break
	fi
	sleep 0.1
done
until_measured all $(($(wc -w <<<"$stores") * $(wc -w <<<"$moods") + 7))
for _ in $(seq 300); do # five ways to fail; each is told of twice, when it is initialized and when it is released
	[ "$(given_up | wc -l)" -lt $((2 * (5 * 8 + 1))) ] || break
	sleep 0.1
done
stop

# ---- identities that the platform gives

printf 'planted.web.token\n' >"$folder/web-token"
printf 'planted.pod.token\n' >"$folder/pod-token"
printf '%s' "$google" >"$folder/google.json"
# identity NAME STORE SECRET [VARIABLE=VALUE…]
identity() {
	local name=$1 store=$2 secret_name=$3
	shift 3
	{
		[ -z "$secret_name" ] || secret_of "$secret_name" "${secret[$store]}"
		template "$store" "$name" "https://127.0.0.1:$port/$store/ok" "$secret_name"
		echo ---
		canary "$store" "$name"
	} >"$folder/$name.yaml"
	cluster "$name" "$folder/$name.yaml"
	daemon "$name" AWS_EC2_METADATA_DISABLED=true "$@"
	release "$name" "$store"
	until_measured "$name" 1
	stop
}
web=(AWS_ROLE_ARN=arn:aws:iam::1:role/canary AWS_WEB_IDENTITY_TOKEN_FILE="$folder/web-token")
pod=(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$folder/pod-token")
identity aws-environment cloudwatch "" AWS_ACCESS_KEY_ID=planted-id AWS_SECRET_ACCESS_KEY=planted-key
identity aws-web-identity cloudwatch "" "${web[@]}" AWS_ENDPOINT_URL_STS="https://127.0.0.1:$port/sts/ok"
identity aws-web-identity-refused cloudwatch "" "${web[@]}" AWS_ENDPOINT_URL_STS="https://127.0.0.1:$port/sts/403"
identity aws-web-identity-no-file cloudwatch "" "${web[@]}" AWS_WEB_IDENTITY_TOKEN_FILE=/no/such/file
identity aws-pod-identity cloudwatch "" "${pod[@]}" AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:$plain/pod/ok/v1/credentials"
identity aws-pod-identity-elsewhere cloudwatch "" "${pod[@]}" AWS_CONTAINER_CREDENTIALS_FULL_URI=http://example.com/
identity aws-instance cloudwatch "" AWS_EC2_METADATA_DISABLED=false AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:$plain/instance/ok"
identity aws-nobody cloudwatch ""
identity google-file stackdriver stackdriver GOOGLE_APPLICATION_CREDENTIALS="$folder/google.json"
# external NAME TOKEN-URL SOURCE [MORE]: an external account, as `gcloud iam workload-identity-pools create-cred-config` writes it
external() {
	printf '{"type": "external_account", "audience": "//iam.googleapis.com/pools/mine", "token_url": "%s"%s,
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": %s}' \
		"https://127.0.0.1:$port/$2/v1/token" "${4:-}" "$3" >"$folder/$1.json"
	identity "$1" stackdriver "" GOOGLE_APPLICATION_CREDENTIALS="$folder/$1.json" GOOGLE_CLOUD_PROJECT=mine
}
printf '{"id.token": "planted.web.token"}' >"$folder/token.json"
external google-external googlests/ok "{\"file\": \"$folder/web-token\"}"
external google-external-refused googlests/403 "{\"file\": \"$folder/web-token\"}"
external google-external-no-file googlests/ok '{"file": "/no/such/file"}'
external google-external-aws googlests/ok '{"environment_id": "aws1", "url": "http://169.254.169.254/"}'
external google-external-account googlefederation/ok \
	"{\"file\": \"$folder/token.json\", \"format\": {\"type\": \"json\", \"subject_token_field_name\": \"id.token\"}}" \
	", \"service_account_impersonation_url\": \"https://127.0.0.1:$port/googleiam/ok/v1/projects/-/serviceAccounts/me:generateAccessToken\""
identity google-machine stackdriver "" GCE_METADATA_HOST="127.0.0.1:$plain"
identities="aws-environment aws-web-identity aws-web-identity-refused aws-web-identity-no-file aws-pod-identity
	aws-pod-identity-elsewhere aws-instance aws-nobody google-file google-machine google-external google-external-refused
	google-external-no-file google-external-aws google-external-account"

# ---- a daemon that is killed (-9) while it tells somebody who hangs

{
	provider patient slack "https://127.0.0.1:$port/slack/slow/planted-hook" ""
	echo ---
	alerted patient
} >"$folder/killed.yaml"
cluster killed "$folder/killed.yaml"
daemon killed
"$sluice" follow --kubeconfig "$folder/killed.kubeconfig" --until Initialized --timeout 60s test/alerts >/dev/null ||
	fail "alerts is not initialized"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
heard() { grep -c '^slack .*initialization completed' "$folder/taken"; }
before=$(heard)
curl -sf -o /dev/null -X PATCH -H 'Content-Type: application/merge-patch+json' \
	-d '{"spec":{"address":"https://127.0.0.1:'"$port"'/slack/ok/planted-hook"}}' \
	"$server/apis/flagger.app/v1beta1/namespaces/test/alertproviders/patient"
daemon killed
for _ in $(seq 100); do
	[ "$(heard)" = "$before" ] || break
	sleep 0.1
done
stop

# ---- what came

{
	for store in $stores keptn store; do measured all | grep "^$store-"; done
	for name in $identities; do measured "$name"; done
	echo "alerts:"
	given_up | sort -u
	echo "with receivers that hang, the release goes on: $going_on"
	echo "killed while it told, the next daemon tells it $(($(heard) - before)) time"
	for receiver in $receivers slackbot; do
		echo "$receiver took $(grep "^$receiver " "$folder/taken" | grep -c 'New revision detected') of the release"
	done
} | sed "s/$port/PORT/g; s/$plain/PORT/g; s|$folder|FOLDER|g" >"$folder/transcript.txt"
[ -z "${UPDATE:-}" ] || cp "$folder/transcript.txt" $here/transcript.txt
diff $here/transcript.txt "$folder/transcript.txt" || fail "other than spec/stores/transcript.txt (left), in $folder"
cat "$folder"/*.log "$folder"/*.decisions/* >"$folder/told"
curl -sf "$server/api/v1/namespaces/test/events" >>"$folder/told"
! grep -o '.\{60\}planted.\{20\}' "$folder/told" | head -3 | grep . || fail "a secret is told"
count=$(wc -l <"$folder/transcript.txt")
echo "stores: $count passed, 0 failed"
