--- Requests as drivers of metric stores and receivers make them: URLs, credentials, JSON, and what a refusal means.

local crypto <const>, http <const>, json <const> = require("crypto"), require("http"), require("json")
local shape <const> = require("shape")

local M = {}

---@alias WebError { kind: string, message: string, retry_after: number|nil }

local redirections_max <const> = 5

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

--- Of a URL what may be told: scheme, host and port.
---@param url string
---@return string
function M.place(url)
  local scheme, authority = string.match(url, "^(https?://)([^/?#]*)")
  if not scheme then return "the API server" end
  return scheme .. (string.match(authority, "@([^@]*)$") or authority)
end

--- Without the values that nobody shall read, which answers may hold (a refused signature shows what was signed).
---@param text string
---@param secrets (string|nil)[]
---@return string
function M.hide(text, secrets)
  for _, secret in pairs(secrets) do
    local from, to = 1, 0
    if #secret >= 4 then from, to = string.find(text, secret, 1, true) end
    while from and to >= from do
      text = string.sub(text, 1, from - 1) .. "***" .. string.sub(text, to + 1)
      from, to = string.find(text, secret, from + 3, true)
    end
  end
  return text
end

local function host_of(url)
  local authority = string.gsub(M.place(url), "^%a+://", "")
  return (string.gsub(authority, ":%d+$", ""))
end

--- Whether a redirection leads to who was asked: credentials go nowhere else, and never from TLS to none.
local function leads_home(from, to)
  return host_of(from) == host_of(to) and (string.match(to, "^https:") or not string.match(from, "^https:"))
end

local telling <const> = { accept = true, ["content-type"] = true, host = true }

--- The beginning of a body, or of an API server's sentence, without what the request's headers held: some servers say
--- back what they were told, in parts.
local function beginning(body, headers)
  local status = json.decode(body)
  local is_status = type(status) == "table" and status.kind == "Status" and type(status.message) == "string"
  if is_status then body = status.message end
  local secrets = {}
  for name, value in pairs(headers or {}) do
    if not telling[string.lower(name)] then
      secrets[#secrets + 1] = value
      for word in string.gmatch(value, "[^%s,]+") do
        if #word >= 8 then secrets[#secrets + 1] = word end
      end
    end
  end
  body = string.gsub(M.hide(body, secrets), "%s+", " ")
  return M.head((string.gsub(body, "^ ", "")), 200)
end

--- What is wrong with an answer; nil when its status is 200 to 299.
---@param request HttpRequest
---@param reply HttpReply
---@param what string|nil instead of "error response: Status"
---@return WebError|nil
function M.refusal(request, reply, what)
  if reply.status >= 200 and reply.status <= 299 then return nil end
  local place = M.place(request.url)
  if reply.location then
    local now = M.place(reply.location)
    return M.error("invalid", "%s: Status %d: it has moved to %s: the address must say so", place, reply.status,
      now == place and "another path" or now)
  end
  local err = M.error(M.kind_of(reply.status), "%s: %s %d: %s", place, what or "error response: Status", reply.status,
    beginning(reply.body, request.headers))
  if reply.retry_after then
    err.message = string.format("%s (asks to wait %gs)", err.message, reply.retry_after)
    err.retry_after = reply.retry_after
  end
  return err
end

--- A request whose answer must have a good status (200 to 299). What is read only may have moved on its host.
---@param request HttpRequest
---@return HttpReply|nil reply, WebError|nil err
function M.send(request)
  local reply, err
  for _ = 0, redirections_max do
    reply, err = http.request(request)
    if not reply then return nil, err end
    local moved = (request.method or "GET") == "GET" and reply.location
    if not moved or not leads_home(request.url, moved) then break end
    request.url = moved
  end
  local refused = M.refusal(request, reply)
  if refused then return nil, refused end
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
  if answer == nil then shape.fail("%s: not an answer of %s: %s", M.place(request.url), what, why) end
  return answer
end

return M
