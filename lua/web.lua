--- Requests as drivers of metric stores and receivers make them: URLs, credentials, JSON, and what a refusal means.

local crypto <const>, http <const>, json <const> = require("crypto"), require("http"), require("json")
local shape <const> = require("shape")

local M = {}

---@alias WebError { kind: string, message: string }

--- An error as functions that wait return it.
---@param kind string
---@param format string
---@return WebError
function M.error(kind, format, ...)
  return { kind = kind, message = string.format(format, ...) }
end

--- Percent-encoded: all but letters, digits and -_.~
---@param text string
---@return string
function M.encode(text)
  return (string.gsub(text, "[^%w%-_.~]", function(c) return string.format("%%%02X", string.byte(c)) end))
end

---@param text string
---@return string
function M.decode(text)
  text = string.gsub(text, "+", " ")
  return (string.gsub(text, "%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- "a=b&c=d" of a list of pairs.
---@param pairs_list string[][]
---@return string
function M.form(pairs_list)
  local parts = {}
  for i, pair in ipairs(pairs_list) do parts[i] = M.encode(pair[1]) .. "=" .. M.encode(pair[2]) end
  return table.concat(parts, "&")
end

--- The address without a slash at its end; anything but http and https is an error about the input.
---@param address string
---@param what string of whom: "graphite"
---@param fallback string|nil when the address is empty
---@return string
function M.address(address, what, fallback)
  if address == "" and fallback then return fallback end
  if not string.match(address, "^https?://[^/]") then shape.fail("%s address %s is not a valid URL", what, address) end
  return (string.gsub(address, "/+$", ""))
end

--- A value of the secret that must be there.
---@param ask MetricAsk
---@param key string
---@param what string
---@return string
function M.secret(ask, key, what)
  local value = ask.secret and ask.secret[key]
  if not value or value == "" then shape.fail("%s credentials does not contain a %s", what, key) end
  return value
end

--- The value of an Authorization header.
---@param user string
---@param password string
---@return string
function M.basic(user, password)
  return "Basic " .. crypto.base64(user .. ":" .. password)
end

--- Of the beginning of a text as much as fits into `most` bytes without splitting a character.
---@param text string
---@param most integer
---@return string
function M.head(text, most)
  if #text <= most then return text end
  while most > 0 and (string.byte(text, most + 1) or 0) & 0xC0 == 0x80 do most = most - 1 end
  return string.sub(text, 1, most)
end

--- What a status says to the asker.
---@param status integer
---@return string kind
function M.kind_of(status)
  if status == 401 or status == 403 then return "denied" end
  if status == 404 then return "not found" end
  if status == 408 or status == 504 then return "timeout" end
  if status == 429 then return "throttled" end
  return status >= 500 and "unavailable" or "invalid"
end

--- A request whose answer must have a good status (200 to 299).
---@param request HttpRequest
---@return HttpReply|nil reply, WebError|nil err
function M.send(request)
  local reply, err = http.request(request)
  if not reply then return nil, err end
  if reply.status < 200 or reply.status > 299 then
    return nil, M.error(M.kind_of(reply.status), "error response: Status %d: %s", reply.status, M.head(reply.body, 200))
  end
  return reply
end

--- The same for an answer in JSON; what is not JSON is an error about the input.
---@param request HttpRequest
---@param what string of whom: "graphite"
---@return any answer, WebError|nil err
function M.json(request, what)
  local reply, err = M.send(request)
  if not reply then return nil, err end
  local answer, why = json.decode(reply.body)
  if answer == nil then shape.fail("not an answer of %s: %s", what, why) end
  return answer
end

return M
