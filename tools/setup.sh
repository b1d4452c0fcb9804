#!/bin/sh
# Installs what building and testing needs on Debian. Does nothing where it is there already.
set -eu

build="gcc libc6-dev make pkg-config curl ca-certificates tzdata liblua5.4-dev libcurl4-openssl-dev libssl-dev libyaml-dev libcjson-dev libmicrohttpd-dev libmpfr-dev zlib1g-dev"
tests="clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 valgrind lua5.4 lua-check shellcheck openssl nghttp2-proxy"
# A test cluster: tools/e2e/bed.sh, plane.sh. Envoy comes out of a Python wheel (envoy.sh); any Go will do, as an old one
# fetches a new one.
e2e="prometheus hey libnghttp2-dev nghttp2-client jq lua5.4 openssl iproute2 procps unzip python3-pip"
[ -x /usr/local/go/bin/go ] || command -v go >/dev/null || e2e="$e2e golang-go"

# Real metric stores: spec/stores/real.sh.
stores="graphite-web python3-whisper"

case "${1:-all}" in
build) wanted=$build ;;
all) wanted="$build $tests" ;;
e2e) wanted="$build $e2e" ;;
stores) wanted="$build $e2e $stores" ;;
*)
	echo "usage: tools/setup.sh [build|all|e2e|stores]" >&2
	exit 1
	;;
esac

missing=
for package in $wanted; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing" >&2
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
