--- The documented decisions of the stock policies.

local spec <const> = ...
local policy, rollout, curve, it, expect = spec.policy, spec.rollout, spec.curve, spec.it, spec.expect

it("canary: raises the weight by stepWeight up to maxWeight", function()
  expect(curve(policy(nil, "canary")), "10 20 30 40 50 promote")
  expect(curve(policy(nil, "canary"), { analysis = { stepWeight = 20 } }), "20 40 60 promote")
  expect(curve(policy(nil, "canary"), { analysis = { stepWeight = 30, maxWeight = 0 } }), "30 60 90 100 promote")
end)

it("canary: goes through stepWeights", function()
  local analysis = { stepWeight = 0, maxWeight = 0, stepWeights = { 1, 10, 80 } }
  expect(curve(policy(nil, "canary"), { analysis = analysis }), "1 10 80 promote")
end)

it("canary: passes over stepWeights that go no further, which would be taken for ever", function()
  local function steps(...)
    return curve(policy(nil, "canary"), { analysis = { stepWeight = 0, maxWeight = 0, stepWeights = { ... } } })
  end
  expect(steps(10, 10, 20), "10 20 promote")
  expect(steps(0, 10), "10 promote")
  expect(steps(10, 20, 10, 30), "10 20 30 promote")
  expect(steps(50, 20), "50 promote")
end)

it("canary: mirrors before the first weight", function()
  expect(curve(policy(nil, "canary"), { analysis = { mirror = true, stepWeight = 25 } }), "m0 25 50 promote")
end)

it("A/B: routes those who match for its iterations", function()
  expect(curve(policy(nil, "ab_testing"), { analysis = { iterations = 3 } }), "100 100 100 promote")
end)

it("blue/green: tests without users, then switches all", function()
  expect(curve(policy(nil, "blue_green"), { analysis = { iterations = 2 } }), "0 0 100 promote")
  expect(curve(policy(nil, "blue_green"), { analysis = { iterations = 2 }, provider = "kubernetes" }), "0 0 0 promote")
end)

local success <const> = { name = "request-success-rate", thresholdRange = { min = 99 } }
local duration <const> = { name = "request-duration", thresholdRange = { max = 500 } }

local function verdict(metric, sample)
  sample.metric = metric
  local answer = policy(nil, "canary").judge(rollout(), sample)
  return answer.verdict, answer.reason
end

it("a value within its range passes, one outside fails, and says so", function()
  expect(verdict(success, { kind = "ok", value = 99 }), "pass")
  expect(select(2, verdict(success, { kind = "ok", value = 98.5 })),
    "Halt podinfo.test advancement success rate 98.50% < 99%")
  expect(select(2, verdict(duration, { kind = "ok", value = 1515 })),
    "Halt podinfo.test advancement request duration 1.515s > 500ms")
  expect(select(2, verdict({ name = "errors", query = "up", threshold = 2 }, { kind = "ok", value = 2.5 })),
    "Halt podinfo.test advancement errors 2.50 > 2")
end)

it("a value beyond all measure fails, and says so", function()
  expect(select(2, verdict(duration, { kind = "ok", value = math.huge })),
    "Halt podinfo.test advancement request duration +Inf > 500ms")
  expect(select(2, verdict(duration, { kind = "ok", value = 1e300 })),
    "Halt podinfo.test advancement request duration 1e+300ms > 500ms")
  expect(select(2, verdict(success, { kind = "ok", value = -math.huge })),
    "Halt podinfo.test advancement success rate -Inf% < 99%")
  expect(select(2, verdict({ name = "errors", query = "up", threshold = 1e20 }, { kind = "ok", value = math.huge })),
    "Halt podinfo.test advancement errors +Inf > 1e+20")
end)

it("no data fails and a store that does not answer holds, unless the metric says otherwise", function()
  expect(verdict(success, { kind = "no-data" }), "fail")
  expect(verdict(success, { kind = "nan" }), "fail")
  expect(verdict(success, { kind = "error", text = "timeout" }), "hold")
  expect(verdict({ name = "a", onNoData = "hold" }, { kind = "no-data" }), "hold")
  expect(verdict({ name = "a", onError = "fail" }, { kind = "error" }), "fail")
end)

it("no data holds when a store answers again, and as long as the query looks back to before that", function()
  local function judged(metric, ...)
    local now <const> = rollout({ history = { ... } })
    return policy(nil, "canary").judge(now, { kind = "no-data", metric = metric }).verdict
  end
  local function held(seconds_ago, kind)
    return { time = rollout().now - seconds_ago, verdict = "hold", text = "cut at 119 bytes", kind = kind }
  end
  local down <const>, stale <const> = held(100, "error"), held(100, "stale")
  local function since(seconds_ago) return held(seconds_ago, "no-data") end
  local minute <const> = { name = "a", query = "up", interval = "1m" }
  expect(judged(minute, down), "hold")
  expect(judged(minute, stale), "hold")
  expect(judged(minute, held(10, "ambiguous")), "fail")
  expect(judged(minute, down, since(60)), "hold")
  expect(judged(minute, down, since(61)), "fail")
  expect(judged(minute, down, since(90), since(30)), "fail")
  expect(judged({ name = "a", query = "up", interval = "1m30s" }, down, since(61)), "hold")
  expect(judged(success, down, since(60)), "hold") -- a minute where none is said
  expect(judged({ name = "a", onNoData = "fail" }, down), "fail")
  expect(judged(minute, since(10)), "fail")
end)

it("failed checks are enough at the threshold", function()
  local hooks = policy(nil, "canary")
  expect(hooks.rollback(rollout({ failed_checks = 4 })).rollback, false)
  expect(hooks.rollback(rollout({ failed_checks = 5 })).reason, "failed checks threshold reached 5")
end)

it("the way back is one step, or stepWeightPromotion at a time", function()
  local hooks = policy(nil, "canary")
  expect(hooks.promotion(rollout()).weight, 100)
  expect(hooks.promotion(rollout({ primary_weight = 50, analysis = { stepWeightPromotion = 30 } })).weight, 80)
  expect(hooks.promotion(rollout({ primary_weight = 80, analysis = { stepWeightPromotion = 30 } })).weight, 100)
end)
