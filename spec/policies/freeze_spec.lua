--- When policies/freeze.lua lets a release begin.

local spec <const> = ...
local policy, rollout, it, expect = spec.policy, spec.rollout, spec.it, spec.expect

local freeze <const> = policy("policies/freeze.lua", "canary")

--- "Fri 2026-11-27 17:30"
local function start(params, when, changes)
  local weekday, year, month, day, hour, minute = string.match(when, "(%a+) (%d+)-(%d+)-(%d+) (%d+):(%d+)")
  local now = rollout(changes)
  now.params = params
  now.clock = { zone = "Europe/Berlin", weekday = weekday, year = tonumber(year), month = tonumber(month),
    day = tonumber(day), hour = tonumber(hour), minute = tonumber(minute), second = 0, offset = 3600 }
  return freeze.start(now)
end

local function action(windows, when) return start({ windows = windows }, when).action end

it("freeze: by the days and the hours", function()
  local windows = { { days = { "Fri" }, from = "16:00", reason = "weekend" }, { days = { "Sat", "Sun" } } }
  expect(action(windows, "Fri 2026-11-27 15:59"), "go")
  expect(action(windows, "Fri 2026-11-27 16:00"), "hold")
  expect(start({ windows = windows }, "Fri 2026-11-27 23:30").seconds, 1800)
  expect(start({ windows = windows }, "Fri 2026-11-27 17:00").reason, "frozen: weekend")
  expect(action(windows, "Sun 2026-11-29 23:59"), "hold")
  expect(start({ windows = windows }, "Sun 2026-11-29 12:00").reason, "frozen: by the calendar of Europe/Berlin")
  expect(action(windows, "Mon 2026-11-30 00:00"), "go")
end)

it("freeze: over night, and the day is that on which it begins", function()
  local windows = { { days = { "Fri" }, from = "22:00", to = "06:30" } }
  expect(action(windows, "Fri 2026-11-27 05:00"), "go")
  expect(action(windows, "Fri 2026-11-27 22:00"), "hold")
  expect(start({ windows = windows }, "Sat 2026-11-28 06:00").seconds, 1800)
  expect(action(windows, "Sat 2026-11-28 06:30"), "go")
  expect(action({ { days = { "Sun" }, from = "20:00", to = "04:00" } }, "Mon 2026-11-30 03:00"), "hold")
end)

it("freeze: by dates, each year or once, and over New Year", function()
  expect(action({ { dates = { "12-20", "01-06" } } }, "Thu 2026-12-31 12:00"), "hold")
  expect(action({ { dates = { "12-20", "01-06" } } }, "Wed 2027-01-06 12:00"), "hold")
  expect(action({ { dates = { "12-20", "01-06" } } }, "Thu 2027-01-07 00:00"), "go")
  expect(action({ { dates = { "2026-11-27" } } }, "Fri 2026-11-27 12:00"), "hold")
  expect(action({ { dates = { "2026-11-27" } } }, "Sat 2027-11-27 12:00"), "go")
end)

it("freeze: a date is that on which its night begins", function()
  local windows = { { dates = { "12-31" }, from = "22:00", to = "06:00" } }
  expect(action(windows, "Thu 2026-12-31 05:00"), "go")
  expect(action(windows, "Thu 2026-12-31 22:00"), "hold")
  expect(action(windows, "Fri 2027-01-01 05:59"), "hold")
  expect(action(windows, "Fri 2027-01-01 06:00"), "go")
  expect(action(windows, "Fri 2027-01-01 22:00"), "go")
  local leap = { { dates = { "2028-02-29" }, from = "22:00", to = "06:00" } }
  expect(action(leap, "Wed 2028-03-01 01:00"), "hold")
  expect(action(leap, "Tue 2028-02-29 01:00"), "go")
  expect(action({ { dates = { "2026-11-30" }, from = "22:00", to = "06:00" } }, "Tue 2026-12-01 01:00"), "hold")
end)

it("freeze: then asks for the slot, and never freezes the way back", function()
  local params = { windows = { { days = { "Fri" } } }, slot = { name = "payments", limit = 2 } }
  local answer = start(params, "Thu 2026-11-26 12:00")
  expect(answer.action, "slot")
  expect(answer.name, "payments")
  expect(answer.limit, 2)
  local back = { good = true, analysis = { onGoodRevision = "Promote" } }
  expect(start(params, "Fri 2026-11-27 12:00", back).action, "promote")
  expect(start(params, "Fri 2026-11-27 12:00", { good = true }).action, "hold")
end)

it("freeze: what cannot be read is told, and a zone that is none holds", function()
  local function wrong(window)
    local ok, err = pcall(action, { window }, "Fri 2026-11-27 12:00")
    return not ok and err
  end
  expect(wrong({ from = "6pm" }), "params: from must be a time such as \"18:00\", is 6pm")
  expect(wrong({ to = "24:01" }), "params: to must be a time such as \"18:00\", is 24:01")
  expect(wrong({ dates = { "Christmas" } }), "params: dates must be \"12-20\" or \"2026-12-20\", is Christmas")
  expect(wrong({ dates = { "12-20", "2027-01-06" } }),
    "params: dates must both have a year, or neither: 12-20 and 2027-01-06")
  expect(wrong({ dates = "12-20" }), "params: dates must be a list, is 12-20")
  expect(wrong({ days = "Fri" }), "params: days must be a list, is Fri")
  expect(wrong({ days = { "Friday" } }), "params: days must be Mon, Tue, Wed, Thu, Fri, Sat or Sun, is Friday")
  local now = rollout()
  now.clock = { zone = "Europe/Brlin", error = "the time zone Europe/Brlin is not known" }
  expect(freeze.start(now).reason, "frozen: the time zone Europe/Brlin is not known")
end)
