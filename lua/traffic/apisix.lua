--- Shifts traffic with a second ApisixRoute of a higher priority than the team's own, which is never written.
---
--- API: https://apisix.apache.org/docs/ingress-controller/references/apisix_route_v2/

local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

local version <const> = "apisix.apache.org/v2"
local priority <const> = 10000

---@type TrafficDriver
local M = {
  name = "apisix",
  can_weigh = true, can_match = false, can_mirror = false, can_stick = false,
  kinds = { [version] = { ApisixRoute = "apisixroutes" } },
}

local function source_name(canary) return shape.at(canary.spec, "routeRef.name") or "" end

local function name_of(canary) return string.format("%s-%s-canary", source_name(canary), canary.apex) end

local function path_of(canary, name) return route.path(version, "apisixroutes", canary.namespace, name) end

function M.check(canary)
  if source_name(canary) == "" then return { route.problem("spec.routeRef", "apisix route selector is empty") } end
  return {}
end

function M.needs(canary) return { path_of(canary, name_of(canary)), path_of(canary, source_name(canary)) } end

--- The one rule of the team's route that leads to the apex, and its backend.
local function find_rule(canary, source, where)
  for _, rule, place in shape.each(source, "spec.http", where) do
    for _, backend in shape.each(source, place .. ".backends", where) do
      if backend.serviceName == canary.apex then
        if #rule.backends > 1 then shape.fail("%s: only one http backend is supported", where) end
        return rule, backend
      end
    end
  end
  shape.fail("Can not find %s backend on apisix route %s.%s", canary.apex, source_name(canary), canary.namespace)
end

function M.desired(canary, split, objects)
  local where = string.format("apisix route %s.%s", source_name(canary), canary.namespace)
  local source = route.get(objects, path_of(canary, source_name(canary)))
  if not source then shape.fail("%s get query error: not found", where) end
  local found, backend = find_rule(canary, source, where)
  local object = route.object(canary, version, "ApisixRoute", name_of(canary))
  object.metadata.labels = route.copy(shape.optional(shape.object, source, "metadata.labels", where))
  object.metadata.annotations = route.copy(shape.optional(shape.object, source, "metadata.annotations", where))
  if object.metadata.annotations then
    object.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = nil
  end
  local rule, backends = route.copy(found), json.array()
  for i, name in ipairs({ canary.primary, canary.canary }) do
    backends[i] = route.copy(backend)
    backends[i].serviceName = name
    backends[i].weight = i == 1 and split.primary or split.canary
  end
  rule.backends = backends
  rule.priority = priority
  rule.websocket = rule.websocket == true
  object.spec.http = { rule }
  return { own = { object } }
end

function M.observed(canary, objects)
  local live = route.get(objects, path_of(canary, name_of(canary)))
  local where = string.format("apisix route %s.%s", name_of(canary), canary.namespace)
  if not live then return route.absent("%s not found", where) end
  local found = {}
  for _, _, path in shape.each(live, "spec.http.1.backends", where) do
    found[shape.string(live, path .. ".serviceName", where)] =
      shape.optional(shape.integer, live, path .. ".weight", where)
  end
  return route.split(found[canary.primary], found[canary.canary], false, "%s does not contain routes for %s and %s",
    where, canary.primary, canary.canary)
end

return M
