#!/bin/sh
# The include graph of engine/: dependencies point down only (engine/README.md), and headers form no circle.
#
# What is below what is the table in the program. A line "a: b c/d.h" lets folder a include all of b, of c only d.h.
# canary/{spec,status,workload,target,mark}.h are data; a driver is given them, so traffic/ may know what they look like.
set -eu
git ls-files --cached --others --exclude-standard 'engine/*.c' 'engine/*.h' | while read -r file; do
	[ ! -f "$file" ] || grep -Hn '^#include "' "$file" || :
done | awk -F: '
BEGIN {
	allow("base", "")
	allow("loop", "base")
	allow("ports", "base loop")
	allow("net", "base loop ports")
	allow("kube", "base loop ports net")
	allow("sim", "base loop ports net/serve.h kube/path.h")
	allow("script", "base loop ports")
	allow("metric", "base loop ports net/http.h script")
	allow("traffic", "base loop ports kube/path.h script canary/spec.h canary/status.h canary/workload.h canary/target.h canary/mark.h canary/problems.h")
	allow("canary", "base loop ports kube script metric traffic")
	allow("rehearsal", "base loop ports kube/path.h sim script metric traffic canary")
	allow("cli", "base loop ports net kube sim script metric traffic canary rehearsal")
	allow("main", "base cli")
}
function allow(folder, list, i, n, parts) {
	known[folder] = 1
	ok[folder, folder] = 1
	n = split(list, parts, " ")
	for (i = 1; i <= n; i++)
		ok[folder, parts[i]] = 1
}
function folder_of(path, parts) {
	if (split(path, parts, "/") == 1)
		sub(/\.[ch]$/, "", parts[1])
	return parts[1]
}
function visit(header, i, n, parts) {
	state[header] = 1
	n = split(edges[header], parts, " ")
	for (i = 1; i <= n; i++) {
		if (state[parts[i]] == 1) {
			printf "%s: includes %s, which leads back to it\n", where[header, parts[i]], parts[i]
			bad = 1
		} else if (!state[parts[i]]) {
			visit(parts[i])
		}
	}
	state[header] = 2
}
{
	from = $1
	sub(/^engine\//, "", from)
	to = $3
	gsub(/^#include "|".*$/, "", to)
	a = folder_of(from)
	b = folder_of(to)
	if (!known[a]) {
		printf "%s:%s: folder %s has no place in the table of tools/lint/includes.sh\n", $1, $2, a
		bad = 1
	} else if (!ok[a, b] && !ok[a, to]) {
		printf "%s:%s: %s/ must not include %s\n", $1, $2, a, to
		bad = 1
	}
	if (from ~ /\.h$/) {
		where[from, to] = $1 ":" $2
		edges[from] = edges[from] " " to
		headers[from] = 1
	}
}
END {
	for (header in headers)
		if (!state[header])
			visit(header)
	exit bad
}'
