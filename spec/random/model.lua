--- The reference: what Flagger's state machine does with a case, with our documented differences, told step by step.
--- Written from its description, for being read beside it; it shares nothing with the engine.
---
--- It is a coroutine that yields what happens next, as the transcript of a rehearsal has it, each with its time:
---   {kind = "event", type, message}   {kind = "status", phase, weight, iterations, failedChecks}
---   {kind = "route", split}   {kind = "hook", name, answer_at}   {kind = "sample", name, answer_at}
--- and is told in return when that was, which is later where something held the daemon up, and a question's answer.

local Canary <const> = require("canary")
local analysis <const> = require("analysis")
local commands <const> = require("commands")

local M = {}

local NAME <const> = Canary.NAME
local PRIMARY <const> = Canary.PRIMARY

---- 6.3, 6.4 ----

--- Whether the primary runs the new revision; if not, when to look again, nil: now. 8.2 when it never does.
local function primary_took_over(canary)
  local ready, why = canary:ready(canary.world.primary)
  if ready == "ready" then return true end
  if ready == "not yet" then return false, canary:await_pods(PRIMARY, why) end
  canary:warning("Promotion of %s failed, primary not ready: %s", NAME, why)
  canary:fail(true, true)
  return false, nil
end

local function promoting(canary)
  local world = canary.world
  if world.primary.image ~= canary.revision then
    canary.former = world.primary.image
    world:write(world.primary, "image", canary.revision)
  end
  local is_up, again = primary_took_over(canary)
  if not is_up then return again end
  -- Of a newer revision that comes meanwhile nobody knows anything: it gets no traffic (difference).
  local newer = world.target.image ~= canary.revision
  if world.now < canary.due and not newer then return canary.due end
  local step = canary.spec.analysis.stepWeightPromotion or 0
  local primary = step > 0 and not newer and math.min(100, canary.split.primary + step) or 100
  canary:set_routes(primary, 100 - primary)
  if canary.routed and step == 0 then canary:normal("Routing all traffic to primary") end
  if canary.routed and step > 0 then canary:normal("Advance %s primary weight %d", NAME, primary) end
  canary.status.weight = 100 - primary
  if primary == 100 then
    canary:enter("Finalising")
    canary.status.iterations = 0
  end
  canary:commit()
  canary.due = world.now + canary.spec.analysis.interval
  return nil
end

local function finalising(canary)
  local is_up, again = primary_took_over(canary)
  if not is_up then return again end
  if canary.world.now < canary.due then return canary.due end
  canary:enter("Succeeded")
  canary:reset()
  canary.due = math.huge
  canary:owe_scaling_down()
  canary:owe_post_rollout()
  canary:normal("Promotion completed! Scaling down %s", NAME)
  canary:commit()
  return nil
end

--- 6.5
local function skip(canary)
  canary:normal("Copying %s template spec to %s", NAME, PRIMARY)
  canary:enter("Succeeded")
  canary:reset()
  canary.due = math.huge
  canary:work(function()
    canary.world:write(canary.world.primary, "image", canary.revision)
    return true
  end)
  canary:owe_scaling_down()
  canary:owe_post_rollout()
  canary:normal("Promotion completed! Canary analysis was skipped for %s", NAME)
  canary:commit()
end

---- 20 to 22 ----

--- A fix of a primary that is broken is analysed where the traffic is (difference).
local function take_revision(canary)
  local inherits = canary:must_carry_all(true)
  canary.revision = canary.world.target.image
  canary:reset()
  canary.due = canary.world.now
  if not inherits then return end
  canary:set_routes(0, 100)
  canary.status.weight = 100
  canary.inherits = true
end

--- A target that is back at what is promoted cancels (difference).
local function progressing(canary)
  local world = canary.world
  if world.target.image ~= canary.revision then
    if world.target.image == world.primary.image then
      canary.revision = world.target.image
      canary:roll_back("the target is back at the promoted revision")
      return nil
    end
    canary:normal("New revision detected! Restarting analysis for %s", NAME)
    canary:enter("Progressing")
    take_revision(canary)
    canary:commit()
    return nil
  end
  -- A primary that is not ready matters, unless the canary has all traffic for that.
  local function needs_primary()
    return not canary.spec.skip and not (canary.split.canary == 100 and canary:must_carry_all())
  end
  canary.is_gone = function()
    return world.target.image ~= canary.revision or canary:ready(world.target) ~= "ready"
      or needs_primary() and canary:ready(world.primary) ~= "ready"
  end
  if needs_primary() then
    local ready, why = canary:ready(world.primary)
    if ready == "not yet" then return canary:await_pods(PRIMARY, why) end
    if ready == "never" then
      canary:roll_back("progress deadline exceeded " .. why, { looked = true })
      return nil
    end
  end
  if world.target.replicas == 0 then world:write(world.target, "replicas", canary.case.replicas) end
  local ready, why = canary:ready(world.target)
  if ready == "never" then
    -- Without a word in the reference (difference).
    canary:roll_back("progress deadline exceeded " .. why, { looked = true })
    return nil
  end
  if ready ~= "ready" then return canary:await_pods("canary deployment " .. NAME, why) end
  if commands.obey_when_ready(canary, skip) then return nil end
  if canary.spec.skip then
    skip(canary)
    return nil
  end
  return analysis.analyse(canary)
end

---- 3 ----

--- A rollout begins, if confirm-rollout lets it.
local function begin(canary)
  local world = canary.world
  canary.is_gone = function() return world.target.image == world.primary.image end
  local is_open = canary.approved == "rollout" or commands.begins(canary)
  local shut = not is_open and canary:call_all("confirm-rollout", "Confirm-rollout")
  if shut then
    if canary.status.phase ~= "Waiting" then
      canary:warning("Halt %s advancement waiting for approval %s", NAME, shut.name)
      canary:enter("Waiting")
    end
    canary:again_later()
    return nil
  end
  canary:drop_scaling_down()
  canary:normal("New revision detected! Scaling up %s", NAME)
  canary:enter("Progressing")
  take_revision(canary)
  canary.due = canary.began
  canary:commit()
  return nil
end

local function at_rest(canary)
  local world = canary.world
  if world.target.image == canary.revision then return math.huge end
  if world.target.image == world.primary.image then
    canary.revision = world.target.image
    return math.huge
  end
  local ready, why = canary:ready(world.primary)
  if not canary.spec.skip and ready == "not yet" and canary.split.canary < 100 then
    return canary:await_pods(PRIMARY, why)
  end
  return begin(canary)
end

local function waiting(canary)
  local world = canary.world
  if world.target.image == world.primary.image then
    canary:give_up()
    return nil
  end
  if commands.begins(canary) then return begin(canary) end
  return world.now < canary.due and canary.due or begin(canary)
end

local phases <const> = { Initialized = at_rest, Succeeded = at_rest, Failed = at_rest, Waiting = waiting,
  Progressing = progressing, WaitingPromotion = progressing, Promoting = promoting, Finalising = finalising }

--- 2: nothing happens while it is suspended, but for telling what has happened. Said once (difference).
local function suspended(canary)
  canary:pay_events()
  return canary:look_again("suspended", "Normal", "skipping canary run as object is suspended")
end

--- What the end of the last release waits for stands not in the way of the revision that mends it (difference).
local function a_fix_waits(canary)
  local image = canary.world.target.image
  return phases[canary.status.phase] == at_rest and not canary.paused and image ~= canary.revision
    and image ~= canary.world.primary.image
end

--- An interval that was made shorter counts from now (difference).
local function hasten(canary)
  local due = canary.world.now + canary.spec.analysis.interval
  if phases[canary.status.phase] ~= at_rest and not canary.held and canary.due > due + 1 then canary.due = due end
end

--- Commands first, then what is owed, then the phase's. When to look again; nil: now.
local function tick(canary)
  if canary.spec.suspend then return suspended(canary) end
  if commands.obey(canary) then return nil end
  local paid, again = canary:pay()
  if not paid and not a_fix_waits(canary) then return again end
  if canary.paused and not commands.waits(canary) then return math.huge end
  hasten(canary)
  return phases[canary.status.phase](canary)
end

---@param case table
---@param world table
function M.run(case, world)
  local canary = Canary.new(case, world)
  --- Until there is nothing to do now; when to look again, and sooner if something changes.
  local again
  repeat
    canary.began, canary.asked = world.now, false
    repeat
      canary:remember()
      local good, result = pcall(tick, canary)
      if not good and result ~= Canary.GONE and result ~= Canary.ANEW then error(result, 0) end
      if not good then canary:take_back() end
      if result == Canary.ANEW then canary.began, canary.asked = world.now, false end
      again = good and result
    until again
    local due = canary.due > world.now and not canary.paused and canary.due or math.huge
  until not world:sleep(math.min(due, again)) or world.now > 2 * case.limit
end

return M
