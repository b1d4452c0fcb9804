--- Tests the canary without users for a number of checks; then switches all of them and promotes.

local M = { name = "blue-green" }

function M.step(rollout)
  local analysis = rollout.analysis
  local iterations = analysis.iterations
  if rollout.iterations < iterations then
    return { action = "route", weight = 0, iteration = rollout.iterations + 1,
      mirror = analysis.mirror and rollout.provider ~= "kubernetes" }
  end
  if rollout.iterations == iterations and rollout.provider == "kubernetes" then
    return { action = "route", weight = 0, iteration = iterations + 1, confirm = true, message = "" }
  end
  if rollout.iterations == iterations then
    local message = "Routing all traffic to canary"
    if analysis.mirror then message = "Stop traffic mirroring and route all traffic to canary" end
    return { action = "route", weight = 100, iteration = iterations + 1, confirm = true, message = message }
  end
  return { action = "promote" }
end

return M
