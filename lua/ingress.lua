--- A second Ingress beside the one that `ingressRef` names: what nginx and Skipper have in common.

local json <const> = require("json")
local route <const> = require("route")
local shape <const> = require("shape")

local version <const> = "networking.k8s.io/v1"
local last_applied <const> = "kubectl.kubernetes.io/last-applied-configuration"

local M = { kinds = { [version] = { Ingress = "ingresses" } } }

local function source_name(canary) return shape.at(canary.spec, "ingressRef.name") or "" end

---@param canary CanaryView
---@return string
function M.name(canary) return source_name(canary) .. "-canary" end

---@param canary CanaryView
---@return string
function M.path(canary) return route.path(version, "ingresses", canary.namespace, M.name(canary)) end

---@param canary CanaryView
---@return Problem[]
function M.check(canary)
  if source_name(canary) == "" then return { route.problem("spec.ingressRef", "ingress selector is empty") } end
  return {}
end

---@param canary CanaryView
---@return string[]
function M.needs(canary)
  return { M.path(canary), route.path(version, "ingresses", canary.namespace, source_name(canary)) }
end

--- A copy of the team's Ingress that is the canary's. `turn(backend, paths, path)` is called for each path that leads
--- to the apex, with its backend; it adds to `paths` what shall stand there instead.
---@param canary CanaryView
---@param objects table<string, KubeObject>
---@param turn fun(backend: table, paths: table[], path: table)
---@return KubeObject
function M.copy(canary, objects, turn)
  local name = source_name(canary)
  local source = route.get(objects, route.path(version, "ingresses", canary.namespace, name))
  if not source then shape.fail("ingress %s.%s get query error: not found", name, canary.namespace) end
  local where = string.format("ingress %s.%s", name, canary.namespace)
  local object = route.object(canary, version, "Ingress", M.name(canary))
  object.metadata.labels = route.copy(shape.optional(shape.object, source, "metadata.labels", where))
  object.metadata.annotations = route.copy(route.annotations(source, where))
  object.metadata.annotations[last_applied] = nil
  object.spec = route.copy(shape.object(source, "spec", where))
  local found = false
  for i, rule, place in shape.each(source, "spec.rules", where) do
    if shape.at(rule, "http") then
      local turned = json.array()
      for _, path in shape.each(source, place .. ".http.paths", where) do
        path = route.copy(path)
        if shape.at(path, "backend.service.name") == canary.apex then
          found = true
          turn(path.backend, turned, path)
        else
          turned[#turned + 1] = path
        end
      end
      object.spec.rules[i].http.paths = turned
    end
  end
  if not found then shape.fail("backend %s not found in ingress %s", canary.apex, name) end
  return object
end

return M
