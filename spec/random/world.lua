--- What is around a canary, told from a case alone: time, webhooks, metrics, and two Deployments that roll out.

local World = {}
World.__index = World

--- As the in-memory cluster does it: whatever was written, a second later its controller looks.
local function deployment(replicas, image)
  return { replicas = replicas, image = image, observed = true, available = replicas, since = 0, looks = {} }
end

local function is_never_ready(of) return of.stuck or string.find(of.image, ":never-ready", 1, true) ~= nil end

local function copy(fields)
  local result = {}
  for name, value in pairs(fields) do result[name] = value end
  return result
end

function World.new(case)
  local changes = {}
  for _, list in ipairs({ case.images, case.commands, case.edits }) do
    table.move(list, 1, #list, #changes + 1, changes)
  end
  for _, trouble in ipairs(case.pods) do
    changes[#changes + 1] = { at = trouble.at, of = trouble.of, how = trouble.how, is_so = true }
    changes[#changes + 1] = { at = trouble.at + trouble.lasts, of = trouble.of, how = trouble.how, is_so = false }
  end
  table.sort(changes, function(a, b) return a.at < b.at end)
  local said = copy(case.analysis) -- by the Canary
  said.deadline, said.skip = case.deadline, case.skip or nil
  local world = { case = case, said = said, now = 0, calls = {}, changes = changes, changed = 0,
    version = 1, -- of the Canary, but for its status
    spec = { analysis = copy(case.analysis), skip = case.skip, deadline = case.deadline, suspend = false },
    target = deployment(0, "podinfo:1"), primary = deployment(case.replicas, "podinfo:1") }
  return setmetatable(world, World)
end

---- workloads ----

--- Whether it changes anything.
function World:write(of, field, value)
  if of[field] == value then return false end
  of[field] = value
  of.observed = false
  table.insert(of.looks, self.now + 1)
  return true
end

local function first_look(of)
  local first = math.huge
  for _, look in ipairs(of.looks) do first = math.min(first, look) end
  return first
end

--- Whether it changed anything.
local function take_look(of, when)
  for i, look in ipairs(of.looks) do
    if look == when then
      table.remove(of.looks, i)
      break
    end
  end
  local is_settled = is_never_ready(of) or of.available == of.replicas
  if of.down then is_settled = of.available == 0 end
  if of.observed and is_settled then return false end
  of.observed = true
  of.available = (of.down or is_never_ready(of)) and 0 or of.replicas
  of.since = math.floor(when)
  table.insert(of.looks, when + 1)
  return true
end

--- "ready", "not yet" or "never", and why. `longer`: than the deadline.
function World:readiness(of, longer)
  local prefix <const> = "waiting for rollout to finish: "
  if not of.observed then return "not yet", prefix .. "observed deployment generation less than desired generation" end
  if of.available >= of.replicas then return "ready" end
  local why = string.format("%s%d of %d (readyThreshold 100%%) updated replicas are available", prefix, of.available,
    of.replicas)
  return of.since + self.spec.deadline + longer < self.now and "never" or "not yet", why
end

---- time ----

function World:next_change()
  local change = self.changes[self.changed + 1]
  return math.min(change and change.at or math.huge, first_look(self.target), first_look(self.primary))
end

--- A patch of the Canary: whether it says what it did not say before.
function World:is_news(change)
  local before = self.command
  if change.kind then
    self.command = change
    if before and before.id == change.id and before.kind == change.kind and before.weight == change.weight then
      return false
    end
  else
    local fields = self.spec[change.field] ~= nil and self.spec or self.spec.analysis
    if self.said[change.field] == change.value then return false end
    self.said[change.field], fields[change.field] = change.value, change.value
  end
  self.version = self.version + 1
  return true
end

--- One thing that happens by itself; whether anything changed.
function World:happen(when)
  self.now = math.max(self.now, when)
  local change = self.changes[self.changed + 1]
  if change and change.at == when then
    self.changed = self.changed + 1
    if change.image then
      return self:write(self.target, "image", change.image)
    elseif change.of then
      self[change.of][change.how] = change.is_so
      table.insert(self[change.of].looks, when + 1)
    else
      return self:is_news(change)
    end
    return true
  end
  return take_look(first_look(self.target) == when and self.target or self.primary, when)
end

--- Everything up to a time.
function World:pass_until(when)
  while self:next_change() <= when do self:happen(self:next_change()) end
  self.now = math.max(self.now, when)
end

--- Until something changes or it is due; false: neither ever.
function World:sleep(due)
  while self:next_change() <= due and self:next_change() < math.huge do
    if self:happen(self:next_change()) then return true end
  end
  if due == math.huge then return false end
  self.now = math.max(self.now, due)
  return true
end

---- answers ----

--- The n-th of "500x2 timeout 200", from 0; the last stays.
local function nth(says, n)
  local answer
  for word, times in string.gmatch(says, "([^%sx]+)x?(%d*)") do
    answer = word
    n = n - (tonumber(times) or 1)
    if n < 0 then break end
  end
  return tonumber(answer) or answer
end

--- What a webhook answers to a call: a status, "timeout" or "down". The call is not remembered.
function World:hook(hook, when)
  local answer, since = hook.type == "rollback" and 403 or 200, nil
  for i, change in ipairs(self.case.answers[hook.name] or {}) do
    if i == 1 or change.at <= when then answer, since = change.says, i == 1 and -1 or change.at end
  end
  local before = 0
  for _, at in ipairs(self.calls[hook.name] or {}) do
    if since and at >= since then before = before + 1 end
  end
  return type(answer) == "string" and nth(answer, before) or answer
end

function World:was_called(hook)
  self.calls[hook.name] = self.calls[hook.name] or {}
  table.insert(self.calls[hook.name], self.now)
end

--- A number, "NaN", "none" or "down".
function World:metric(name, when)
  for _, outage in ipairs(self.case.outages) do
    if when >= outage.at and when < outage.at + outage.lasts then return "down" end
  end
  local value = self.case.streams[name][when // self.case.grid + 1]
  if value == nil or value == "_" then return "none" end
  return value
end

return World
