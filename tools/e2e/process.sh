# Processes of a test bed, each known by a name. $run is the folder that has NAME.pid, and is in the command line of each;
# $logs has NAME.log; fail says a sentence and ends. Sourced by bed.sh and plane.sh, which set these.
# shellcheck shell=bash disable=SC2154

# A pid may have been given to somebody else since: what we started has our folder in its command line.
is_running() {
	local pid words
	pid=$(cat "$run/$1.pid" 2>/dev/null) || return 1
	[ -n "$pid" ] || return 1
	words=$({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) || return 1
	[[ $words == *"$run"[/\ ]* ]]
}

# spawn NAME COMMAND…
spawn() {
	local name=$1 tries=0
	shift
	touch "$logs/$name.log"
	# In a subshell, so that it is nobody's job here: how it ends is not told.
	(
		setsid "$@" >>"$logs/$name.log" 2>&1 </dev/null &
		echo $! >"$run/$name.pid"
	)
	# It is not itself before it was executed.
	until is_running "$name" || [ $tries -ge 100 ]; do
		tries=$((tries + 1))
		sleep 0.01
	done
}

# stop NAME SIGNAL: returns once it is gone.
stop() {
	local pid tries=0
	is_running "$1" || return 0
	pid=$(cat "$run/$1.pid")
	kill "-$2" "$pid" 2>/dev/null || true
	while is_running "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || kill -KILL "$pid" 2>/dev/null || true
		sleep 0.05
	done
	rm -f "$run/$1.pid"
}

# until_it NAME COMMAND…: it has 40 s.
until_it() {
	local name=$1 deadline=$((SECONDS + 40))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $deadline ] || ! is_running "$name"; then
			tail -5 "$logs/$name.log" >&2
			fail "$name does not come; see $logs/$name.log"
		fi
		sleep 0.1
	done
}

is_free() { ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port WANTED: that one, or another.
free_port() {
	local port
	for port in "$1" $(shuf -i 20000-31999 -n 50); do
		if is_free "$port"; then
			echo "$port"
			return
		fi
	done
	fail "no port is free"
}
