--- Google Cloud Monitoring: the newest point of an MQL query.
--- https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/query
---
--- With a secret: `project`, and `serviceAccountKey` (the JSON of a key). Without a key, as Google's libraries have it:
--- that of the file GOOGLE_APPLICATION_CREDENTIALS, else the machine's own identity (on GKE the pod's: workload
--- identity), at its metadata server. https://cloud.google.com/docs/authentication/application-default-credentials

local crypto <const>, host <const>, json <const> = require("crypto"), require("host"), require("json")
local sample <const>, shape <const>, web <const> = require("sample"), require("shape"), require("web")

local M = { name = "stackdriver" } ---@type MetricDriver

local scope <const> = "https://www.googleapis.com/auth/monitoring.read"

local function base64url(bytes)
  local text = string.gsub(crypto.base64(bytes), "[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })
  return text
end

local function read_key(text, where)
  local key = json.decode(text)
  -- What is wrong with the text is not told: it is a secret.
  if type(key) ~= "table" then shape.fail("%s is no JSON", where) end
  local kind = shape.optional(shape.string, key, "type", where)
  if kind and kind ~= "service_account" then shape.fail("%s: is of type %s, not service_account", where, kind) end
  return key
end

local function token_by_key(ask, key, where)
  local now, url = math.floor(ask.now), shape.string(key, "token_uri", where)
  local claims = {
    iss = shape.string(key, "client_email", where), scope = scope, aud = url, iat = now, exp = now + 600,
  }
  local signed = base64url(json.encode({ alg = "RS256", typ = "JWT" })) .. "." .. base64url(json.encode(claims))
  local signature, problem = crypto.rs256(shape.string(key, "private_key", where), signed)
  if not signature then shape.fail("%s: %s", where, problem) end
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
  local place = host.env("GCE_METADATA_HOST") or "metadata.google.internal"
  return {
    url = "http://" .. place .. "/computeMetadata/v1" .. path,
    headers = { ["Metadata-Flavor"] = "Google" },
    proxy = "",
  }
end

--- The key that the secret or the platform gives, and how to call it; nil when there is none.
local function key_of(ask)
  local text = ask.secret and ask.secret.serviceAccountKey
  if text then return read_key(text, "serviceAccountKey"), "serviceAccountKey" end
  local why
  text, why = host.file("GOOGLE_APPLICATION_CREDENTIALS")
  if why then shape.fail("%s", why) end
  if not text then return nil end
  return read_key(text, "GOOGLE_APPLICATION_CREDENTIALS"), "GOOGLE_APPLICATION_CREDENTIALS"
end

local function token_of(ask, key, where)
  local answer, err
  if key then
    answer, err = token_by_key(ask, key, where)
  else
    answer, err = web.json(from_machine("/instance/service-accounts/default/token"), "stackdriver")
  end
  if err then return nil, err end
  return shape.string(answer, "access_token")
end

local function project_of(ask, key)
  if ask.secret then return web.secret(ask, "project", "stackdriver") end
  local named = key and shape.optional(shape.string, key, "project_id", "GOOGLE_APPLICATION_CREDENTIALS")
  if named then return named end
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
  local key, where = key_of(ask)
  local project, no_project = project_of(ask, key)
  if not project then return nil, no_project end
  local token, no_token = token_of(ask, key, where)
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
