#!/bin/sh
# Scripts: by their first line, wherever they are.
set -u
git ls-files --cached --others --exclude-standard | while read -r file; do
	[ -f "$file" ] || continue
	head -n 1 "$file" | grep -aqE '^#!.*[/ ](ba|da)?sh( |$)' && echo "$file"
done | xargs shellcheck --external-sources --severity=warning
