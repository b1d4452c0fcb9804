--- What every trusted file finds changed: iteration in an order that is the same on every machine.

local raw_next <const>, raw_type <const> = next, type

local function before(a, b)
  local ta, tb = raw_type(a), raw_type(b)
  if ta ~= tb then return ta < tb end
  if ta == "string" or ta == "number" then return a < b end
  return false
end

--- Through the keys of a table as they are now: numbers in order, then texts in order.
function pairs(map)
  local keys, count = {}, 0
  for key in raw_next, map do
    count = count + 1
    keys[count] = key
  end
  table.sort(keys, before)
  local at = 0
  return function()
    while at < count do
      at = at + 1
      local value = map[keys[at]]
      if value ~= nil then return keys[at], value end
    end
  end
end

local raw_get <const>, raw_setmetatable <const> = rawget, setmetatable

--- A finalizer would run where nobody counts its instructions.
function setmetatable(value, metatable)
  if raw_type(metatable) == "table" and raw_get(metatable, "__gc") ~= nil then
    error("a metatable of a driver has no __gc", 2)
  end
  return raw_setmetatable(value, metatable)
end

local move <const>, moved_max <const> = table.move, 1000000

--- The stock one goes through all positions, whether anything is there or not.
function table.move(from, first, last, ...)
  if last - first >= moved_max or last - first < -1 and last > first then
    error("table.move of more than a million values", 2)
  end
  return move(from, first, last, ...)
end

return true
