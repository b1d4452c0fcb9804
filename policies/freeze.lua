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

local function list_of(list, what)
  if type(list) == "table" then return list end
  error(string.format("params: %s must be a list, is %s", what, tostring(list)), 0)
end

local function is_in_dates(dates, date)
  if not dates then return true end
  local from, to = list_of(dates, "dates")[1], dates[2] or dates[1]
  local first, dated = date_of(from)
  local last, ends_dated = date_of(to)
  if dated ~= ends_dated then
    error(string.format("params: dates must both have a year, or neither: %s and %s", from, to), 0)
  end
  local day = date.month * 100 + date.day + (dated and date.year * 10000 or 0)
  if first <= last then return day >= first and day <= last end
  return day >= first or day <= last -- over New Year
end

local function has_day(days, name)
  if not days then return true end
  for _, day in ipairs(list_of(days, "days")) do
    local known = false
    for _, real in ipairs(week) do known = known or real == day end
    if not known then error("params: days must be Mon, Tue, Wed, Thu, Fri, Sat or Sun, is " .. tostring(day), 0) end
    if day == name then return true end
  end
  return false
end

local lengths <const> = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function days_of(year, month)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return lengths[month] + (leap and month == 2 and 1 or 0)
end

--- The day before that of the clock.
local function yesterday(clock)
  local date = { year = clock.year, month = clock.month, day = clock.day - 1 }
  for i, day in ipairs(week) do
    if day == clock.weekday then date.weekday = week[(i + 5) % 7 + 1] end
  end
  if date.day > 0 then return date end
  date.month = date.month > 1 and date.month - 1 or 12
  if date.month == 12 then date.year = date.year - 1 end
  date.day = days_of(date.year, date.month)
  return date
end

--- Whether a window of this day is meant.
local function is_of(window, date)
  return is_in_dates(window.dates, date) and has_day(window.days, date.weekday)
end

--- Seconds until the window ends, or until midnight, when it is asked anew; nil outside of it.
local function seconds_left(window, clock)
  local now = clock.hour * HOUR + clock.minute * 60 + clock.second
  local from = time_of(window.from or "00:00", "from")
  local to = time_of(window.to or "24:00", "to")
  local today = is_of(window, clock)
  if from < to then
    if today and now >= from and now < to then return to - now end
    return nil
  end
  if today and now >= from then return DAY - now end
  if now < to and is_of(window, yesterday(clock)) then return to - now end
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
