--- Takes replies from outside apart: what is not as expected is an error that names the JSON path, never a crash.
---
--- Paths are dotted, list positions count from 1 as in Lua: `shape.number(reply, "data.result.1.value.2")`. Messages
--- write them as JSON does: "data.result[0].value[1]: must be a number, is missing". A path may start with "" for the
--- value itself, and `where` ("HTTPRoute web.test") stands before it in messages.

local json <const> = require("json")

local M = {}

--- An error about the input: it reaches whoever wrote that as this one sentence.
---@param format string
---@return any never
function M.fail(format, ...)
  local message = select("#", ...) > 0 and string.format(format, ...) or format
  error(setmetatable({ message = message }, { __tostring = function(self) return self.message end }), 0)
end

local function kind_of(value)
  if value == nil then return "missing" end
  if value == json.null then return "null" end
  if type(value) == "table" then return json.is_array(value) and "a list" or "an object" end
  if type(value) == "string" then return "a string" end
  if type(value) == "number" then return "a number" end
  if type(value) == "boolean" then return "a boolean" end
  return "a " .. type(value)
end

--- The path as JSON writes it.
---@param path string
---@param where string|nil
---@return string
function M.path_text(path, where)
  local text = ""
  for key in string.gmatch(path, "[^.]+") do
    local position = string.match(key, "^%d+$")
    if position then
      text = text .. "[" .. string.format("%d", tonumber(position) - 1) .. "]"
    elseif text == "" then
      text = key
    else
      text = text .. "." .. key
    end
  end
  if text == "" then text = "the value" end
  return where and where .. ": " .. text or text
end

--- The value at a path, or nil when it is missing or null.
---@param value any
---@param path string
---@return any
function M.at(value, path)
  for key in string.gmatch(path, "[^.]+") do
    if type(value) ~= "table" then return nil end
    local found = value[key]
    if found == nil and string.match(key, "^%d+$") then found = value[math.tointeger(tonumber(key))] end
    value = found
  end
  if value == json.null then return nil end
  return value
end

local function expect(value, path, where, wanted, good)
  local found = M.at(value, path)
  if good(found) then return found end
  M.fail("%s: must be %s, is %s", M.path_text(path, where), wanted, kind_of(found))
end

---@param value any
---@param path string
---@param where string|nil
---@return number
function M.number(value, path, where)
  return expect(value, path, where, "a number", function(found) return type(found) == "number" end)
end

---@param value any
---@param path string
---@param where string|nil
---@return integer
function M.integer(value, path, where)
  return expect(value, path, where, "a whole number", function(found) return math.type(found) == "integer" end)
end

---@param value any
---@param path string
---@param where string|nil
---@return string
function M.string(value, path, where)
  return expect(value, path, where, "a string", function(found) return type(found) == "string" end)
end

---@param value any
---@param path string
---@param where string|nil
---@return boolean
function M.boolean(value, path, where)
  return expect(value, path, where, "true or false", function(found) return type(found) == "boolean" end)
end

--- A list; an empty one counts.
---@param value any
---@param path string
---@param where string|nil
---@return any[]
function M.list(value, path, where)
  return expect(value, path, where, "a list", function(found) return json.is_array(found) end)
end

---@param value any
---@param path string
---@param where string|nil
---@return table<string, any>
function M.object(value, path, where)
  return expect(value, path, where, "an object", function(found)
    return type(found) == "table" and not json.is_array(found)
  end)
end

--- Goes through a list of objects: `for i, item, path in shape.each(live, "spec.rules", where) do … end`.
---@param value any
---@param path string
---@param where string|nil
---@return fun(): integer|nil, table|nil, string|nil
function M.each(value, path, where)
  local list, i = M.list(value, path, where), 0
  return function()
    i = i + 1
    if list[i] == nil then return nil end
    local place = path .. "." .. i
    return i, M.object(value, place, where), place
  end
end

--- `shape.optional(shape.list, route, "spec.http")`: nil when it is missing or null, else as the function says.
---@param check fun(value: any, path: string, where: string|nil): any
---@param value any
---@param path string
---@param where string|nil
---@return any
function M.optional(check, value, path, where)
  if M.at(value, path) == nil then return nil end
  return check(value, path, where)
end

return M
