--- Shifts traffic with an SMI TrafficSplit: "smi:v1alpha1", "smi:v1alpha2", "smi:v1alpha3", each with ":<mesh>" or
--- without; also what "linkerd" and "osm" are.
---
--- API: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-split/v1alpha4/traffic-split.md

local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

---@param provider string
---@return TrafficDriver
return function(provider)
  local number, mesh = string.match(provider, "^smi:v1alpha([123])(.*)$")
  if provider == "linkerd" then number, mesh = "1", ":linkerd" end
  if provider == "osm" then number, mesh = "2", ":osm" end
  if not number or (mesh ~= "" and not string.find(mesh, "^:.")) then
    shape.fail('is "%s"; SMI has smi:v1alpha1, smi:v1alpha2 and smi:v1alpha3, with :<mesh> or without', provider)
  end
  mesh = string.sub(mesh, 2)
  local version <const> = "split.smi-spec.io/v1alpha" .. number

  ---@type TrafficDriver
  local M = {
    name = mesh == "istio" and "smi:v1alpha" .. number .. ":istio" or "smi:v1alpha" .. number,
    can_weigh = true, can_match = false, can_mirror = false, can_stick = false,
    kinds = { [version] = { TrafficSplit = "trafficsplits" } },
  }

  local function path_of(canary) return route.path(version, "trafficsplits", canary.namespace, canary.apex) end

  function M.needs(canary) return { path_of(canary) } end

  --- v1alpha1 has Kubernetes quantities.
  local function weight_of(percent) return number == "1" and string.format("%d", percent) or percent end

  function M.desired(canary, split, objects)
    local object = route.object(canary, version, "TrafficSplit", canary.apex, route.get(objects, path_of(canary)))
    local hosts = route.field(canary, "hosts")
    object.spec = {
      service = hosts and hosts[1] or canary.apex,
      backends = {
        { service = canary.canary, weight = weight_of(split.canary) },
        { service = canary.primary, weight = weight_of(split.primary) },
      },
    }
    local gateways = route.field(canary, "gateways")
    if mesh == "istio" and gateways then
      object.metadata.annotations = {
        ["VirtualService.v1alpha3.networking.istio.io/spec.gateways"] = json.encode(gateways),
      }
    end
    return { own = { object } }
  end

  function M.observed(canary, objects)
    local live = route.get(objects, path_of(canary))
    if not live then return route.absent("TrafficSplit %s.%s not found", canary.apex, canary.namespace) end
    local where = string.format("TrafficSplit %s.%s", canary.apex, canary.namespace)
    local found = {}
    for _, backend, path in shape.each(live, "spec.backends", where) do
      local weight = backend.weight
      if type(weight) == "string" then weight = math.tointeger(tonumber(weight)) end
      found[shape.string(live, path .. ".service", where)] = weight or shape.integer(live, path .. ".weight", where)
    end
    return route.split(found[canary.primary], found[canary.canary], false, "%s does not contain routes for %s and %s",
      where, canary.primary, canary.canary)
  end

  return M
end
