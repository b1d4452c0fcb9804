# What a provider's driver asks for is what tools/deploy gives, no more and no less.
# shellcheck shell=bash disable=SC2154

# rights: "group/resource verb" of each rule of the YAML on standard input
rights() {
	awk '
		function items(text) { sub(/^[^[]*\[/, "", text); sub(/\].*/, "", text); gsub(/"/, "", text); return text }
		/^---/ { in_rules = 0 }
		/^unexplained/ { print }
		/^rules:/ { in_rules = 1; next }
		in_rules && /apiGroups:/ { group = items($0) }
		in_rules && /resources:/ { count = split(items($0), resources, ", ") }
		in_rules && /verbs:/ {
			verbs = split(items($0), verb, ", ")
			for (i = 1; i <= count; i++) for (j = 1; j <= verbs; j++) print group "/" resources[i], verb[j]
		}' | sort -u
}

# of PROVIDER…: what the drivers ask for
asked() {
	local provider
	for provider in "$@"; do "$sluice" explain rbac "$provider" || echo "unexplained: $provider"; done | rights
}

declare -A providers=(
	[apisix]=apisix [appmesh]="appmesh appmesh:v1beta2" [contour]=contour
	[gatewayapi]="gatewayapi gatewayapi:v1 gatewayapi:v1beta1" [gloo]=gloo [ingress]="nginx skipper" [istio]=istio [kuma]=kuma
	[smi]="smi:v1alpha1 smi:v1alpha2 smi:v1alpha3 linkerd osm" [traefik]=traefik
)
for file in tools/deploy/meshes/*.yaml; do
	name=$(basename "$file" .yaml)
	# shellcheck disable=SC2086
	spec "rbac: $name gives what its drivers ask for, no more and no less" 0 "" \
		diff <(asked ${providers[$name]:-nobody}) <(rights <"$file")
done
unserved() {
	"$sluice" explain drivers | awk 'NR > 1 { print $1 }' | while read -r provider; do
		case " kubernetes none ${providers[*]} " in
		*" $provider "*) ;;
		*) [ -z "$("$sluice" explain rbac "$provider" | rights)" ] || echo "$provider has no file" ;;
		esac
	done
}
spec "rbac: each provider has its file" 0 "" test -z "$(unserved)"
spec "rbac: a plain Service needs no more than the daemon has" 0 "rules: []" "$sluice" explain rbac kubernetes
spec "rbac: as JSON" 0 '"verbs":["get","list","watch","create","patch","delete"]' "$sluice" explain rbac kuma -o json
spec "rbac: of nobody" 1 "rbac of which provider?" "$sluice" explain rbac
spec "rbac: a provider that there is not" 1 "did you mean istio?" "$sluice" explain rbac istoi
