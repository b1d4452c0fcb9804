--- InfluxDB 2: the first value of a Flux query. https://docs.influxdata.com/influxdb/v2/api/#operation/PostQuery

local json <const>, sample <const>, shape <const>, web <const> =
  require("json"), require("sample"), require("shape"), require("web")

local M = { name = "influxdb" } ---@type MetricDriver

--- The fields of one line of CSV (RFC 4180, without line breaks in fields).
local function fields_of(line)
  local fields, at = {}, 1
  while at <= #line + 1 do
    if string.sub(line, at, at) == '"' then
      local text, stop = "", at + 1
      while true do
        local quote = string.find(line, '"', stop, true)
        if not quote then shape.fail("not an answer of influxdb: a quote is not closed") end
        text = text .. string.sub(line, stop, quote - 1)
        stop = quote + 1
        if string.sub(line, stop, stop) ~= '"' then break end
        text = text .. '"'
        stop = stop + 1
      end
      fields[#fields + 1] = text
      at = stop + 1
    else
      local comma = string.find(line, ",", at, true) or #line + 1
      fields[#fields + 1] = string.sub(line, at, comma - 1)
      at = comma + 1
    end
  end
  return fields
end

local function position(names, wanted)
  for i, name in ipairs(names) do
    if name == wanted then return i end
  end
end

local function value_of(text, kind)
  if text == "" then return sample.none() end
  if kind ~= "double" and kind ~= "long" and kind ~= "unsignedLong" then
    shape.fail("the value is a %s, not a number", kind)
  end
  if text == "NaN" then return { kind = "nan" } end
  if text == "+Inf" or text == "-Inf" then return { kind = "ok", value = text } end
  local value = tonumber(text)
  if not value then shape.fail('the value is no number but "%s"', web.head(text, 40)) end
  return sample.of(value + 0.0)
end

--- Annotated CSV: tables one after the other, each with its types, names and records.
local function read(csv)
  local types, names, found = nil, nil, {}
  for line in string.gmatch(csv, "[^\r\n]+") do
    local fields = fields_of(line)
    if fields[1] == "#datatype" then
      types, names = fields, nil
    elseif string.sub(fields[1], 1, 1) ~= "#" then
      if not types then shape.fail("not an answer of influxdb") end
      if not names then
        names = fields
      else
        local tables, value = position(names, "table"), position(names, "_value")
        if not value then shape.fail("the answer has no column _value") end
        found[#found + 1] = { table = tables and fields[tables], text = fields[value] or "", kind = types[value] }
      end
    end
  end
  return found
end

function M.query(ask)
  local address = web.address(ask.address, "influxdb")
  local headers = ask.headers
  headers.Accept = "application/csv"
  headers["Content-Type"] = "application/json"
  local form = ""
  if ask.secret then
    headers.Authorization = "Token " .. web.secret(ask, "token", "influxdb")
    form = "?" .. web.form({ { "org", web.secret(ask, "org", "influxdb") } })
  end
  local reply, err = web.send({
    method = "POST",
    url = address .. "/api/v2/query" .. form,
    headers = headers,
    timeout = 15,
    body = json.encode({
      query = ask.query,
      type = "flux",
      dialect = { annotations = json.array({ "datatype" }), header = true },
    }),
  })
  if not reply then return nil, err end
  local records = read(reply.body)
  if #records == 0 then return sample.none() end
  for _, record in ipairs(records) do
    if record.table ~= records[1].table then return sample.several(2) end
  end
  return value_of(records[1].text, records[1].kind)
end

function M.online(ask)
  ask.query = 'from(bucket: "default") |> range(start: -1m) |> limit(n: 1)'
  local _, err = M.query(ask)
  if err then return nil, err end
  return sample.none()
end

return M
