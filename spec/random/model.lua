--- The reference: what Flagger's state machine does with a case, with our documented differences, told step by step.
--- Written from its description, for being read beside it; it shares nothing with the engine.
---
--- It is a coroutine that yields what happens next, as the transcript of a rehearsal has it, each with its time:
---   {kind = "event", type, message}   {kind = "status", phase, weight, iterations, failedChecks}
---   {kind = "route", split}   {kind = "hook", name, answer_at}   {kind = "sample", name, answer_at}
--- and is told in return when that was, which is later where something held the daemon up, and a question's answer.

local words <const> = require("words")

local M = {}

local NAME <const> = "podinfo.test"
local PRIMARY <const> = "podinfo-primary.test"
local LOOK_AGAIN <const> = 10
local GONE <const> = {}
local USUAL <const> = 10
local WINDOW <const> = 60 -- that the queries look back

---@param case table
---@param world table
function M.run(case, world)
  local analysis <const> = case.analysis
  local interval <const> = analysis.interval
  local routed <const> = case.provider ~= "kubernetes"
  local seen <const> = case.provider == "istio" or case.provider == "appmesh:v1beta2" -- of these the routes are told
  local status = { phase = "Initialized", weight = 0, iterations = 0, failedChecks = 0 }
  local revision = "podinfo:1" -- that the status is about
  local primary_weight, canary_weight, mirrored = 100, 0, false
  local on_routes = "100/0"
  local due = math.huge
  local since, notice = 0, nil -- it is in its phase, and how often it was told that it waits
  local store_down = {} -- whether the last check was held for it, and when one after such a check was
  local owed = {} -- what follows from a commit, in order

  local is_gone --- @type fun(): boolean whether what this tick asks about is not there any more
  local began, asked = 0, false -- when this tick did, and whether it asked anybody yet

  local function tell(item)
    item.at = world.now
    local when, answer = coroutine.yield(item)
    world:pass_until(when)
    -- After trouble a tick began anew, as can be told from its first question.
    if item.answer_at and not asked and (#case.faults > 0 or case.lag > 0) then began = when end
    asked = asked or item.answer_at ~= nil
    return answer
  end

  local function event(kind, format, ...)
    table.insert(owed, { kind = kind, text = string.format(format, ...) })
  end
  local function normal(...) event("Normal", ...) end
  local function warning(...) event("Warning", ...) end

  local function hooks_of(kind)
    local list = {}
    for _, hook in ipairs(case.hooks) do
      if hook.type == kind then list[#list + 1] = hook end
    end
    return list
  end

  --- Time passes, until what is asked about is gone (difference: nobody waits for the answer then).
  local function wait(seconds)
    local till = world.now + seconds
    while world:next_change() <= till do
      world:happen(world:next_change())
      if is_gone() then error(GONE, 0) end
    end
    world:pass_until(till)
  end

  --- POST, again after 1s, 2s, 4s … where that may help. True, or false and why.
  local function call(hook)
    local attempt, pause = 1, 1
    while true do
      local answer = tell({ kind = "hook", name = hook.name,
        answer_at = function(when) return world:hook(hook, when) end })
      world:was_called(hook)
      if answer == "timeout" then wait(hook.timeout or 10) end
      local broken = type(answer) == "string"
      if not broken and answer >= 200 and answer <= 202 then return true end
      local transient = broken or answer == 429 or (answer >= 500 and answer ~= 501)
      if not transient then return false, "answered with HTTP status " .. answer end
      if attempt > (hook.retries or 0) then
        local why = { timeout = ": no answer in time", down = ": connection refused" }
        return false, string.format("POST http://tester.test/%s giving up after %d attempt(s)%s", hook.name, attempt,
          why[answer] or "")
      end
      wait(pause)
      attempt, pause = attempt + 1, math.min(30, pause * 2)
    end
  end

  --- In order, until one fails: that one, and why. `passed`: what is said of each that passes.
  local function call_all(kind, passed)
    for _, hook in ipairs(hooks_of(kind)) do
      local good, why = call(hook)
      if not good then return hook, why end
      if passed then normal("%s check %s passed", passed, hook.name) end
    end
    return nil
  end

  local function split_text()
    return string.format("%d/%d%s", primary_weight, canary_weight, mirrored and " mirror" or "")
  end

  local function pay_events()
    while owed[1] and owed[1].kind ~= "work" do
      local one = table.remove(owed, 1)
      tell({ kind = "event", type = one.kind, message = one.text })
    end
  end

  --- The status is written first; events, traffic and the rest follow from it. Nothing of it is lost.
  --- `looked`: found by looking again now and then.
  local function commit(looked)
    tell({ kind = "status", phase = status.phase, weight = status.weight, iterations = status.iterations,
      failedChecks = status.failedChecks, looked = looked })
    began, asked = world.now, false
    pay_events()
    if seen and split_text() ~= on_routes then
      on_routes = split_text()
      tell({ kind = "route", split = on_routes })
    end
    while owed[1] do
      if owed[1].kind == "work" then table.remove(owed, 1).run() end
      pay_events()
    end
  end

  local function work(run) table.insert(owed, { kind = "work", run = run }) end

  local function set_routes(primary, canary, mirror)
    primary_weight, canary_weight, mirrored = primary, canary, mirror or false
  end

  local function enter(phase)
    status.phase = phase
    since, notice = began, nil
  end

  local function reset()
    status.weight, status.iterations, status.failedChecks = 0, 0, 0
    set_routes(100, 0)
    store_down = {}
  end

  --- Pods take their time: told when that is longer than an interval, then ever more rarely (difference).
  local function halt(format, ...)
    local usual = math.min(interval, USUAL)
    if world.now < since + usual then return since + usual end
    local times, long = 0, usual
    while long <= (world.now - since) / 4 + 0.001 do times, long = times + 1, long * 4 end
    if notice == times then return world.now + LOOK_AGAIN end
    notice = times
    tell({ kind = "event", type = "Warning", message = string.format(format, ...) })
    return nil
  end

  local function post_rollout()
    is_gone = function() return false end
    for _, hook in ipairs(hooks_of("post-rollout")) do
      local good, why = call(hook)
      if good then
        normal("Post-rollout check %s passed", hook.name)
      else
        warning("Post-rollout hook %s failed %s", hook.name, why)
      end
      local said = table.remove(owed)
      tell({ kind = "event", type = said.kind, message = said.text })
      if not good then return end -- the remaining hooks are skipped
    end
  end

  local function scale_to_zero() world:write(world.target, "replicas", 0) end

  --- Statemachine 8.1. At once, not an interval later (difference).
  local function roll_back(reason, looked)
    warning("Rolling back %s %s", NAME, reason)
    enter("Failed")
    reset()
    due = math.huge
    work(scale_to_zero)
    warning("Canary failed! Scaling down %s", NAME)
    work(post_rollout)
    commit(looked)
  end

  local function fail_check()
    status.failedChecks = status.failedChecks + 1
    due = began + interval
    commit()
  end

  ---- 6.3, 6.4 ----

  local function promote()
    normal("Copying %s template spec to %s", NAME, PRIMARY)
    enter("Promoting")
    due = world.now
    commit()
  end

  local function promoting()
    world:write(world.primary, "image", revision)
    local ready, why = world:readiness(world.primary)
    if ready ~= "ready" then return halt("%s not ready: %s", PRIMARY, why) end
    -- Of a newer revision that comes meanwhile nobody knows anything: it gets no traffic (difference).
    local newer = world.target.image ~= revision
    if world.now < due and not newer then return due end
    local step = analysis.stepWeightPromotion or 0
    local primary = step > 0 and not newer and math.min(100, primary_weight + step) or 100
    set_routes(primary, 100 - primary)
    if routed and step == 0 then normal("Routing all traffic to primary") end
    if routed and step > 0 then normal("Advance %s primary weight %d", NAME, primary) end
    status.weight = 100 - primary
    if primary == 100 then
      enter("Finalising")
      status.iterations = 0
    end
    commit()
    due = world.now + interval
    return nil
  end

  local function finalising()
    if world.now < due then return due end
    enter("Succeeded")
    reset()
    due = math.huge
    work(scale_to_zero)
    work(post_rollout)
    normal("Promotion completed! Scaling down %s", NAME)
    commit()
    return nil
  end

  --- 6.5
  local function skip()
    normal("Copying %s template spec to %s", NAME, PRIMARY)
    enter("Succeeded")
    reset()
    due = math.huge
    work(function()
      world:write(world.primary, "image", revision)
      scale_to_zero()
      post_rollout()
    end)
    normal("Promotion completed! Canary analysis was skipped for %s", NAME)
    commit()
  end

  ---- 6.1, 6.2 ----

  --- True while a gate is open.
  local function may_increase()
    if mirrored or status.phase ~= "Progressing" then return true end
    local shut = call_all("confirm-traffic-increase", "Confirm-traffic-increase")
    if not shut then return true end
    warning("Halt %s advancement waiting for traffic increase approval %s", NAME, shut.name)
    due = began + interval
    commit()
    return false
  end

  local function may_promote()
    local shut = call_all("confirm-promotion", "Confirm-promotion")
    if not shut then return true end
    if status.phase ~= "WaitingPromotion" then
      warning("Halt %s advancement waiting for promotion approval %s", NAME, shut.name)
      enter("WaitingPromotion") -- with the weight and the iterations that there are (difference)
    end
    due = began + interval
    commit()
    return false
  end

  local function next_weight()
    local steps = analysis.stepWeights
    if not steps then return math.min(100, canary_weight + analysis.stepWeight) end
    for _, step in ipairs(steps) do
      if step > canary_weight then return step end
    end
    return 100
  end

  local function max_weight()
    local steps = analysis.stepWeights
    if steps then return math.min(100, steps[#steps]) end
    return analysis.maxWeight or 100
  end

  local function weights()
    if not may_increase() then return end
    if canary_weight >= max_weight() then
      if may_promote() then promote() end
      return
    end
    if analysis.mirror and canary_weight == 0 and not mirrored then
      set_routes(100, 0, true)
    else
      local weight = next_weight()
      set_routes(100 - weight, weight)
    end
    status.weight = canary_weight
    normal("Advance %s canary weight %d", NAME, canary_weight)
    commit()
    due = world.now + interval -- counts from when the split is live (difference)
  end

  local function iterate()
    local done, all = status.iterations, analysis.iterations
    local ab = analysis.match
    if done >= all and not may_promote() then return end
    if done > all or (ab and done == all) then
      promote()
      return
    end
    status.iterations = done + 1
    if done < all then
      set_routes(ab and 0 or 100, ab and 100 or 0, not ab and analysis.mirror)
      normal("Advance %s canary iteration %d/%d", NAME, done + 1, all)
    elseif routed then
      set_routes(0, 100)
      normal(analysis.mirror and "Stop traffic mirroring and route all traffic to canary" or
        "Routing all traffic to canary")
    end
    commit()
    due = world.now + interval
  end

  local function checked(down)
    if store_down.last then store_down.answered = began end
    store_down.last = down
  end

  --- "pass", "fail" or "hold", and why not.
  local function judge(metric, answer)
    if answer == "down" then
      -- A store that fails holds (difference).
      return "hold", string.format("Halt %s advancement metric %s not measured: the metric store is down (scenario)",
        NAME, metric.name)
    elseif type(answer) == "number" then
      local why = words.judgement(metric, answer)
      return why and "fail" or "pass", why
    elseif store_down.last or store_down.answered and began - store_down.answered < WINDOW + 0.001 then
      -- It has no data of the time it was down (difference).
      return "hold", string.format("Halt %s advancement metric %s has no data yet, its store was down", NAME,
        metric.name)
    end
    return "fail", words.no_values(case.provider, metric)
  end

  --- What there is to measure: all of it, the first failure is told (difference). "pass", "fail" or "hold".
  local function measure()
    local shut, why = call_all("rollout")
    if shut then
      warning("Halt %s advancement external check %s failed %s", NAME, shut.name, why)
      checked(false)
      return "fail"
    end
    local answers, verdict, down = {}, "pass", false
    for i, metric in ipairs(case.metrics) do
      answers[i] = tell({ kind = "sample", name = metric.name,
        answer_at = function(when) return world:metric(metric.name, when) end })
    end
    for i, metric in ipairs(case.metrics) do
      local says, text = judge(metric, answers[i])
      if says == "fail" and verdict ~= "fail" or says == "hold" and verdict == "pass" then
        verdict, down = says, says == "hold" and answers[i] == "down"
        warning("%s", text)
      end
    end
    checked(down)
    return verdict
  end

  --- 22 to 30 of a tick.
  local function analyse()
    if status.failedChecks >= analysis.threshold then
      roll_back("failed checks threshold reached " .. status.failedChecks)
      return nil
    end
    if world.now < due then return due end
    for _, hook in ipairs(hooks_of("rollback")) do
      if call(hook) then
        warning("Rollback check %s passed", hook.name)
        roll_back("manual webhook invoked")
        return nil
      end
      normal("Rollback hook %s not signaling a rollback", hook.name)
    end
    if canary_weight == 0 and status.iterations == 0 and not (analysis.mirror and mirrored) then
      normal("Starting canary analysis for %s", NAME)
      checked(false)
      local shut, why = call_all("pre-rollout", "Pre-rollout")
      if shut then
        warning("Halt %s advancement pre-rollout check %s failed %s", NAME, shut.name, why)
        fail_check()
        return nil
      end
    else
      local verdict = measure()
      if verdict == "fail" then
        fail_check()
        return nil
      elseif verdict == "hold" then
        due = began + interval
        commit()
        return nil
      end
    end
    if analysis.iterations then iterate() else weights() end
    return nil
  end

  local function take_revision()
    revision = world.target.image
    reset()
    due = world.now
  end

  --- 20 to 22. A target that is back at what is promoted cancels (difference).
  local function progressing()
    if world.target.image ~= revision then
      if world.target.image == world.primary.image then
        revision = world.target.image
        roll_back("the target is back at the promoted revision")
        return nil
      end
      normal("New revision detected! Restarting analysis for %s", NAME)
      enter("Progressing")
      take_revision()
      commit()
      return nil
    end
    is_gone = function() return world.target.image ~= revision end
    if world.target.replicas == 0 then world:write(world.target, "replicas", case.replicas) end
    local ready, why = world:readiness(world.target)
    if ready == "never" then
      roll_back("progress deadline exceeded " .. why, true) -- without a word in the reference (difference)
      return nil
    end
    if ready ~= "ready" then return halt("canary deployment %s not ready: %s", NAME, why) end
    if case.skip then
      skip()
      return nil
    end
    return analyse()
  end

  --- 3: a rollout begins, if confirm-rollout lets it.
  local function begin()
    is_gone = function() return world.target.image == world.primary.image end
    local shut = call_all("confirm-rollout", "Confirm-rollout")
    if shut then
      if status.phase ~= "Waiting" then
        warning("Halt %s advancement waiting for approval %s", NAME, shut.name)
        enter("Waiting")
      end
      due = began + interval
      commit()
      return nil
    end
    normal("New revision detected! Scaling up %s", NAME)
    enter("Progressing")
    take_revision()
    due = began
    commit()
    return nil
  end

  local function at_rest()
    if world.target.image == revision then return math.huge end
    if world.target.image == world.primary.image then
      revision = world.target.image
      return math.huge
    end
    return begin()
  end

  local function waiting()
    if world.target.image == world.primary.image then
      revision = world.target.image
      enter("Initialized") -- given up (difference)
      due = math.huge
      commit()
      return nil
    end
    return world.now < due and due or begin()
  end

  local phases <const> = { Initialized = at_rest, Succeeded = at_rest, Failed = at_rest, Waiting = waiting,
    Progressing = progressing, WaitingPromotion = progressing, Promoting = promoting, Finalising = finalising }

  --- Until there is nothing to do now; when to look again, and sooner if something changes.
  local again
  repeat
    began, asked = world.now, false
    repeat
      local good, result = pcall(phases[status.phase])
      if not good and result ~= GONE then error(result, 0) end
      if not good then owed = {} end
      again = good and result
    until again
  until not world:sleep(due > world.now and math.min(due, again) or again)
end

return M
