--- policies/evidence.lua, by simulated releases: how often a good one is rolled back, and how soon a bad one. $N (400)
--- releases of each kind; the figures of the README are of `N=4000 lua5.4 spec/policies/run.lua`.

local spec <const> = ...
local policy, rollout, it, expect = spec.policy, spec.rollout, spec.it, spec.expect

local evidence <const> = policy("policies/evidence.lua", "canary")
local releases <const> = tonumber(os.getenv("N")) or 400

--- The same numbers on every machine: xorshift64*.
local seed = 88172645463325252
local function chance()
  seed = seed ~ (seed >> 12)
  seed = seed ~ (seed << 25)
  seed = seed ~ (seed >> 27)
  return ((seed * 2685821657736338717) >> 11) / 2.0 ^ 53
end

--- How many of `n` requests fail when a share `p` does: by the lengths of the runs between two failures.
local function failures(n, p)
  local failed, at = 0, 0
  if p <= 0 then return 0 end
  while true do
    at = at + 1 + math.floor(math.log(1 - chance()) / math.log(1 - p))
    if at > n then return failed end
    failed = failed + 1
  end
end

local function sample(requests, failed, changes)
  local metric <const> = { name = "request-success-rate", thresholdRange = { min = 99 }, interval = "10s" }
  local answer = { name = metric.name, metric = metric, range = metric.thresholdRange, kind = "ok", count = requests,
    value = 100 * (1 - failed / requests) }
  for key, value in pairs(changes or {}) do answer[key] = value end
  return answer
end

--- A release of `ticks` checks: how it ended, and at which of them.
local function release(requests, share, ticks)
  local now = rollout({ weight = 1, steps = 1, step_age = 0 })
  now.analysis.maxWeight, now.analysis.stepWeight = 100, 1
  for tick = 1, ticks do
    now.now, now.step_age = now.now + 10, now.step_age + 10
    now.samples = { sample(requests, failures(requests, share)) }
    local step = evidence.step(now)
    if step.action == "rollback" then return "rollback", tick end
    now.state = step.state or {}
    if step.action == "route" then
      now.weight, now.steps, now.step_age = step.weight, now.steps + 1, 0
    end
  end
  return "goes on", ticks, now.steps
end

--- Of so many releases: the share that is rolled back, and the median check at which.
local function simulate(requests, share, ticks)
  local stops, steps = {}, 0
  for _ = 1, releases do
    local how, tick, reached = release(requests, share, ticks)
    if how == "rollback" then stops[#stops + 1] = tick else steps = steps + reached end
  end
  table.sort(stops)
  local part <const>, median <const> = #stops / releases, stops[(#stops + 1) // 2]
  if os.getenv("N") then
    print(string.format("  %3d requests a check, %.1f%% succeed: %.2f%% rolled back, the median at check %s",
      requests, 100 * (1 - share), 100 * part, median or "-"))
    print(string.format("      the others took %.1f steps", steps / math.max(1, releases - #stops)))
  end
  return part, median
end

it("evidence: a good release is rolled back once in a hundred at the most, by few requests and by many", function()
  for _, requests in ipairs { 20, 60, 300 } do
    expect((simulate(requests, 0.005, 40)) <= 0.01, true)
    expect((simulate(requests, 0.01, 40)) <= 0.015, true) -- as bad as is allowed
  end
end)

it("evidence: a bad one is rolled back within a few checks", function()
  for requests, checks in pairs { [20] = 2, [60] = 1, [300] = 1 } do
    local share, median = simulate(requests, 0.1, 40)
    expect(share, 1)
    expect(median <= checks, true)
  end
  local share = simulate(300, 0.03, 40)
  expect(share > 0.99, true)
end)

local function live(samples, changes)
  local now = rollout({ weight = 10, steps = 2, step_age = 10, samples = samples })
  for key, value in pairs(changes or {}) do now[key] = value end
  return now
end

it("evidence: one of ten is no verdict, and thirty of a thousand are one", function()
  local step = evidence.step(live({ sample(10, 1) }))
  expect(step.action, "hold")
  expect(step.reason, "not enough evidence of request-success-rate: more requests are needed")
  expect(evidence.step(live({ sample(1000, 30) })).action, "rollback")
end)

it("evidence: enough of it lets the stock policy go on", function()
  expect(evidence.step(live({ sample(300, 0) })).weight, 20)
  expect(evidence.step(live({ sample(100, 0) })).reason,
    "not enough evidence of request-success-rate: about 90 more requests are needed")
end)

it("evidence: no request is counted twice, and none of the step before", function()
  local wide <const> = sample(300, 0)
  wide.metric = { name = wide.name, thresholdRange = wide.range, interval = "1m" }
  local step = evidence.step(live({ wide }, { step_age = 50 }))
  expect(step.action, "hold")
  expect(step.state.of[wide.name].n, 0)
  expect(evidence.step(live({ wide }, { step_age = 60 })).action, "route")
  wide.count = 60
  local known = evidence.step(live({ wide }, { step_age = 60 })).state
  local later = live({ wide }, { step_age = 70, state = known })
  later.now = later.now + 10
  expect(evidence.step(later).state.of[wide.name].n, 60)
  later.now, later.step_age = later.now + 50, 120
  expect(evidence.step(later).state.of[wide.name].n, 120)
end)

it("evidence: an hour without a request is no failed check, of the latency neither", function()
  local silent <const> = sample(1, 0, { kind = "no-data" })
  local slow <const> = { name = "request-duration", kind = "nan", range = { max = 500 },
    metric = { name = "request-duration" } }
  local now <const> = live({ silent, slow })
  for _, one in ipairs(now.samples) do
    local verdict = evidence.judge(now, one)
    expect(verdict.verdict, "hold")
    expect(verdict.reason, "Halt podinfo.test advancement not enough evidence of request-success-rate: "
      .. "no requests yet, about 200 requests are needed")
  end
  slow.metric.onNoData = "fail"
  expect(evidence.judge(now, slow).verdict, "fail")
  expect(evidence.judge(live({ sample(9, 0), slow }), slow).verdict, "fail")
end)

it("evidence: without a count, and of any other metric, the threshold decides", function()
  local bare = sample(10, 1)
  bare.count = nil
  expect(evidence.judge(live(), bare).verdict, "fail")
  expect(evidence.judge(live(), sample(10, 0, { kind = "error", text = "down" })).verdict, "hold")
  local slow = { name = "request-duration", kind = "ok", value = 900, count = 10, range = { max = 500 },
    metric = { name = "request-duration", thresholdRange = { max = 500 } } }
  expect(evidence.judge(live(), slow).verdict, "fail")
end)

it("evidence: wrong params are told", function()
  local function wrong(params)
    return select(2, pcall(evidence.step, live({ sample(10, 1) }, { params = params })))
  end
  expect(wrong({ alpha = 2 }), "params: alpha must be a number between 0 and 1, is 2")
  expect(wrong({ tolerated = 99.5 }), "params: tolerated must be below the threshold of request-success-rate, is 99.5")
end)
