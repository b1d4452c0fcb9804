--- Shifts traffic by weights, a step at each check that passes, up to maxWeight; then promotes.

local M = { name = "canary" }

--- @param n number
local function number(n)
  if n == math.floor(n) then return string.format("%d", n) end
  return tostring(n)
end

--- As Go writes durations: 515ms, 1.515s, 1m0s.
local function milliseconds(ms)
  ms = math.floor(ms)
  if ms == 0 then return "0s" end
  if ms < 1000 then return number(ms) .. "ms" end
  local minutes = ms // 60000
  local seconds = (ms % 60000) / 1000
  if minutes > 0 then return string.format("%dm", minutes) .. number(seconds) .. "s" end
  return number(seconds) .. "s"
end

local halt = "Halt %s.%s advancement %s"

local function halted(rollout, text)
  return { verdict = "fail", reason = string.format(halt, rollout.name, rollout.namespace, text) }
end

local function no_values(rollout, metric)
  local found <const> = "Halt advancement no values found for "
  if metric.templateRef then return found .. "custom metric: " .. metric.name .. ": no values found" end
  if metric.query then return found .. "metric: " .. metric.name end
  local text = string.format("%s metric %s probably %s.%s is not receiving traffic", rollout.provider, metric.name,
    rollout.target, rollout.namespace)
  if metric.name == "request-success-rate" then text = text .. ": running query failed: no values found" end
  return found .. text
end

function M.thresholds(rollout) return rollout.analysis.metrics end

function M.judge(rollout, sample)
  local metric = sample.metric
  if sample.kind == "no-data" or sample.kind == "nan" then return { verdict = "fail", reason = no_values(rollout, metric) } end
  if sample.kind ~= "ok" then
    return { verdict = "hold", reason = string.format(halt, rollout.name, rollout.namespace,
      string.format("metric %s not measured: %s", metric.name, sample.text or sample.kind)) }
  end
  local range = metric.thresholdRange or {}
  local min, max = range.min, range.max
  local value = sample.value
  if metric.name == "request-success-rate" and not metric.query and not metric.templateRef then
    if not metric.thresholdRange and metric.threshold then min = metric.threshold end
    if min and value < min then
      return halted(rollout, string.format("success rate %.2f%% < %s%%", value, number(min)))
    end
    if max and value > max then
      return halted(rollout, string.format("success rate %.2f%% > %s%%", value, number(max)))
    end
    return { verdict = "pass" }
  end
  if metric.name == "request-duration" and not metric.query and not metric.templateRef then
    if not metric.thresholdRange and metric.threshold then max = metric.threshold end
    if min and value < min then
      return halted(rollout, string.format("request duration %s < %s", milliseconds(value), milliseconds(min)))
    end
    if max and value > max then
      return halted(rollout, string.format("request duration %s > %s", milliseconds(value), milliseconds(max)))
    end
    return { verdict = "pass" }
  end
  if not metric.thresholdRange and metric.threshold then max = metric.threshold end
  if min and value < min then
    return halted(rollout, string.format("%s %.2f < %s", metric.name, value, number(min)))
  end
  if max and value > max then
    return halted(rollout, string.format("%s %.2f > %s", metric.name, value, number(max)))
  end
  return { verdict = "pass" }
end

function M.match(rollout) return rollout.analysis.match end

function M.start() return { action = "go" } end

function M.rollback(rollout)
  if rollout.failed_checks >= rollout.threshold then
    return { rollback = true, reason = string.format("failed checks threshold reached %d", rollout.failed_checks) }
  end
  return { rollback = false }
end

--- The next step of the weights, as stepWeight or stepWeights say.
local function next_step(analysis, weight)
  local steps = analysis.stepWeights
  local rest = 100 - weight
  if rest <= 0 then return 1 end
  if analysis.stepWeight > 0 or not steps or #steps == 0 then return math.min(analysis.stepWeight, rest) end
  if weight == 0 then return math.min(steps[1], rest) end
  for i = 1, #steps - 1 do
    if steps[i] == weight then return math.min(steps[i + 1] - steps[i], rest) end
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
  if weight >= max_weight(analysis) then return { action = "promote" } end
  if analysis.mirror and weight == 0 and not rollout.mirrored then
    return { action = "route", weight = 0, mirror = true }
  end
  return { action = "route", weight = math.min(100, weight + next_step(analysis, weight)) }
end

function M.promotion(rollout)
  local step = rollout.analysis.stepWeightPromotion
  if step <= 0 then return { weight = 100 } end
  return { weight = math.min(100, rollout.primary_weight + step) }
end

return M
