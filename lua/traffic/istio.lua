--- Shifts traffic with an Istio VirtualService, and gives each of the two Services a DestinationRule.
---
--- API: https://istio.io/latest/docs/reference/config/networking/virtual-service/

local adopt <const> = require("adopt")
local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

local version <const> = "networking.istio.io/v1beta1"
local original <const> = "flagger.kubernetes.io/original-configuration"
local undisturbed <const> = "helm.toolkit.fluxcd.io/driftDetection"
local last_applied <const> = "kubectl.kubernetes.io/last-applied-configuration"

---@type TrafficDriver
local M = {
  name = "istio",
  can_weigh = true, can_match = true, can_mirror = true, can_stick = true,
  adopts = { VirtualService = "virtualservices" },
  kinds = { [version] = { VirtualService = "virtualservices", DestinationRule = "destinationrules" } },
}

---@type Dialect
local dialect <const> = { lists = { "http", "tcp", "tls" }, backends = "route", name = "destination.host", default = 0 }

--- The VirtualService that carries the weights: the team's, or ours.
local function service_name(canary)
  local _, name = adopt.ref(canary, M.adopts)
  return name or canary.apex
end

local function is_adopted(canary) return adopt.ref(canary, M.adopts) ~= nil end

local function service_path(canary)
  return route.path(version, "virtualservices", canary.namespace, service_name(canary))
end

local function where_of(canary) return string.format("VirtualService %s.%s", service_name(canary), canary.namespace) end

local function is_tcp(canary)
  local protocol = canary.service.appProtocol
  return type(protocol) == "string" and string.lower(protocol) == "tcp"
end

function M.check(canary)
  local problems = {}
  if is_adopted(canary) then
    adopt.check(canary, problems)
    return problems
  end
  if canary.service.delegation == true and (route.field(canary, "hosts") or route.field(canary, "gateways")) then
    problems[1] = route.problem("spec.service.delegation", "VirtualService %s.%s cannot have hosts and gateways when "
      .. "delegation enabled", canary.apex, canary.namespace)
  end
  if is_tcp(canary) and canary.match then
    problems[#problems + 1] = route.problem("spec.analysis.match", "cannot be told apart in TCP: all traffic would go "
      .. "to the canary")
  end
  return problems
end

function M.needs(canary)
  return { service_path(canary) }
end

local function destination(canary, host)
  local target = { host = host }
  local gateways = route.field(canary, "gateways")
  local from_gateway = gateways and gateways[1] ~= "mesh" or canary.service.delegation == true
  if canary.service.portDiscovery == true and from_gateway then target.port = { number = canary.port } end
  return target
end

local function weighted(canary, primary, weight)
  return {
    { destination = destination(canary, canary.primary), weight = primary },
    { destination = destination(canary, canary.canary), weight = weight },
  }
end

--- A route with all that the service asks for but its destinations.
local function http_route(canary, matches)
  local service = canary.service
  local http = {
    match = matches and #matches > 0 and matches or nil,
    timeout = route.field(canary, "timeout"),
    retries = route.field(canary, "retries"),
    corsPolicy = route.field(canary, "corsPolicy"),
    headers = route.copy(route.field(canary, "headers")),
  }
  if route.field(canary, "rewrite") then
    http.rewrite = { uri = service.rewrite.uri, authority = service.rewrite.authority }
  end
  return http
end

local function add_header(holder, name, value)
  holder.headers = holder.headers or {}
  holder.headers.response = holder.headers.response or {}
  holder.headers.response.add = holder.headers.response.add or {}
  holder.headers.response.add[name] = value
end

--- Those of the service, each narrowed to who has the cookie.
local function cookie_matches(canary, cookie)
  local header = { Cookie = { regex = route.cookie_pattern(cookie) } }
  local matches = json.array()
  for _, match in ipairs(canary.service.match or {}) do
    local narrowed = route.copy(match)
    narrowed.headers = narrowed.headers or {}
    narrowed.headers.Cookie = header.Cookie
    matches[#matches + 1] = narrowed
  end
  if #matches == 0 then matches[1] = { headers = header } end
  return matches
end

local function sticky_routes(canary, split, affinity)
  local weights = http_route(canary, canary.service.match)
  weights.route = weighted(canary, split.primary, split.canary)
  if split.canary == 0 then
    if canary.previous_cookie == "" then return { weights } end
    local farewell = http_route(canary, cookie_matches(canary, canary.previous_cookie))
    farewell.route = weighted(canary, split.primary, split.canary)
    add_header(farewell, "Set-Cookie", route.set_cookie(affinity, canary.previous_cookie, -1))
    return { farewell, weights }
  end
  local sticky = http_route(canary, cookie_matches(canary, canary.cookie))
  sticky.route = weighted(canary, 0, 100)
  add_header(weights.route[2], "Set-Cookie", route.set_cookie(affinity, canary.cookie, affinity.maxAge or 86400))
  if not affinity.primaryCookieName then return { sticky, weights } end
  local cookie = affinity.primaryCookieName .. string.match(canary.cookie, "=.*$")
  local staying = http_route(canary, cookie_matches(canary, cookie))
  staying.route = weighted(canary, 100, 0)
  add_header(weights.route[1], "Set-Cookie", route.set_cookie(affinity, cookie, canary.interval_seconds))
  return { sticky, staying, weights }
end

local function http_routes(canary, split)
  if canary.match then
    local service = canary.service.match or {}
    local matching = http_route(canary, route.merge_matches(canary.match, service, { "headers", "sourceLabels",
      "queryParams" }))
    matching.route = weighted(canary, split.primary, split.canary)
    local rest = http_route(canary, service)
    -- Alone in its route, a destination gets everything whatever its weight.
    rest.route = { { destination = destination(canary, canary.primary), weight = split.primary } }
    return { matching, rest }
  end
  local affinity = route.affinity(canary)
  local routes = affinity and sticky_routes(canary, split, affinity)
  if not routes then
    routes = { http_route(canary, canary.service.match) }
    routes[1].route = weighted(canary, split.primary, split.canary)
  end
  local percent = canary.analysis.mirrorWeight
  -- Each of them: who still has a cookie of the canary before comes by another than everybody else.
  for _, item in ipairs(split.mirror and routes or {}) do
    item.mirror = { host = canary.canary }
    if type(percent) == "number" and percent > 0 then item.mirrorPercentage = { value = percent } end
  end
  return routes
end

local function tcp_routes(canary, split)
  local ports = json.array()
  for _, match in ipairs(canary.service.match or {}) do ports[#ports + 1] = { port = match.port } end
  return { { match = #ports > 0 and ports or nil, route = weighted(canary, split.primary, split.canary) } }
end

local function destination_rule(canary, host)
  local rule = route.object(canary, version, "DestinationRule", host)
  rule.spec = { host = host, trafficPolicy = route.copy(route.field(canary, "trafficPolicy")) }
  return rule
end

--- What was there before, so that it can be given back.
local function keep_original(object, live)
  if not live then return end
  local annotations = route.annotations(live, "VirtualService")
  if annotations[original] then
    object.metadata.annotations[original] = annotations[original]
  elseif not object.metadata.ownerReferences and not annotations[last_applied] then
    object.metadata.annotations[original] = json.encode(live.spec)
  end
end

--- Weights by host, of the last route that leads to the canary; and whether it mirrors there.
local function read_weights(canary, live, protocol, where)
  local primary, weight, mirror
  for _, item, path in shape.each(live, "spec." .. protocol, where) do
    local found = {}
    for _, target, place in shape.each(live, path .. ".route", where) do
      found[shape.string(live, place .. ".destination.host", where)] = target.weight == nil and 0
        or shape.integer(live, place .. ".weight", where)
    end
    if found[canary.canary] then primary, weight = found[canary.primary], found[canary.canary] end
    if shape.at(item, "mirror.host") == canary.canary then mirror = true end
  end
  return primary, weight, mirror
end

--- One that Flagger made for this canary in another cluster, where it gives no owner: it leads to both Services, GitOps
--- tools are told to leave it alone, and nothing says that it was there before.
local function is_left(canary, live)
  local annotations = route.annotations(live, "VirtualService")
  if shape.at(live, "metadata.ownerReferences") or annotations[original] or annotations[last_applied]
    or annotations[undisturbed] ~= "disabled" then return false end
  local primary, weight = read_weights(canary, live, is_tcp(canary) and "tcp" or "http", where_of(canary))
  return primary ~= nil and weight ~= nil
end

local function virtual_service(canary, split, live)
  if live and is_left(canary, live) then live = nil end
  local object = route.dress(canary, route.object(canary, version, "VirtualService", canary.apex, live))
  keep_original(object, live)
  local spec = object.spec
  if canary.service.delegation == true then
    spec.hosts = json.array()
  else
    local hosts = json.array(route.copy(route.field(canary, "hosts")))
    if not route.has(hosts, canary.apex) and not route.has(hosts, "*") then hosts[#hosts + 1] = canary.apex end
    spec.hosts = hosts
    spec.gateways = route.field(canary, "gateways") or { "mesh" }
  end
  if is_tcp(canary) then
    spec.tcp = tcp_routes(canary, split)
  else
    spec.http = http_routes(canary, split)
  end
  return object
end

function M.desired(canary, split, objects)
  local rules = { destination_rule(canary, canary.canary), destination_rule(canary, canary.primary) }
  local live = route.get(objects, service_path(canary))
  if not is_adopted(canary) then
    rules[3] = virtual_service(canary, split, live)
    return { own = rules }
  end
  if not live then shape.fail("%s not found", where_of(canary)) end
  local desired = adopt.desired(canary, split, service_path(canary), live, dialect, where_of(canary))
  desired.own = rules
  return desired
end

function M.observed(canary, objects)
  local live = route.get(objects, service_path(canary))
  local where = where_of(canary)
  if not live then return route.absent("%s not found", where) end
  if is_adopted(canary) then
    local a, b = adopt.read(canary, live, dialect, where)
    return route.split(a, b, false, "%s does not split between %s and %s", where, canary.primary, canary.canary)
  end
  local primary, weight, mirror = read_weights(canary, live, is_tcp(canary) and "tcp" or "http", where)
  return route.split(primary, weight, mirror, "%s does not contain routes for %s-primary and %s-canary", where,
    canary.apex, canary.apex)
end

function M.inventory(canary, objects)
  local live = route.get(objects, service_path(canary))
  if not is_adopted(canary) or not live then return nil end
  return adopt.inventory(canary, live, dialect, where_of(canary))
end

function M.restore(canary, objects)
  local live = route.get(objects, service_path(canary))
  if not live then return {} end
  if is_adopted(canary) then return adopt.restore(canary, service_path(canary), live, dialect, where_of(canary)) end
  local annotations = shape.at(live, "metadata.annotations") or {}
  local spec
  if annotations[last_applied] then
    spec = shape.at(json.decode(annotations[last_applied]), "spec")
  elseif annotations[original] then
    spec = json.decode(annotations[original])
  end
  if not spec then return {} end
  local patch = {
    { op = "test", path = "/metadata/resourceVersion", value = live.metadata.resourceVersion },
    { op = "replace", path = "/spec", value = spec },
  }
  if annotations[original] then
    patch[3] = { op = "remove", path = "/metadata/annotations/" .. string.gsub(original, "/", "~1") }
  end
  return { edit = { { path = service_path(canary), patch = patch } } }
end

return M
