--- Shifts traffic with a Traefik TraefikService, which an IngressRoute of the team names.
---
--- API: https://doc.traefik.io/traefik/routing/providers/kubernetes-crd/#kind-traefikservice

local route <const> = require("route")
local shape <const> = require("shape")

local version <const> = "traefik.io/v1alpha1"

---@type TrafficDriver
local M = {
  name = "traefik",
  can_weigh = true, can_match = false, can_mirror = false, can_stick = false,
  kinds = { [version] = { TraefikService = "traefikservices" } },
}

local function path_of(canary) return route.path(version, "traefikservices", canary.namespace, canary.apex) end

function M.needs(canary) return { path_of(canary) } end

function M.desired(canary, split, objects)
  local object = route.dress(canary, route.object(canary, version, "TraefikService", canary.apex,
    route.get(objects, path_of(canary))))
  --- A weight of 0 is written: without one Traefik takes 1.
  local function service(name, weight)
    return { name = name, namespace = canary.namespace, port = canary.port, weight = weight }
  end
  object.spec.weighted = { services = { service(canary.primary, split.primary) } }
  if split.canary > 0 then object.spec.weighted.services[2] = service(canary.canary, split.canary) end
  return { own = { object } }
end

function M.observed(canary, objects)
  local live = route.get(objects, path_of(canary))
  if not live then return route.absent("TraefikService %s.%s not found", canary.apex, canary.namespace) end
  local where = string.format("TraefikService %s.%s", canary.apex, canary.namespace)
  local found = { [canary.canary] = 0 }
  for _, _, path in shape.each(live, "spec.weighted.services", where) do
    local weight = shape.optional(shape.integer, live, path .. ".weight", where)
    found[shape.string(live, path .. ".name", where)] = weight or 1
  end
  return route.split(found[canary.primary], found[canary.canary], false, "%s does not contain routes for %s and %s",
    where, canary.primary, canary.canary)
end

return M
