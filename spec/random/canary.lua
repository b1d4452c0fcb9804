--- The model's canary: its status, what follows from a commit of it, and how all that is told and asked.

local NAME <const> = "podinfo.test"
local LOOK_AGAIN <const> = 10
local USUAL <const> = 10

local Canary = { NAME = NAME, PRIMARY = "podinfo-primary.test" }
Canary.__index = Canary

--- Raised where what a tick asks about is not there any more; and where the object is another, so that it begins anew.
Canary.GONE, Canary.ANEW = {}, {}

---@param case table
---@param world table
function Canary.new(case, world)
  local canary = {
    case = case, world = world,
    spec = world.spec, -- as it is now
    routed = case.provider ~= "kubernetes",
    -- Of these the routes are told.
    seen = case.provider == "istio" or case.provider == "gatewayapi:v1" or case.provider == "appmesh:v1beta2",
    status = { phase = "Initialized", weight = 0, iterations = 0, failedChecks = 0 },
    revision = "podinfo:1", -- that the status is about
    split = { primary = 100, canary = 0, mirrored = false },
    on_routes = "100/0",
    has_cookies = false, had_cookies = false, -- somebody keeps to the canary, or to one before
    diverted = nil, -- who has all traffic, as the other has no pods
    inherits = false, -- all traffic, from a revision before, and has made no step
    due = math.huge,
    since = 0, notice = nil, -- it is in its phase, and how often it was told that it waits
    store_down = {}, -- whether the last check was held for it, and when one after such a check was
    notes = {}, -- what the next commit says
    owed = {}, -- what follows from a commit, in order
    version = nil, kept = nil, -- of the object, as this tick read it, and what was committed last
    taken = nil, -- the command that was answered last
    held = false, -- for what metrics do not say, and not for people
    paused = nil, paused_for = 0, -- since, and how long in this phase
    approved = nil, gated = false, -- the gate that is open by command; whether one of traffic is waited at
    is_gone = nil, --- @type fun(): boolean whether what this tick asks about is not there any more
    began = 0, asked = false, -- when this tick did, and whether it asked anybody yet
  }
  return setmetatable(canary, Canary)
end

---- traffic ----

local function split_text(split)
  return string.format("%d/%d%s", split.primary, split.canary, split.mirrored and " mirror" or "")
end

local released <const> = { Progressing = true, WaitingPromotion = true, Promoting = true }

--- Who has no pods has no traffic while the other has some; but for a canary that was given none (difference).
local function split_in_force(self)
  local target, primary, split = self.world.target, self.world.primary, self.split
  self.diverted = nil
  if self.routed and split.canary > 0 and primary.available > 0 and target.available == 0 then
    self.diverted = "primary"
    return { primary = 100, canary = 0 }
  end
  local shares = released[self.status.phase] and split.primary > 0 and split.canary > 0
  local serves = target.replicas > 0 and self:ready(target) == "ready"
  if self.routed and shares and primary.available == 0 and serves then
    self.diverted = "canary"
    return { primary = 0, canary = 100 }
  end
  return split
end

--- 14: who came to the canary keeps to it, until a commit takes its traffic away.
local function give_cookies(self)
  if self.split.canary == 0 and self.has_cookies then self.had_cookies = true end
  self.has_cookies = self.split.canary > 0
end

local function stickiness(self, split)
  if not self.case.analysis.affinity then return "" end
  if split.canary > 0 then return " sticky" end
  return self.had_cookies and " forgets" or ""
end

local function wanted_on_routes(self)
  local split = split_in_force(self)
  return split_text(split) .. stickiness(self, split), split
end

---- telling and asking ----

function Canary:tell(item)
  local world = self.world
  item.at = world.now
  local when, answer = coroutine.yield(item)
  world:pass_until(when)
  -- After trouble a tick began anew, as can be told from its first question.
  if item.answer_at and not self.asked and (#self.case.faults > 0 or self.case.lag > 0) then self.began = when end
  self.asked = self.asked or item.answer_at ~= nil
  return answer
end

local function event(self, kind, format, ...)
  table.insert(self.notes, { kind = kind, text = string.format(format, ...) })
end
function Canary:normal(...) event(self, "Normal", ...) end
function Canary:warning(...) event(self, "Warning", ...) end

function Canary:hooks_of(kind)
  local list = {}
  for _, hook in ipairs(self.case.hooks) do
    if hook.type == kind then list[#list + 1] = hook end
  end
  return list
end

--- Time passes, until what is asked about is gone, pods die or somebody commands: nobody waits for the answer then
--- (difference).
local function wait(self, seconds)
  local world = self.world
  local till, command = world.now + seconds, world.command
  while world:next_change() <= till do
    world:happen(world:next_change())
    local is_commanded = world.command and world.command.id ~= (command and command.id)
    if is_commanded then error(Canary.ANEW, 0) end
    local has_moved = self.routed and wanted_on_routes(self) ~= self.on_routes
    if self.is_gone() or has_moved then error(Canary.GONE, 0) end
  end
  world:pass_until(till)
end

--- POST, again after 1s, 2s, 4s … where that may help. True, or false and why.
function Canary:call(hook)
  local attempt, pause = 1, 1
  while true do
    local answer = self:tell({ kind = "hook", name = hook.name,
      answer_at = function(when) return self.world:hook(hook, when) end })
    self.world:was_called(hook)
    if answer == "timeout" then wait(self, hook.timeout or 10) end
    local broken = type(answer) == "string"
    if not broken and answer >= 200 and answer <= 202 then return true end
    local transient = broken or answer == 429 or (answer >= 500 and answer ~= 501)
    if not transient then return false, "answered with HTTP status " .. answer end
    if attempt > (hook.retries or 0) then
      local why = { timeout = ": no answer in time", down = ": connection refused" }
      return false, string.format("POST http://tester.test/%s giving up after %d attempt(s)%s", hook.name, attempt,
        why[answer] or "")
    end
    wait(self, pause)
    attempt, pause = attempt + 1, math.min(30, pause * 2)
  end
end

--- In order, until one fails: that one, and why. `passed`: what is said of each that passes.
function Canary:call_all(kind, passed)
  for _, hook in ipairs(self:hooks_of(kind)) do
    local good, why = self:call(hook)
    if not good then return hook, why end
    if passed then self:normal("%s check %s passed", passed, hook.name) end
  end
  return nil
end

---- the status ----

function Canary:pay_events()
  while self.owed[1] and not self.owed[1].run do
    local one = table.remove(self.owed, 1)
    self:tell({ kind = "event", type = one.kind, message = one.text })
  end
end

--- Traffic waits where it would go to one that is not ready, while the other serves (difference).
local function traffic_waits(self, split)
  local world = self.world
  local function is_refused(share, of, other, name)
    local ready, why = self:ready(of)
    if share == 0 or other.available == 0 or ready == "ready" and of.replicas > 0 then return nil end
    return string.format("no traffic goes to %s, which is not ready: %s", name, why or "")
  end
  return is_refused(split.primary, world.primary, world.target, Canary.PRIMARY)
    or is_refused(split.canary, world.target, world.primary, NAME)
end

--- A step counts from when its split is live (difference).
local function counts_from_now(self)
  local due = self.world.now + self.spec.analysis.interval
  local is_step = self.split.canary > 0 or self.split.mirrored
  if is_step and not self.paused and self.due < math.huge and due > self.due + 1 then self.due = due end
end

--- What follows from commits, in order. Whether all is paid; if not, when to look again, nil: now.
function Canary:pay()
  self:pay_events()
  while self.owed[1] and self.owed[1].comes_first do
    self.owed[1].run()
    table.remove(self.owed, 1)
  end
  local text, split = wanted_on_routes(self)
  if self.routed and text ~= self.on_routes then
    local why = traffic_waits(self, split)
    if why then return false, self:look_again(why, "Warning", "%s", why) end
    self.on_routes = text
    if self.seen then self:tell({ kind = "route", split = text }) end
    if not self.diverted then counts_from_now(self) end
  end
  while self.owed[1] do
    self:pay_events()
    if self.owed[1] then
      local done, again = self.owed[1].run()
      if not done then return false, again end
      table.remove(self.owed, 1)
    end
  end
  return true
end

local committed <const> = { "revision", "split", "due", "since", "notice", "taken", "paused", "paused_for", "approved",
  "gated", "inherits", "held" }

local function copy(fields)
  local result = {}
  for name, value in pairs(fields) do result[name] = value end
  return result
end

--- What is not committed has not been.
function Canary:remember()
  local kept = { status = copy(self.status), store_down = copy(self.store_down) }
  for _, name in ipairs(committed) do kept[name] = self[name] end
  self.kept, self.version = kept, self.world.version
end

function Canary:take_back()
  for _, name in ipairs(committed) do self[name] = self.kept[name] end
  self.status, self.store_down = copy(self.kept.status), copy(self.kept.store_down)
  self.notes = {}
end

--- The status is written first; events, traffic and the rest follow from it. Nothing of it is lost.
--- `looked`: found by looking again now and then.
function Canary:commit(looked)
  local status = self.status
  -- A write names the version of the object that it was computed from: it is computed anew.
  if self.version ~= self.world.version then error(Canary.ANEW, 0) end
  self:tell({ kind = "status", phase = status.phase, weight = status.weight, iterations = status.iterations,
    failedChecks = status.failedChecks, looked = looked })
  self.began, self.asked = self.world.now, false
  give_cookies(self)
  self:remember()
  table.move(self.notes, 1, #self.notes, #self.owed + 1, self.owed)
  self.notes = {}
  self:pay()
end

--- `run` says whether it is done; if not, when to look again. `comes_first`: before any traffic.
function Canary:work(run, comes_first) table.insert(self.notes, { run = run, comes_first = comes_first }) end

function Canary:set_routes(primary, canary, mirrored)
  self.split = { primary = primary, canary = canary, mirrored = mirrored or false }
end

function Canary:enter(phase)
  self.status.phase = phase
  self.since, self.notice = self.began, nil
  self.paused_for, self.approved, self.gated, self.held = 0, nil, false, false
end

--- While it is paused no time passes.
function Canary:count_pause()
  if not self.paused then return end
  local lasted = self.began - self.paused
  self.paused = self.began
  self.paused_for = self.paused_for + lasted
  self.due, self.since = self.due + lasted, self.since + lasted
end

function Canary:reset()
  local status = self.status
  status.weight, status.iterations, status.failedChecks = 0, 0, 0
  self:set_routes(100, 0)
  self.inherits = false
  self.store_down = {}
end

--- In a pause no time passes, and no deadline runs out.
function Canary:pause_lasts() return self.paused and self.world.now - self.paused or 0 end

--- "ready", "not yet" or "never", and why.
function Canary:ready(workload)
  local pause = self:pause_lasts()
  local ready, why = self.world:readiness(workload, self.paused_for + pause)
  local gets_time = self.paused_for + pause > 0 and self.world.now < self.since + pause + self.spec.deadline
  return ready == "never" and gets_time and "not yet" or ready, why
end

--- A step: counts from when the split is live (difference).
function Canary:step()
  if self.approved == "increase" then self.approved = nil end
  self.gated, self.held = false, false
  self:commit()
  self.due = self.world.now + self.spec.analysis.interval
end

--- Waiting is given up, whoever did (difference).
function Canary:give_up()
  self.revision = self.world.target.image
  self:enter("Initialized")
  self.due = math.huge
  self:commit()
end

--- An interval from when this tick began.
function Canary:again_later(held)
  self.held = held or false
  self.due = self.began + self.spec.analysis.interval
  self:commit()
end

--- Says once what it waits for, behind what is owed already, and when it looks again.
function Canary:look_again(what, kind, format, ...)
  if self.notice == what then return self.world.now + LOOK_AGAIN end
  self.notice = what
  table.insert(self.owed, { kind = kind, text = string.format(format, ...) })
  self:pay_events()
  return nil
end

--- Pods take their time: told when that is longer than an interval, then ever more rarely (difference).
--- Returns when to look again; nil: now.
---@param who string whose
function Canary:await_pods(who, why)
  local usual, since = math.min(self.spec.analysis.interval, USUAL), self.since + self:pause_lasts()
  if self.world.now < since + usual and not self.diverted then return since + usual end
  local times, long = 0, usual
  while long <= (self.world.now - since) / 4 + 0.001 do times, long = times + 1, long * 4 end
  local meanwhile = self.diverted and "; meanwhile all traffic goes to the " .. self.diverted or ""
  return self:look_again(who .. meanwhile .. times, "Warning", "%s not ready: %s%s", who, why, meanwhile)
end

--- The primary cannot carry traffic, so that the canary keeps all of it, or gets it (difference).
---@param starts boolean? with an analysis
function Canary:must_carry_all(starts)
  local world = self.world
  local ready = self:ready(world.primary)
  if self.split.canary == 100 and ready ~= "ready" then return true end
  return ready == "never" and (starts or world.target.replicas > 0 and self:ready(world.target) == "ready")
end

---- the end of a release ----

function Canary:owe_scaling_down()
  self:work(function() return self:scale_to_zero() end)
  self.notes[#self.notes].scales_down = true
end

--- The canary stays until there is a primary that is ready (difference).
function Canary:scale_to_zero()
  local world = self.world
  local ready, why = self:ready(world.primary)
  if world.target.replicas > 0 and not self.spec.skip and ready ~= "ready" then
    return false, self:await_pods(Canary.PRIMARY, why)
  end
  world:write(world.target, "replicas", 0)
  return true
end

--- Of the release before: there is another now.
function Canary:drop_scaling_down()
  for i = #self.owed, 1, -1 do
    if self.owed[i].scales_down then table.remove(self.owed, i) end
  end
end

--- Who was interrupted asks again, but says nothing twice: `told`.
local function post_rollout(self, told)
  self.is_gone = function() return false end
  for _, hook in ipairs(self:hooks_of("post-rollout")) do
    local good, why = self:call(hook)
    local text = good and string.format("Post-rollout check %s passed", hook.name)
      or string.format("Post-rollout hook %s failed %s", hook.name, why)
    if not told[hook.name] then
      self:tell({ kind = "event", type = good and "Normal" or "Warning", message = text })
    end
    told[hook.name] = true
    if not good then break end -- the remaining hooks are skipped
  end
  return true
end

function Canary:owe_post_rollout()
  local told = {}
  self:work(function() return post_rollout(self, told) end)
end

--- Statemachine 8.1. At once, not an interval later (difference).
---@param how? table `looked`: found by looking again; `restores`: the primary gets what it ran before
function Canary:roll_back(reason, how)
  how = how or {}
  local world = self.world
  self:warning("Rolling back %s %s", NAME, reason)
  if how.restores then
    self:normal("Restoring the former template of %s", Canary.PRIMARY)
    self:work(function() world:write(world.primary, "image", self.former) end, true)
  end
  local stays = self:must_carry_all() and not how.restores
  if stays then
    self:warning("Canary failed! %s keeps all traffic, as %s is not ready", NAME, Canary.PRIMARY)
  end
  self:fail(stays, how.looked)
end

--- `stays`: the canary has all traffic, and pods.
function Canary:fail(stays, looked)
  self:enter("Failed")
  self:reset()
  self.due = math.huge
  if stays then
    self:set_routes(0, 100)
    self.status.weight = 100
  else
    self:owe_scaling_down()
    self:warning("Canary failed! Scaling down %s", NAME)
  end
  self:owe_post_rollout()
  self:commit(looked)
end

function Canary:promote()
  self:normal("Copying %s template spec to %s", NAME, Canary.PRIMARY)
  self:enter("Promoting")
  self.due = self.world.now
  self:commit()
end

return Canary
