--- Shows the canary to those who carry the cookie, in one region more at each iteration.
---
--- params: cookie ("canary"), regions (in this order), header ("x-region", that the edge sets)

local M = { name = "ab-by-cookie-and-region" }

local everywhere <const> = { "eu-west-1", "eu-central-1", "us-east-1" }

--- Regular expressions give some characters a meaning of their own.
local function literal(text) return (text:gsub("[%.%+%*%?%(%)%[%]%^%$|\\]", "\\%0")) end

function M.match(rollout)
  local params = rollout.params
  local regions = params.regions or everywhere
  local open = {}
  for i = 1, math.min(rollout.iterations + 1, #regions) do open[i] = literal(regions[i]) end
  local cookie = "(^|.*; *)" .. literal(params.cookie or "canary") .. "=always(;.*|$)"
  return {
    { headers = {
      cookie = { regex = cookie },
      [params.header or "x-region"] = { regex = table.concat(open, "|") },
    } },
  }
end

return M
