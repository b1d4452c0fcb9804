--- What the policies of examples/policies decide.

local spec <const> = ...
local policy, rollout, curve, it, expect = spec.policy, spec.rollout, spec.curve, spec.it, spec.expect

local success <const> = { name = "request-success-rate", interval = "1m", thresholdRange = { min = 99 } }

it("geometric: doubles up to maxWeight", function()
  local hooks = policy("examples/policies/geometric.lua", "canary")
  expect(curve(hooks), "1 2 4 8 16 32 50 promote")
  expect(curve(hooks, { params = { first = 3, factor = 3 } }), "3 9 27 50 promote")
end)

it("thresholds by the hour: asks more by day", function()
  local hooks = policy("examples/policies/thresholds_by_hour.lua", "canary")
  local function min_at(hour, params)
    local metric = { name = success.name, thresholdRange = { min = 99 } }
    local now = rollout({ now = 1700006400 + hour * 3600, params = params or {}, analysis = { metrics = { metric } } })
    return hooks.thresholds(now)[1].thresholdRange.min
  end
  expect(min_at(7), 98)
  expect(min_at(8), 99.5)
  expect(min_at(19.9), 99.5)
  expect(min_at(20), 98)
  expect(min_at(23, { from = 22, to = 24, day = 99.9 }), 99.9)
end)

it("A/B by cookie and region: one region more at each iteration", function()
  local hooks = policy("examples/policies/ab_by_cookie_and_region.lua", "ab_testing")
  local function headers(changes) return hooks.match(rollout(changes))[1].headers end
  expect(headers({ iterations = 0 })["x-region"].regex, "eu-west-1")
  expect(headers({ iterations = 1 })["x-region"].regex, "eu-west-1|eu-central-1")
  expect(headers({ iterations = 9 })["x-region"].regex, "eu-west-1|eu-central-1|us-east-1")
  expect(headers({ params = { cookie = "beta.users" } }).cookie.regex, "(^|.*; *)beta\\.users=always(;.*|$)")
  expect(headers({ params = { header = "region", regions = { "a" } } }).region.regex, "a")
end)

it("worse than the primary: measures both, and judges one by the other", function()
  local hooks = policy("examples/policies/worse_than_primary.lua", "canary")
  local checks = hooks.thresholds(rollout({ analysis = { metrics = { success } } }))
  expect(checks[1].name, "primary-success-rate")
  expect(checks[2].name, "request-success-rate")
  local function verdict(canary, primary)
    local samples = { { name = "primary-success-rate", kind = primary and "ok" or "nan", value = primary },
      { name = "request-success-rate", kind = "ok", value = canary, metric = success } }
    return hooks.judge(rollout({ samples = samples }), samples[2])
  end
  expect(verdict(97, 97.5).verdict, "pass")
  expect(verdict(98.4, 99.9).reason, "success rate 98.40% is 1.50 points below the primary's 99.90%")
  expect(verdict(98, nil).verdict, "hold")
end)

it("worse than the primary: two times in a row are enough", function()
  local hooks = policy("examples/policies/worse_than_primary.lua", "canary")
  local worse = { text = "success rate 98.40% is 1.50 points below the primary's 99.90%" }
  expect(hooks.rollback(rollout({ history = { worse } })).rollback, false)
  expect(hooks.rollback(rollout({ history = { worse, { text = "" }, worse } })).rollback, false)
  expect(hooks.rollback(rollout({ history = { { text = "" }, worse, worse } })).reason,
    "worse than the primary 2 times in a row")
end)

it("rollback early: two failed checks in a row are enough", function()
  local hooks = policy("examples/policies/rollback_early.lua", "canary")
  local bad, good = { verdict = "fail" }, { verdict = "pass" }
  expect(hooks.rollback(rollout({ history = { bad, good, bad } })).rollback, false)
  expect(hooks.rollback(rollout({ history = { good, bad, bad } })).reason, "two checks in a row failed")
end)
