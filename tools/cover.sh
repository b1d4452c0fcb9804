#!/bin/sh
# Which lines of engine/ the specs run, by folder: tools/cover.sh OBJECTS (a folder that was built with --coverage).
set -eu
cd "$(dirname "$0")/.."
find "$1/engine" -name '*.gcda' | while read -r counts; do
	gcov -n "$counts" 2>/dev/null
done | awk -F"'" '
/^File / { file = $2 }
/^Lines executed:/ && file ~ /^engine\// {
	split($0, part, /[:% ]+/)
	folder = file
	sub(/\/[^\/]*$/, "", folder)
	lines = part[5]
	total[folder] += lines
	run[folder] += part[3] * lines / 100
	file = ""
}
END {
	for (folder in total) {
		printf "%-20s %6.1f%% of %5d lines\n", folder, 100 * run[folder] / total[folder], total[folder] | "sort"
		all += total[folder]
		ran += run[folder]
	}
	close("sort")
	printf "%-20s %6.1f%% of %5d lines\n", "all", 100 * ran / all, all
}'
