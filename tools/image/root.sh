#!/bin/sh
# The file system of the image: a binary, what it is linked with, CA certificates, time zones, a user. Usage: root.sh BINARY FOLDER
set -eu
binary=$1
folder=$2

mkdir -p "$folder/usr/bin" "$folder/usr/lib" "$folder/etc/ssl/certs" "$folder/tmp"
chmod 1777 "$folder/tmp"
ln -s usr/lib "$folder/lib"
ln -s usr/lib "$folder/lib64"
strip -o "$folder/usr/bin/sluice" "$binary"

# "libX.so => /path (0x…)", and the loader, which is at the path that the binary asks for. What is opened by name only
# (NSS) has been part of glibc since 2.34.
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
	cp -L "$library" "$folder/usr/lib/"
done
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
# Time zones of policies; not the copies that count leap seconds.
mkdir -p "$folder/usr/share"
tar -C /usr/share --exclude=zoneinfo/right --exclude=zoneinfo/posix -c zoneinfo | tar -C "$folder/usr/share" -x
echo 'hosts: files dns' >"$folder/etc/nsswitch.conf"
echo 'sluice:x:65532:65532::/:/sbin/nologin' >"$folder/etc/passwd"
echo 'sluice:x:65532:' >"$folder/etc/group"

# It must run with what is here.
chroot "$folder" /usr/bin/sluice run --version
