--- Dynatrace: one value of a metric selector over ten intervals.
--- https://docs.dynatrace.com/docs/dynatrace-api/environment-api/metric-v2/get-data-points

local json <const>, sample <const>, shape <const>, web <const> =
  require("json"), require("sample"), require("shape"), require("web")

local M = { name = "dynatrace" } ---@type MetricDriver

local function headers_of(ask)
  ask.headers.Authorization = "Api-Token " .. web.secret(ask, "dynatrace_token", "dynatrace")
  return ask.headers
end

function M.online(ask)
  local url = web.address(ask.address, "dynatrace") .. "/api/v2/metrics?pageSize=1"
  local _, err = web.send({ url = url, headers = headers_of(ask) })
  if err then return nil, err end
  return sample.none()
end

function M.query(ask)
  local headers = headers_of(ask)
  local now = math.floor(ask.now * 1000)
  local answer, err = web.json({
    url = web.address(ask.address, "dynatrace") .. "/api/v2/metrics/query?" .. web.form({
      { "metricSelector", ask.query },
      { "resolution", "Inf" },
      { "from", string.format("%d", now - math.floor(10000 * ask.interval_seconds)) },
      { "to", string.format("%d", now) },
    }),
    headers = headers,
  }, "dynatrace")
  if err then return nil, err end
  local results = shape.list(answer, "result")
  local series = #results > 0 and shape.list(results, "1.data") or {}
  if #series == 0 then return sample.none() end
  if #series > 1 then return sample.several(#series) end
  local values = shape.list(series, "1.values")
  if #values == 0 or values[1] == json.null then return sample.none() end
  return sample.of(shape.number(values, "1", "values"))
end

return M
