--- Judges success rates by the requests behind them: 3 errors in 10 requests and 300 in 1,000 are the same rate, and
--- not the same evidence. Each step ends in one of three answers: worse than thresholdRange.min (rolled back), good
--- enough (goes on), or not known yet (waits, and says for about how many requests).
--- params: `metrics`, names of success rates in percent whose samples have a count (request-success-rate); `alpha`, how
--- likely a release as good as its threshold may be rolled back (0.01); `tolerated`, the success rate that must be
--- ruled out before a step ends (twice the errors of the threshold); `beta`, how likely a step lets one that is no
--- better pass (0.05).
---
--- Both answers come from e-processes, means of likelihood ratios, which may be looked at after each check: by Ville's
--- inequality one grows to 1/alpha with chance alpha at the most, however often one looks. Sources: Robbins,
--- "Statistical methods related to the law of the iterated logarithm", 1970; Ramdas, Grünwald, Vovk, Shafer,
--- "Game-theoretic statistics and safe anytime-valid inference", 2023.

local M = { name = "evidence" }

--- The shares of errors that are bet on: against a release that as many fail as must be ruled out, or ten times as many
--- as are allowed; for it that half as many fail as must be ruled out, or a tenth.
local function worse(allowed, ruled_out) return { ruled_out, math.min(0.999, 10 * allowed) } end
local function better(ruled_out) return { ruled_out / 2, ruled_out / 10 } end

local unit_seconds <const> = { ms = 0.001, s = 1, m = 60, h = 3600 }

--- 90 of "1m30s".
local function seconds_of(duration)
  local total = 0
  for count, unit in duration:gmatch("([%d.]+)(%a+)") do
    total = total + (tonumber(count) or 0) * (unit_seconds[unit] or 0)
  end
  return total
end

--- A number between 0 and 1 of the params.
local function chance(rollout, name, usual)
  local value = rollout.params[name] or usual
  if type(value) ~= "number" or value <= 0 or value >= 1 then
    error(string.format("params: %s must be a number between 0 and 1, is %s", name, tostring(value)), 0)
  end
  return value
end

--- Whether the sample is a success rate that this policy judges.
local function is_ours(rollout, sample)
  if not (sample.range and sample.range.min) then return false end
  for _, name in ipairs(rollout.params.metrics or { "request-success-rate" }) do
    if name == sample.name then return true end
  end
  return false
end

--- The shares of errors that are allowed, and that must be ruled out. A threshold of 100% allows one in 10,000.
local function bounds(rollout, sample)
  local allowed = math.max(0.0001, 1 - sample.range.min / 100)
  local ruled_out = 2 * allowed
  local tolerated = rollout.params.tolerated
  if tolerated then
    ruled_out = 1 - tolerated / 100
    if ruled_out <= allowed then
      error(string.format("params: tolerated must be below the threshold of %s, is %s", sample.name,
        tostring(tolerated)), 0)
    end
  end
  return math.min(0.9, allowed), math.min(0.95, ruled_out)
end

--- The log of how much likelier `failed` of `count` is when a share `p` fails than when a share `base` does.
local function log_ratio(failed, count, p, base)
  return failed * math.log(p / base) + (count - failed) * math.log((1 - p) / (1 - base))
end

--- The log of the mean over the bets.
local function log_evidence(failed, count, bets, base)
  local logs, largest = {}, -math.huge
  for i, share in ipairs(bets) do
    logs[i] = log_ratio(failed, count, share, base)
    largest = math.max(largest, logs[i])
  end
  local sum = 0
  for _, value in ipairs(logs) do sum = sum + math.exp(value - largest) end
  return largest + math.log(sum / #bets)
end

--- "about 300": one digit, so that a wait is told anew when it has changed much, and not at each check.
local function about(number)
  local unit = 1
  while number >= unit * 10 do unit = unit * 10 end
  return string.format("about %d", math.ceil(number / unit) * unit)
end

--- How many requests more will do, if as few of them fail as did until now.
local function missing(failed, count, ruled_out, wanted)
  local share = count > 0 and failed / count or 0
  local gain = 0
  for _, bet in ipairs(better(ruled_out)) do gain = math.max(gain, log_ratio(share, 1, bet, ruled_out)) end
  if gain <= 0 then return "more requests" end
  local lacking = wanted - log_evidence(failed, count, better(ruled_out), ruled_out)
  return about(math.max(1, lacking / gain)) .. (count > 0 and " more requests" or " requests")
end

local function has_none(sample) return sample.kind == "no-data" or sample.kind == "nan" end

--- The first of the success rates that no request is behind.
local function idle(rollout)
  for _, sample in ipairs(rollout.samples) do
    if is_ours(rollout, sample) and has_none(sample) then return sample end
  end
end

--- A rate is no verdict here. That there were no requests is no failure either, of no metric, and no reason to go on.
function M.judge(rollout, sample)
  if is_ours(rollout, sample) and sample.kind == "ok" and sample.count then return { verdict = "pass" } end
  local silent <const> = idle(rollout)
  if not silent or not has_none(sample) or sample.metric.onNoData then return nil end
  local _, ruled_out = bounds(rollout, silent)
  return { verdict = "hold", reason = string.format(
    "Halt %s.%s advancement not enough evidence of %s: no requests yet, %s are needed", rollout.name, rollout.namespace,
    silent.name, missing(0, 0, ruled_out, -math.log(chance(rollout, "beta", 0.05)))) }
end

--- What is known of a metric in this step: `n` requests, `f` of them failed, counted until `t`. A sample counts when
--- all of its window lies in the step, and after the last that counted: no request is evidence twice.
local function add(known, rollout, sample)
  local window = seconds_of(sample.metric.interval or "1m")
  local began = math.max(known.t or 0, rollout.now - (rollout.step_age or 0))
  -- A check comes a little early or late.
  if rollout.now - began < window - 0.1 * rollout.analysis.interval_seconds then return known end
  local failed = math.floor(sample.count * (1 - sample.value / 100) + 0.5)
  return { n = known.n + sample.count, f = known.f + math.max(0, failed), t = rollout.now }
end

local function is_untouched(rollout)
  return rollout.weight == 0 and rollout.iterations == 0 and not rollout.mirrored
end

function M.step(rollout)
  if is_untouched(rollout) then return nil end
  local alpha, wanted = chance(rollout, "alpha", 0.01), -math.log(chance(rollout, "beta", 0.05))
  local step = (rollout.steps or 0) + rollout.iterations
  -- Each step is a test of its own; together they are wrong as often as alpha says: the sum of all 1/k² is pi²/6.
  local tests = step * step * math.pi * math.pi / 6
  local limit = math.log(tests / alpha)
  local state = rollout.state.step == step and rollout.state or { step = step, of = {} }
  local of, wait = {}, nil
  for _, sample in ipairs(rollout.samples) do
    if is_ours(rollout, sample) and sample.kind == "ok" and sample.count then
      local allowed, ruled_out = bounds(rollout, sample)
      local known = add(state.of[sample.name] or { n = 0, f = 0 }, rollout, sample)
      of[sample.name] = known
      local against = log_evidence(known.f, known.n, worse(allowed, ruled_out), allowed)
      if against >= limit then
        return { action = "rollback", reason = string.format(
          "%s: %d of %d requests failed in this step; were it good enough, less than one release in %d would look so",
          sample.name, known.f, known.n, math.floor(math.exp(math.min(against, 20)) / tests)) }
      end
      if log_evidence(known.f, known.n, better(ruled_out), ruled_out) < wanted then
        wait = wait or string.format("not enough evidence of %s: %s are needed", sample.name,
          missing(known.f, known.n, ruled_out, wanted))
      end
    end
  end
  if not wait then return nil end
  return { action = "hold", reason = wait, state = { step = step, of = of } }
end

return M
