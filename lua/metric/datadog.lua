--- Datadog: the oldest value in ten intervals, because the newest bucket is seldom complete.
--- https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points

local json <const>, sample <const>, shape <const>, web <const> =
  require("json"), require("sample"), require("shape"), require("web")

local M = { name = "datadog" } ---@type MetricDriver

local function prepare(ask)
  local headers = ask.headers
  headers["Content-Type"] = "application/json"
  headers["DD-API-KEY"] = web.secret(ask, "datadog_api_key", "datadog")
  headers["DD-APPLICATION-KEY"] = web.secret(ask, "datadog_application_key", "datadog")
  return web.address(ask.address, "datadog", "https://api.datadoghq.com"), headers
end

function M.online(ask)
  local address, headers = prepare(ask)
  local _, err = web.send({ url = address .. "/api/v1/validate", headers = headers })
  if err then return nil, err end
  return sample.none()
end

function M.query(ask)
  local address, headers = prepare(ask)
  local now = math.floor(ask.now)
  local answer, err = web.json({
    url = address .. "/api/v1/query?" .. web.form({
      { "query", ask.query },
      { "from", string.format("%d", now - math.floor(10 * ask.interval_seconds)) },
      { "to", string.format("%d", now) },
    }),
    headers = headers,
  }, "datadog")
  if err then return nil, err end
  -- Refusals come with status 200, too.
  if shape.at(answer, "status") == "error" then
    return nil, web.error("invalid", "error response: %s", web.head(shape.string(answer, "error"), 200))
  end
  local series = shape.optional(shape.list, answer, "series") or {}
  if #series == 0 then return sample.none() end
  if #series > 1 then return sample.several(#series) end
  for i, point in ipairs(shape.list(series, "1.pointlist")) do
    if shape.list(point, "", "pointlist[" .. i - 1 .. "]")[2] ~= json.null then
      return sample.of(shape.number(series, "1.pointlist." .. i .. ".2"))
    end
  end
  return sample.none()
end

return M
