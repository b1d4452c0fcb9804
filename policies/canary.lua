--- Shifts traffic by weights, a step at each check that passes, up to maxWeight; then promotes.

local M = { name = "canary" }

--- The next step of the weights, as stepWeight or stepWeights say.
local function next_step(analysis, weight)
  local steps = analysis.stepWeights
  local rest = 100 - weight
  if rest <= 0 then return 1 end
  if analysis.stepWeight > 0 or not steps or #steps == 0 then return math.min(analysis.stepWeight, rest) end
  -- The next one that is above, wherever a command put it: one that goes no further would be taken for ever.
  for i = 1, #steps do
    if steps[i] > weight then return math.min(steps[i] - weight, rest) end
  end
  return rest
end

local function max_weight(analysis)
  local steps = analysis.stepWeights
  if steps and #steps > 0 then return math.min(100, steps[#steps]) end
  if analysis.maxWeight > 0 then return analysis.maxWeight end
  return 100
end

function M.step(rollout)
  local analysis, weight = rollout.analysis, rollout.weight
  if weight >= max_weight(analysis) then
    if weight == 100 or (analysis.watch_seconds or 0) == 0 then return { action = "promote" } end
    return { action = "route", weight = 100, confirm = true }
  end
  if analysis.mirror and weight == 0 and not rollout.mirrored then
    return { action = "route", weight = 0, mirror = true }
  end
  return { action = "route", weight = math.min(100, weight + next_step(analysis, weight)) }
end

return M
