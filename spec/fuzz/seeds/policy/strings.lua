return { step = function(r)
  local out = {}
  for k, v in ("a=1, b=22"):gmatch("(%w+)=(%w*)") do out[#out + 1] = k:upper():rep(2, "-") .. v:sub(-1) end
  local text = table.concat(out, ";"):gsub("%f[%a]%a+", function(w) return w:lower():reverse() end)
  local at, to, cap = text:find("([^;]-);%s*(.+)$")
  return { action = "route", weight = math.floor(math.pow(2, 3) + math.log(8, 2)), message = string.format("%5.2f %s %q",
    at or 0, cap or tostring(to), text) }
end }
