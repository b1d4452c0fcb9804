#!/bin/sh
# Lua without unused, shadowed or global names (.luacheckrc).
set -eu
git ls-files --cached --others --exclude-standard '*.lua' | while read -r file; do [ -f "$file" ] && echo "$file"; done |
	xargs luacheck --quiet --no-color
