--- Whether traffic was split as it was meant to be: counts of the pods against the weights of the routes.
--
--     lua5.4 shares.lua WORKLOAD LEAST COUNTS…
--
-- A line of COUNTS is "version namespace/pod route/node:weight,node:weight requests failed" (app.c). For each split of
-- the route called WORKLOAD: the canary's share of at least LEAST requests must not be so far off its weight that
-- chance would do it once in a million times.

local least_chance <const> = 1e-6

--- The name of a pod's Deployment: "podinfo" of "test/podinfo-7c5d8-x2x9k".
local function workload_of(pod)
  return pod:match("^[^/]+/(.+)%-[^-]+%-[^-]+$")
end

--- log(n!) for all n up to the largest one asked for.
local log_factorials <const> = { [0] = 0.0 }
local function log_factorial(n)
  for i = #log_factorials + 1, n do
    log_factorials[i] = log_factorials[i - 1] + math.log(i)
  end
  return log_factorials[n]
end

--- P(X = k) of a binomial X of n tries with chance p each.
local function binomial(n, k, p)
  local ways <const> = log_factorial(n) - log_factorial(k) - log_factorial(n - k)
  return math.exp(ways + k * math.log(p) + (n - k) * math.log(1 - p))
end

--- How likely chance gives k of n or something at least as far off, on either side.
local function chance_of(n, k, p)
  if p == 0 or p == 1 then
    return k == n * p and 1 or 0
  end
  local below, above = 0, 0
  for i = 0, k do
    below = below + binomial(n, i, p)
  end
  for i = k, n do
    above = above + binomial(n, i, p)
  end
  return math.min(1, 2 * math.min(below, above))
end

local workload <const>, least <const> = arg[1], tonumber(arg[2])
local splits, order = {}, {}
for i = 3, #arg do
  for line in io.lines(arg[i]) do
    local pod <const>, route <const>, nodes <const>, requests <const> =
      line:match("^%S+ (%S+) ([^/%s]+)/(%S+) (%d+) %d+$")
    local weight <const> = nodes and tonumber(nodes:match(workload .. "%-canary:(%d+)"))
    local other <const> = nodes and tonumber(nodes:match(workload .. "%-primary:(%d+)"))
    if route == workload and weight and other then
      local name <const> = string.format("%3d/%-3d", weight, other)
      if not splits[name] then
        splits[name] = { weight = weight, share = weight / (weight + other), requests = 0, canary = 0 }
        order[#order + 1] = name
      end
      local split <const> = splits[name]
      split.requests = split.requests + tonumber(requests)
      if workload_of(pod) == workload then
        split.canary = split.canary + tonumber(requests)
      end
    end
  end
end

local good = #order > 0
table.sort(order, function(a, b)
  return splits[a].weight < splits[b].weight
end)
for _, name in ipairs(order) do
  local split <const> = splits[name]
  local chance <const> = chance_of(split.requests, split.canary, split.share)
  -- Before and after a release there is no step, so no least number of requests.
  local wrong = chance <= least_chance and "not the weight" or nil
  if split.weight > 0 and split.weight < 100 and split.requests < least then
    wrong = "fewer requests than " .. least
  end
  print(string.format("%s %6d requests, canary %5d = %6.2f%%, p %.3g%s", name, split.requests, split.canary,
    100 * split.canary / split.requests, chance, wrong and ": " .. wrong or ""))
  good = good and not wrong
end
os.exit(good)
