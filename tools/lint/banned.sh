#!/bin/sh
# Functions that have no place in engine/: without a bound, with hidden state, or a clock or chance that is no port.
set -eu
wrong=0

# banned WHERE-NOT WHY NAME...
banned() {
	except=$1
	why=$2
	shift 2
	names=$(echo "$*" | tr ' ' '|')
	found=$(git ls-files --cached --others --exclude-standard 'engine/*.c' 'engine/*.h' | grep -vE "^($except)\$" |
		xargs -r grep -nE "(^|[^A-Za-z0-9_.>\"])($names)\\(" 2>/dev/null | grep -vE ':[0-9]+:\s*(/?\*|//)' || true)
	[ -n "$found" ] || return 0
	echo "$found" | sed "s,\$,  <- $why,"
	wrong=1
}

banned '-' 'has no bound' strcpy strcat stpcpy sprintf vsprintf gets alloca scanf fscanf
banned 'engine/base/mem\.c' 'is silent about bad input' sscanf
banned '-' 'is silent about bad input' atoi atol atoll atof
banned '-' 'keeps state between calls' strtok localtime gmtime ctime asctime setenv putenv
banned '-' 'runs a shell, or copies the process' system popen fork vfork
# The meter's clock never decides anything: it stops a policy that nothing else stopped.
banned 'engine/loop/loop\.c|engine/script/meter\.c' 'is a clock: ask loop_now()' time clock clock_gettime gettimeofday
banned 'engine/loop/loop\.c' 'sleeps: set a timer' sleep usleep nanosleep
banned 'engine/ports\.c' 'is chance: ask struct chance' rand srand random drand48 getrandom arc4random
banned 'engine/base/mem\.c|engine/script/.*' 'can fail: xmalloc and its kin' malloc calloc realloc strdup strndup asprintf vasprintf
exit $wrong
