--- Random rollouts of the engine against the model of the reference: `make test-random SEED=1 N=3000`.
--- The first difference is shown for the smallest case that has it, which is left in files for `sluice dry-run`.

package.path = "spec/random/?.lua;" .. package.path

local compare <const> = require("compare")
local engine <const> = require("engine")
local files <const> = require("files")
local generate <const> = require("generate")
local model <const> = require("model")
local shrink <const> = require("shrink")
local World <const> = require("world")

local folder <const> = arg[1]
local first <const> = tonumber(arg[2]) or 1
local count <const> = tonumber(arg[3]) or 300
local mode <const> = arg[4]

--- The first difference, or nil.
local function play(case)
  files.write(case, folder)
  local transcript, why = engine.rehearse(folder, case.lag, case.limit)
  if not transcript then error("case " .. case.seed .. ": " .. why .. "\n" .. files.canary(case), 0) end
  if case.wild then return compare.wild(case, transcript) end
  return compare.differ(case, transcript, coroutine.create(function() return model.run(case, World.new(case)) end))
end

local function show(case, difference)
  files.write(case, folder)
  print(string.format("case %d differs:\n", case.seed))
  for _, name in ipairs({ "canary", "scenario", "metrics" }) do
    print("# " .. folder .. "/" .. name .. ".yaml\n" .. files[name](case))
  end
  local before = difference.before or {}
  for i = math.max(1, #before - 12), #before do print("  " .. before[i]) end
  print(string.format("\n  engine %8.1fs  %s\n  model  %8.1fs  %s\n", difference.got_at or -1, difference.got,
    difference.wanted_at or -1, difference.wanted))
  local lag = case.lag > 0 and string.format(" --lag %gs", case.lag) or ""
  print(string.format("sluice dry-run -f %s/canary.yaml --scenario %s/scenario.yaml --metrics %s/metrics.yaml%s "
    .. "--limit %ds --verbose", folder, folder, folder, lag, case.limit))
end

--- How many cases pass before one differs, and that one.
local function run(from, cases, focus)
  for seed = from, from + cases - 1 do
    local case = generate.case(seed, focus)
    local difference = play(case)
    if difference then return seed - from, case, difference end
  end
  return cases
end

if mode == "defects" then
  local passed, failed, which = 0, 0, 1
  while engine.defect(which) do
    local name, focus = engine.defect(which)
    local before, case = run(first, count, focus)
    if case then
      passed = passed + 1
      print(string.format("  ok   case %-4d finds: %s", before + 1, name))
    else
      failed = failed + 1
      print(string.format("  FAIL %d cases do not find: %s", count, name))
    end
    which = which + 1
  end
  print(string.format("random defects: %d passed, %d failed", passed, failed))
  return failed == 0
end

local passed, case, difference = run(first, count)
if case then
  local small, smaller = shrink.case(case, play)
  show(small, smaller or difference)
end
print(string.format("random: %d passed, %d failed", passed, case and 1 or 0))
return case == nil
