# What a provider's driver asks for is what tools/deploy gives, no more and no less.
# shellcheck shell=bash disable=SC2154

# rights: "group/resource verb" of each rule of the YAML on standard input
rights() { awk -f tools/e2e/rights.awk | sort -u; }

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
# What the daemon used on a real API server is compared with the roles in tools/e2e/audit.sh.
all_roles() { cat tools/deploy/rbac.yaml tools/deploy/meshes/*.yaml tools/deploy/observe/rbac.yaml; }
spec "rbac: no role that we ship has a wildcard" 1 "" grep -F '*' <(all_roles | rights)
spec "rbac: whatever stands in a role is read by these specs" 0 "" test "$(all_roles | grep -c 'apiGroups:')" = \
	"$(all_roles | grep -c 'verbs: \[')"
