--- Google's identity: whose token a request has.
---
--- As Google's libraries have it: the key of a secret, else what the file GOOGLE_APPLICATION_CREDENTIALS holds (the key
--- of a service account, or the configuration of an external one: workload identity federation), else the machine's own
--- identity (on GKE the pod's), at its metadata server.
--- https://cloud.google.com/docs/authentication/application-default-credentials
--- External accounts: https://google.aip.dev/auth/4117, by an exchange of tokens (RFC 8693).

local crypto <const>, host <const>, json <const> = require("crypto"), require("host"), require("json")
local shape <const>, web <const> = require("shape"), require("web")

local M = {}

local given <const> = "GOOGLE_APPLICATION_CREDENTIALS"
local wide <const> = "https://www.googleapis.com/auth/cloud-platform"
local margin_seconds <const> = 300

---@class GoogleKey the JSON of a key or a configuration

local kept ---@type { token: string, ends: number }|nil of the external account

local function base64url(bytes)
  local text = string.gsub(crypto.base64(bytes), "[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })
  return text
end

local function read_key(text, where)
  local key = json.decode(text)
  -- What is wrong with the text is not told: it is a secret.
  if type(key) ~= "table" then shape.fail("%s is no JSON", where) end
  local kind = shape.optional(shape.string, key, "type", where) or "service_account"
  -- It names a file of ours, and an address for what stands there: that is for who runs the daemon alone.
  if kind == "external_account" and where ~= given then
    shape.fail("%s: is of type external_account, which only %s may hold", where, given)
  end
  if kind ~= "service_account" and kind ~= "external_account" then
    shape.fail("%s: is of type %s, neither service_account nor external_account", where, kind)
  end
  return key
end

--- The key that the secret or the platform gives, and how to call it; nil when there is none.
---@param ask MetricAsk
---@return GoogleKey|nil key, string|nil where
function M.key(ask)
  local text = ask.secret and ask.secret.serviceAccountKey
  if text then return read_key(text, "serviceAccountKey"), "serviceAccountKey" end
  local why
  text, why = host.file(given)
  if why then shape.fail("%s", why) end
  if not text then return nil end
  return read_key(text, given), given
end

local function from_machine(path)
  local place = host.env("GCE_METADATA_HOST") or "metadata.google.internal"
  return {
    url = "http://" .. place .. "/computeMetadata/v1" .. path,
    headers = { ["Metadata-Flavor"] = "Google" },
    proxy = "",
  }
end

--- Waits.
---@param ask MetricAsk
---@param key GoogleKey|nil
---@return string|nil project, WebError|nil err
function M.project(ask, key)
  if ask.secret then return web.secret(ask, "project", "stackdriver") end
  local named = key and shape.optional(shape.string, key, "project_id", given) or host.env("GOOGLE_CLOUD_PROJECT")
  if named then return named end
  if key and key.type == "external_account" then
    shape.fail("an external account has no project: the secret or GOOGLE_CLOUD_PROJECT must name it")
  end
  local reply, err = web.send(from_machine("/project/project-id"))
  if not reply then return nil, err end
  return reply.body
end

local function by_service_account(ask, key, where, scope)
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

--- What the platform says of the pod: text, or a field of JSON; nothing of it is in a message.
local function subject_of(key)
  local path = "credential_source"
  local source = shape.object(key, path, given)
  local text
  if source.file ~= nil then
    local why
    text, why = host.file(given, path .. ".file")
    if not text then shape.fail("%s", why) end
  elseif source.url ~= nil and source.environment_id == nil then
    local headers = shape.optional(shape.object, source, "headers", given) or {}
    local reply, err = web.send({ url = web.address(shape.string(source, "url", given), path), headers = headers })
    if not reply then return nil, err end
    text = reply.body
  else
    shape.fail("%s: %s: must have a file or a url; others (aws, executable, certificate) are not supported", given,
      path)
  end
  if shape.at(source, "format.type") == "json" then
    local answer = json.decode(text)
    local name = shape.string(source, "format.subject_token_field_name", given)
    text = type(answer) == "table" and answer[name]
    if type(text) ~= "string" then shape.fail("%s: %s: holds no JSON with a text %s", given, path, name) end
  end
  return (string.match(text, "^%s*(.-)%s*$"))
end

local function exchange(key, subject, scope)
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  local client = shape.optional(shape.string, key, "client_id", given)
  if client then headers.Authorization = web.basic(client, shape.string(key, "client_secret", given)) end
  local answer, err = web.json({
    method = "POST",
    url = web.address(shape.string(key, "token_url", given), given .. " token_url"),
    headers = headers,
    body = web.form({
      { "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange" },
      { "requested_token_type", "urn:ietf:params:oauth:token-type:access_token" },
      { "audience", shape.string(key, "audience", given) },
      { "scope", scope },
      { "subject_token_type", shape.string(key, "subject_token_type", given) },
      { "subject_token", subject },
    }),
  }, "google")
  if err then err.message = web.hide(err.message, { subject, web.encode(subject) }) end
  return answer, err
end

--- The account that stands for it: https://cloud.google.com/iam/docs/reference/credentials/rest
local function impersonate(url, token, scope)
  return web.json({
    method = "POST",
    url = web.address(url, given .. " service_account_impersonation_url"),
    headers = { ["Content-Type"] = "application/json", Authorization = "Bearer " .. token },
    body = json.encode({ scope = json.array({ scope }), lifetime = "3600s" }),
  }, "google")
end

local function by_external_account(ask, key, scope)
  if kept and ask.now < kept.ends - margin_seconds then return kept.token end
  local subject, err = subject_of(key)
  if not subject then return nil, err end
  local other = shape.optional(shape.string, key, "service_account_impersonation_url", given)
  local answer
  answer, err = exchange(key, subject, other and wide or scope)
  if err then return nil, err end
  local token = shape.string(answer, "access_token")
  local seconds = shape.optional(shape.number, answer, "expires_in") or 0
  if other then
    answer, err = impersonate(other, token, scope)
    if err then return nil, err end
    token, seconds = shape.string(answer, "accessToken"), 3600
  end
  kept = { token = token, ends = ask.now + seconds }
  return token
end

--- Waits.
---@param ask MetricAsk
---@param key GoogleKey|nil
---@param where string|nil what the key is called
---@param scope string
---@return string|nil token, WebError|nil err
function M.token(ask, key, where, scope)
  if key and key.type == "external_account" then return by_external_account(ask, key, scope) end
  local answer, err
  if key then
    answer, err = by_service_account(ask, key, where, scope)
  else
    answer, err = web.json(from_machine("/instance/service-accounts/default/token"), "stackdriver")
  end
  if err then return nil, err end
  return shape.string(answer, "access_token")
end

--- Forgets what was kept: it was refused.
function M.forget() kept = nil end

return M
