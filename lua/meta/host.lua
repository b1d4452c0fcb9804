---@meta
error("meta file")

--- What a driver may know of the machine.
local host = {}

---@param name string
---@return string|nil value nil when it is not set or empty
function host.env(name) end

--- The text of the file that an environment variable names. A driver can read no other file: only what
--- AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE and GOOGLE_APPLICATION_CREDENTIALS point at,
--- where a platform puts the identity of a pod; any other name is a mistake of the driver, and raises. It is read each
--- time, as platforms renew it.
---@param name string of the variable
---@param field string|nil the file is JSON, and names at this path the file that is meant: "credential_source.file"
---@return string|nil text, string|nil why both nil when the variable is not set
function host.file(name, field) end

return host
