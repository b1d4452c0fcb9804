--- Amazon CloudWatch: the newest value of the first of a list of MetricDataQueries.
--- https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html

local aws <const>, json <const> = require("aws"), require("json")
local sample <const>, shape <const>, web <const> = require("sample"), require("shape"), require("web")

local M = { name = "cloudwatch" } ---@type MetricDriver

--- Refusals come with status 400, and say in their type what they are.
local kinds <const> = {
  AccessDenied = "denied", ExpiredToken = "denied", InvalidClientTokenId = "denied", InvalidSignature = "denied",
  UnrecognizedClient = "denied", Throttling = "throttled",
}

local function classify(err)
  for word, kind in pairs(kinds) do
    if string.find(err.message, word, 1, true) then err.kind = kind end
  end
end

local function ask_for(ask, queries)
  if not ask.region or ask.region == "" then shape.fail("region not specified") end
  local fallback = "https://monitoring." .. ask.region .. "." .. aws.domain(ask.region)
  local address = web.address(ask.address, "cloudwatch", fallback)
  local credentials, nobody = aws.credentials(ask)
  if not credentials then return nil, nobody end
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
  local path = string.match(address, "^https?://[^/]+(.*)$") .. "/"
  aws.sign(headers, path, body, "monitoring", ask.region, ask.now, credentials)
  local answer, err = web.json({ method = "POST", url = address .. "/", headers = headers, body = body }, "cloudwatch")
  if err then
    classify(err)
    if err.kind == "denied" then aws.forget() end
    return nil, err
  end
  return answer
end

--- No queries are refused by a store that can be asked.
function M.online(ask)
  local _, err = ask_for(ask, json.array())
  if err and err.kind ~= "invalid" then return nil, err end
  return sample.none()
end

function M.query(ask)
  local queries, why = json.decode(ask.query)
  if queries == nil then shape.fail("the query is not a list of MetricDataQueries: %s", why) end
  shape.list(queries, "", "query")
  local answer, err = ask_for(ask, queries)
  if err then return nil, err end
  local results = shape.list(answer, "MetricDataResults")
  if #results == 0 then return sample.none() end
  local values = shape.list(results, "1.Values")
  if #values == 0 then return sample.none() end
  return sample.of(shape.number(values, "1", "Values"))
end

return M
