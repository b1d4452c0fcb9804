--- The model's canary: its status, what follows from a commit of it, and how all that is told and asked.

local NAME <const> = "podinfo.test"
local LOOK_AGAIN <const> = 10
local USUAL <const> = 10

local Canary = { NAME = NAME, PRIMARY = "podinfo-primary.test" }
Canary.__index = Canary

--- Raised where what a tick asks about is not there any more.
Canary.GONE = {}

---@param case table
---@param world table
function Canary.new(case, world)
  local canary = {
    case = case, world = world,
    spec = world.spec, -- as it is now
    routed = case.provider ~= "kubernetes",
    seen = case.provider == "istio" or case.provider == "appmesh:v1beta2", -- of these the routes are told
    status = { phase = "Initialized", weight = 0, iterations = 0, failedChecks = 0 },
    revision = "podinfo:1", -- that the status is about
    split = { primary = 100, canary = 0, mirrored = false },
    on_routes = "100/0",
    diverted = false, -- its pods are gone, and all traffic is on the primary meanwhile
    due = math.huge,
    since = 0, notice = nil, -- it is in its phase, and how often it was told that it waits
    store_down = {}, -- whether the last check was held for it, and when one after such a check was
    notes = {}, -- what the next commit says
    owed = {}, -- what follows from a commit, in order
    version = nil, kept = nil, -- of the object, as this tick read it, and what was committed last
    taken = nil, -- the command that was answered last
    paused = nil, paused_for = 0, -- since, and how long in this phase
    approved = nil, gated = false, -- the gate that is open by command; whether one of traffic is waited at
    is_gone = nil, --- @type fun(): boolean whether what this tick asks about is not there any more
    began = 0, asked = false, -- when this tick did, and whether it asked anybody yet
  }
  return setmetatable(canary, Canary)
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

--- Time passes, until what is asked about is gone or somebody commands (difference: nobody waits for the answer then).
local function wait(self, seconds)
  local world = self.world
  local till, command = world.now + seconds, world.command
  while world:next_change() <= till do
    world:happen(world:next_change())
    local is_commanded = world.command and world.command.id ~= (command and command.id)
    if self.is_gone() or is_commanded then error(Canary.GONE, 0) end
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

local function split_text(split)
  return string.format("%d/%d%s", split.primary, split.canary, split.mirrored and " mirror" or "")
end

function Canary:pay_events()
  while self.owed[1] and not self.owed[1].run do
    local one = table.remove(self.owed, 1)
    self:tell({ kind = "event", type = one.kind, message = one.text })
  end
end

--- A canary without pods has no traffic until it is ready again; then its step begins anew (difference).
local function split_in_force(self)
  local target, primary, split = self.world.target, self.world.primary, self.split
  local gone = target.available == 0 or self.diverted and self:ready(target) ~= "ready"
  local was = self.diverted
  self.diverted = gone and (split.canary > 0 or split.mirrored) and self:ready(primary) == "ready"
  if self.diverted then return { primary = 100, canary = 0 } end
  if was and self.due < math.huge then self.due = self.world.now + self.spec.analysis.interval end
  return split
end

--- Traffic waits where it would go to a primary that is not ready, from a canary that is (difference).
local function traffic_waits(self)
  local world = self.world
  if world.target.available == 0 or self.split.primary == 0 then return nil end
  local ready, why = self:ready(world.primary)
  return ready ~= "ready" and string.format("no traffic goes to %s, which is not ready: %s", Canary.PRIMARY, why)
end

--- What follows from commits, in order. Whether all is paid; if not, when to look again, nil: now.
function Canary:pay()
  self:pay_events()
  while self.owed[1] and self.owed[1].comes_first do
    self.owed[1].run()
    table.remove(self.owed, 1)
  end
  local text = split_text(split_in_force(self))
  if self.routed and text ~= self.on_routes then
    local why = traffic_waits(self)
    if why then return false, self:look_again(why, "Warning", "%s", why) end
    self.on_routes = text
    if self.seen then self:tell({ kind = "route", split = text }) end
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
  "gated" }

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
  if self.version ~= self.world.version then error(Canary.GONE, 0) end
  self:tell({ kind = "status", phase = status.phase, weight = status.weight, iterations = status.iterations,
    failedChecks = status.failedChecks, looked = looked })
  self.began, self.asked = self.world.now, false
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
  self.paused_for, self.approved, self.gated = 0, nil, false
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
  self.store_down = {}
end

--- "ready", "not yet" or "never", and why.
function Canary:ready(workload)
  local ready, why = self.world:readiness(workload, self.paused_for)
  local gets_time = self.paused_for > 0 and self.world.now < self.since + self.spec.deadline
  return ready == "never" and gets_time and "not yet" or ready, why
end

--- A step: counts from when the split is live (difference).
function Canary:step()
  if self.approved == "increase" then self.approved = nil end
  self.gated = false
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
function Canary:again_later()
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
function Canary:halt(format, ...)
  local now, usual = self.world.now, math.min(self.spec.analysis.interval, USUAL)
  if now < self.since + usual then return self.since + usual end
  local times, long = 0, usual
  while long <= (now - self.since) / 4 + 0.001 do times, long = times + 1, long * 4 end
  return self:look_again(times, "Warning", format, ...)
end

---- the end of a release ----

--- The canary stays until there is a primary that is ready (difference).
function Canary:scale_to_zero()
  local world = self.world
  local ready, why = self:ready(world.primary)
  if world.target.replicas > 0 and not self.spec.skip and ready ~= "ready" then
    return false, self:halt("%s not ready: %s", Canary.PRIMARY, why)
  end
  world:write(world.target, "replicas", 0)
  return true
end

function Canary:post_rollout()
  self.is_gone = function() return false end
  for _, hook in ipairs(self:hooks_of("post-rollout")) do
    local good, why = self:call(hook)
    local text = good and string.format("Post-rollout check %s passed", hook.name)
      or string.format("Post-rollout hook %s failed %s", hook.name, why)
    self:tell({ kind = "event", type = good and "Normal" or "Warning", message = text })
    if not good then break end -- the remaining hooks are skipped
  end
  return true
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
  self:enter("Failed")
  self:reset()
  self.due = math.huge
  self:work(function() return self:scale_to_zero() end)
  self:warning("Canary failed! Scaling down %s", NAME)
  self:work(function() return self:post_rollout() end)
  self:commit(how.looked)
end

function Canary:promote()
  self:normal("Copying %s template spec to %s", NAME, Canary.PRIMARY)
  self:enter("Promoting")
  self.due = self.world.now
  self:commit()
end

return Canary
