--- Sends those who match to the canary for a number of checks; then promotes.

local M = { name = "ab-testing" }

function M.step(rollout)
  if rollout.iterations < rollout.analysis.iterations then
    return { action = "route", weight = 100, iteration = rollout.iterations + 1 }
  end
  return { action = "promote" }
end

return M
