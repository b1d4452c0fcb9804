--- Doubles the canary's weight at each step: 1, 2, 4, 8 … up to maxWeight; few users see a bad release.
---
--- params: factor (2), first (1)

local M = { name = "geometric" }

function M.step(rollout)
  local most = rollout.analysis.maxWeight
  if most <= 0 then most = 100 end
  if rollout.weight >= most then return { action = "promote" } end
  local next_weight = rollout.weight * (rollout.params.factor or 2)
  return { action = "route", weight = math.min(most, math.max(rollout.params.first or 1, next_weight)) }
end

return M
