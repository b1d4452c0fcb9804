--- Shifts traffic with a Contour HTTPProxy, which a root proxy of the team includes.
---
--- API: https://projectcontour.io/docs/main/config/api/

local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

local version <const> = "projectcontour.io/v1"

---@type TrafficDriver
local M = {
  name = "contour",
  can_weigh = true, can_match = true, can_mirror = false, can_stick = false,
  kinds = { [version] = { HTTPProxy = "httpproxies" } },
}

local function path_of(canary) return route.path(version, "httpproxies", canary.namespace, canary.apex) end

function M.needs(canary) return { path_of(canary) } end

local function prefix_of(canary)
  local prefix = shape.at(canary.service, "match.1.uri.prefix")
  return prefix ~= "" and prefix or "/"
end

local function quoted(text) return (string.gsub(text, "[%^%$%.%*%+%?%(%)%[%]{}|\\]", "\\%0")) end

local function header_condition(name, match)
  local header = { name = name }
  if match.exact then
    header.exact = match.exact
  elseif match.regex then
    header.regex = match.regex
  elseif match.prefix then
    header.regex = quoted(match.prefix) .. ".*"
  elseif match.suffix then
    header.regex = ".*" .. quoted(match.suffix)
  end
  return { header = header }
end

local function service(canary, name, weight)
  local host = string.format("%s.%s.svc.cluster.local:%d", name, canary.namespace, canary.port)
  return {
    name = name, port = canary.port, weight = weight > 0 and weight or nil,
    requestHeadersPolicy = { set = { { name = "l5d-dst-override", value = host } } },
  }
end

local function one_route(canary, conditions, primary, weight)
  local result = {
    conditions = conditions,
    services = { service(canary, canary.primary, primary), service(canary, canary.canary, weight) },
  }
  if route.field(canary, "timeout") then
    result.timeoutPolicy = { response = canary.service.timeout, idle = "5m" }
  end
  local retries = route.field(canary, "retries")
  if retries then
    local on = json.array()
    for event in string.gmatch(retries.retryOn or "", "[^,]+") do on[#on + 1] = event end
    result.retryPolicy = {
      count = retries.attempts, perTryTimeout = retries.perTryTimeout, retryOn = #on > 0 and on or nil,
    }
  end
  return result
end

--- One route for each condition: any of them leads to the canary, and all headers of one must match.
local function routes_of(canary, split)
  local prefix = { prefix = prefix_of(canary) }
  if not canary.match then return { one_route(canary, { prefix }, split.primary, split.canary) } end
  local routes = {}
  for _, condition in ipairs(canary.match) do
    local conditions = { prefix }
    for name, match in pairs(condition.headers or {}) do
      conditions[#conditions + 1] = header_condition(name, match)
    end
    if #conditions > 1 then routes[#routes + 1] = one_route(canary, conditions, split.primary, split.canary) end
  end
  routes[#routes + 1] = one_route(canary, { prefix }, 100, 0)
  return routes
end

function M.check(canary)
  for i, condition in ipairs(canary.match or {}) do
    if not condition.headers or next(condition.headers) == nil or route.beyond(condition, { "headers" }) then
      local path = string.format("spec.analysis.match[%d]", i - 1)
      return { route.problem(path, "Contour tells requests apart by headers") }
    end
  end
  return {}
end

function M.desired(canary, split, objects)
  local object = route.dress(canary, route.object(canary, version, "HTTPProxy", canary.apex,
    route.get(objects, path_of(canary))))
  object.spec = { ingressClassName = canary.ingress_class, routes = routes_of(canary, split) }
  return { own = { object } }
end

function M.observed(canary, objects)
  local live = route.get(objects, path_of(canary))
  if not live then return route.absent("HTTPProxy %s.%s not found", canary.apex, canary.namespace) end
  local where = string.format("HTTPProxy %s.%s", canary.apex, canary.namespace)
  local found = {}
  for _, _, path in shape.each(live, "spec.routes.1.services", where) do
    local weight = shape.optional(shape.integer, live, path .. ".weight", where)
    found[shape.string(live, path .. ".name", where)] = weight or 0
  end
  return route.split(found[canary.primary], found[canary.canary], false, "%s services not found", where)
end

return M
