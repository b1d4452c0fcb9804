#!/bin/bash
# Runs the daemon as a pod would: in the file system of the image ($IMAGE), read-only, as nobody, with what kubelet gives to
# a pod for a kubeconfig. Takes its flags; probes are on port 18080.
set -eu
given=()
while [ $# -gt 0 ]; do
	case $1 in
	--kubeconfig) shift ;; # and its value
	*) given+=("$1") ;;
	esac
	shift
done
# shellcheck disable=SC1091
. "$BED/ports"
mount --bind "$IMAGE" "$IMAGE"
mount -o remount,bind,ro "$IMAGE"
touch "$IMAGE/tmp/x" 2>/dev/null && exit 1
as=(--userspec=65532:65532)
# In a user namespace there is one user.
[ "$(awk '{ print $3 }' /proc/self/uid_map)" != 1 ] || as=()
chroot=$(command -v chroot)
# shellcheck disable=SC2154
exec env -i KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT="$api_port" \
	"$chroot" "${as[@]}" "$IMAGE" /usr/bin/sluice "${given[@]}" --port 18080
