--- Shifts traffic with a second Ingress of Skipper that outweighs the team's own while the canary has traffic.
---
--- API: https://opensource.zalando.com/skipper/kubernetes/ingress-usage/

local ingress <const> = require("ingress")
local json <const> = require("json")
local route <const> = require("route")

local weights_key <const> = "zalando.org/backend-weights"
local predicate_key <const> = "zalando.org/skipper-predicate"

---@type TrafficDriver
local M = {
  name = "skipper",
  can_weigh = true, can_match = false, can_mirror = false, can_stick = false,
  kinds = ingress.kinds,
}

M.check = ingress.check
M.needs = ingress.needs

--- The predicates of the team's Ingress with ours first.
local function predicates(text, first)
  local list = { first }
  for part in string.gmatch(text .. "&&", "(.-)&&") do
    part = string.match(part, "^%s*(.-)%s*$")
    if part ~= "" and part ~= "Weight(100)" and part ~= "False()" then list[#list + 1] = part end
  end
  return table.concat(list, " && ")
end

function M.desired(canary, split, objects)
  local object = ingress.copy(canary, objects, function(_, paths, path)
    for _, name in ipairs({ canary.primary, canary.canary }) do
      local turned = route.copy(path)
      turned.backend.service.name = name
      paths[#paths + 1] = turned
    end
  end)
  local annotations = object.metadata.annotations
  annotations[weights_key] = json.encode({ [canary.primary] = split.primary, [canary.canary] = split.canary })
  local others = annotations[predicate_key]
  annotations[predicate_key] = predicates(type(others) == "string" and others or "",
    (split.canary > 0 or canary.phase == "Initializing") and "Weight(100)" or "False()")
  return { own = { object } }
end

function M.observed(canary, objects)
  local live = route.get(objects, ingress.path(canary))
  if not live then return route.absent("ingress %s.%s not found", ingress.name(canary), canary.namespace) end
  local where = string.format("ingress %s.%s", ingress.name(canary), canary.namespace)
  local text = route.annotations(live, where)[weights_key]
  where = string.format('%s: metadata.annotations["%s"]', where, weights_key)
  local weights = type(text) == "string" and json.decode(text)
  if type(weights) ~= "table" then return route.broken("%s: must be an object of weights in JSON", where) end
  local primary, weight = weights[canary.primary], weights[canary.canary]
  return route.split(primary, weight, false, "%s: must have weights for %s and %s", where, canary.primary,
    canary.canary)
end

return M
