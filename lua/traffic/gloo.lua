--- Shifts traffic with a Gloo RouteTable between two Upstreams, which a VirtualService of the team delegates to.
---
--- API: https://docs.solo.io/gloo-edge/latest/guides/traffic_management/destination_types/multi_destination/

local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

local tables <const>, upstreams <const> = "gateway.solo.io/v1", "gloo.solo.io/v1"
local copied <const> = {
  "sslConfig", "circuitBreakers", "connectionConfig", "loadBalancerConfig", "useHttp2", "initialStreamWindowSize",
  "initialConnectionWindowSize", "httpProxyHostName",
}

---@return TrafficDriver
return function()
  ---@type TrafficDriver
  local M = {
    name = "gloo",
    can_weigh = true, can_match = true, can_mirror = false, can_stick = false,
    kinds = { [tables] = { RouteTable = "routetables" }, [upstreams] = { Upstream = "upstreams" } },
  }

  local function table_path(canary) return route.path(tables, "routetables", canary.namespace, canary.apex) end

  local function upstream_name(canary, role)
    return string.format("%s-%s-%supstream-%d", canary.namespace, canary.apex, role, canary.port)
  end

  --- The Upstream whose settings ours shall have.
  local function model_path(canary)
    local ref = canary.spec.upstreamRef
    if type(ref) ~= "table" or not ref.name then return nil end
    return route.path(upstreams, "upstreams", ref.namespace or canary.namespace, ref.name)
  end

  function M.needs(canary)
    return { table_path(canary), model_path(canary) }
  end

  local function upstream(canary, role, service, suffix, objects)
    local object = route.object(canary, upstreams, "Upstream", upstream_name(canary, role))
    object.spec.kube = {
      serviceName = service, serviceNamespace = canary.namespace, servicePort = canary.port,
      selector = { [canary.selector.key] = canary.selector.value .. suffix },
    }
    local path = model_path(canary)
    local model = path and route.get(objects, path)
    if path and not model then
      shape.fail("upstream %s.%s not found", canary.spec.upstreamRef.name,
        canary.spec.upstreamRef.namespace or canary.namespace)
    end
    for _, field in ipairs(copied) do object.spec[field] = model and route.copy(shape.at(model, "spec." .. field)) end
    return object
  end

  local function destination(canary, role, weight)
    return {
      destination = { upstream = { name = upstream_name(canary, role), namespace = canary.namespace } },
      weight = weight > 0 and weight or nil,
    }
  end

  local function one_route(canary, matchers, primary, weight)
    return {
      inheritablePathMatchers = true, matchers = matchers,
      routeAction = { multi = { destinations = {
        destination(canary, "primary", primary), destination(canary, "canary", weight),
      } } },
    }
  end

  --- Any condition leads to the canary, all headers of one must match.
  local function matchers_of(canary)
    local matchers = json.array()
    for _, condition in ipairs(canary.match) do
      local headers = json.array()
      for name, match in pairs(condition.headers or {}) do
        headers[#headers + 1] = {
          name = name, value = match.exact or match.regex, regex = not match.exact and match.regex ~= nil or nil,
        }
      end
      if #headers > 0 then matchers[#matchers + 1] = { headers = headers } end
    end
    return matchers
  end

  function M.check(canary)
    for i, condition in ipairs(canary.match or {}) do
      local good = condition.headers and next(condition.headers) ~= nil and not route.beyond(condition, { "headers" })
      for _, match in pairs(condition.headers or {}) do good = good and (match.exact or match.regex) end
      if not good then
        return { route.problem(string.format("spec.analysis.match[%d]", i - 1),
          "Gloo tells requests apart by headers, exact or regex") }
      end
    end
    return {}
  end

  function M.desired(canary, split, objects)
    local object = route.dress(canary, route.object(canary, tables, "RouteTable", canary.apex,
      route.get(objects, table_path(canary))))
    if canary.match then
      object.spec.routes = {
        one_route(canary, matchers_of(canary), split.primary, split.canary), one_route(canary, nil, 100, 0),
      }
    else
      object.spec.routes = { one_route(canary, nil, split.primary, split.canary) }
    end
    return {
      own = {
        upstream(canary, "primary", canary.primary, "-primary", objects),
        upstream(canary, "canary", canary.canary, "", objects),
        object,
      },
    }
  end

  function M.observed(canary, objects)
    local live = route.get(objects, table_path(canary))
    if not live then return route.absent("RouteTable %s.%s not found", canary.apex, canary.namespace) end
    local where = string.format("RouteTable %s.%s", canary.apex, canary.namespace)
    local found = {}
    for _, _, path in shape.each(live, "spec.routes.1.routeAction.multi.destinations", where) do
      found[shape.string(live, path .. ".destination.upstream.name", where)] =
        shape.optional(shape.integer, live, path .. ".weight", where) or 0
    end
    return route.split(found[upstream_name(canary, "primary")], found[upstream_name(canary, "canary")], false,
      "%s destinations not found", where)
  end

  return M
end
