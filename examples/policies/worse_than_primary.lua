--- Judges the canary by the primary at the same time, so that a bad day of the whole shop is no fault of a release, and
--- a release that is worse is rolled back early.
---
--- params: tolerance (points of percent that the canary may be worse), strikes (checks in a row that are enough)

local M = { name = "worse-than-primary" }

local primary_query <const> = [[
sum(rate(envoy_cluster_upstream_rq{kubernetes_namespace="{{ namespace }}",
  kubernetes_pod_name=~"{{ target }}-primary-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)",
  envoy_response_code!~"5.*"}[{{ interval }}]))
/ sum(rate(envoy_cluster_upstream_rq{kubernetes_namespace="{{ namespace }}",
  kubernetes_pod_name=~"{{ target }}-primary-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"}[{{ interval }}])) * 100]]

local mark <const> = "below the primary's"

--- What the Canary asks for, and the same of the primary.
function M.thresholds(rollout)
  local checks = {}
  for _, metric in ipairs(rollout.analysis.metrics) do
    if metric.name == "request-success-rate" then
      checks[#checks + 1] = { name = "primary-success-rate", interval = metric.interval, query = primary_query }
      metric.thresholdRange = nil
    end
    checks[#checks + 1] = metric
  end
  return checks
end

local function value_of(rollout, name)
  for _, sample in ipairs(rollout.samples) do
    if sample.name == name then return sample.value end
  end
end

function M.judge(rollout, sample)
  if sample.name == "primary-success-rate" then return { verdict = "pass" } end
  if sample.name ~= "request-success-rate" or sample.kind ~= "ok" then return nil end -- as the stock policy does
  local primary = value_of(rollout, "primary-success-rate")
  if not primary then return { verdict = "hold", reason = "the primary's success rate is not known" } end
  local worse = primary - sample.value
  if worse <= (rollout.params.tolerance or 1) then return { verdict = "pass" } end
  local text = string.format("success rate %.2f%% is %.2f points %s %.2f%%", sample.value, worse, mark, primary)
  return { verdict = "fail", reason = text }
end

function M.rollback(rollout)
  local strikes, history = rollout.params.strikes or 2, rollout.history
  if #history < strikes then return nil end
  for i = #history - strikes + 1, #history do
    if not history[i].text:find(mark, 1, true) then return nil end
  end
  return { rollback = true, reason = string.format("worse than the primary %d times in a row", strikes) }
end

return M
