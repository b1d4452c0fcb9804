--- Shifts traffic with a Kuma TrafficRoute.
---
--- API: https://kuma.io/docs/2.9.x/policies/traffic-route/

local route <const> = require("route")
local shape <const> = require("shape")

local version <const> = "kuma.io/v1alpha1"

---@type TrafficDriver
local M = {
  name = "kuma",
  can_weigh = true, can_match = false, can_mirror = false, can_stick = false,
  kinds = { [version] = { TrafficRoute = "trafficroutes" } },
  deletes = true, -- it has no namespace, so it does not go with the Canary
}

--- The kind has no namespace.
local function path_of(canary) return route.path(version, "trafficroutes", nil, canary.apex) end

local function tag_of(canary, name)
  return { ["kuma.io/service"] = string.format("%s_%s_svc_%d", name, canary.namespace, canary.port) }
end

function M.needs(canary) return { path_of(canary) } end

--- Two canaries of the same name in two namespaces would fight for one object.
local function expect_ours(canary, live)
  local wanted = tag_of(canary, canary.apex)["kuma.io/service"]
  local where = string.format("TrafficRoute %s", canary.apex)
  local match = shape.optional(shape.object, live, "spec.destinations.1.match", where)
  local found = match and match["kuma.io/service"]
  if type(found) == "string" and found ~= wanted then
    shape.fail("TrafficRoute %s is about %s, not about %s", canary.apex, found, wanted)
  end
end

function M.desired(canary, split, objects)
  local live = route.get(objects, path_of(canary))
  if live then expect_ours(canary, live) end
  local object = route.dress(canary, route.object(canary, version, "TrafficRoute", canary.apex, live))
  object.metadata.namespace = nil
  object.metadata.ownerReferences = nil -- what has no namespace cannot belong to what has one
  object.mesh = live and live.mesh or canary.annotations["kuma.io/mesh"] or "default"
  object.spec = {
    sources = { { match = { ["kuma.io/service"] = "*" } } },
    destinations = { { match = tag_of(canary, canary.apex) } },
    conf = { split = {
      { destination = tag_of(canary, canary.primary), weight = split.primary },
      { destination = tag_of(canary, canary.canary), weight = split.canary },
    } },
  }
  return { own = { object } }
end

function M.observed(canary, objects)
  local live = route.get(objects, path_of(canary))
  if not live then return route.absent("TrafficRoute %s not found", canary.apex) end
  local where = string.format("TrafficRoute %s", canary.apex)
  local found = {}
  for _, _, path in shape.each(live, "spec.conf.split", where) do
    local tags = shape.object(live, path .. ".destination", where)
    found[tags["kuma.io/service"] or ""] = shape.integer(live, path .. ".weight", where)
  end
  return route.split(found[tag_of(canary, canary.primary)["kuma.io/service"]],
    found[tag_of(canary, canary.canary)["kuma.io/service"]], false, "%s does not contain routes for %s and %s", where,
    canary.primary, canary.canary)
end

function M.restore(canary) return { delete = { path_of(canary) } } end

return M
