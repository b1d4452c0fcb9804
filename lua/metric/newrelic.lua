--- New Relic Insights: one number of an NRQL query.
--- https://docs.newrelic.com/docs/apis/insights-apis/query-insights-event-data-api/

local sample <const>, shape <const>, web <const> = require("sample"), require("shape"), require("web")

local M = { name = "newrelic" } ---@type MetricDriver

function M.query(ask)
  local address = web.address(ask.address, "newrelic", "https://insights-api.newrelic.com")
  local account = web.secret(ask, "newrelic_account_id", "newrelic")
  local headers = ask.headers
  headers["X-Query-Key"] = web.secret(ask, "newrelic_query_key", "newrelic")
  local since = string.format("%s SINCE %d seconds ago", ask.query, math.floor(ask.interval_seconds))
  local answer, err = web.json({
    url = address .. "/v1/accounts/" .. web.encode(account) .. "/query?" .. web.form({ { "nrql", since } }),
    headers = headers,
  }, "newrelic")
  if err then return nil, err end
  local results = shape.list(answer, "results")
  if #results == 0 then return sample.none() end
  if #results > 1 then return sample.several(#results) end
  if shape.at(results, "1.result") == nil then return sample.none() end
  return sample.of(shape.number(results, "1.result"))
end

function M.online(ask)
  ask.query = "SELECT * FROM Metric"
  local _, err = M.query(ask)
  if err then return nil, err end
  return sample.none()
end

return M
