--- Asks more of a release by day than by night (UTC): 99.5% of requests must succeed from 8 to 20 o'clock, 98% else.

local M = { name = "thresholds-by-hour" }

function M.thresholds(rollout)
  local hour = math.floor(rollout.now / 3600) % 24
  local min = (hour >= 8 and hour < 20) and 99.5 or 98
  local checks = {}
  for i, metric in ipairs(rollout.analysis.metrics) do
    if metric.name == "request-success-rate" then metric.thresholdRange = { min = min } end
    checks[i] = metric
  end
  return checks
end

return M
