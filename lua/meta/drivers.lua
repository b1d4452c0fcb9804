---@meta
error("meta file")

---@class MetricAsk what a metric driver is asked
---@field address string "" when there is none
---@field query string rendered
---@field interval_seconds number
---@field now number seconds since 1970
---@field insecure boolean
---@field headers table<string, string> of the template; yours to change
---@field region string|nil
---@field secret table<string, string>|nil

---@class MetricDriver
---@field name string
---@field query fun(ask: MetricAsk): Sample|nil, WebError|nil
