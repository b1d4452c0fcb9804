--- Doubles the canary's weight at each step: 1, 2, 4, 8 … up to maxWeight; few users see a bad release.

local M = { name = "geometric" }

function M.step(rollout)
  local most = rollout.analysis.maxWeight
  if most <= 0 then most = 100 end
  if rollout.weight >= most then return { action = "promote" } end
  return { action = "route", weight = math.min(most, math.max(1, rollout.weight * 2)) }
end

return M
