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
sed -i 's/can_mirror = false/can_miror = false/' "$brook/traffic/brook.lua"
spec "a driver with a mistake is told of" 1 "lua/traffic/brook.lua: can_mirror must be true or false" \
	"$sluice" check --lua "$brook" "$brook/canary.yaml"
rm -r "$brook"
