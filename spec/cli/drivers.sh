# The flag --lua; read by spec/cli/run.sh.
# shellcheck shell=bash disable=SC2154

spec "a Lua directory that is not there" 1 "--lua: /no/such/dir is no directory" "$sluice" check --lua /no/such/dir "$canary"

# The driver that lua/README.md teaches, and its canary, as they stand there.
brook=$(mktemp -d)
mkdir "$brook/traffic"
awk '/^```lua/ { on = 1; next } /^```/ { on = 0 } on' lua/README.md >"$brook/traffic/brook.lua"
awk '/^```yaml/ { on = 1; next } /^```/ { on = 0 } on' lua/README.md >"$brook/canary.yaml"
spec "an invented mesh is shorter than 100 lines" 0 "" test "$(wc -l <"$brook/traffic/brook.lua")" -lt 100
spec "an invented mesh is unknown without its driver" 1 'spec.provider: is "brook"' "$sluice" check "$brook/canary.yaml"
spec "an invented mesh, checked" 0 "1 canaries, 0 errors, 0 warnings" "$sluice" check --lua "$brook" "$brook/canary.yaml"
spec "an invented mesh, rehearsed" 0 "percent: 50" "$sluice" dry-run --lua "$brook" -f "$brook/canary.yaml" --objects
sed 's/port: 80/port: 80, headers: {request: {remove: [a]}}/' "$brook/canary.yaml" >"$bad"
spec "an invented mesh says what it cannot do" 1 "$bad:7: spec.service.headers: are nothing that Brook could change" \
	"$sluice" check --lua "$brook" "$bad"
spec "an invented mesh says what it must be allowed" 0 "resources: [streams]" "$sluice" explain rbac --lua "$brook" brook
cp "$brook/traffic/brook.lua" "$brook/whole.lua"
sed -i 's/return { own = { stream } }/return { own = { stream }, delete = { path_of(canary) } }/' "$brook/traffic/brook.lua"
spec "a driver that deletes without saying so is told of" 3 "deletes what the file does not say: deletes = true" \
	"$sluice" dry-run --lua "$brook" -f "$brook/canary.yaml"
cp "$brook/whole.lua" "$brook/traffic/brook.lua"
sed -i 's/can_mirror = false/can_miror = false/' "$brook/traffic/brook.lua"
spec "a driver with a mistake is told of" 1 "lua/traffic/brook.lua: can_mirror must be true or false" \
	"$sluice" check --lua "$brook" "$brook/canary.yaml"
rm -r "$brook"

# What somebody does by hand to a route, while the canary is at rest.
mesh=$(mktemp -d)
sed 's/provider: .*/provider: istio/' examples/podinfo/canary.yaml >"$mesh/canary.yaml"
"$sluice" sim --port 0 --ready-after 200ms --kubeconfig "$mesh/kubeconfig" -f examples/podinfo/deployment.yaml \
	-f "$mesh/canary.yaml" >"$mesh/sim.log" 2>&1 &
mesh_sim=$!
for _ in $(seq 50); do
	api=$(grep -o 'http://127.0.0.1:[0-9]*' "$mesh/sim.log" | head -1)
	[ -z "$api" ] || break
	sleep 0.1
done
"$sluice" run --kubeconfig "$mesh/kubeconfig" --metrics-server "$api/prometheus" --port 0 >"$mesh/run.log" 2>&1 &
mesh_run=$!
route=$api/apis/networking.istio.io/v1beta1/namespaces/test/virtualservices/podinfo

# route_says PART: within 10 s.
route_says() {
	local _
	for _ in $(seq 100); do
		case $(curl -s "$route") in *"$1"*) return 0 ;; esac
		sleep 0.1
	done
	curl -s "$route"
	return 1
}
by_hand='{"metadata":{"annotations":{"team":"a"}},"spec":{"http":[{"route":[{"destination":{"host":"podinfo-primary"},"weight":1},
	{"destination":{"host":"podinfo-canary"},"weight":99}]}]}}'
spec "a route is made" 0 "" route_says '"weight":100},{"destination":{"host":"podinfo-canary"},"weight":0}'
curl -s -X DELETE "$route" >/dev/null
spec "a route that was deleted by hand comes back" 0 "" route_says '"weight":100},{"destination":{"host":"podinfo-canary"},"weight":0}'
curl -s -X PATCH -H 'content-type: application/merge-patch+json' -d "$by_hand" "$route" >/dev/null
spec "weights that were edited by hand are put back" 0 "" route_says '"weight":100},{"destination":{"host":"podinfo-canary"},"weight":0}'
spec "what else was written by hand stays" 0 "" route_says '"team":"a"'
kill $mesh_run $mesh_sim
wait $mesh_run $mesh_sim
rm -r "$mesh"
