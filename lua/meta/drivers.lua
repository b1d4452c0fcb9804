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
---@field online fun(ask: MetricAsk): Sample|nil, WebError|nil whether the store can be asked at all; may be absent

---@class Alert what a notify driver is to tell
---@field url string a secret: never in a message
---@field token string|nil
---@field proxy string|nil
---@field channel string
---@field username string
---@field canary string "podinfo.test"
---@field message string
---@field severity "info"|"warn"|"error"
---@field fields { name: string, value: string }[]

---@class NotifyDriver
---@field name string
---@field send fun(alert: Alert): true|nil, WebError|nil
