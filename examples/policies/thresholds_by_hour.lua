--- Asks more of a release by day than by night (UTC): 99.5% of requests must succeed from 8 to 20 o'clock, 98% else.
---
--- params: from, to (hours), day, night (percent)

local M = { name = "thresholds-by-hour" }

function M.thresholds(rollout)
  local params = rollout.params
  local from, to = params.from or 8, params.to or 20
  local hour = rollout.now // 3600 % 24
  local by_day = hour >= from and hour < to
  local min = by_day and (params.day or 99.5) or (params.night or 98)
  local checks = {}
  for i, metric in ipairs(rollout.analysis.metrics) do
    if metric.name == "request-success-rate" then metric.thresholdRange = { min = min } end
    checks[i] = metric
  end
  return checks
end

return M
