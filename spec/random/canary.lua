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
    due = math.huge,
    since = 0, notice = nil, -- it is in its phase, and how often it was told that it waits
    store_down = {}, -- whether the last check was held for it, and when one after such a check was
    owed = {}, -- what follows from a commit, in order
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
  table.insert(self.owed, { kind = kind, text = string.format(format, ...) })
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

--- Time passes, until what is asked about is gone (difference: nobody waits for the answer then).
local function wait(self, seconds)
  local world = self.world
  local till = world.now + seconds
  while world:next_change() <= till do
    world:happen(world:next_change())
    if self.is_gone() then error(Canary.GONE, 0) end
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

local function pay_events(self)
  while self.owed[1] and self.owed[1].kind ~= "work" do
    local one = table.remove(self.owed, 1)
    self:tell({ kind = "event", type = one.kind, message = one.text })
  end
end

--- The status is written first; events, traffic and the rest follow from it. Nothing of it is lost.
--- `looked`: found by looking again now and then.
function Canary:commit(looked)
  local status = self.status
  self:tell({ kind = "status", phase = status.phase, weight = status.weight, iterations = status.iterations,
    failedChecks = status.failedChecks, looked = looked })
  self.began, self.asked = self.world.now, false
  pay_events(self)
  local text = split_text(self.split)
  if self.seen and text ~= self.on_routes then
    self.on_routes = text
    self:tell({ kind = "route", split = text })
  end
  while self.owed[1] do
    if self.owed[1].kind == "work" then table.remove(self.owed, 1).run() end
    pay_events(self)
  end
end

function Canary:work(run) table.insert(self.owed, { kind = "work", run = run }) end

function Canary:set_routes(primary, canary, mirrored)
  self.split = { primary = primary, canary = canary, mirrored = mirrored or false }
end

function Canary:enter(phase)
  self.status.phase = phase
  self.since, self.notice = self.began, nil
end

function Canary:reset()
  local status = self.status
  status.weight, status.iterations, status.failedChecks = 0, 0, 0
  self:set_routes(100, 0)
  self.store_down = {}
end

--- An interval from when this tick began.
function Canary:again_later()
  self.due = self.began + self.spec.analysis.interval
  self:commit()
end

--- Pods take their time: told when that is longer than an interval, then ever more rarely (difference).
--- Returns when to look again; nil: now.
function Canary:halt(format, ...)
  local now, usual = self.world.now, math.min(self.spec.analysis.interval, USUAL)
  if now < self.since + usual then return self.since + usual end
  local times, long = 0, usual
  while long <= (now - self.since) / 4 + 0.001 do times, long = times + 1, long * 4 end
  if self.notice == times then return now + LOOK_AGAIN end
  self.notice = times
  self:tell({ kind = "event", type = "Warning", message = string.format(format, ...) })
  return nil
end

---- the end of a release ----

function Canary:scale_to_zero() self.world:write(self.world.target, "replicas", 0) end

function Canary:post_rollout()
  self.is_gone = function() return false end
  for _, hook in ipairs(self:hooks_of("post-rollout")) do
    local good, why = self:call(hook)
    if good then
      self:normal("Post-rollout check %s passed", hook.name)
    else
      self:warning("Post-rollout hook %s failed %s", hook.name, why)
    end
    local said = table.remove(self.owed)
    self:tell({ kind = "event", type = said.kind, message = said.text })
    if not good then return end -- the remaining hooks are skipped
  end
end

--- Statemachine 8.1. At once, not an interval later (difference).
function Canary:roll_back(reason, looked)
  self:warning("Rolling back %s %s", NAME, reason)
  self:enter("Failed")
  self:reset()
  self.due = math.huge
  self:work(function() self:scale_to_zero() end)
  self:warning("Canary failed! Scaling down %s", NAME)
  self:work(function() self:post_rollout() end)
  self:commit(looked)
end

function Canary:promote()
  self:normal("Copying %s template spec to %s", NAME, Canary.PRIMARY)
  self:enter("Promoting")
  self.due = self.world.now
  self:commit()
end

return Canary
