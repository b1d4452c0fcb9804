--- Runs the specs of this folder with nothing but Lua: `lua5.4 spec/policies/run.lua` from the root of the project.
--- A policy takes plain tables and returns plain tables, so no engine is needed to test one.

local passed, failed = 0, 0

--- The hooks of a policy, with those of the strategy and of policies/defaults.lua where it has none or answers nil.
---@param path string?
---@param strategy "canary"|"ab_testing"|"blue_green"
local function policy(path, strategy)
  local chain = {}
  if path then chain[1] = dofile(path) end
  chain[#chain + 1] = dofile("policies/" .. strategy .. ".lua")
  chain[#chain + 1] = dofile("policies/defaults.lua")
  return setmetatable({}, { __index = function(_, hook)
    return function(...)
      for _, candidate in ipairs(chain) do
        local answer = candidate[hook] and candidate[hook](...)
        if answer ~= nil then return answer end
      end
    end
  end })
end

--- What a policy sees, with `changes` over it.
local function rollout(changes)
  local table_of = {
    name = "podinfo", namespace = "test", target = "podinfo", primary = "podinfo-primary", provider = "appmesh:v1beta2",
    phase = "Progressing", strategy = "canary", revision = "1", weight = 0, primary_weight = 100, mirrored = false,
    iterations = 0, steps = 0, step_age = 0, failures = {}, failed_checks = 0, good = false,
    threshold = 5, now = 1700000000, ready = { canary = 1, primary = 1 }, spec = {},
    analysis = { interval_seconds = 10, threshold = 5, iterations = 0, maxWeight = 50, stepWeight = 10,
      stepWeightPromotion = 0, watch_seconds = 0, mirror = false, mirrorWeight = 0, metrics = {} },
    changed = { image = true, env = false, config = false }, samples = {}, history = {}, params = {}, state = {},
  }
  for key, value in pairs(changes or {}) do
    if key == "analysis" then
      for field, setting in pairs(value) do table_of.analysis[field] = setting end
    else
      table_of[key] = value
    end
  end
  return table_of
end

--- Weights (or iterations) until the policy promotes.
local function curve(hooks, start)
  local weights, now = {}, rollout(start)
  for _ = 1, 200 do
    local step = hooks.step(now)
    if step.action ~= "route" then
      weights[#weights + 1] = step.action
      return table.concat(weights, " ")
    end
    now.weight = step.weight
    now.iterations = step.iteration or now.iterations
    now.mirrored = step.mirror or false
    weights[#weights + 1] = (step.mirror and "m" or "") .. step.weight
  end
  return "endless"
end

local function it(sentence, body)
  local ok, err = pcall(body)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    print("  FAILED " .. sentence .. "\n    " .. tostring(err))
  end
end

local function expect(got, wanted)
  if got ~= wanted then error(("is %s, expected %s"):format(tostring(got), tostring(wanted)), 2) end
end

for _, file in ipairs({ "stock_spec", "freeze_spec", "evidence_spec", "examples_spec" }) do
  assert(loadfile("spec/policies/" .. file .. ".lua"))(
    { policy = policy, rollout = rollout, curve = curve, it = it, expect = expect })
end
print(("policies: %d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
