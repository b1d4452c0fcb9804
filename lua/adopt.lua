--- A route that the team owns (`routeRef`): nothing but the weights of our two backends is changed, by JSON Patches
--- that test what they rely on. What stood there before is the inventory, from which `restore` gives it back.

local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

local M = {}

--- How the kinds that can be adopted write backends: `lists` are the members of spec with rules, `backends` the member
--- of a rule, `name` the path of a backend's Service.
---@class Dialect
---@field lists string[]
---@field backends string
---@field name string
---@field default integer the weight that is meant where there is none

--- The kind and name of the route that the canary adopts, or nil.
---@param canary CanaryView
---@param adopts table<string, string>
---@return string|nil kind
---@return string|nil name
function M.ref(canary, adopts)
  local kind, name = shape.at(canary.spec, "routeRef.kind"), shape.at(canary.spec, "routeRef.name")
  if kind and adopts[kind] then return kind, name end
  return nil
end

--- What cannot be had together with a route of the team's.
---@param canary CanaryView
---@param problems Problem[] added to
function M.check(canary, problems)
  local function refuse(path) problems[#problems + 1] = route.problem(path,
    "cannot be had with spec.routeRef: of a route that the team owns only two weights are changed") end
  if canary.match then refuse("spec.analysis.match") end
  if canary.analysis.mirror == true then refuse("spec.analysis.mirror") end
  if route.affinity(canary) then refuse("spec.analysis.sessionAffinity") end
end

--- "web-primary" and its longer forms within the canary's namespace.
local function is_service(canary, host, name)
  local long = name .. "." .. canary.namespace
  return host == name or host == long or host == long .. ".svc" or host == long .. ".svc.cluster.local"
end

--- What a rule has of us: { primary = place, canary = place, others = count }, a place being { pointer, host, weight }.
local function find_places(canary, live, dialect, list, i, where)
  local path = string.format("spec.%s.%d.%s", list, i, dialect.backends)
  local found = { others = 0 }
  if not shape.at(live, path) then return found end
  for k, backend, place in shape.each(live, path, where) do
    local host = shape.string(live, place .. "." .. dialect.name, where)
    local role = is_service(canary, host, canary.primary) and "primary"
      or is_service(canary, host, canary.canary) and "canary"
    local foreign = backend.namespace ~= nil and backend.namespace ~= canary.namespace
      or backend.kind ~= nil and backend.kind ~= "Service"
    if not role or foreign then
      found.others = found.others + 1
    elseif found[role] then
      found.twice = found.twice or string.format("%s leads to %s twice", shape.path_text(path), host)
    else
      found[role] = {
        pointer = string.format("/spec/%s/%d/%s/%d", list, i - 1, dialect.backends, k - 1),
        host = host,
        weight = backend.weight ~= nil and shape.integer(live, place .. ".weight", where) or nil,
      }
    end
  end
  return found
end

--- The rules that lead to both of our backends, each { primary, canary }.
---@return table[]
local function find_rules(canary, live, dialect, where)
  local rules = {}
  for _, list in ipairs(dialect.lists) do
    if shape.at(live, "spec." .. list) then
      for i in shape.each(live, "spec." .. list, where) do
        local found = find_places(canary, live, dialect, list, i, where)
        if found.primary and found.canary then
          if found.twice then shape.fail("%s: %s", where, found.twice) end
          if found.others > 0 then
            shape.fail("%s: spec.%s[%d] leads elsewhere, too: weights of three cannot be a split of two", where, list,
              i - 1)
          end
          rules[#rules + 1] = found
        end
      end
    end
  end
  if #rules == 0 then
    shape.fail("%s has no rule that leads to both %s and %s", where, canary.primary, canary.canary)
  end
  return rules
end

--- A patch that sets the weight of one place; `weight` nil takes it away.
local function add_ops(patch, place, weight, dialect)
  if place.weight == weight then return end
  local name = string.gsub(dialect.name, "%.", "/")
  patch[#patch + 1] = { op = "test", path = place.pointer .. "/" .. name, value = place.host }
  if place.weight ~= nil then
    patch[#patch + 1] = { op = "test", path = place.pointer .. "/weight", value = place.weight }
  end
  if weight == nil then
    patch[#patch + 1] = { op = "remove", path = place.pointer .. "/weight" }
  else
    local op = place.weight == nil and "add" or "replace"
    patch[#patch + 1] = { op = op, path = place.pointer .. "/weight", value = weight }
  end
end

--- The edit that gives the route a split; none when it has it.
---@param canary CanaryView
---@param split TrafficSplit
---@param path string of the route
---@param live KubeObject
---@param dialect Dialect
---@param where string
---@return Desired
function M.desired(canary, split, path, live, dialect, where)
  if split.mirror then shape.fail("%s belongs to the team: traffic cannot be mirrored by it", where) end
  local patch = json.array()
  for _, rule in ipairs(find_rules(canary, live, dialect, where)) do
    add_ops(patch, rule.primary, split.primary, dialect)
    add_ops(patch, rule.canary, split.canary, dialect)
  end
  return #patch > 0 and { edit = { { path = path, patch = patch } } } or {}
end

--- The split that all rules with both backends agree on.
---@return integer|nil primary
---@return integer|nil canary
function M.read(canary, live, dialect, where)
  local primary, weight
  for i, rule in ipairs(find_rules(canary, live, dialect, where)) do
    local a, b = rule.primary.weight or dialect.default, rule.canary.weight or dialect.default
    if i > 1 and (a ~= primary or b ~= weight) then return nil, nil end
    primary, weight = a, b
  end
  return primary, weight
end

--- The weights as they stand: { ["/spec/rules/0/backendRefs/1"] = 20 }, -1 where there is none.
---@return table<string, integer>
function M.inventory(canary, live, dialect, where)
  local inventory = {}
  for _, rule in ipairs(find_rules(canary, live, dialect, where)) do
    for _, place in ipairs({ rule.primary, rule.canary }) do inventory[place.pointer] = place.weight or -1 end
  end
  return inventory
end

--- The edit that gives the weights back as the inventory has them.
---@return Desired
function M.restore(canary, path, live, dialect, where)
  local patch = json.array()
  for _, rule in ipairs(find_rules(canary, live, dialect, where)) do
    for _, place in ipairs({ rule.primary, rule.canary }) do
      local weight = canary.inventory and canary.inventory[place.pointer]
      if math.type(weight) == "integer" then
        add_ops(patch, place, weight >= 0 and weight or nil, dialect)
      end
    end
  end
  return #patch > 0 and { edit = { { path = path, patch = patch } } } or {}
end

return M
