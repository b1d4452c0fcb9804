--- Shifts traffic with an HTTPRoute of the Gateway API: "gatewayapi:v1" (or just "gatewayapi"), "gatewayapi:v1beta1".
---
--- API: https://gateway-api.sigs.k8s.io/reference/spec/

local adopt <const> = require("adopt")
local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

local function sorted_headers(map)
  local list = json.array()
  for name, value in pairs(map or {}) do list[#list + 1] = { name = name, value = value } end
  return #list > 0 and list or nil
end

--- "1h30m" in seconds, or nil.
local function seconds_of(text)
  local units <const> = { h = 3600, m = 60, s = 1 }
  local total, rest = 0, text
  while rest ~= "" do
    local count, unit, after = string.match(rest, "^(%d+%.?%d*)([hms])(.*)$")
    if not count then return nil end
    total, rest = total + tonumber(count) * units[unit], after
  end
  return math.floor(total)
end

-- Matches.

--- A string match of the canary as the Gateway API writes it: type and value, or nil when it has no such.
local function matcher(match)
  if type(match) ~= "table" then return nil end
  if match.regex then return "RegularExpression", match.regex end
  if match.exact then return "Exact", match.exact end
  return nil
end

local function named_matches(map)
  local list = json.array()
  for name, match in pairs(map or {}) do
    local kind, value = matcher(match)
    if not kind then return nil, name end
    list[#list + 1] = { name = name, type = kind, value = value }
  end
  return list
end

--- One condition; nil and what is wrong with it. An empty one is an empty table.
local function match_of(condition)
  local match = {}
  local uri = shape.at(condition, "uri")
  if uri then
    local kind, value = matcher(uri)
    if not kind and uri.prefix then kind, value = "PathPrefix", uri.prefix end
    if not kind then return nil, "uri: Gateway API doesn't support the specified path matching selector" end
    match.path = { type = kind, value = value }
  end
  match.method = shape.at(condition, "method.exact")
  for field, key in pairs({ headers = "headers", queryParams = "queryParams" }) do
    local list, name = named_matches(shape.at(condition, field))
    if not list then
      return nil, string.format("%s.%s: Gateway API doesn't support the specified %s matching selector; it has "
        .. "exact and regex", field, name, field == "headers" and "header" or "query")
    end
    if #list > 0 then match[key] = list end
  end
  return match
end

local function matches_of(conditions)
  local matches = json.array()
  for _, condition in ipairs(conditions or {}) do
    local match, why = match_of(condition)
    if not match then shape.fail("Invalid request matching selectors: %s", why) end
    if next(match) ~= nil then
      match.path = match.path or { type = "PathPrefix", value = "/" }
      matches[#matches + 1] = match
    end
  end
  if #matches == 0 then matches[1] = { path = { type = "PathPrefix", value = "/" } } end
  return matches
end

--- What a condition of A/B asks for that is not there.
local function why_not(condition)
  local part = route.beyond(condition, { "headers", "queryParams" })
  return part and "Gateway API cannot tell requests apart by " .. part or nil
end

local function check_matches(problems, path, conditions)
  for i, condition in ipairs(conditions or {}) do
    local _, why = match_of(condition)
    if why then
      problems[#problems + 1] = route.problem(string.format("%s[%d]", path, i - 1), "%s", why)
    end
  end
end

-- Filters.

local function header_filter(kind, member, modifier)
  local change = { add = sorted_headers(modifier.add), set = sorted_headers(modifier.set) }
  if modifier.remove and #modifier.remove > 0 then change.remove = route.copy(modifier.remove) end
  return { type = kind, [member] = change }
end

local function rewrite_filter(rewrite)
  local url = { hostname = rewrite.authority }
  if rewrite.uri then
    local prefix = { type = "ReplacePrefixMatch", replacePrefixMatch = rewrite.uri }
    local full = { type = "ReplaceFullPath", replaceFullPath = rewrite.uri }
    url.path = rewrite.type == "ReplacePrefixMatch" and prefix or full
  end
  return { type = "URLRewrite", urlRewrite = url }
end

local function mirror_filter(ref)
  return { type = "RequestMirror", requestMirror = { backendRef = {
    group = ref.group or "", kind = ref.kind or "Service", name = ref.name, namespace = ref.namespace, port = ref.port,
  } } }
end

local function cors_filter(policy)
  return { type = "CORS", cors = {
    allowOrigins = route.copy(policy.allowOrigin), allowMethods = route.copy(policy.allowMethods),
    allowHeaders = route.copy(policy.allowHeaders),
    exposeHeaders = route.copy(policy.exposeHeaders),
    allowCredentials = policy.allowCredentials == true or nil, maxAge = policy.maxAge and seconds_of(policy.maxAge),
  } }
end

local function set_cookie_filter(value)
  return {
    type = "ResponseHeaderModifier", responseHeaderModifier = { add = { { name = "Set-Cookie", value = value } } },
  }
end

---@param provider string
---@return TrafficDriver
return function(provider)
  local is_beta = string.find(provider, "^gatewayapi:v1beta1") ~= nil
  if not is_beta and provider ~= "gatewayapi" and not string.find(provider, "^gatewayapi:v1$") then
    shape.fail('is "%s"; the Gateway API has gatewayapi:v1 and gatewayapi:v1beta1', provider)
  end
  local version <const> = "gateway.networking.k8s.io/" .. (is_beta and "v1beta1" or "v1")

  ---@type TrafficDriver
  local M = {
    name = is_beta and "gatewayapi:v1beta1" or "gatewayapi:v1",
    can_weigh = true, can_match = true, can_mirror = true, can_stick = true,
    adopts = { HTTPRoute = "httproutes", GRPCRoute = "grpcroutes" },
    kinds = { [version] = { HTTPRoute = "httproutes" } },
  }

  ---@type Dialect
  local dialect <const> = { lists = { "rules" }, backends = "backendRefs", name = "name", default = 1 }

  local function is_adopted(canary) return adopt.ref(canary, M.adopts) ~= nil end

  --- The route that carries the weights: the team's, or ours.
  local function ref_of(canary)
    local kind, name = adopt.ref(canary, M.adopts)
    return kind or "HTTPRoute", name or canary.apex
  end

  local function path_of(canary)
    local kind, name = ref_of(canary)
    local served = kind == "GRPCRoute" and "gateway.networking.k8s.io/v1" or version -- it never had another
    return route.path(served, M.adopts[kind], canary.namespace, name)
  end

  local function where_of(canary)
    local kind, name = ref_of(canary)
    return string.format("%s %s.%s", kind, name, canary.namespace)
  end

  function M.check(canary)
    local problems = {}
    if is_adopted(canary) then
      adopt.check(canary, problems)
      return problems
    end
    if not route.field(canary, "gatewayRefs") then
      problems[1] = route.problem("spec.service.gatewayRefs",
        "GatewayRefs must be specified when using Gateway API as a provider.")
    end
    check_matches(problems, "spec.service.match", canary.service.match)
    check_matches(problems, "spec.analysis.match", canary.match)
    for i, condition in ipairs(canary.match or {}) do
      local why, path = why_not(condition), string.format("spec.analysis.match[%d]", i - 1)
      if why then problems[#problems + 1] = route.problem(path, "%s", why) end
    end
    if shape.at(canary.service, "corsPolicy.allowOrigins") then
      problems[#problems + 1] = {
        path = "spec.service.corsPolicy.allowOrigins", warning = true,
        text = "is not supported by Gateway API, use 'corsPolicy.allowOrigin' instead",
      }
    end
    return problems
  end

  function M.needs(canary) return { path_of(canary) } end

  local function backend(canary, name, weight)
    return { group = "", kind = "Service", name = name, port = canary.port, weight = weight }
  end

  local function backends(canary, primary, weight)
    return { backend(canary, canary.primary, primary), backend(canary, canary.canary, weight) }
  end

  local function rule(canary, matches, refs)
    local service, filters = canary.service, json.array()
    local headers = service.headers or {}
    if headers.request then
      filters[#filters + 1] = header_filter("RequestHeaderModifier", "requestHeaderModifier", headers.request)
    end
    if headers.response then
      filters[#filters + 1] = header_filter("ResponseHeaderModifier", "responseHeaderModifier", headers.response)
    end
    if route.field(canary, "rewrite") then filters[#filters + 1] = rewrite_filter(service.rewrite) end
    for _, item in ipairs(service.mirror or {}) do filters[#filters + 1] = mirror_filter(item.backendRef) end
    local cors = not is_beta and route.field(canary, "corsPolicy")
    if cors then filters[#filters + 1] = cors_filter(cors) end
    local timeouts
    if not is_beta and (route.field(canary, "timeout") or route.field(canary, "backendTimeout")) then
      timeouts = { request = route.field(canary, "timeout"), backendRequest = route.field(canary, "backendTimeout") }
    end
    return { matches = matches, backendRefs = refs, filters = #filters > 0 and filters or nil, timeouts = timeouts }
  end

  local function add_filter(holder, filter)
    holder.filters = holder.filters or json.array()
    holder.filters[#holder.filters + 1] = filter
  end

  local function cookie_matches(canary, cookie)
    local matches = matches_of(canary.service.match)
    for _, match in ipairs(matches) do
      match.headers = match.headers or json.array()
      match.headers[#match.headers + 1] = {
        name = "Cookie", type = "RegularExpression", value = route.cookie_pattern(cookie),
      }
    end
    return matches
  end

  local function sticky_rules(canary, split, affinity)
    local weights = rule(canary, matches_of(canary.service.match), backends(canary, split.primary, split.canary))
    if split.canary == 0 then
      if canary.previous_cookie == "" then return { weights } end
      local farewell = rule(canary, cookie_matches(canary, canary.previous_cookie),
        backends(canary, split.primary, split.canary))
      add_filter(farewell, set_cookie_filter(route.set_cookie(affinity, canary.previous_cookie, -1)))
      return { farewell, weights }
    end
    local sticky = rule(canary, cookie_matches(canary, canary.cookie), backends(canary, 0, 100))
    add_filter(weights.backendRefs[2],
      set_cookie_filter(route.set_cookie(affinity, canary.cookie, affinity.maxAge or 86400)))
    if is_beta or not affinity.primaryCookieName then return { sticky, weights } end
    local cookie = affinity.primaryCookieName .. string.match(canary.cookie, "=.*$")
    local staying = rule(canary, cookie_matches(canary, cookie), backends(canary, 100, 0))
    add_filter(weights.backendRefs[1], set_cookie_filter(route.set_cookie(affinity, cookie, canary.interval_seconds)))
    return { sticky, staying, weights }
  end

  local function rules_of(canary, split)
    if canary.match then
      local service = canary.service.match or {}
      for _, condition in ipairs(canary.match) do
        local why = why_not(condition)
        if why then shape.fail("Invalid request matching selectors: %s", why) end
      end
      return {
        rule(canary, matches_of(route.merge_matches(canary.match, service, { "headers", "queryParams" })),
          backends(canary, split.primary, split.canary)),
        rule(canary, matches_of(service), { backend(canary, canary.primary, 100) }),
      }
    end
    local affinity = route.affinity(canary)
    local rules = affinity and sticky_rules(canary, split, affinity)
      or { rule(canary, matches_of(canary.service.match), backends(canary, split.primary, split.canary)) }
    -- Each of them: who still has a cookie of the canary before comes by another than everybody else.
    for _, item in ipairs(split.mirror and rules or {}) do
      add_filter(item, mirror_filter({ name = canary.canary, port = canary.port }))
    end
    return rules
  end

  local function parents_of(canary)
    local parents = json.array()
    for _, ref in ipairs(canary.service.gatewayRefs or {}) do
      parents[#parents + 1] = {
        group = ref.group or "gateway.networking.k8s.io", kind = ref.kind or "Gateway", name = ref.name,
        namespace = ref.namespace, sectionName = ref.sectionName, port = ref.port,
      }
    end
    return parents
  end

  function M.desired(canary, split, objects)
    local live = route.get(objects, path_of(canary))
    if is_adopted(canary) then
      if not live then shape.fail("%s not found", where_of(canary)) end
      return adopt.desired(canary, split, path_of(canary), live, dialect, where_of(canary))
    end
    local object = route.dress(canary, route.object(canary, version, "HTTPRoute", canary.apex, live))
    object.spec = {
      parentRefs = parents_of(canary), hostnames = route.copy(route.field(canary, "hosts")),
      rules = rules_of(canary, split),
    }
    return { own = { object } }
  end

  local function same_parent(a, b)
    for _, field in ipairs({ "group", "kind", "namespace", "name", "sectionName", "port" }) do
      if a[field] ~= b[field] then return false end
    end
    return true
  end

  --- What a parent says of a route: whether it has taken this generation; a sentence when it has not.
  local function why_not_ready(parent, name, generation, where)
    if not shape.at(parent, "conditions") then return nil end
    for _, condition in shape.each(parent, "conditions", where) do
      local seen = shape.optional(shape.integer, condition, "observedGeneration", where) or 0
      if condition.type == "Accepted" and (condition.status ~= "True" or seen < generation) then
        return string.format("%s parent %s is not ready (status: %s, observed generation: %d, current generation: %d)",
          where, name, condition.status, seen, generation)
      end
    end
    return nil
  end

  --- Of the first parent that has not taken the route as it is now. A parent that says nothing is believed to have.
  local function why_pending(live, where)
    local generation = shape.optional(shape.integer, live, "metadata.generation", where) or 0
    if not shape.at(live, "spec.parentRefs") or not shape.at(live, "status.parents") then return nil end
    for _, ref in shape.each(live, "spec.parentRefs", where) do
      for _, parent in shape.each(live, "status.parents", where) do
        local why = same_parent(ref, shape.object(parent, "parentRef", where))
          and why_not_ready(parent, ref.name, generation, where)
        if why then return why end
      end
    end
    return nil
  end

  local function read_rule(canary, live, i, where)
    local found = {}
    for _, ref, path in shape.each(live, "spec.rules." .. i .. ".backendRefs", where) do
      found[shape.string(live, path .. ".name", where)] = ref.weight == nil and 1
        or shape.integer(live, path .. ".weight", where)
    end
    local mirrors = false
    local filters = shape.optional(shape.list, live, "spec.rules." .. i .. ".filters", where)
    for _, filter in ipairs(filters or {}) do
      if shape.at(filter, "requestMirror.backendRef.name") == canary.canary then mirrors = true end
    end
    return found[canary.primary], found[canary.canary], mirrors
  end

  --- A mirror that the service itself asks for says nothing about the rollout.
  local function always_mirrors(canary)
    for _, item in ipairs(canary.service.mirror or {}) do
      if shape.at(item, "backendRef.name") == canary.canary then return true end
    end
    return false
  end

  --- Weights of the last rule that leads to both, and whether any mirrors to the canary.
  local function read_rules(canary, live, where)
    local primary, weight, mirror = nil, nil, false
    for i in shape.each(live, "spec.rules", where) do
      local a, b, mirrors = read_rule(canary, live, i, where)
      if a and b then primary, weight = a, b end
      mirror = mirror or mirrors
    end
    return primary, weight, mirror and not always_mirrors(canary)
  end

  function M.observed(canary, objects)
    local live = route.get(objects, path_of(canary))
    local where = where_of(canary)
    if not live then return route.absent("%s not found", where) end
    local primary, weight, mirror
    if is_adopted(canary) then
      primary, weight = adopt.read(canary, live, dialect, where)
    else
      primary, weight, mirror = read_rules(canary, live, where)
    end
    local why = why_pending(live, where)
    if why and primary and weight and primary + weight == 100 then
      return route.pending(primary, weight, mirror, "%s", why)
    end
    return route.split(primary, weight, mirror, "%s does not contain routes for %s and %s", where, canary.primary,
      canary.canary)
  end

  function M.inventory(canary, objects)
    local live = route.get(objects, path_of(canary))
    if not is_adopted(canary) or not live then return nil end
    return adopt.inventory(canary, live, dialect, where_of(canary))
  end

  function M.restore(canary, objects)
    local live = route.get(objects, path_of(canary))
    if not is_adopted(canary) or not live then return {} end
    return adopt.restore(canary, path_of(canary), live, dialect, where_of(canary))
  end

  return M
end
