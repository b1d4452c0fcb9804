--- Makes a case that differs smaller, while it does.

local M = {}

local function copy(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, item in pairs(value) do result[key] = copy(item) end
  return result
end

--- Each a case that is a little smaller.
local function smaller(case)
  local tries = {}
  local function try(change)
    local less = copy(case)
    change(less)
    tries[#tries + 1] = less
  end
  for _, list in ipairs({ "faults", "outages", "commands", "edits", "pods", "hooks", "metrics" }) do
    for i = 1, #case[list] do try(function(less) table.remove(less[list], i) end) end
  end
  for i = 2, #case.images do try(function(less) table.remove(less.images, i) end) end
  for name in pairs(case.answers) do try(function(less) less.answers[name] = nil end) end
  for name, changes in pairs(case.answers) do
    if #changes > 1 then try(function(less) table.remove(less.answers[name]) end) end
  end
  for i, hook in ipairs(case.hooks) do
    if hook.timeout then try(function(less) less.hooks[i].timeout = nil end) end
    if hook.retries then try(function(less) less.hooks[i].retries = nil end) end
  end
  for name, row in pairs(case.streams) do
    -- The first half or the second as a value that passes on.
    for _, half in ipairs({ { 1, #row // 2 }, { #row // 2 + 1, #row } }) do
      try(function(less)
        for i = half[1], half[2] do less.streams[name][i] = row[1] end
      end)
    end
  end
  for _, field in ipairs({ "stepWeightPromotion", "mirror", "affinity", "maxWeight" }) do
    if case.analysis[field] then try(function(less) less.analysis[field] = nil end) end
  end
  if case.analysis.stepWeights and #case.analysis.stepWeights > 1 then
    try(function(less) table.remove(less.analysis.stepWeights) end)
  end
  if (case.analysis.iterations or 1) > 1 then
    try(function(less) less.analysis.iterations = less.analysis.iterations - 1 end)
  end
  if case.analysis.threshold > 1 then
    try(function(less) less.analysis.threshold = less.analysis.threshold - 1 end)
  end
  if case.replicas > 1 then try(function(less) less.replicas = 1 end) end
  if case.lag > 0 then try(function(less) less.lag = 0 end) end
  return tries
end

local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not is_same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

--- The smallest that still differs, and its difference.
function M.case(case, play)
  local difference
  local again = true
  while again do
    again = false
    for _, less in ipairs(smaller(case)) do
      local found = not is_same(less, case) and play(less)
      if found then
        case, difference, again = less, found, true
        break
      end
    end
  end
  return case, difference
end

return M
