#!/bin/sh
# Checks what a tool can check: each argument is a check of this folder, or all of them.
# Says what is wrong as file:line: sentence, and ends with "lint: N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1
[ $# -gt 0 ] || set -- includes headers banned format size luacheck shellcheck stubs

passed=0
failed=0
for check in "$@"; do
	case $check in
	stubs) set -- tools/lint/stubs.* ;;
	*) set -- "tools/lint/$check.sh" ;;
	esac
	[ -x "$1" ] || continue
	if "$1"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "lint: $check failed"
	fi
done
echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
