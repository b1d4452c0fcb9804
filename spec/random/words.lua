--- How the reference writes what it measured.

local M = {}

local NAME <const> = "podinfo.test"

local function plain(n) return n == math.floor(n) and string.format("%d", n) or string.format("%.14g", n) end

--- Go's way with durations, of whole milliseconds.
local function duration(ms)
  ms = math.floor(ms)
  if ms == 0 then return "0s" end
  if ms < 1000 then return ms .. "ms" end
  local minutes, rest = ms // 60000, plain(ms % 60000 / 1000) .. "s"
  return minutes > 0 and minutes .. "m" .. rest or rest
end

--- Why a measurement fails, or nil.
---@return string?
function M.judgement(metric, value)
  local words = { label = metric.name, value = string.format("%.2f", value), bound = plain }
  if metric.name == "request-success-rate" then
    words = { label = "success rate", value = string.format("%.2f%%", value),
      bound = function(n) return plain(n) .. "%" end }
  elseif metric.name == "request-duration" then
    words = { label = "request duration", value = duration(value), bound = duration }
  end
  local range = metric.range
  if range.min and value < range.min then
    return string.format("Halt %s advancement %s %s < %s", NAME, words.label, words.value, words.bound(range.min))
  end
  if range.max and value > range.max then
    return string.format("Halt %s advancement %s %s > %s", NAME, words.label, words.value, words.bound(range.max))
  end
  return nil
end

---@return string
function M.no_values(provider, metric)
  local found <const> = "Halt advancement no values found for "
  if metric.query then return found .. "metric: " .. metric.name end
  local text = string.format("%s%s metric %s probably %s is not receiving traffic", found, provider, metric.name,
    NAME)
  -- The reference's duration observer drops the error.
  return metric.name == "request-success-rate" and text .. ": running query failed: no values found" or text
end

return M
