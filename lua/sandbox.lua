--- What a policy can use: made afresh for each run, so that nothing it changes is there the next time.
---
--- What could work for long inside one call is written here, where each instruction is counted, or charges for its work
--- beforehand (engine/script/bind.h). Iteration and sorting are in an order that is the same on every machine.
---
--- Everything given out here is described in lua/meta/sandbox.lua.

---@param native table<string, function> charge, copy, keys, tostring, new_string, new_math
local native <const> = ...

local raw <const> = {
  error = error, getmetatable = getmetatable, rawget = rawget, rawset = rawset, select = select,
  setmetatable = setmetatable, type = type,
}
local charge <const>, keys_of <const> = native.charge, native.keys
local table_concat <const>, table_unpack <const> = table.concat, table.unpack

local UNPACK_MAX <const> = 200

local function check_table(name, position, value)
  if raw.type(value) ~= "table" then
    raw.error(("bad argument #%d to '%s' (table expected, got %s)"):format(position, name, raw.type(value)), 3)
  end
end

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
end

local function less(a, b) return a < b end

--- Numbers first, then texts, then booleans; what was removed meanwhile is left out, what was added too.
local function ordered_pairs(map)
  check_table("pairs", 1, map)
  local keys, count = keys_of(map)
  local at = 0
  return function()
    while at < count do
      at = at + 1
      local value = map[keys[at]]
      if value ~= nil then return keys[at], value end
    end
  end, map, nil
end

--- The key after `key` in the order of pairs: goes over the whole table each time.
local function ordered_next(map, key)
  check_table("next", 1, map)
  local keys, count = keys_of(map)
  if key == nil then
    if count == 0 then return nil end
    return keys[1], map[keys[1]]
  end
  for at = 1, count do
    if keys[at] == key then
      if at == count then return nil end
      return keys[at + 1], map[keys[at + 1]]
    end
  end
  raw.error("invalid key to 'next'", 2)
end

local function make_table()
  local t = {}

  function t.concat(list, separator, from, to)
    check_table("concat", 1, list)
    from, to = from or 1, to or #list
    if to >= from then charge((to - from + 1) * 2) end
    return table_concat(list, separator, from, to)
  end

  function t.insert(list, ...)
    check_table("insert", 1, list)
    local count, given = #list, raw.select("#", ...)
    if given == 1 then
      list[count + 1] = (...)
      return
    end
    if given ~= 2 then raw.error("wrong number of arguments to 'insert'", 2) end
    local at, value = ...
    if at < 1 or at > count + 1 then raw.error("bad argument #2 to 'insert' (position out of bounds)", 2) end
    for i = count, at, -1 do list[i + 1] = list[i] end
    list[at] = value
  end

  function t.remove(list, at)
    check_table("remove", 1, list)
    local count = #list
    at = at or count
    if count + 1 ~= at and (at < 1 or at > count + 1) and not (count == 0 and at == 0) then
      raw.error("bad argument #2 to 'remove' (position out of bounds)", 2)
    end
    local taken = list[at]
    for i = at, count - 1 do list[i] = list[i + 1] end
    if at <= count then list[count] = nil else list[at] = nil end
    return taken
  end

  function t.move(from, first, last, at, to)
    check_table("move", 1, from)
    to = to or from
    check_table("move", 5, to)
    if at > last or at <= first or to ~= from then
      for i = 0, last - first do to[at + i] = from[first + i] end
    else
      for i = last - first, 0, -1 do to[at + i] = from[first + i] end
    end
    return to
  end

  function t.sort(list, before)
    check_table("sort", 1, list)
    merge_sort(list, #list, before or less)
  end

  function t.unpack(list, from, to)
    from, to = from or 1, to or #list
    if to - from >= UNPACK_MAX then raw.error("table.unpack: too many values", 2) end
    if to >= from then charge(to - from) end
    return table_unpack(list, from, to)
  end

  function t.pack(...) return { n = raw.select("#", ...), ... } end

  return t
end

local function checked_setmetatable(value, meta)
  if raw.type(meta) == "table" and (raw.rawget(meta, "__gc") ~= nil or raw.rawget(meta, "__mode") ~= nil) then
    raw.error("setmetatable: __gc and __mode are not for policies", 2)
  end
  return raw.setmetatable(value, meta)
end

-- One for all runs, but out of reach: ("x").rep finds it, nobody can change it.
local texts <const> = raw.getmetatable("")
texts.__index = native.new_string()
texts.__metatable = false

-- Functions cannot be changed, tables can: each run gets tables of its own.
local base <const> = {
  assert = assert, error = error, getmetatable = raw.getmetatable, ipairs = ipairs, next = ordered_next,
  pairs = ordered_pairs, pcall = pcall, rawequal = rawequal, rawget = rawget, rawlen = rawlen, rawset = rawset,
  select = select, setmetatable = checked_setmetatable, tonumber = tonumber, tostring = native.tostring, type = type,
}
local strings <const>, tables <const>, maths <const> = native.new_string(), make_table(), native.new_math()
local copy <const> = native.copy

return function()
  local env = copy(base)
  env.string, env.table, env.math = copy(strings), copy(tables), copy(maths)
  env._G = env
  return env
end
