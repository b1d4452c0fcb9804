--- What traffic drivers have in common: paths, owned objects, the states that they observe, session cookies.

local json <const> = require("json")
local shape <const> = require("shape")

local M = {}

--- The path of an object: the key under which a driver finds it in `objects`.
---@param api_version string "networking.istio.io/v1beta1"
---@param plural string "virtualservices"
---@param namespace string|nil nil for kinds without one
---@param name string
---@return string
function M.path(api_version, plural, namespace, name)
  local root = string.find(api_version, "/", 1, true) and "/apis/" or "/api/"
  local place = namespace and "/namespaces/" .. namespace or ""
  return root .. api_version .. place .. "/" .. plural .. "/" .. name
end

--- The object at a path, or nil when the API server has none.
---@param objects table<string, KubeObject>
---@param path string
---@return KubeObject|nil
function M.get(objects, path)
  local object = objects[path]
  if type(object) ~= "table" then return nil end
  return object
end

--- An object that belongs to the canary: it goes when the Canary goes.
---@param canary CanaryView
---@param api_version string
---@param kind string
---@param name string
---@param live KubeObject|nil one that is there already: when it is somebody else's, it stays theirs
---@return KubeObject
function M.object(canary, api_version, kind, name, live)
  local owner = {
    apiVersion = "flagger.app/v1beta1", kind = "Canary", name = canary.name, uid = canary.uid,
    controller = true, blockOwnerDeletion = true,
  }
  local owners = (not live or M.is_owned(canary, live)) and { owner } or nil
  return {
    apiVersion = api_version,
    kind = kind,
    metadata = { name = name, namespace = canary.namespace, ownerReferences = owners },
    spec = {},
  }
end

local function copy_into(target, source)
  for key, value in pairs(source or {}) do target[key] = value end
  return target
end

--- The annotations of an object, which may have none.
---@param object KubeObject
---@param where string
---@return table<string, string>
function M.annotations(object, where)
  return shape.optional(shape.object, object, "metadata.annotations", where) or {}
end

--- Labels and annotations that `service.apex` asks for, and what keeps GitOps tools from undoing a rollout.
---@param canary CanaryView
---@param object KubeObject changed
---@return KubeObject the same
function M.dress(canary, object)
  local apex = canary.service.apex
  object.metadata.annotations = copy_into({
    ["kustomize.toolkit.fluxcd.io/reconcile"] = "disabled",
    ["helm.toolkit.fluxcd.io/driftDetection"] = "disabled",
  }, shape.at(apex, "annotations"))
  if apex and canary.selector then
    object.metadata.labels = copy_into({ [canary.selector.key] = canary.apex }, shape.at(apex, "labels"))
  end
  return object
end

--- Whether the live object is one that this canary made.
---@param canary CanaryView
---@param object KubeObject
---@return boolean
function M.is_owned(canary, object)
  for _, owner in shape.each({ owners = shape.at(object, "metadata.ownerReferences") or json.array() }, "owners",
    string.format("%s %s: metadata", object.kind, canary.apex)) do
    if owner.kind == "Canary" and owner.name == canary.name then return true end
  end
  return false
end

--- A copy that shares nothing.
---@generic T
---@param value T
---@return T
function M.copy(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, member in pairs(value) do copy[key] = M.copy(member) end
  return json.is_array(value) and json.array(copy) or copy
end

--- The value of a field of `canary.service`, or nil when it is absent, null or empty.
---@param canary CanaryView
---@param field string
---@return any
function M.field(canary, field)
  local value = canary.service[field]
  if value == nil or value == json.null or value == "" or (type(value) == "table" and next(value) == nil) then
    return nil
  end
  return value
end

---@param list any[]
---@param value any
---@return boolean
function M.has(list, value)
  for _, item in ipairs(list or {}) do
    if item == value then return true end
  end
  return false
end

-- What `observed` returns.

---@return Observed
function M.live(primary, canary, mirror)
  return { state = "live", primary = primary, canary = canary, mirror = mirror or false }
end

---@return Observed
function M.absent(format, ...) return { state = "absent", why = string.format(format, ...) } end

---@return Observed
function M.broken(format, ...) return { state = "broken", why = string.format(format, ...) } end

--- Written, but the data plane has not taken it yet.
---@return Observed
function M.pending(primary, canary, mirror, format, ...)
  return {
    state = "pending", primary = primary, canary = canary, mirror = mirror or false, why = string.format(format, ...),
  }
end

--- Live when the two weights are a split; else broken with the sentence.
---@return Observed
function M.split(primary, canary, mirror, format, ...)
  local whole = math.type(primary) == "integer" and math.type(canary) == "integer"
  if whole and primary >= 0 and canary >= 0 and primary + canary == 100 then return M.live(primary, canary, mirror) end
  return M.broken(format, ...)
end

-- Match conditions.

--- The conditions of A/B combined with those of the service: each of one with each of the other, where `fields` of
--- the service's condition are replaced by those of the analysis.
---@param analysis any[]
---@param service any[]
---@param fields string[]
---@return any[]
function M.merge_matches(analysis, service, fields)
  if #service == 0 then return M.copy(analysis) end
  local merged = json.array()
  for _, condition in ipairs(analysis) do
    for _, base in ipairs(service) do
      local both = M.copy(base)
      for _, field in ipairs(fields) do
        if condition[field] ~= nil then both[field] = M.copy(condition[field]) end
      end
      merged[#merged + 1] = both
    end
  end
  return merged
end

--- The first part of an A/B condition that is not among these fields, or nil. A mesh that drops it lets more people
--- match than were meant.
---@param condition any
---@param fields string[]
---@return string|nil
function M.beyond(condition, fields)
  for _, field in ipairs({ "headers", "queryParams", "sourceLabels" }) do
    local part = condition[field]
    if type(part) == "table" and next(part) ~= nil and not M.has(fields, field) then return field end
  end
  return nil
end

-- Session affinity.

--- What `spec.analysis.sessionAffinity` asks for, or nil.
---@param canary CanaryView
---@return table|nil
function M.affinity(canary)
  local affinity = canary.analysis.sessionAffinity
  if type(affinity) ~= "table" or not affinity.cookieName then return nil end
  return affinity
end

local attributes <const> = {
  { "domain", "Domain" }, { "httpOnly", "HttpOnly" }, { "partitioned", "Partitioned" }, { "path", "Path" },
  { "sameSite", "SameSite" }, { "secure", "Secure" },
}

--- A Set-Cookie header: "name=value; Max-Age=86400; Secure".
---@param affinity table
---@param cookie string "name=value"
---@param max_age integer seconds
---@return string
function M.set_cookie(affinity, cookie, max_age)
  local text = string.format("%s; Max-Age=%d", cookie, max_age)
  for _, attribute in ipairs(attributes) do
    local value = affinity[attribute[1]]
    if max_age < 0 and attribute[1] ~= "domain" and attribute[1] ~= "path" then
      value = nil -- a browser takes a cookie away by name, domain and path
    end
    if value == true then
      text = text .. "; " .. attribute[2]
    elseif type(value) == "string" and value ~= "" then
      text = text .. "; " .. attribute[2] .. "=" .. value
    end
  end
  return text
end

--- A regular expression for the Cookie header of those who have this cookie.
---@param cookie string "name=value"
---@return string
function M.cookie_pattern(cookie)
  local name, value = string.match(cookie, "^([^=]*)=(.*)$")
  return ".*" .. name .. ".*" .. value .. ".*"
end

--- A problem for `check`.
---@param path string
---@param format string
---@return Problem
function M.problem(path, format, ...) return { path = path, text = string.format(format, ...) } end

return M
