--- Kubernetes' quantities: "1500m", "2Gi", "1e3".
--- https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

local M = {}

local scales <const> = {
  [""] = 1, n = 1e-9, u = 1e-6, m = 1e-3, k = 1e3, M = 1e6, G = 1e9, T = 1e12, P = 1e15, E = 1e18,
  Ki = 2 ^ 10, Mi = 2 ^ 20, Gi = 2 ^ 30, Ti = 2 ^ 40, Pi = 2 ^ 50, Ei = 2 ^ 60,
}

--- The number, or nil when it is no quantity.
---@param text string
---@return number|nil
function M.parse(text)
  local plain = string.match(text, "^[+-]?[%d.]+[eE][+-]?%d+$")
  if plain then return tonumber(plain) end
  local digits, suffix = string.match(text, "^([+-]?[%d.]+)(%a*)$")
  local number, scale = tonumber(digits), scales[suffix]
  if not number or not scale then return nil end
  return scale < 1 and number / (1 / scale) or number * scale
end

return M
