--- What a policy can use: made afresh for each run, so that nothing it changes is there the next time.
---
--- Whatever could work for long inside one call is written here in Lua, where each instruction is counted, or has
--- a cap.
--- Iteration and sorting are in an order that is the same on every machine.

local raw <const> = {
  error = error, getmetatable = getmetatable, next = next, pairs = pairs, rawequal = rawequal, rawget = rawget,
  select = select, setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type,
}
local math_floor <const>, math_type <const> = math.floor, math.type
local string_rep <const>, string_find <const>, string_format <const> = string.rep, string.find, string.format
local table_concat <const>, table_unpack <const> = table.concat, table.unpack

local TEXT_MAX <const> = 65536
local UNPACK_MAX <const> = 200

--- Sorts stably by merging; counted like any Lua.
local function merge_sort(list, count, before)
  local from, to = list, {}
  local width = 1
  while width < count do
    local left = 1
    while left <= count do
      local middle, stop = left + width, left + 2 * width
      if middle > count + 1 then middle = count + 1 end
      if stop > count + 1 then stop = count + 1 end
      local i, k = left, middle
      for at = left, stop - 1 do
        if i < middle and (k >= stop or not before(from[k], from[i])) then
          to[at] = from[i]
          i = i + 1
        else
          to[at] = from[k]
          k = k + 1
        end
      end
      left = stop
    end
    from, to = to, from
    width = width * 2
  end
  if from ~= list then
    for at = 1, count do list[at] = from[at] end
  end
  return list
end

local rank <const> = { number = 1, string = 2, boolean = 3 }

local function key_before(a, b)
  local ra, rb = rank[raw.type(a)] or 4, rank[raw.type(b)] or 4
  if ra ~= rb then return ra < rb end
  if ra == 3 then return a == false and b == true end
  if ra == 4 then return false end
  return a < b
end

local function less(a, b) return a < b end

local function ordered_pairs(map)
  if raw.type(map) ~= "table" then
    raw.error("bad argument #1 to 'pairs' (table expected, got " .. raw.type(map) .. ")", 2)
  end
  local keys, count = {}, 0
  for key in raw.next, map do
    count = count + 1
    keys[count] = key
  end
  merge_sort(keys, count, key_before)
  local at = 0
  return function()
    while at < count do
      at = at + 1
      local value = map[keys[at]]
      if value ~= nil then return keys[at], value end
    end
  end
end

--- Addresses differ from run to run, so they are not shown.
local function plain_tostring(value)
  local kind = raw.type(value)
  if kind == "table" or kind == "function" or kind == "userdata" then return kind end
  return raw.tostring(value)
end

local function make_string()
  return {
    byte = string.byte,
    char = string.char,
    format = function(format, ...)
      if #format > 1000 or string_find(format, "%d%d%d") then raw.error("string.format: too wide", 2) end
      return string_format(format, ...)
    end,
    len = string.len,
    lower = string.lower,
    upper = string.upper,
    reverse = string.reverse,
    sub = string.sub,
    rep = function(text, count, separator)
      separator = separator or ""
      if count > 0 and (#text + #separator) * count > TEXT_MAX then raw.error("string.rep: too long", 2) end
      return string_rep(text, count, separator)
    end,
    --- Plain text only: patterns can work for ever inside one call.
    find = function(text, what, from)
      if #text > TEXT_MAX then raw.error("string.find: too long", 2) end
      return string_find(text, what, from, true)
    end,
  }
end

local function make_table()
  local t = {}
  function t.concat(list, separator, from, to)
    from, to = from or 1, to or #list
    if to - from > 10000 then raw.error("table.concat: too long", 2) end
    return table_concat(list, separator, from, to)
  end
  function t.insert(list, at, ...)
    local count = #list
    if raw.select("#", ...) == 0 then
      list[count + 1] = at
      return
    end
    if at < 1 or at > count + 1 then raw.error("table.insert: position out of bounds", 2) end
    for i = count, at, -1 do list[i + 1] = list[i] end
    list[at] = (...)
  end
  function t.remove(list, at)
    local count = #list
    at = at or count
    local taken = list[at]
    for i = at, count do list[i] = list[i + 1] end
    return taken
  end
  function t.sort(list, before) merge_sort(list, #list, before or less) end
  function t.unpack(list, from, to)
    from, to = from or 1, to or #list
    if to - from >= UNPACK_MAX then raw.error("table.unpack: too many values", 2) end
    return table_unpack(list, from, to)
  end
  function t.pack(...) return { n = raw.select("#", ...), ... } end
  return t
end

--- Without chance; what differs in its last digit from processor to processor is not here either.
local function make_math()
  return {
    abs = math.abs, ceil = math.ceil, floor = math_floor, fmod = math.fmod, huge = math.huge, max = math.max,
    maxinteger = math.maxinteger, min = math.min, mininteger = math.mininteger, modf = math.modf, pi = math.pi,
    sqrt = math.sqrt, tointeger = math.tointeger, type = math_type, ult = math.ult,
  }
end

raw.getmetatable("").__index = make_string()
raw.getmetatable("").__metatable = false

return function()
  local env = {
    assert = assert, error = error, ipairs = ipairs, pairs = ordered_pairs, pcall = pcall, rawequal = raw.rawequal,
    rawget = raw.rawget, rawlen = rawlen, rawset = rawset, select = raw.select, tonumber = raw.tonumber,
    tostring = plain_tostring, type = raw.type, getmetatable = raw.getmetatable,
    string = make_string(), table = make_table(), math = make_math(),
  }
  function env.setmetatable(value, meta)
    if raw.type(meta) == "table" and (raw.rawget(meta, "__gc") ~= nil or raw.rawget(meta, "__mode") ~= nil) then
      raw.error("setmetatable: __gc and __mode are not for policies", 2)
    end
    return raw.setmetatable(value, meta)
  end
  env._G = env
  return env
end
