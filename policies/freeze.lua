--- Begins no release while the calendar says so, and no more at once than a slot has room for.
--- params: `zone`, an IANA zone; `windows`, each with any of `days` ("Fri"), `from` and `to` ("18:00"; overnight when
--- `to` is not later), `dates` ("12-20" or "2026-12-20", one, or the first and the last of a span), and a `reason`;
--- `slot`, with `name` and `limit`.

local M = { name = "freeze" }

local HOUR <const> = 3600
local DAY <const> = 24 * HOUR
local week <const> = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" }

--- Seconds after midnight of "18:00".
local function time_of(text, what)
  local hour, minute = string.match(text, "^(%d%d?):(%d%d)$")
  hour, minute = tonumber(hour), tonumber(minute)
  if not hour or hour > 24 or minute > 59 or hour * 60 + minute > 1440 then
    error(string.format("params: %s must be a time such as \"18:00\", is %s", what, tostring(text)), 0)
  end
  return hour * HOUR + minute * 60
end

--- Comparable: without a year for "12-20", with it for "2026-12-20".
local function date_of(text)
  local year, month, day = string.match(text, "^(%d%d%d%d)-(%d%d)-(%d%d)$")
  if not year then
    month, day = string.match(text, "^(%d%d)-(%d%d)$")
  end
  if not month then
    error(string.format("params: dates must be \"12-20\" or \"2026-12-20\", is %s", tostring(text)), 0)
  end
  return (tonumber(year) or 0) * 10000 + tonumber(month) * 100 + tonumber(day), year ~= nil
end

local function is_in_dates(dates, clock)
  if not dates then return true end
  local first, dated = date_of(dates[1])
  local last = date_of(dates[2] or dates[1])
  local today = clock.month * 100 + clock.day + (dated and clock.year * 10000 or 0)
  if first <= last then return today >= first and today <= last end
  return today >= first or today <= last -- over New Year
end

local function has_day(days, name)
  if not days then return true end
  for _, day in ipairs(days) do
    local known = false
    for _, real in ipairs(week) do known = known or real == day end
    if not known then error("params: days must be Mon, Tue, Wed, Thu, Fri, Sat or Sun, is " .. tostring(day), 0) end
    if day == name then return true end
  end
  return false
end

local function day_before(name)
  for i, day in ipairs(week) do
    if day == name then return week[(i + 5) % 7 + 1] end
  end
end

--- Seconds until the window ends, or until midnight, when it is asked anew; nil outside of it.
local function seconds_left(window, clock)
  if not is_in_dates(window.dates, clock) then return nil end
  local now = clock.hour * HOUR + clock.minute * 60 + clock.second
  local from = time_of(window.from or "00:00", "from")
  local to = time_of(window.to or "24:00", "to")
  if from < to then
    if has_day(window.days, clock.weekday) and now >= from and now < to then return to - now end
    return nil
  end
  if has_day(window.days, clock.weekday) and now >= from then return DAY - now end
  if has_day(window.days, day_before(clock.weekday)) and now < to then return to - now end
  return nil
end

function M.start(rollout)
  local params, clock = rollout.params, rollout.clock
  -- The way back is never frozen.
  if rollout.good and rollout.analysis.onGoodRevision == "Promote" then return nil end
  if clock.error then return { action = "hold", reason = "frozen: " .. clock.error } end
  for _, window in ipairs(params.windows or {}) do
    local left = seconds_left(window, clock)
    if left then
      return { action = "hold", seconds = math.min(left, HOUR),
        reason = "frozen: " .. (window.reason or "by the calendar of " .. clock.zone) }
    end
  end
  local slot = params.slot
  if slot then return { action = "slot", name = slot.name, limit = slot.limit or 1 } end
  return nil
end

return M
