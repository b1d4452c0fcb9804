--- The external metrics of Kubernetes: the first item of a metric.
--- https://kubernetes.io/docs/reference/external-api/external-metrics.v1beta1/
---
--- A query is [NAMESPACE/]METRIC[?labelSelector=…]. It goes to the API server, or to the template's address.

local quantity <const>, sample <const>, shape <const>, web <const> =
  require("quantity"), require("sample"), require("shape"), require("web")

local M = { name = "externalmetrics" } ---@type MetricDriver

local function path_of(query)
  local path, arguments = string.match(query, "^%s*([^?]*)%??(.-)%s*$")
  local namespace, metric = string.match(path, "^([^/]*)/([^/]*)$")
  if not namespace then namespace, metric = "default", path end
  if string.find(metric, "/", 1, true) then shape.fail("the query has more than one slash: %s", path) end
  if metric == "" or namespace == "" then shape.fail("the query names no metric") end
  local selector = string.match("&" .. arguments, "&labelSelector=([^&]*)")
  return "/apis/external.metrics.k8s.io/v1beta1/namespaces/" .. web.encode(namespace) .. "/" .. web.encode(metric)
    .. (selector and "?labelSelector=" .. web.encode(web.decode(selector)) or "")
end

function M.query(ask)
  local path = path_of(ask.query)
  local headers = ask.headers
  local token = ask.secret and ask.secret.token
  if token then headers.Authorization = "Bearer " .. token end
  local address = ask.address ~= "" and web.address(ask.address, "externalmetrics") or ""
  local answer, err = web.json({ url = address .. path, headers = headers, insecure = ask.insecure }, "externalmetrics")
  if err then return nil, err end
  local items = shape.list(answer, "items")
  if #items == 0 then return sample.none() end
  if #items > 1 then return sample.several(#items) end
  local text = shape.string(items, "1.value")
  local value = quantity.parse(text)
  if not value then shape.fail('items[0].value: is no quantity but "%s"', web.head(text, 40)) end
  return sample.of(value)
end

return M
