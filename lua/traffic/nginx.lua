--- Shifts traffic with a canary Ingress of ingress-nginx beside the team's own, which is never written.
---
--- API: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary

local ingress <const> = require("ingress")
local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

---@type TrafficDriver
local M = {
  name = "nginx",
  can_weigh = true, can_match = true, can_mirror = false, can_stick = false,
  kinds = ingress.kinds,
}

--- What nginx can tell requests apart by: one header and one cookie.
local function conditions_of(canary)
  local found, extra = {}, nil
  for _, condition in ipairs(canary.match or {}) do
    extra = extra or route.beyond(condition, { "headers" })
    for name, match in pairs(condition.headers or {}) do
      if name == "cookie" then
        extra = extra or (found.cookie or not match.exact) and name
        found.cookie = match.exact
      else
        extra = extra or (found.header or not (match.exact or match.regex)) and name
        found.header, found.value, found.pattern = name, match.exact, match.regex
      end
    end
  end
  return found, extra
end

--- What it cannot express of the conditions would lead more people to the canary than were meant.
local function why_not(canary)
  local found, extra = conditions_of(canary)
  if not canary.match or not extra and (found.cookie or found.header) then return nil end
  return "nginx tells requests apart by one header (exact or regex) and one cookie (exact)"
    .. (extra and "; " .. extra .. " is more than that" or "")
end

function M.check(canary)
  local problems, why = ingress.check(canary), why_not(canary)
  if why then problems[#problems + 1] = route.problem("spec.analysis.match", "%s", why) end
  return problems
end

M.needs = ingress.needs

function M.desired(canary, split, objects)
  local object = ingress.copy(canary, objects, function(backend, paths, path)
    backend.service.name = canary.canary
    paths[#paths + 1] = path
  end)
  local annotations, prefix = object.metadata.annotations, canary.ingress_prefix
  for key in pairs(annotations) do
    if string.find(key, prefix .. "/canary", 1, true) then annotations[key] = nil end
  end
  annotations["kustomize.toolkit.fluxcd.io/reconcile"] = "disabled"
  annotations["helm.toolkit.fluxcd.io/driftDetection"] = "disabled"
  annotations[prefix .. "/canary"] = "true"
  annotations[prefix .. "/canary-weight"] = string.format("%d", canary.match and 0 or split.canary)
  if canary.match and split.canary > 0 then
    local why = why_not(canary)
    if why then shape.fail("spec.analysis.match: %s", why) end
    local found = conditions_of(canary)
    annotations[prefix .. "/canary-by-cookie"] = found.cookie
    annotations[prefix .. "/canary-by-header"] = found.header
    annotations[prefix .. "/canary-by-header-value"] = found.value
    annotations[prefix .. "/canary-by-header-pattern"] = found.pattern
  end
  return { own = { object } }
end

function M.observed(canary, objects)
  local live = route.get(objects, ingress.path(canary))
  if not live then return route.absent("ingress %s.%s not found", ingress.name(canary), canary.namespace) end
  local annotations = route.annotations(live, string.format("ingress %s.%s", ingress.name(canary), canary.namespace))
  local prefix = canary.ingress_prefix
  if annotations[prefix .. "/canary-by-cookie"] or annotations[prefix .. "/canary-by-header"] then
    return route.live(0, 100)
  end
  local text = annotations[prefix .. "/canary-weight"]
  local weight = type(text) == "string" and math.tointeger(tonumber(text))
  if annotations[prefix .. "/canary"] ~= "true" or not weight or weight < 0 or weight > 100 then
    return route.broken('ingress %s.%s: metadata.annotations["%s/canary-weight"]: must be a whole number from 0 to '
      .. "100, is %s", ingress.name(canary), canary.namespace, prefix, text == nil and "missing" or json.encode(text))
  end
  return route.live(100 - weight, weight)
end

return M
