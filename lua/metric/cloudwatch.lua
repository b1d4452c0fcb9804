--- Amazon CloudWatch: the newest value of the first of a list of MetricDataQueries.
--- https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
---
--- Credentials are those of the template's secret (aws_access_key_id, aws_secret_access_key, aws_session_token), else
--- the environment's (AWS_ACCESS_KEY_ID, …). Requests are signed: https://docs.aws.amazon.com/IAM/latest/UserGuide/
--- reference_sigv-create-signed-request.html

local crypto <const>, host <const>, json <const> = require("crypto"), require("host"), require("json")
local sample <const>, shape <const>, web <const> = require("sample"), require("shape"), require("web")

local M = { name = "cloudwatch" } ---@type MetricDriver

--- Civil date of days since 1970. http://howardhinnant.github.io/date_algorithms.html
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

local function stamp_of(now)
  local seconds = math.floor(now)
  local year, month, day = date_of(seconds // 86400)
  local rest = seconds % 86400
  local date = string.format("%04d%02d%02d", year, month, day)
  return date, string.format("%sT%02d%02d%02dZ", date, rest // 3600, rest // 60 % 60, rest % 60)
end

local function credentials(ask)
  local secret = ask.secret or {}
  local function of(key) return secret[key] or host.env(string.upper(key)) end
  local id, key = of("aws_access_key_id"), of("aws_secret_access_key")
  if not id or not key then
    shape.fail("cloudwatch credentials are neither in the secret nor in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
  end
  return id, key, of("aws_session_token")
end

--- Adds Authorization and what it needs to the headers of a POST.
function M.sign(headers, path, body, region, now, id, key, session)
  local date, stamp = stamp_of(now)
  local scope = table.concat({ date, region, "monitoring", "aws4_request" }, "/")
  headers["X-Amz-Date"] = stamp
  headers["X-Amz-Security-Token"] = session
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
  local derived = "AWS4" .. key
  for part in string.gmatch(scope, "[^/]+") do derived = crypto.hmac_sha256(derived, part) end
  headers.Authorization = string.format("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", id, scope,
    signed, crypto.hex(crypto.hmac_sha256(derived, text)))
end

function M.query(ask)
  if not ask.region or ask.region == "" then shape.fail("region not specified") end
  local address = web.address(ask.address, "cloudwatch", "https://monitoring." .. ask.region .. ".amazonaws.com")
  local queries, why = json.decode(ask.query)
  if queries == nil then shape.fail("the query is not a list of MetricDataQueries: %s", why) end
  shape.list(queries, "", "query")
  local id, key, session = credentials(ask)
  local body = json.encode({
    MetricDataQueries = queries,
    StartTime = math.floor(ask.now - 10 * ask.interval_seconds),
    EndTime = math.floor(ask.now),
    MaxDatapoints = 20,
  })
  local headers = {
    ["Content-Type"] = "application/x-amz-json-1.0",
    ["X-Amz-Target"] = "GraniteServiceVersion20100801.GetMetricData",
    Host = string.match(address, "^https?://([^/]+)"),
  }
  M.sign(headers, string.match(address, "^https?://[^/]+(.*)$") .. "/", body, ask.region, ask.now, id, key, session)
  local answer, err = web.json({ method = "POST", url = address .. "/", headers = headers, body = body }, "cloudwatch")
  if err then return nil, err end
  local results = shape.list(answer, "MetricDataResults")
  if #results == 0 then return sample.none() end
  local values = shape.list(results, "1.Values")
  if #values == 0 then return sample.none() end
  return sample.of(shape.number(values, "1", "Values"))
end

return M
