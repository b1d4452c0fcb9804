--- Makes up cases: a Canary, and what happens around it. A case is a plain table, which files.lua writes down.

local M = {}

local function pick(list) return list[math.random(#list)] end
local function chance(share) return math.random() < share end

--- A time that is no time of a tick: those are whole seconds, and others once a new image has come in between.
local fractions <const> = { hook = 0.11, outage = 0.17, fault = 0.23, [2] = 0.31, [3] = 0.53, [4] = 0.79,
  command = { 0.37, 0.41, 0.43, 0.47, 0.61 }, pods = 0.87, edit = { 0.67, 0.71, 0.73, 0.83 } }
local function odd_time(most, what) return math.random(0, most) + fractions[what] end

---- the Canary ----

local mirrors <const> = { istio = true, ["gatewayapi:v1"] = true } -- which keep people to one side, too

local function weights(analysis, provider)
  if chance(0.35) then
    local steps, weight = {}, 0
    for _ = 1, math.random(1, 4) do
      weight = weight + math.random(1, 30)
      if weight <= 100 then steps[#steps + 1] = weight end
    end
    analysis.stepWeights = steps
  else
    analysis.stepWeight = pick({ 5, 10, 20, 25, 30, 40, 50, 70, 100 })
    if analysis.stepWeight < 10 then analysis.maxWeight = 20 end
    if chance(0.6) then analysis.maxWeight = math.min(100, analysis.stepWeight + math.random(0, 10) * 5) end
    if chance(0.3) then analysis.maxWeight = pick({ 10, 20, 30, 50 }) end
  end
  if mirrors[provider] and chance(0.3) then analysis.mirror = true end
end

local tells_apart <const> = { istio = true, ["gatewayapi:v1"] = true, ["appmesh:v1beta2"] = true, contour = true }

local function strategy_of(case)
  local analysis = case.analysis
  local kind = pick({ "weights", "weights", "weights", "ab", "bluegreen", "bluegreen", "skip" })
  if case.provider == "kubernetes" and kind ~= "skip" then kind = "bluegreen" end
  if kind == "ab" and not tells_apart[case.provider] then kind = "weights" end
  case.strategy = kind
  if kind == "ab" then
    analysis.match = true
    analysis.iterations = math.random(1, 4)
  elseif kind == "bluegreen" then
    analysis.iterations = math.random(1, 4)
    if mirrors[case.provider] and chance(0.4) then analysis.mirror = true end
  else
    weights(analysis, case.provider)
  end
  case.skip = kind == "skip"
  if mirrors[case.provider] and kind ~= "ab" and chance(0.35) then analysis.affinity = true end
  if chance(0.4) then analysis.stepWeightPromotion = pick({ 10, 25, 40, 50, 99, 100 }) end
end

local ranges <const> = {
  ["request-success-rate"] = { { min = 99 }, { min = 99.5 }, { min = 90, max = 100 } },
  ["request-duration"] = { { max = 500 }, { min = 1, max = 1500 } },
  ["queue length"] = { { max = 10 }, { min = 2, max = 7.5 }, { min = 3 } },
}
local values <const> = {
  ["request-success-rate"] = { good = { 100, 99.7, 99.99 }, bad = { 98.123, 0, 50 } },
  ["request-duration"] = { good = { 1, 20, 499.9, 500 }, bad = { 0, 501, 1515.2, 1501, 61000, 2000 } },
  ["queue length"] = { good = { 3, 5, 7 }, bad = { 1, 10.5, 11, 7.51 } },
}

local function metrics(case)
  for _, name in ipairs({ "request-success-rate", "request-duration", "queue length" }) do
    if chance(0.5) then
      case.metrics[#case.metrics + 1] = { name = name, range = pick(ranges[name]), query = name == "queue length" }
    end
  end
  -- In any order: all are measured, the first that fails is told.
  if #case.metrics > 1 and chance(0.5) then
    case.metrics[1], case.metrics[2] = case.metrics[2], case.metrics[1]
  end
end

local hook_types <const> = { "confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase",
  "confirm-promotion", "post-rollout", "rollback", "event" }

local function hooks(case, focus)
  for _, kind in ipairs(hook_types) do
    local likely = (focus == kind or focus == "approve" and string.find(kind, "confirm", 1, true)) and 0.8 or 0.3
    for i = 1, chance(likely) and (chance(0.2) and 2 or 1) or 0 do
      local hook = { name = kind .. "-" .. i, type = kind }
      if chance(0.2) then hook.timeout = pick({ 2, 5 }) end
      if chance(0.2) then hook.retries = math.random(1, 2) end
      case.hooks[#case.hooks + 1] = hook
    end
  end
end

---- what happens ----

--- A row of values, each for `case.grid` seconds.
local function stream(case, metric)
  local row, mood = {}, "good"
  while #row * case.grid < case.limit + 2 * case.grid do
    if chance(0.15) then mood = pick({ "good", "good", "bad", "NaN", "_" }) end
    local value = mood
    if mood == "good" or mood == "bad" then value = pick(values[metric.name][mood]) end
    for _ = 1, math.random(1, 6) do row[#row + 1] = value end
  end
  case.streams[metric.name] = row
end

--- How the webhooks of a type like to answer.
local function answers_of(kind, is_commanded)
  if kind == "event" then return pick({ "200", "500", "down", "403" }) end
  if kind == "rollback" then return pick({ "403", "403", "403", "403x3 200", "500", "down", "403x6 200" }) end
  if kind == "pre-rollout" or kind == "rollout" or kind == "post-rollout" then
    return pick({ "200", "200", "200", "202", "500", "500x2 200", "403 200", "timeout 200", "down 200", "204 200",
      "429 200" })
  end
  if is_commanded and chance(0.4) then return "403" end -- until it is approved
  return pick({ "200", "200", "403 200", "403x3 200", "200 403 200", "timeout 200", "500x2 200", "200x2 403x2 200" })
end

--- Who is asked again after a crash counts again: then only the time says what is answered, and there are no retries.
local function steady_answers(case)
  for _, hook in ipairs(case.hooks) do
    hook.retries = nil
    local good, bad = hook.type == "rollback" and "403" or "200", hook.type == "rollback" and "403" or "500"
    if chance(0.5) then
      case.answers[hook.name] = { { at = 0, says = pick({ good, bad, "403" }) },
        { at = odd_time(240, "hook"), says = pick({ good, good, bad }) } }
    end
  end
end

local function answers(case)
  for _, hook in ipairs(case.hooks) do
    if chance(0.7) then
      case.answers[hook.name] = { { at = 0, says = answers_of(hook.type, #case.commands > 0) } }
      if chance(0.3) then
        local later = answers_of(hook.type, #case.commands > 0)
        table.insert(case.answers[hook.name], { at = odd_time(240, "hook"), says = later })
      end
    end
  end
end

local function images(case, likely)
  local last, count = 2, 0
  while chance(likely) and count < 3 do
    count = count + 1
    local image = pick({ "new", "new", "new", "podinfo:1", "podinfo:2", "never" })
    if image == "new" then
      last = last + 1
      image = "podinfo:" .. last
    elseif image == "never" then
      image = "podinfo:never-ready-" .. count
    end
    case.images[#case.images + 1] = { at = odd_time(300, count + 1), image = image }
  end
  table.sort(case.images, function(a, b) return a.at < b.at end)
end

local asks <const> = { "promote", "abort", "pause", "pause", "resume", "resume", "retry", "skip-to", "skip-to",
  "approve", "approve", "dance" }

---@param focus string? what is asked more often than not
local function commands(case, focus)
  local times = {}
  for i = 1, math.random(1, #fractions.command) do times[i] = math.random(0, 240) end
  table.sort(times)
  for i, at in ipairs(times) do
    local id = tostring(i)
    if i > 1 and chance(0.1) then id = case.commands[i - 1].id end -- said again
    local kind = focus and chance(0.7) and focus or pick(asks)
    local weight = math.random(0, 20) * 5
    case.commands[i] = { at = at + fractions.command[i], kind = kind, weight = weight, id = id }
  end
end

--- Whoever finds the object changed twice, each time while a webhook was asked, waits a while.
local ALONE <const> = 40
local function is_said_again(case, at)
  for i, command in ipairs(case.commands) do
    if command.id ~= tostring(i) and math.abs(command.at - at) < ALONE then return true end
  end
  return false
end

--- Of the spec, in mid-run. Who suspends lets it go on, mostly.
local function edits(case, focus)
  local analysis, at = case.analysis, 0
  local fields <const> = { threshold = { 1, 2, 3, 6 }, interval = { 10, 20, 45 }, deadline = { 20, 60, 120 },
    stepWeightPromotion = { 0, 20, 50 }, suspend = { true }, skip = { true, false },
    stepWeight = { 5, 20, 50 }, stepWeights = { { 10, 50 }, { 5, 20, 40, 80 }, { 30 } },
    maxWeight = { 10, 30, 60, 100 }, iterations = { 1, 2, 3, 5 } }
  local names <const> = { "threshold", "interval", "deadline", "stepWeightPromotion", "suspend", "suspend", "skip" }
  if analysis.iterations or analysis.stepWeights then
    names[#names + 1] = analysis.iterations and "iterations" or "stepWeights"
  else
    table.move({ "stepWeight", "maxWeight" }, 1, 2, #names + 1, names)
  end
  while #case.edits < #fractions.edit and chance(0.7) do
    local n = #case.edits + 1
    local name = focus and chance(0.7) and focus or pick(names)
    local value = pick(fields[name])
    local last = case.edits[n - 1]
    if last and last.value == true then name, value = last.field, false end
    at = at + math.random(n > 1 and ALONE or 0, 100)
    while is_said_again(case, at) do at = at + ALONE end
    case.edits[n] = { at = at + fractions.edit[n], field = name, value = value }
  end
end

--- They die, or new ones do not come up. Nobody waits for approval then: while the canary carries all traffic the pods
--- of what waits have it already, and what that comes to is not described.
local function pods(case, focus)
  for i = #case.hooks, 1, -1 do
    if case.hooks[i].type == "confirm-rollout" then table.remove(case.hooks, i) end
  end
  case.pods[1] = { at = math.max(2, odd_time(150, "pods")), lasts = math.random(focus and 150 or 1, 200) + 0.02,
    of = not focus and pick({ "primary", "primary", "target" }) or "primary", how = focus or pick({ "stuck", "down" }) }
end

--- When its users are let go, once traffic has gone back for want of pods, is not described.
local function end_affinity(case)
  local ends = case.pods[1] and case.pods[1].of == "target"
  for _, change in ipairs(case.images) do ends = ends or string.find(change.image, "never", 1, true) end
  if ends then case.analysis.affinity = nil end
end

local function outages(case)
  if chance(0.2) then
    case.outages[1] = { at = odd_time(180, "outage"), lasts = pick({ 5, 30, 60, 100 }) }
  end
end

--- Who was killed looks again at other times, so when pods that never become ready are given up is not known to a
--- second: nothing more may come after such an image.
local function end_with_unready(case)
  for i = 2, #case.images do
    if string.find(case.images[i].image, "never", 1, true) then
      for _, list in ipairs({ case.images, case.commands, case.edits }) do
        for k = #list, 1, -1 do
          if list[k].at > case.images[i].at then table.remove(list, k) end
        end
      end
      return
    end
  end
end

--- Of the daemon and of the API server; not when a new image comes, unless it is wild: what is due at that time may or
--- may not see it.
local function faults(case)
  if not case.wild then end_with_unready(case) end
  for _ = 1, math.random(1, 3) do
    local fault = { at = odd_time(240, "fault"), lasts = 0 }
    if case.wild and #case.images > 1 then fault.at = pick(case.images).at + math.random(-3, 3) + fractions.fault end
    fault.at = math.max(fault.at, 1)
    if chance(0.4) then
      fault.crash = true
    else
      fault.api = pick({ "409", "429", "500", "503", "timeout", "down", "410" })
      fault.lasts = math.random(1, case.wild and 40 or 4)
      if chance(0.5) then fault.share = pick({ 0.2, 0.5, 0.8 }) end
    end
    local alone = true
    for i = 2, #case.images do
      local at = case.images[i].at
      alone = alone and (at < fault.at - 2 or at > fault.at + fault.lasts + 20)
    end
    for _, list in ipairs({ case.commands, case.edits }) do
      for _, change in ipairs(list) do
        alone = alone and (change.at < fault.at - 2 or change.at > fault.at + fault.lasts + 20)
      end
    end
    if alone or case.wild then case.faults[#case.faults + 1] = fault end
  end
  local is_calm = #case.images == 1 and #case.commands == 0 and #case.edits == 0
  if is_calm and chance(0.6) then case.lag = pick({ 0.02, 0.1, 0.2 }) end
end

local providers <const> = { "istio", "istio", "gatewayapi:v1", "appmesh:v1beta2", "appmesh:v1beta2", "kubernetes",
  "linkerd", "traefik", "contour" }

--- What a case can be made about, for who looks for something.
local about <const> = {}
for _, kind in ipairs(asks) do about[kind] = "commands" end
for _, field in ipairs({ "threshold", "interval", "suspend" }) do about[field] = "edits" end
about.stuck, about.down = "pods", "pods"

---@param seed integer
---@param focus string? what the case is about: a command, a field that is edited, "images" …
---@return table case
function M.case(seed, focus)
  local breadth <const> = about[focus]
  math.randomseed(seed)
  local case = { seed = seed, provider = pick(providers), metrics = {},
    hooks = {}, streams = {}, answers = {}, outages = {}, faults = {}, lag = 0, limit = 1200,
    commands = {}, edits = {}, pods = {}, images = { { at = 0, image = "podinfo:2" } } }
  case.analysis = { interval = pick({ 10, 15, 20, 30, 60 }), threshold = math.random(1, 4) }
  case.deadline = pick({ 20, 45, 60, 90 })
  case.replicas = math.random(1, 3)
  case.grid = pick({ 5, 10, 15, 30 })
  strategy_of(case)
  if focus == "mirror" or focus == "affinity" then
    case.provider, case.analysis[focus] = "istio", not case.analysis.match or nil
  end
  metrics(case)
  hooks(case, focus)
  for _, metric in ipairs(case.metrics) do stream(case, metric) end
  images(case, (focus == "images" or breadth == "pods") and 0.9 or 0.4)
  if breadth == "commands" or not focus and chance(0.4) then commands(case, focus) end
  if breadth == "edits" or not focus and chance(0.3) then edits(case, focus) end
  if breadth == "pods" or not focus and chance(0.2) then pods(case, focus) end
  end_affinity(case)
  case.wild = not focus and chance(0.1)
  if case.wild or not focus and #case.pods == 0 and chance(0.35) then
    faults(case)
    steady_answers(case)
  else
    answers(case)
    outages(case) -- how long no data is excused after one is a matter of milliseconds, which trouble has not
  end
  return case
end

return M
