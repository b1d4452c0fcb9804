--- 22 to 30 of a tick, and the strategies (6.1, 6.2): what the model makes of a canary that is ready.

local words <const> = require("words")

local M = {}

local WINDOW <const> = 60 -- that the queries look back

local function fail_check(canary)
  canary.status.failedChecks = canary.status.failedChecks + 1
  canary:again_later()
end

---- metrics ----

local function checked(canary, down)
  local store = canary.store_down
  if store.last then store.answered = canary.began end
  store.last = down
end

--- "pass", "fail" or "hold", and why not.
local function judge(canary, metric, answer)
  local store = canary.store_down
  if answer == "down" then
    -- A store that fails holds (difference).
    return "hold", string.format("Halt %s advancement metric %s not measured: the metric store is down (scenario)",
      canary.NAME, metric.name)
  elseif type(answer) == "number" then
    local why = words.judgement(metric, answer)
    return why and "fail" or "pass", why
  elseif store.last or store.answered and canary.began - store.answered < WINDOW + 0.001 then
    -- It has no data of the time it was down (difference).
    return "hold", string.format("Halt %s advancement metric %s has no data yet, its store was down", canary.NAME,
      metric.name)
  end
  return "fail", words.no_values(canary.case.provider, metric)
end

--- What there is to measure: all of it, the first failure is told (difference). "pass", "fail" or "hold".
local function measure(canary)
  local metrics <const> = canary.case.metrics
  local shut, why = canary:call_all("rollout")
  if shut then
    canary:warning("Halt %s advancement external check %s failed %s", canary.NAME, shut.name, why)
    checked(canary, false)
    return "fail"
  end
  local answers, verdict, down = {}, "pass", false
  for i, metric in ipairs(metrics) do
    answers[i] = canary:tell({ kind = "sample", name = metric.name,
      answer_at = function(when) return canary.world:metric(metric.name, when) end })
  end
  for i, metric in ipairs(metrics) do
    local says, text = judge(canary, metric, answers[i])
    if says == "fail" and verdict ~= "fail" or says == "hold" and verdict == "pass" then
      verdict, down = says, says == "hold" and answers[i] == "down"
      canary:warning("%s", text)
    end
  end
  checked(canary, down)
  return verdict
end

---- gates ----

--- True while a gate is open.
local function may_increase(canary)
  if canary.split.mirrored or canary.status.phase ~= "Progressing" or canary.approved == "increase" then return true end
  local shut = canary:call_all("confirm-traffic-increase", "Confirm-traffic-increase")
  if not shut then return true end
  canary:warning("Halt %s advancement waiting for traffic increase approval %s", canary.NAME, shut.name)
  canary.gated = true
  canary:again_later()
  return false
end

local function may_promote(canary)
  if canary.approved == "promotion" then return true end
  local shut = canary:call_all("confirm-promotion", "Confirm-promotion")
  if not shut then return true end
  if canary.status.phase ~= "WaitingPromotion" then
    canary:warning("Halt %s advancement waiting for promotion approval %s", canary.NAME, shut.name)
    canary:enter("WaitingPromotion") -- with the weight and the iterations that there are (difference)
  end
  canary:again_later()
  return false
end

---- strategies ----

local function next_weight(canary)
  local analysis <const> = canary.spec.analysis
  local steps, weight = analysis.stepWeights, canary.split.canary
  if not steps then return math.min(100, weight + analysis.stepWeight) end
  for _, step in ipairs(steps) do
    if step > weight then return step end
  end
  return 100
end

local function max_weight(analysis)
  local steps = analysis.stepWeights
  if steps then return math.min(100, steps[#steps]) end
  return analysis.maxWeight or 100
end

local function weights(canary)
  local analysis <const> = canary.spec.analysis
  if not may_increase(canary) then return end
  if canary.split.canary >= max_weight(analysis) then
    if may_promote(canary) then canary:promote() end
    return
  end
  if analysis.mirror and canary.split.canary == 0 and not canary.split.mirrored then
    canary:set_routes(100, 0, true)
  else
    local weight = next_weight(canary)
    canary:set_routes(100 - weight, weight)
  end
  canary.status.weight = canary.split.canary
  canary:normal("Advance %s canary weight %d", canary.NAME, canary.split.canary)
  canary:step()
end

local function iterate(canary)
  local analysis <const> = canary.spec.analysis
  local done, all, ab = canary.status.iterations, analysis.iterations, analysis.match
  if done >= all and not may_promote(canary) then return end
  if done > all or (ab and done == all) then
    canary:promote()
    return
  end
  canary.status.iterations = done + 1
  if done < all then
    canary:set_routes(ab and 0 or 100, ab and 100 or 0, not ab and analysis.mirror)
    canary:normal("Advance %s canary iteration %d/%d", canary.NAME, done + 1, all)
  elseif canary.routed then
    canary:set_routes(0, 100)
    canary:normal(analysis.mirror and "Stop traffic mirroring and route all traffic to canary" or
      "Routing all traffic to canary")
  end
  canary:step()
end

--- When to look again; nil: now.
function M.analyse(canary)
  local analysis <const> = canary.spec.analysis
  if canary.status.failedChecks >= analysis.threshold then
    canary:roll_back("failed checks threshold reached " .. canary.status.failedChecks)
    return nil
  end
  if canary.world.now < canary.due then return canary.due end
  for _, hook in ipairs(canary:hooks_of("rollback")) do
    if canary:call(hook) then
      canary:warning("Rollback check %s passed", hook.name)
      canary:roll_back("manual webhook invoked")
      return nil
    end
    canary:normal("Rollback hook %s not signaling a rollback", hook.name)
  end
  local no_traffic = canary.split.canary == 0 and canary.status.iterations == 0
    and not (analysis.mirror and canary.split.mirrored)
  local begins = no_traffic or canary.inherits
  if begins then
    canary:normal("Starting canary analysis for %s", canary.NAME)
    checked(canary, false)
    local shut, why = canary:call_all("pre-rollout", "Pre-rollout")
    if shut then
      canary:warning("Halt %s advancement pre-rollout check %s failed %s", canary.NAME, shut.name, why)
      fail_check(canary)
      return nil
    end
  else
    local verdict = measure(canary)
    if verdict == "fail" then
      fail_check(canary)
      return nil
    elseif verdict == "hold" then
      canary:again_later(true)
      return nil
    end
  end
  if canary.inherits then
    canary.inherits = false
    canary:step() -- all traffic, as it is
    return nil
  end
  if analysis.iterations then iterate(canary) else weights(canary) end
  return nil
end

return M
