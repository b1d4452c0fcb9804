--- Google Cloud Monitoring: the newest point of an MQL query.
--- https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/query
---
--- With a secret: `project`, and `serviceAccountKey` (the JSON of a key). Without a key the platform's identity is
--- taken, as lua/google.lua says.

local google <const>, json <const> = require("google"), require("json")
local sample <const>, shape <const>, web <const> = require("sample"), require("shape"), require("web")

local M = { name = "stackdriver" } ---@type MetricDriver

local scope <const> = "https://www.googleapis.com/auth/monitoring.read"

local function value_of(point)
  local value = shape.object(point, "values.1", "point.")
  if value.doubleValue ~= nil then return shape.number(value, "doubleValue") end
  -- JSON has 64-bit integers as text.
  local whole = value.int64Value and tonumber(value.int64Value)
  if whole then return whole + 0.0 end
  shape.fail("the value is neither a double nor an int64")
end

local function ask_for(ask, query)
  local key, where = google.key(ask)
  local project, no_project = google.project(ask, key)
  if not project then return nil, no_project end
  local token, no_token = google.token(ask, key, where, scope)
  if not token then return nil, no_token end
  local headers = ask.headers
  headers.Authorization = "Bearer " .. token
  headers["Content-Type"] = "application/json"
  local address = web.address(ask.address, "stackdriver", "https://monitoring.googleapis.com")
  local answer, err = web.json({
    method = "POST",
    url = address .. "/v3/projects/" .. web.encode(project) .. "/timeSeries:query",
    headers = headers,
    body = json.encode({ query = query }),
  }, "stackdriver")
  if err and err.kind == "denied" then google.forget() end
  return answer, err
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
