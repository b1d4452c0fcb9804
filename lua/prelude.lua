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

return true
