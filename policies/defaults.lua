--- What the strategies have in common: what is measured, how it is judged, when it is enough, the way back.

local M = { name = "defaults" }

--- @param n number
local function infinite(n)
  if n == math.huge then return "+Inf" end
  if n == -math.huge then return "-Inf" end
end

--- @param n number
local function number(n)
  if math.abs(n) < 1e15 and n == math.floor(n) then return string.format("%d", n) end
  return infinite(n) or tostring(n)
end

--- As Go writes durations: 515ms, 1.515s, 1m0s.
local function milliseconds(ms)
  if math.abs(ms) >= 1e15 then return infinite(ms) or number(ms) .. "ms" end
  ms = math.floor(ms)
  if ms == 0 then return "0s" end
  if ms < 1000 then return number(ms) .. "ms" end
  local minutes = ms // 60000
  local seconds = (ms % 60000) / 1000
  if minutes > 0 then return string.format("%dm", minutes) .. number(seconds) .. "s" end
  return number(seconds) .. "s"
end

local function percent(n) return number(n) .. "%" end
local function measured(n) return infinite(n) or string.format("%.2f", n) end
local function measured_percent(n) return measured(n) .. "%" end

local function halt(rollout, text)
  return string.format("Halt %s.%s advancement %s", rollout.name, rollout.namespace, text)
end

--- How a metric is called, how its values and its bounds are written, and which bound a bare `threshold` is.
local function words_of(metric)
  if metric.query or metric.templateRef then
    return { name = metric.name, value = measured, bound = number, threshold = "max" }
  end
  if metric.name == "request-success-rate" then
    return { name = "success rate", value = measured_percent, bound = percent, threshold = "min" }
  end
  if metric.name == "request-duration" then
    return { name = "request duration", value = milliseconds, bound = milliseconds, threshold = "max" }
  end
  return { name = metric.name, value = measured, bound = number, threshold = "max" }
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

local unit_seconds <const> = { ms = 0.001, s = 1, m = 60, h = 3600 }

--- 90 of "1m30s".
local function seconds_of(duration)
  local total = 0
  for count, unit in duration:gmatch("([%d.]+)(%a+)") do
    total = total + (tonumber(count) or 0) * (unit_seconds[unit] or 0)
  end
  return total
end

--- A store that was down, or answered with what is old, scraped nothing meanwhile: in the first check that it answers
--- again, and as long as a query looks back to before that, no data says nothing of the canary.
local function store_was_down(rollout, metric)
  local window <const> = seconds_of(metric.interval or "1m")
  for i, decision in ipairs(rollout.history) do
    if decision.verdict == "hold" and (decision.kind == "error" or decision.kind == "stale") then
      local answered <const> = rollout.history[i + 1]
      if not answered or rollout.now - answered.time <= window then return true end
    end
  end
  return false
end

--- A revision that was promoted before needs no analysis, if the Canary says so: the way back is at once.
function M.start(rollout)
  if rollout.good and rollout.analysis.onGoodRevision == "Promote" then
    return { action = "promote", reason = "this revision was promoted before" }
  end
  return { action = "go" }
end

function M.thresholds(rollout) return rollout.analysis.metrics end

function M.match(rollout) return rollout.analysis.match or {} end

function M.judge(rollout, sample)
  local metric, value = sample.metric, sample.value
  if sample.kind == "no-data" or sample.kind == "nan" then
    if not metric.onNoData and store_was_down(rollout, metric) then
      local text = string.format("metric %s has no data yet, its store was down", metric.name)
      return { verdict = "hold", reason = halt(rollout, text) }
    end
    return { verdict = metric.onNoData or "fail", reason = no_values(rollout, metric) }
  end
  if sample.kind ~= "ok" then
    local text = string.format("metric %s not measured: %s", metric.name, sample.text or sample.kind)
    return { verdict = metric.onError or "hold", reason = halt(rollout, text) }
  end
  local words = words_of(metric)
  local range = metric.thresholdRange or { [words.threshold] = metric.threshold }
  if range.min and value < range.min then
    local text = string.format("%s %s < %s", words.name, words.value(value), words.bound(range.min))
    return { verdict = "fail", reason = halt(rollout, text) }
  end
  if range.max and value > range.max then
    local text = string.format("%s %s > %s", words.name, words.value(value), words.bound(range.max))
    return { verdict = "fail", reason = halt(rollout, text) }
  end
  return { verdict = "pass" }
end

--- A step lasts as stepIntervals say, the last of them for all that follow; all traffic as `watch` says, at least.
function M.pace(rollout)
  local analysis = rollout.analysis
  local list = analysis.step_seconds or {}
  local seconds = list[math.min(rollout.steps or 0, #list)] or 0
  if rollout.weight == 100 and rollout.strategy ~= "ab-testing" then
    seconds = math.max(seconds, analysis.watch_seconds or 0)
  end
  return { seconds = seconds }
end

function M.rollback(rollout)
  for _, metric in ipairs(rollout.failures or {}) do
    if metric.failed >= metric.limit then
      return { rollback = true, reason = string.format("%s failed %d times, its limit is %d", metric.name,
        metric.failed, metric.limit) }
    end
  end
  if rollout.failed_checks >= rollout.threshold then
    return { rollback = true, reason = string.format("failed checks threshold reached %d", rollout.failed_checks) }
  end
  return { rollback = false }
end

function M.promotion(rollout)
  local step = rollout.analysis.stepWeightPromotion
  if step <= 0 then return { weight = 100 } end
  return { weight = math.min(100, rollout.primary_weight + step) }
end

return M
