--- Keptn: the value of a KeptnMetric, or whether an Analysis passes (1 or 0).
--- https://keptn.sh/stable/docs/reference/crd-reference/metric/
---
--- A query is keptnmetric/NAMESPACE/NAME or analysis/NAMESPACE/NAME[/DURATION[/KEY=VALUE;…]], in any case.

local json <const>, sample <const>, shape <const>, task <const>, web <const> =
  require("json"), require("sample"), require("shape"), require("task"), require("web")

local M = { name = "keptn" } ---@type MetricDriver

local polls <const> = 10

local function path_of(namespace, plural, name)
  local path = "/apis/metrics.keptn.sh/v1beta1/namespaces/" .. web.encode(namespace) .. "/" .. plural
  return name and path .. "/" .. web.encode(name) or path
end

local function read_metric(namespace, name)
  local answer, err = web.json({ url = path_of(namespace, "keptnmetrics", name) }, "keptn")
  if err then return nil, err end
  local text = shape.at(answer, "status.value")
  if text == nil or text == "" then return sample.none() end
  local value = tonumber(shape.string(answer, "status.value"))
  if not value then shape.fail('status.value: is no number but "%s"', web.head(text, 40)) end
  return sample.of(value)
end

local function arguments_of(text)
  local arguments, any = {}, false
  for key, value in string.gmatch(text or "", "([^=;]+)=([^;]*)") do
    arguments[key] = value
    any = true
  end
  return any and arguments or nil
end

--- Waits for its end; it is deleted either way.
local function run_analysis(namespace, name, duration, arguments)
  local created, err = web.json({
    method = "POST",
    url = path_of(namespace, "analyses"),
    headers = { ["Content-Type"] = "application/json" },
    body = json.encode({
      apiVersion = "metrics.keptn.sh/v1beta1",
      kind = "Analysis",
      metadata = { generateName = name .. "-", namespace = namespace },
      spec = {
        analysisDefinition = { name = name },
        timeframe = { recent = duration or "1m" },
        args = arguments_of(arguments),
      },
    }),
  }, "keptn")
  if err then return nil, err end
  local path = path_of(namespace, "analyses", shape.string(created, "metadata.name"))
  local passed, failure
  for _ = 1, polls do
    task.sleep(1)
    local analysis, why = web.json({ url = path }, "keptn")
    failure = why
    if analysis and shape.at(analysis, "status.state") == "Completed" then
      passed = shape.at(analysis, "status.pass") == true
      break
    end
  end
  web.send({ method = "DELETE", url = path })
  if passed ~= nil then return sample.of(passed and 1 or 0) end
  return nil, failure or web.error("timeout", "the analysis %s was not completed in %d seconds", name, polls)
end

function M.query(ask)
  local parts = {}
  for part in string.gmatch(string.lower(ask.query), "[^/%s]+") do parts[#parts + 1] = part end
  local kind, namespace, name = parts[1], parts[2], parts[3]
  if not name then shape.fail("the query must be KIND/NAMESPACE/NAME, is %s", web.head(ask.query, 60)) end
  if kind == "keptnmetric" or kind == "keptnmetrics" then return read_metric(namespace, name) end
  if kind == "analysis" or kind == "analyses" then return run_analysis(namespace, name, parts[4], parts[5]) end
  shape.fail("the query must begin with keptnmetric or analysis, not %s", kind)
end

return M
