--- What a metric driver returns: one number, or why there is none.

local M = {}

---@alias Sample { kind: string, value: number|string|nil, count: number|nil, text: string|nil }

--- "NaN" is a kind of its own; infinities are values.
---@param value number
---@param count number|nil of how many measurements the value is made, where the store says so
---@return Sample
function M.of(value, count)
  if value ~= value then return { kind = "nan" } end
  if value == math.huge then return { kind = "ok", value = "+Inf", count = count } end
  if value == -math.huge then return { kind = "ok", value = "-Inf", count = count } end
  return { kind = "ok", value = value, count = count }
end

--- A value with its time: older than ten intervals, it is stale.
---@param value number
---@param time number seconds since 1970
---@param ask MetricAsk
---@return Sample
function M.at(value, time, ask)
  local sample = M.of(value)
  local age = ask.now - time
  if sample.kind == "ok" and age > 10 * ask.interval_seconds then
    sample.kind = "stale"
    sample.text = string.format("the newest value is %d seconds old", math.floor(age))
  end
  return sample
end

---@return Sample
function M.none() return { kind = "no-data" } end

--- More than one series where one number was wanted.
---@param count integer
---@return Sample
function M.several(count)
  return { kind = "ambiguous", text = string.format("query returned multiple values: %d series", count) }
end

return M
