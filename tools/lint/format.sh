#!/bin/sh
# clang-format decides; `make fmt` applies it.
set -eu
git ls-files --cached --others --exclude-standard '*.c' '*.h' | while read -r file; do [ -f "$file" ] && echo "$file"; done |
	xargs clang-format-14 --dry-run -Werror
