--- Amazon's identity: whose credentials a request has, and its signature.
---
--- Credentials come from where the SDKs take them, in their order: the environment, web identity (IRSA), the container
--- (EKS Pod Identity, ECS), the instance (IMDSv2). https://docs.aws.amazon.com/sdkref/latest/guide/
--- standardized-credentials.html. Those that end are kept until shortly before.
--- Signatures: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

local crypto <const>, host <const>, json <const> = require("crypto"), require("host"), require("json")
local shape <const>, web <const> = require("shape"), require("web")

local M = {}

---@class AwsCredentials
---@field id string
---@field key string
---@field session string|nil
---@field ends number|nil seconds since 1970

local margin_seconds <const> = 300
local kept ---@type AwsCredentials|nil

--- Civil date of days since 1970, and back. http://howardhinnant.github.io/date_algorithms.html
local function date_of(days)
  local z = days + 719468
  local era = z // 146097
  local doe = z - era * 146097
  local yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
  local doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
  local mp = (5 * doy + 2) // 153
  local month = mp < 10 and mp + 3 or mp - 9
  return yoe + era * 400 + (month <= 2 and 1 or 0), month, doy - (153 * mp + 2) // 5 + 1
end

local function days_of(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = year // 400
  local yoe = year - era * 400
  local doy = (153 * (month > 2 and month - 3 or month + 9) + 2) // 5 + day - 1
  return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468
end

local function stamp_of(now)
  local seconds = math.floor(now)
  local year, month, day = date_of(seconds // 86400)
  local rest = seconds % 86400
  local date = string.format("%04d%02d%02d", year, month, day)
  return date, string.format("%sT%02d%02d%02dZ", date, rest // 3600, rest // 60 % 60, rest % 60)
end

--- "2026-01-27T14:00:00Z" in seconds since 1970; what is no such text never ends.
local function time_of(text)
  local year, month, day, hour, minute, second = string.match(text or "", "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  if not year then return nil end
  local days = days_of(math.tointeger(year), math.tointeger(month), math.tointeger(day))
  return days * 86400 + math.tointeger(hour) * 3600 + math.tointeger(minute) * 60 + math.tointeger(second)
end

---@param region string
---@return string domain "amazonaws.com"
function M.domain(region)
  return string.match(region, "^cn%-") and "amazonaws.com.cn" or "amazonaws.com"
end

--- What a platform told of an identity. Nothing of it is in a message: the answer may be half of a secret.
local function read(reply, what)
  local answer = json.decode(reply.body)
  if type(answer) ~= "table" then shape.fail("%s: no credentials, but something else", what) end
  return {
    id = shape.string(answer, "AccessKeyId", what),
    key = shape.string(answer, "SecretAccessKey", what),
    session = shape.string(answer, "Token", what),
    ends = time_of(shape.optional(shape.string, answer, "Expiration", what)),
  }
end

local function said(body, element)
  return string.match(body, "<" .. element .. ">%s*([^<]-)%s*</" .. element .. ">")
end

--- A pod's own token for credentials of its role.
--- https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
local function by_web_identity(region, role)
  local token, why = host.file("AWS_WEB_IDENTITY_TOKEN_FILE")
  if not token then return nil, web.error("invalid", "%s", why) end
  local place = host.env("AWS_ENDPOINT_URL_STS") or "https://sts." .. region .. "." .. M.domain(region)
  local reply, err = web.send({
    method = "POST",
    url = web.address(place, "AWS_ENDPOINT_URL_STS") .. "/",
    headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    body = web.form({
      { "Action", "AssumeRoleWithWebIdentity" },
      { "Version", "2011-06-15" },
      { "RoleArn", role },
      { "RoleSessionName", host.env("AWS_ROLE_SESSION_NAME") or "sluice" },
      { "WebIdentityToken", (string.gsub(token, "%s+$", "")) },
    }),
  })
  if not reply then
    -- Of its XML the code and the sentence; neither holds the token.
    local code = said(err.message, "Code")
    if code then
      err.message = string.format("%s: %s: %s", web.place(place), code, said(err.message, "Message") or "")
    end
    err.message = web.hide(err.message, { token })
    return nil, err
  end
  local found = {
    id = said(reply.body, "AccessKeyId"),
    key = said(reply.body, "SecretAccessKey"),
    session = said(reply.body, "SessionToken"),
    ends = time_of(said(reply.body, "Expiration")),
  }
  if not found.id or not found.key or not found.session then
    return nil, web.error("invalid", "%s: no credentials, but something else", web.place(place))
  end
  return found
end

--- The agent of EKS Pod Identity, or of ECS. A name in another network could be anybody's: the SDKs refuse it, too.
--- https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
local function by_container(url)
  local name = string.match(url, "^http://([^:/?#]+)") or string.match(url, "^http://(%[[^%]]+%])")
  local near = not name or name == "localhost" or string.match(name, "^127%.") or name == "[::1]"
    or name == "169.254.170.2" or name == "169.254.170.23" or name == "[fd00:ec2::23]"
  if not near then shape.fail("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor of this machine") end
  local token, why = host.file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
  if why then return nil, web.error("invalid", "%s", why) end
  token = token or host.env("AWS_CONTAINER_AUTHORIZATION_TOKEN")
  local headers = { Authorization = token and string.gsub(token, "%s+$", "") or nil }
  local reply, err = web.send({ url = url, headers = headers, proxy = "" })
  if not reply then return nil, err end
  return read(reply, web.place(url))
end

--- The instance's metadata, by a session.
--- https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
local function by_instance()
  local place = host.env("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
  place = string.gsub(place, "/+$", "")
  local timeout = 2 -- who is not on EC2 gets no answer at all
  local token, err = web.send({
    method = "PUT",
    url = place .. "/latest/api/token",
    headers = { ["X-aws-ec2-metadata-token-ttl-seconds"] = "21600" },
    timeout = timeout,
    proxy = "",
  })
  if not token then return nil, err end
  local function get(path)
    return web.send({
      url = place .. "/latest/meta-data/iam/security-credentials/" .. path,
      headers = { ["X-aws-ec2-metadata-token"] = token.body },
      timeout = timeout,
      proxy = "",
    })
  end
  local roles, no_roles = get("")
  if not roles then return nil, no_roles end
  local role = string.match(roles.body, "[^\r\n]+")
  if not role then return nil, web.error("not found", "%s: the instance has no role", place) end
  local reply, no_reply = get(web.encode(role))
  if not reply then return nil, no_reply end
  return read(reply, place)
end

local function of_platform(region)
  local role = host.env("AWS_ROLE_ARN")
  if role and host.env("AWS_WEB_IDENTITY_TOKEN_FILE") then return by_web_identity(region, role) end
  local relative = host.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
  if relative then return by_container("http://169.254.170.2" .. relative) end
  local full = host.env("AWS_CONTAINER_CREDENTIALS_FULL_URI")
  if full then return by_container(full) end
  if string.lower(host.env("AWS_EC2_METADATA_DISABLED") or "") ~= "true" then
    local found, err = by_instance()
    if found then return found end
    err.message = "nor is there a role of the instance: " .. err.message
    return nil, err
  end
  return nil, web.error("invalid", "nor has the pod a role")
end

--- Waits.
---@param ask MetricAsk its secret comes first: aws_access_key_id, aws_secret_access_key, aws_session_token
---@return AwsCredentials|nil credentials, WebError|nil err
function M.credentials(ask)
  local secret = ask.secret or {}
  if secret.aws_access_key_id then
    return { id = secret.aws_access_key_id, key = web.secret(ask, "aws_secret_access_key", "cloudwatch"),
      session = secret.aws_session_token }
  end
  local id, key = host.env("AWS_ACCESS_KEY_ID"), host.env("AWS_SECRET_ACCESS_KEY")
  if id and key then return { id = id, key = key, session = host.env("AWS_SESSION_TOKEN") } end
  if kept and (not kept.ends or ask.now < kept.ends - margin_seconds) then return kept end
  local found, err = of_platform(ask.region)
  if not found then
    err.message = "there are no credentials in the secret nor in AWS_ACCESS_KEY_ID, " .. err.message
    return nil, err
  end
  kept = found.ends and found or nil
  return found
end

--- Forgets what was kept: it was refused.
function M.forget() kept = nil end

--- Adds Authorization and what it needs to the headers of a POST.
---@param headers table<string, string>
---@param path string
---@param body string
---@param service string "monitoring"
---@param region string
---@param now number
---@param credentials AwsCredentials
function M.sign(headers, path, body, service, region, now, credentials)
  local date, stamp = stamp_of(now)
  local scope = table.concat({ date, region, service, "aws4_request" }, "/")
  headers["X-Amz-Date"] = stamp
  headers["X-Amz-Security-Token"] = credentials.session
  local names, lines = {}, {}
  for name in pairs(headers) do names[#names + 1] = name end
  table.sort(names, function(a, b) return string.lower(a) < string.lower(b) end)
  for i, name in ipairs(names) do
    lines[i] = string.lower(name) .. ":" .. headers[name] .. "\n"
    names[i] = string.lower(name)
  end
  local signed = table.concat(names, ";")
  local canonical = table.concat({
    "POST", path, "", table.concat(lines), signed, crypto.hex(crypto.sha256(body)),
  }, "\n")
  local text = table.concat({ "AWS4-HMAC-SHA256", stamp, scope, crypto.hex(crypto.sha256(canonical)) }, "\n")
  local derived = "AWS4" .. credentials.key
  for part in string.gmatch(scope, "[^/]+") do derived = crypto.hmac_sha256(derived, part) end
  headers.Authorization = string.format("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
    credentials.id, scope, signed, crypto.hex(crypto.hmac_sha256(derived, text)))
end

return M
