# the file system of the image, read-only and as nobody, with a pod's token and CA: releases are made, probes answer

given_cluster
export IMAGE=$BED/image
secrets=$IMAGE/var/run/secrets/kubernetes.io/serviceaccount
"$root/tools/image/root.sh" "$PROGRAMS/sluice" "$IMAGE" >"$folder/version" || wrong "the image is not complete"
mkdir -p "$secrets"
cp "$BED/ca.crt" "$secrets/"
printf sluice-system >"$secrets/namespace"
sed -n 's/.*token: \(.*\)}}.*/\1/p' "$BED/sluice.kubeconfig" >"$secrets/token"
say "image: $(cat "$folder/version"), $(tar -C "$IMAGE" --exclude ./var -cz . | wc -c | awk '{ printf "%.1f MB compressed", $1 / 1e6 }')"
(
	sleep 3
	for probe in healthz readyz metrics; do
		curl -sf -o /dev/null -w "$probe %{http_code}\n" "http://127.0.0.1:18080/$probe"
	done >"$folder/probes"
) &
releases --only "$meshes" "$here/in-image.sh"
wait
[ "$(grep -c 200 "$folder/probes")" = 3 ] || wrong "probes: $(cat "$folder/probes")"
