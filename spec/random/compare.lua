--- The engine's transcript beside the model's, item by item, until they differ.
---
--- Without trouble all must be the same, the times too. Where the daemon was killed or the API server in trouble, the
--- engine may be late, may ask a webhook or a metric again, and what it says of workloads that are not ready depends on
--- when it looked.

local M = {}

local LATE <const> = 15 -- seconds that trouble may last after its end: the engine tries again ever more seldom
local REQUESTS <const> = 30 -- each of them lags, one after the other
local LOOK_AGAIN <const> = 10 -- each so many seconds, counted from when it came to wait, or was started
local EARLY <const> = 8 -- the interval counts from when a tick began, which is told by what came of it

local function is_notice(item)
  return item.kind == "event" and item.type == "Warning" and string.find(item.message, " not ready: ", 1, true)
end

local function is_question(item) return item.kind == "hook" or item.kind == "sample" end

--- One line, without its time: what is compared.
function M.text(item)
  if item.kind == "event" then return string.format("%-8s %s", item.type, item.message) end
  if item.kind == "status" then
    return string.format("Status   %s, weight %d, iteration %d, failed checks %d", item.phase, item.weight,
      item.iterations, item.failedChecks)
  end
  if item.kind == "route" then return "Route    " .. item.split end
  if item.kind == "hook" then return string.format("Webhook  %s: %s", item.name, tostring(item.answer)) end
  return string.format("Metric   %s: %s", item.name, tostring(item.answer))
end

local function asks_the_same(a, b) return is_question(a) and a.kind == b.kind and a.name == b.name end

--- A daemon that was killed asks again: what it is told last is what counts.
local function last_of(items, at)
  local last = at
  for i = at + 1, #items do
    local item = items[i]
    if not (is_question(item) or is_notice(item)) or item.at > items[at].at + EARLY then break end
    if asks_the_same(item, items[at]) then last = i end
  end
  return last
end

--- What the engine did, in the model's words: since the release, and without the receivers of events.
local function told_by_engine(case, transcript)
  local items, receivers = {}, {}
  for _, hook in ipairs(case.hooks) do receivers[hook.name] = hook.type == "event" end
  for _, item in ipairs(transcript.items) do
    local copy = {}
    for key, value in pairs(item) do copy[key] = value end
    -- Of a command that cannot be read the API server knows the second.
    if item.kind == "event" then copy.message = string.gsub(item.message, " by jane at %S+", " by jane") end
    if item.kind == "hook" then
      copy.answer = item.text or math.tointeger(item.status)
    elseif item.kind == "sample" then
      copy.name = item.metric
      local words = { ["no values found"] = "none", ["the recording says NaN"] = "NaN",
        ["the metric store is down (scenario)"] = "down" }
      copy.answer = item.value or words[item.text] or item.text
    end
    -- With a lag its initialization may be told after the release has begun.
    local begun = item.at >= 0 and not string.find(item.message or "", "Initialization done!", 1, true)
    local counts = begun and item.kind ~= "scene" and not (item.kind == "hook" and receivers[item.name])
    if counts then items[#items + 1] = copy end
  end
  return items
end

--- It is told again after a while, one event after the other: the end of the rehearsal may come first.
local function is_down(case, hook)
  for _, answer in ipairs(case.answers[hook.name] or {}) do
    if answer.says ~= "200" and answer.says ~= "403" then return true end
  end
  return false
end

--- Each event is posted to each receiver of events.
local function missed_receiver(case, transcript)
  for _, hook in ipairs(case.hooks) do
    local heard = {}
    for _, item in ipairs(transcript.items) do
      if item.kind == "hook" and item.name == hook.name then heard[item.message or ""] = true end
    end
    for _, item in ipairs(transcript.items) do
      if hook.type == "event" and not is_down(case, hook) and item.kind == "event" and not heard[item.message] then
        return { at = item.at, wanted = "a post to " .. hook.name .. ": " .. item.message, got = "none" }
      end
    end
  end
  return nil
end

local function trouble_before(case, at)
  for _, fault in ipairs(case.faults) do
    if at >= fault.at - 1 and at <= fault.at + (fault.lasts or 1) + LATE then return true end
  end
  return false
end

local function may_stand(case)
  for _, command in ipairs(case.commands) do
    if command.kind == "pause" then return true end
  end
  for _, edit in ipairs(case.edits) do
    if edit.field == "suspend" then return true end
  end
  return false
end

--- How it ends is what the last status says: {at, wanted, got}; nil when it is.
local function wrong_end(case, transcript)
  if #case.pods > 0 then return nil end -- where traffic is then, the last route says
  local target, primary = transcript.left.podinfo, transcript.left["podinfo-primary"]
  -- A webhook may be asked about the last image while the rehearsal ends.
  local last = transcript.items[#transcript.items]
  local is_late = case.images[#case.images].at + 15 > transcript.took or last and last.kind == "hook"
  local is_promoted = target.image == primary.image or is_late or may_stand(case)
  local function found(wanted)
    return { before = {}, wanted = wanted, got = string.format("%s, %d of %s, primary %s", transcript.phase,
      target.replicas, target.image, primary.image) }
  end
  if transcript.phase == "Succeeded" and not is_promoted then return found("a primary that runs what was promoted") end
  local rests = transcript.phase == "Succeeded" or transcript.phase == "Failed"
  if rests and target.replicas > 0 then return found("a target that was scaled down") end
  local route
  for _, item in ipairs(transcript.items) do route = item.kind == "route" and item.split or route end
  local is_back = not route or route == "100/0" or route == "100/0 forgets"
  if rests and not is_back then return found("traffic on the primary, not " .. route) end
  return nil
end

--- Who came first in wild trouble decides what comes; but it ends, and right.
function M.wild(case, transcript)
  local is_shut = may_stand(case)
  for _, hook in ipairs(case.hooks) do is_shut = is_shut or string.find(hook.type, "confirm", 1, true) ~= nil end
  local rests = transcript.phase == "Succeeded" or transcript.phase == "Failed" or transcript.phase == "Initialized"
  if not rests and not is_shut then
    return { before = {}, wanted = "an end", got = transcript.phase .. " after " .. case.limit .. "s" }
  end
  return wrong_end(case, transcript) or missed_receiver(case, transcript)
end

--- Where they differ first: {wanted, wanted_at, got, got_at, before}; nil: nowhere.
function M.differ(case, transcript, model)
  local items, at, before = told_by_engine(case, transcript), 1, {}
  local troubled = #case.faults > 0 or case.lag > 0
  local last_status = "Status   Initialized, weight 0, iteration 0, failed checks 0"
  local ends = transcript.took + 5 - (troubled and LATE or 0.5)
  local wanted

  local function go_on(...)
    local resumed, item = coroutine.resume(model, ...)
    assert(resumed, item)
    -- A status is told when it changed.
    while item and item.kind == "status" and M.text(item) == last_status do
      resumed, item = coroutine.resume(model, item.at)
      assert(resumed, item)
    end
    wanted = item
  end

  local found_at, found_early -- what was found sooner than the model looked again, and by how much

  local function is_in_time(got)
    local late = got.at - wanted.at + (wanted.at == found_at and found_early or 0)
    if math.abs(late) < 0.01 then return true end
    if not troubled then return false end
    if late > 0 and late < case.lag * REQUESTS then return true end
    if wanted.looked and math.abs(late) <= LOOK_AGAIN then
      if late < 0 then found_at, found_early = wanted.at, -late end
      return true
    end
    return late > -EARLY and (late < 0 or (late < 4 + LATE and trouble_before(case, got.at)))
  end

  go_on()
  while true do
    local got = items[at]
    if got == nil and (wanted == nil or wanted.at >= ends) then
      return wrong_end(case, transcript) or missed_receiver(case, transcript)
    end
    if got and wanted and asks_the_same(got, wanted) then
      if troubled and is_in_time(got) then
        at = last_of(items, at)
        got = items[at]
      end
      wanted.answer = wanted.answer_at(troubled and got.at or wanted.at)
    end
    local same = got and wanted and M.text(got) == M.text(wanted)
    if same and is_in_time(got) then
      before[#before + 1] = string.format("%8.1fs  %s", got.at, M.text(got))
      if got.kind == "status" then last_status = M.text(got) end
      at = at + 1
      go_on(got.at, wanted.answer)
    elseif troubled and got and (is_question(got) or is_notice(got) or (got.kind == "route" and not same)) then
      at = at + 1 -- once more
    elseif troubled and wanted and is_notice(wanted) then
      go_on(wanted.at)
    else
      if wanted and wanted.answer_at and wanted.answer == nil then wanted.answer = wanted.answer_at(wanted.at) end
      return { before = before, wanted = wanted and M.text(wanted) or "nothing more", wanted_at = wanted and wanted.at,
        got = got and M.text(got) or "nothing more", got_at = got and got.at }
    end
  end
end

return M
