--- Writes a case as the files that `sluice dry-run` takes.

local M = {}

local namespace <const> = "test"

local function duration(seconds)
  if seconds == math.floor(seconds) then return string.format("%ds", seconds) end
  return string.format("%dms", math.floor(seconds * 1000 + 0.5))
end

local function inline(fields)
  local parts = {}
  for _, field in ipairs(fields) do
    if field[2] ~= nil then parts[#parts + 1] = field[1] .. ": " .. tostring(field[2]) end
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function list(numbers) return "[" .. table.concat(numbers, ", ") .. "]" end

local function quoted(text) return '"' .. text .. '"' end

---@return string
function M.canary(case)
  local lines = {}
  local function add(format, ...) lines[#lines + 1] = string.format(format, ...) end
  local function field(name, value)
    if value ~= nil then add("    %s: %s", name, tostring(value)) end
  end
  local analysis = case.analysis
  add("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: podinfo, namespace: %s}\nspec:", namespace)
  add("  replicas: %d\n  selector: {matchLabels: {app: podinfo}}\n  template:", case.replicas)
  add("    metadata: {labels: {app: podinfo}}\n    spec: {containers: [{name: podinfod, image: \"podinfo:1\"}]}")
  add("---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: podinfo, namespace: %s}", namespace)
  add("spec:\n  provider: %s", case.provider)
  add("  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}")
  local gateway = case.provider == "gatewayapi:v1" and ", gatewayRefs: [{name: gateway}]" or ""
  add("  progressDeadlineSeconds: %d\n  service: {port: 9898%s}", case.deadline, gateway)
  if case.skip then add("  skipAnalysis: true") end
  add("  analysis:\n    interval: %ds\n    threshold: %d", analysis.interval, analysis.threshold)
  for _, name in ipairs({ "iterations", "stepWeight", "maxWeight", "stepWeightPromotion", "mirror" }) do
    field(name, analysis[name])
  end
  if analysis.stepWeights then field("stepWeights", list(analysis.stepWeights)) end
  if analysis.affinity then field("sessionAffinity", "{cookieName: keeps}") end
  if analysis.match then field("match", '[{headers: {x-canary: {exact: "insider"}}}]') end
  if #case.metrics > 0 then add("    metrics:") end
  for _, metric in ipairs(case.metrics) do
    local range = inline({ { "min", metric.range.min }, { "max", metric.range.max } })
    add("      - %s", inline({ { "name", metric.name }, { "query", metric.query and "up" or nil },
      { "interval", "1m" }, { "thresholdRange", range } }))
  end
  if #case.hooks > 0 then add("    webhooks:") end
  for _, hook in ipairs(case.hooks) do
    add("      - %s", inline({ { "name", hook.name }, { "type", hook.type },
      { "url", quoted("http://tester.test/" .. hook.name) },
      { "timeout", hook.timeout and duration(hook.timeout) }, { "retries", hook.retries } }))
  end
  return table.concat(lines, "\n") .. "\n"
end

---@return string
function M.scenario(case)
  local scenes = {}
  local function scene(at, fields)
    table.insert(fields, 1, { "at", duration(at) })
    scenes[#scenes + 1] = { at = at, text = inline(fields) }
  end
  local lines = { "image: " .. case.images[1].image }
  local first = {}
  for _, hook in ipairs(case.hooks) do
    for _, answer in ipairs(case.answers[hook.name] or {}) do
      if answer.at == 0 then
        first[#first + 1] = string.format("  %s: %s", hook.name, quoted(answer.says))
      else
        scene(answer.at, { { "hooks", inline({ { hook.name, quoted(answer.says) } }) } })
      end
    end
  end
  if #first > 0 then lines[#lines + 1] = "hooks:\n" .. table.concat(first, "\n") end
  for i = 2, #case.images do scene(case.images[i].at, { { "image", case.images[i].image } }) end
  for _, command in ipairs(case.commands) do
    local text = string.format('{"do":"%s","weight":%d,"id":"%s","by":"jane"}', command.kind, command.weight,
      command.id)
    scene(command.at, { { "patch", string.format("{canary: {metadata: {annotations: {sluice.dev/command: '%s'}}}}",
      text) } })
  end
  for _, edit in ipairs(case.edits) do
    local names <const> = { skip = "skipAnalysis", deadline = "progressDeadlineSeconds", suspend = "suspend" }
    local value = edit.field == "interval" and duration(edit.value) or tostring(edit.value)
    if edit.field == "stepWeights" then value = list(edit.value) end
    local text = string.format("%s: %s", names[edit.field] or edit.field, value)
    if not names[edit.field] then text = "analysis: {" .. text .. "}" end
    scene(edit.at, { { "patch", "{canary: {spec: {" .. text .. "}}}" } })
  end
  for _, trouble in ipairs(case.pods) do
    scene(trouble.at, { { "for", duration(trouble.lasts) }, { "pods", inline({ { trouble.of, trouble.how } }) } })
  end
  for _, outage in ipairs(case.outages) do
    scene(outage.at, { { "for", duration(outage.lasts) }, { "metrics", "down" } })
  end
  for _, fault in ipairs(case.faults) do
    if fault.crash then
      scene(fault.at, { { "crash", "true" } })
    else
      scene(fault.at, { { "for", duration(fault.lasts) }, { "api", fault.api }, { "share", fault.share } })
    end
  end
  -- The end of a rehearsal, once the daemon had the time to see everything.
  if case.wild then scene(500, { { "image", case.images[#case.images].image } }) end
  if #scenes > 0 then lines[#lines + 1] = "scenes:" end
  table.sort(scenes, function(a, b) return a.at < b.at end)
  for _, item in ipairs(scenes) do lines[#lines + 1] = "  - " .. item.text end
  return table.concat(lines, "\n") .. "\n"
end

--- promtool's notation: "4x3" is four times 4, "_x3" three times nothing.
local function notation(row)
  local parts, i = {}, 1
  while i <= #row do
    local n = 1
    while row[i + n] == row[i] do n = n + 1 end
    local text = tostring(row[i])
    if n > 1 then text = text .. "x" .. (row[i] == "_" and n or n - 1) end
    parts[#parts + 1] = text
    i = i + n
  end
  return table.concat(parts, " ")
end

---@return string
function M.metrics(case)
  local lines = { "interval: " .. duration(case.grid), "series:" }
  for _, metric in ipairs(case.metrics) do
    lines[#lines + 1] = string.format("  - {metric: %s, values: %s}", metric.name,
      quoted(notation(case.streams[metric.name])))
  end
  if #case.metrics == 0 then lines[#lines + 1] = "  - {metric: none, values: \"0\"}" end
  return table.concat(lines, "\n") .. "\n"
end

--- Into a folder that is there.
function M.write(case, folder)
  for _, name in ipairs({ "canary", "scenario", "metrics" }) do
    local file <close> = assert(io.open(folder .. "/" .. name .. ".yaml", "w"))
    file:write(M[name](case))
  end
end

return M
