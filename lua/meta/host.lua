---@meta
error("meta file")

--- What a driver may know of the machine.
local host = {}

---@param name string
---@return string|nil value nil when it is not set or empty
function host.env(name) end

return host
