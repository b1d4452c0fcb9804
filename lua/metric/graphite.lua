--- Graphite: the newest value of a target. https://graphite.readthedocs.io/en/latest/render_api.html

local json <const>, sample <const>, shape <const>, web <const> =
  require("json"), require("sample"), require("shape"), require("web")

local M = { name = "graphite" } ---@type MetricDriver

--- The query is that of the render API ("target=…&from=…"), written over several lines or encoded, as one likes.
local function url_of(address, query)
  local form = {}
  for part in string.gmatch(query, "[^&]+") do
    local key, value = string.match(part, "^([^=]*)=?(.*)$")
    if web.decode(key) ~= "format" then form[#form + 1] = { web.decode(key), web.decode(value) } end
  end
  form[#form + 1] = { "format", "json" }
  return address .. "/render?" .. web.form(form)
end

local function headers_of(ask)
  local headers = ask.headers
  if ask.secret then
    headers.Authorization =
      web.basic(web.secret(ask, "username", "graphite"), web.secret(ask, "password", "graphite"))
  end
  return headers
end

local function newest(points, ask)
  for i = #points, 1, -1 do
    local value = shape.list(points, tostring(i))[1]
    if value ~= json.null then
      return sample.at(shape.number(points, i .. ".1"), shape.number(points, i .. ".2"), ask)
    end
  end
  return sample.none()
end

function M.query(ask)
  local answer, err = web.json({
    url = url_of(web.address(ask.address, "graphite"), ask.query),
    headers = headers_of(ask),
    insecure = ask.insecure,
  }, "graphite")
  if err then return nil, err end
  local targets = shape.list(answer, "")
  if #targets == 0 then return sample.none() end
  if #targets > 1 then return sample.several(#targets) end
  return newest(shape.list(targets, "1.datapoints"), ask)
end

function M.online(ask)
  ask.query = "target=test"
  return M.query(ask)
end

return M
