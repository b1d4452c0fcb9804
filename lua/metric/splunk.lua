--- Splunk Observability (SignalFx): the newest value of a SignalFlow program.
--- https://dev.splunk.com/observability/reference/api/signalflow/latest
---
--- The program is executed over HTTP: its answer is a stream of server-sent events that ends with the program, because
--- its stop is named and immediate.

local json <const>, sample <const>, shape <const>, web <const> =
  require("json"), require("sample"), require("shape"), require("web")

local M = { name = "splunk" } ---@type MetricDriver

local function headers_of(ask)
  ask.headers["X-SF-Token"] = web.secret(ask, "sf_token_key", "splunk")
  return ask.headers
end

--- The address is that of the API (https://api.REALM.signalfx.com); programs run at its stream twin, as Flagger has it.
local function stream_of(ask)
  return (string.gsub(web.address(ask.address, "splunk"), "api", "stream", 1))
end

--- Goes through the events of a stream: their kind, and the decoded data.
local function events(text)
  text = string.gsub(text, "\r\n?", "\n")
  local next_block = string.gmatch(text .. "\n\n", "(.-)\n\n+")
  return function()
    for block in next_block do
      local kind, parts = "message", {}
      for line in string.gmatch(block, "[^\n]+") do
        local field, value = string.match(line, "^(%w+): ?(.*)$")
        if field == "event" then kind = value end
        if field == "data" then parts[#parts + 1] = value end
      end
      if #parts > 0 then
        local data, why = json.decode(table.concat(parts, "\n"))
        if data == nil then shape.fail("not an answer of splunk: the data of an event (%s): %s", kind, why) end
        return kind, data
      end
    end
  end
end

--- What a program was refused for, or aborted by: a code and its context.
local function complaint_of(data, path, place)
  local code = shape.optional(shape.string, data, path .. ".1.code") or "no reason given"
  local context = shape.at(data, path .. ".1.context") or shape.at(data, path)
  return web.error("invalid", "%s: error response: %s %s", place, code, web.head(json.encode(context), 200))
end

---@class SplunkReading
---@field series table<string, boolean> by their ids
---@field count integer
---@field newest number|nil
---@field ended boolean the program came to its stop

local function note(reading, id)
  if reading.series[id] then return end
  reading.series[id] = true
  reading.count = reading.count + 1
end

local readers <const> = {
  ["metadata"] = function(reading, data) note(reading, shape.string(data, "tsId", "metadata")) end,
  ["data"] = function(reading, data)
    for i, point in shape.each(data, "data") do
      local where = string.format("data[%d]", i - 1)
      note(reading, shape.string(point, "tsId", where))
      if shape.at(point, "value") ~= nil then reading.newest = shape.number(point, "value", where) end
    end
  end,
  ["control-message"] = function(reading, data, place)
    local event = shape.string(data, "event", "control-message")
    if event == "END_OF_CHANNEL" then reading.ended = true end
    if event == "CHANNEL_ABORT" then return complaint_of(data, "abortInfo", place) end
  end,
  ["error"] = function(_, data, place) return complaint_of(data, "errors", place) end,
}

local function read(text, place)
  local reading, any = { series = {}, count = 0, ended = false }, false ---@type SplunkReading, boolean
  for kind, data in events(text) do
    any = true
    local err = readers[kind] and readers[kind](reading, data, place)
    if err then return nil, err end
  end
  if not any then shape.fail("%s: not an answer of splunk: there is no event", place) end
  if not reading.ended then
    return nil, web.error("unavailable", "%s: the answer ended before the program did", place)
  end
  if reading.count > 1 then return sample.several(reading.count) end
  return reading.newest and sample.of(reading.newest) or sample.none()
end

function M.query(ask)
  local now = math.floor(ask.now * 1000)
  local address = stream_of(ask)
  local headers = headers_of(ask)
  headers["Content-Type"] = "text/plain"
  headers.Accept = "text/event-stream"
  local reply, err = web.send({
    method = "POST",
    url = address .. "/v2/signalflow/execute?" .. web.form({
      { "start", string.format("%d", now - math.floor(10000 * ask.interval_seconds)) },
      { "stop", string.format("%d", now) },
      { "immediate", "true" },
    }),
    headers = headers,
    body = ask.query,
    insecure = ask.insecure,
  })
  if not reply then return nil, err end
  return read(reply.body, web.place(address))
end

function M.online(ask)
  local url = web.address(ask.address, "splunk") .. "/v2/metric?limit=1"
  local _, err = web.send({ url = url, headers = headers_of(ask), insecure = ask.insecure })
  if err then return nil, err end
  return sample.none()
end

return M
