--- Google Cloud Monitoring: the newest point of an MQL query.
--- https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/query
---
--- With a secret: `project`, and `serviceAccountKey` (the JSON of a key). Without a key the machine's own identity is
--- asked for, at its metadata server. https://developers.google.com/identity/protocols/oauth2/service-account

local crypto <const>, json <const>, sample <const>, shape <const>, web <const> =
  require("crypto"), require("json"), require("sample"), require("shape"), require("web")

local M = { name = "stackdriver" } ---@type MetricDriver

local scope <const> = "https://www.googleapis.com/auth/monitoring.read"
local metadata <const> = "http://metadata.google.internal/computeMetadata/v1"

local function base64url(bytes)
  local text = string.gsub(crypto.base64(bytes), "[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })
  return text
end

local function token_by_key(ask, text)
  local key, why = json.decode(text)
  if key == nil then shape.fail("serviceAccountKey is no JSON: %s", why) end
  local now, url = math.floor(ask.now), shape.string(key, "token_uri", "serviceAccountKey.")
  local claims = {
    iss = shape.string(key, "client_email", "serviceAccountKey."), scope = scope, aud = url, iat = now, exp = now + 600,
  }
  local signed = base64url(json.encode({ alg = "RS256", typ = "JWT" })) .. "." .. base64url(json.encode(claims))
  local signature, problem = crypto.rs256(shape.string(key, "private_key", "serviceAccountKey."), signed)
  if not signature then shape.fail("serviceAccountKey: %s", problem) end
  return web.json({
    method = "POST",
    url = web.address(url, "stackdriver token_uri"),
    headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    body = web.form({
      { "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer" },
      { "assertion", signed .. "." .. base64url(signature) },
    }),
  }, "stackdriver")
end

local function from_machine(path)
  return { url = metadata .. path, headers = { ["Metadata-Flavor"] = "Google" } }
end

local function token_of(ask)
  local key = ask.secret and ask.secret.serviceAccountKey
  local answer, err
  if key then
    answer, err = token_by_key(ask, key)
  else
    answer, err = web.json(from_machine("/instance/service-accounts/default/token"), "stackdriver")
  end
  if err then return nil, err end
  return shape.string(answer, "access_token")
end

local function project_of(ask)
  if ask.secret then return web.secret(ask, "project", "stackdriver") end
  local reply, err = web.send(from_machine("/project/project-id"))
  if not reply then return nil, err end
  return reply.body
end

local function value_of(point)
  local value = shape.object(point, "values.1", "point.")
  if value.doubleValue ~= nil then return shape.number(value, "doubleValue") end
  -- JSON has 64-bit integers as text.
  local whole = value.int64Value and tonumber(value.int64Value)
  if whole then return whole + 0.0 end
  shape.fail("the value is neither a double nor an int64")
end

local function ask_for(ask, query)
  local project, no_project = project_of(ask)
  if not project then return nil, no_project end
  local token, no_token = token_of(ask)
  if not token then return nil, no_token end
  local headers = ask.headers
  headers.Authorization = "Bearer " .. token
  headers["Content-Type"] = "application/json"
  local address = web.address(ask.address, "stackdriver", "https://monitoring.googleapis.com")
  return web.json({
    method = "POST",
    url = address .. "/v3/projects/" .. web.encode(project) .. "/timeSeries:query",
    headers = headers,
    body = json.encode({ query = query }),
  }, "stackdriver")
end

--- An empty query is refused by a store that can be asked.
function M.online(ask)
  local _, err = ask_for(ask, "")
  if err and err.kind ~= "invalid" then return nil, err end
  return sample.none()
end

function M.query(ask)
  local answer, err = ask_for(ask, ask.query)
  if err then return nil, err end
  local series = shape.optional(shape.list, answer, "timeSeriesData") or {}
  if #series == 0 then return sample.none() end
  if #series > 1 then return sample.several(#series) end
  local points = shape.optional(shape.list, series, "1.pointData") or {}
  if #points == 0 then return sample.none() end
  return sample.of(value_of(points[1]))
end

return M
