#!/bin/sh
# Each header compiles alone, and says what it is for before anything else.
set -eu
flags="-std=c11 -D_GNU_SOURCE -Iengine -Ispec/engine $(pkg-config --cflags lua5.4)"
git ls-files --cached --others --exclude-standard 'engine/*.h' 'spec/*.h' | {
	wrong=0
	while read -r header; do
		[ -f "$header" ] || continue
		# shellcheck disable=SC2086
		${CC:-cc} $flags -Wall -Wextra -Werror -fsyntax-only -x c "$header" -include stdbool.h \
			-Wno-unused-function -Wno-pragma-once-outside-header || wrong=1
		[ "$(head -c 2 "$header")" = "/*" ] || { echo "$header:1: opens without saying what it is for"; wrong=1; }
		guard=SLUICE_$(echo "${header#engine/}" | tr '[:lower:]/.' '[:upper:]__')
		[ "$header" = "${header#engine/}" ] || grep -qx "#ifndef $guard" "$header" ||
			{ echo "$header:1: its guard is not $guard"; wrong=1; }
	done
	exit $wrong
}
