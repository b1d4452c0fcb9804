#!/bin/bash
# Prints the paths of upstream binaries, one a line: of $PATH where that is recent enough, else from the cache, where it
# is built once from the pinned modules of go/. Usage: tools/e2e/binary.sh [--no-build] NAME…
#
# The cache is ${SLUICE_CACHE:-~/.cache/sluice}/bin, by name and version. --no-build says what is missing, and fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${SLUICE_CACHE:-$HOME/.cache/sluice}
go_wanted=1.26.8

say() { echo "binary.sh: $*" >&2; }

usage() {
	echo "usage: tools/e2e/binary.sh [--no-build] NAME…" >&2
	echo "names: etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl influxd" >&2
	exit 1
}

# The version that go.mod pins: pinned FOLDER MODULE
pinned() { sed -n "s|^require $2 v||p" "$here/go/$1/go.mod"; }

# Sets where NAME comes from: folder, package, version, the least version that will do, flags of the linker.
recipe() {
	flags='-s -w'
	case $1 in
	etcd)
		folder=etcd
		package=go.etcd.io/etcd/server/v3
		version=$(pinned etcd go.etcd.io/etcd/server/v3)
		least=3.5.13 # older ones lack what streaming lists need
		;;
	kube-apiserver | kube-controller-manager | kube-scheduler | kube-proxy | kubectl)
		folder=kubernetes
		package=k8s.io/kubernetes/cmd/$1
		version=$(pinned kubernetes k8s.io/kubernetes)
		least=1.32.0
		local minor=${version#*.} stamp=k8s.io/component-base/version
		flags="$flags -X $stamp.gitVersion=v$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}"
		;;
	influxd) # the last one that has Flux and is Go alone
		folder=influxdb
		package=github.com/influxdata/influxdb/cmd/influxd
		version=$(pinned influxdb github.com/influxdata/influxdb)
		least=1.7.9
		;;
	*) usage ;;
	esac
	built=$cache/bin/$1-$version
}

# at_least VERSION LEAST
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -1)" = "$2" ]; }

version_of() {
	case $(basename "$1") in
	kubectl) "$1" version --client ;;
	influxd) "$1" version ;;
	*) "$1" --version ;;
	esac 2>/dev/null | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -1 || true
}

# That of $PATH, when it is recent enough.
in_path() {
	local found seen
	found=$(command -v "$1") || return 1
	seen=$(version_of "$found")
	[ -n "$seen" ] || return 1
	at_least "$seen" "$least" && echo "$found" && return
	say "$found is $seen, and $least is needed: not used"
	return 1
}

no_go() {
	say "cannot build $1: $2"
	say "put $1 ($least or newer) into \$PATH, or install Go: apt-get install golang-go (an old one fetches $go_wanted by itself), or https://go.dev/dl"
	exit 1
}

# Sets $go to a Go that is new enough. From 1.21 on it fetches another one by itself; older ones can at
# least download it, because it is a module too.
find_go() {
	local seen machine
	go=$(command -v go || true)
	[ -n "$go" ] || { [ ! -x /usr/local/go/bin/go ] || go=/usr/local/go/bin/go; }
	[ -n "$go" ] || no_go "$1" "there is no Go"
	seen=$(GOTOOLCHAIN=local "$go" version | sed 's/.*go\([0-9][0-9.]*\).*/\1/')
	if at_least "$seen" 1.26; then
		export GOTOOLCHAIN=local
	elif at_least "$seen" 1.21; then
		export GOTOOLCHAIN=go$go_wanted
	else
		case $(uname -m) in
		x86_64) machine=amd64 ;;
		aarch64) machine=arm64 ;;
		*) no_go "$1" "Go $seen is too old, and there is no other one for $(uname -m)" ;;
		esac
		say "Go $seen is too old: fetching Go $go_wanted"
		local answer toolchain
		answer=$(cd / && GOFLAGS=-mod=mod "$go" mod download -json "golang.org/toolchain@v0.0.1-go$go_wanted.linux-$machine" || true)
		toolchain=$(sed -n 's/.*"Dir": "\(.*\)",*/\1/p' <<<"$answer")
		[ -n "$toolchain" ] || no_go "$1" "Go $go_wanted could not be fetched: $(sed -n 's/.*"Error": //p' <<<"$answer")"
		chmod -R u+w "$toolchain/bin" "$toolchain/pkg/tool"
		chmod -R a+x "$toolchain/bin" "$toolchain/pkg/tool" # a module has no executable files
		go=$toolchain/bin/go
		export GOTOOLCHAIN=local
	fi
}

build() {
	local name=$1 began=$SECONDS
	find_go "$name"
	mkdir -p "$cache/bin"
	exec 9>"$cache/bin/.lock"
	flock 9 # another one may be building it
	[ ! -x "$built" ] || return 0
	say "building $name $version with $("$go" env GOVERSION): this takes minutes, once"
	if ! (cd "$here/go/$folder" && CGO_ENABLED=0 GOFLAGS=-mod=readonly nice "$go" build -trimpath -buildvcs=false \
		-ldflags "$flags" -o "$built.part" "$package") >&2; then
		rm -f "$built.part"
		no_go "$name" "the build failed"
	fi
	mv "$built.part" "$built"
	exec 9>&-
	say "built $name in $((SECONDS - began)) s"
}

may_build=yes
if [ "${1:-}" = --no-build ]; then
	may_build=
	shift
fi
[ $# -gt 0 ] || usage
for name in "$@"; do
	recipe "$name"
	if in_path "$name"; then
		continue
	fi
	if [ ! -x "$built" ]; then
		if [ -z "$may_build" ]; then
			say "$name $version is neither in \$PATH nor in $cache/bin"
			exit 1
		fi
		build "$name"
	fi
	echo "$built"
done
