#!/bin/bash
# The daemon asks a real Graphite (Debian's graphite-web, over whisper files) and a real InfluxDB (1.7, Flux, with users).
# What it must make of each answer stands beside the query. Usage: spec/stores/real.sh SLUICE
set -u
sluice=$1
# shellcheck source=spec/stores/stage.sh
. spec/stores/stage.sh
influxd=$(tools/e2e/binary.sh influxd) || fail "there is no influxd"

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 10000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo $port
}

# ---- Graphite

graphite=$(free_port)
mkdir -p "$folder/whisper/hits" "$folder/log"
cat >"$folder/graphite_of_a_test.py" <<EOF
from graphite.settings import *
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["*"]
STORAGE_DIR = "$folder"
WHISPER_DIR = "$folder/whisper"
STANDARD_DIRS = [WHISPER_DIR]
LOG_DIR = "$folder/log"
INDEX_FILE = "$folder/index"
LOG_FILE_INFO = LOG_FILE_EXCEPTION = LOG_FILE_CACHE = LOG_FILE_RENDERING = "-"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "$folder/db"}}
EOF
now=$(date +%s)
for name in hits/web hits/other old empty; do
	whisper-create "$folder/whisper/$name.wsp" 10s:2h >/dev/null || fail "no whisper file"
done
whisper-update "$folder/whisper/hits/web.wsp" $((now - 20)):41.5 $((now - 10)):42.5
whisper-update "$folder/whisper/hits/other.wsp" $((now - 10)):1
whisper-update "$folder/whisper/old.wsp" $((now - 3600)):7
django() { PYTHONPATH=$folder DJANGO_SETTINGS_MODULE=graphite_of_a_test exec /usr/bin/python3 -m django "$@"; }
(django migrate --run-syncdb) >"$folder/graphite.log" 2>&1 || fail "no Graphite: $(tail -3 "$folder/graphite.log")"
(django runserver --noreload "127.0.0.1:$graphite") >>"$folder/graphite.log" 2>&1 &
pids="$pids $!"

# ---- InfluxDB

influx=$(free_port)
cat >"$folder/influx.conf" <<EOF
reporting-disabled = true
bind-address = "127.0.0.1:$(free_port)"
[meta]
dir = "$folder/influx/meta"
[data]
dir = "$folder/influx/data"
wal-dir = "$folder/influx/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:$influx"
flux-enabled = true
auth-enabled = true
EOF
"$influxd" -config "$folder/influx.conf" >"$folder/influx.log" 2>&1 &
influxd=$!
pids="$pids $influxd"
for _ in $(seq 300); do
	curl -s -o /dev/null "http://127.0.0.1:$influx/ping" && curl -s -o /dev/null "http://127.0.0.1:$graphite/" && break
	sleep 0.2
done
statement() { curl -sf -o /dev/null ${2:+-u "$2"} "http://127.0.0.1:$influx/query" --data-urlencode "q=$1" || fail "InfluxDB: $1"; }
statement "CREATE USER planted WITH PASSWORD 'planted-word' WITH ALL PRIVILEGES"
statement "CREATE DATABASE b" planted:planted-word
curl -sf -u planted:planted-word "http://127.0.0.1:$influx/write?db=b" --data-binary 'hits,app=web value=42.5
hits,app=other value=1
words,app=web value="many"' || fail "InfluxDB takes no points"

# ---- what is asked, and what must come of it

declare -A query=() wanted=()
names=
objects=$folder/objects.yaml
{
	secret_of influxdb "token: @, org: mine"
	secret_of stranger "token: @@, org: mine"
} | sed "s|: QA==|: $(printf planted:planted-word | base64)|; s|: QEA=|: $(printf planted:planted-other | base64)|" >"$objects"

# ask NAME STORE ADDRESS SECRET QUERY WANTED
ask() {
	names="$names $1"
	query[$2]=$5
	wanted[$1]=$6
	template "$2" "$1" "$3" "$4" >>"$objects"
}
at=http://127.0.0.1:$graphite
ask graphite-newest graphite "$at" "" 'target=hits.web&from=-5min' "ok 42.5"
ask graphite-function graphite "$at" "" 'target=sumSeries(hits.*)&from=-5min' "ok 43.5"
ask graphite-encoded graphite "$at" "" 'target=scale%28hits.web%2C2%29&from=-5min' "ok 85"
ask graphite-several graphite "$at" "" 'target=hits.*&from=-5min' "ambiguous: query returned multiple values: 2 series"
ask graphite-nobody graphite "$at" "" 'target=nobody&from=-5min' "no-data: no values found"
ask graphite-empty graphite "$at" "" 'target=empty&from=-5min' "no-data: no values found"
ask graphite-by-zero graphite "$at" "" 'target=divideSeries(hits.web,scale(hits.web,0))&from=-5min' "no-data: no values found"
ask graphite-old graphite "$at" "" 'target=old&from=-2h' "stale 7: the newest value is 3* seconds old"
ask graphite-nowhere graphite "$at/elsewhere" "" 'target=hits.web&from=-5min' "error (not found): $at: error response: Status 404: *"
ask graphite-since graphite "$at" "" 'target=hits.web&from=yestermorn' "error (invalid): $at: error response: Status 400: *"
at=http://127.0.0.1:$influx
hits='from(bucket: "b/autogen") |> range(start: -5m) |> filter(fn: (r) => r._measurement == "hits"'
ask influxdb-last influxdb "$at" influxdb "$hits and r.app == \"web\") |> last()" "ok 42.5"
ask influxdb-count influxdb "$at" influxdb "$hits and r.app == \"web\") |> count()" "ok 1"
ask influxdb-several influxdb "$at" influxdb "$hits) |> last()" "ambiguous: query returned multiple values: 2 series"
ask influxdb-nobody influxdb "$at" influxdb "$hits and r.app == \"nobody\")" "no-data: no values found"
ask influxdb-words influxdb "$at" influxdb 'from(bucket: "b") |> range(start: -5m) |> filter(fn: (r) => r._measurement == "words")' \
	"error (invalid): $at: the value is a string, not a number"
ask influxdb-wrong influxdb "$at" influxdb 'from(bucket: "b") |> range(' "error (unavailable): $at: error response: Status 500: *expected RPAREN*"
ask influxdb-stranger influxdb "$at" stranger "$hits)" "error (denied): $at: error response: Status 401: *"
ask influxdb-unnamed influxdb "$at" "" "$hits)" "error (denied): $at: error response: Status 401: *"
ask nobody influxdb "http://127.0.0.1:$(free_port)" influxdb "$hits)" "error (unavailable): http://127.0.0.1:*: Couldn't connect to server"
{
	echo ---
	# shellcheck disable=SC2086
	canary web $names
} >>"$objects"

cluster real "$objects"
daemon real SSL_CERT_FILE=
release real web
until_measured real "$(wc -w <<<"$names")"
stop

passed=0
failed=0
for name in $names; do
	got=$(measured real | sed -n "s/^$name: //p")
	# shellcheck disable=SC2254
	case $got in
	${wanted[$name]}) passed=$((passed + 1)) ;;
	*)
		failed=$((failed + 1))
		printf '  FAILED real stores: %s\n    is       %s\n    expected %s\n' "$name" "$got" "${wanted[$name]}"
		;;
	esac
done
cat "$folder"/real.log "$folder"/real.decisions/* >"$folder/told"
! grep -o '.\{60\}planted-.\{10\}' "$folder/told" | head -3 | grep . || fail "a secret is told"
echo "real stores: $passed passed, $failed failed"
[ "$failed" = 0 ]
