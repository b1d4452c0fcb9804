---@meta
error("meta file")

--- What signed requests need.
local crypto = {}

---@param bytes string
---@return string
function crypto.base64(bytes) end

---@param bytes string
---@return string lower case
function crypto.hex(bytes) end

---@param key string
---@param text string
---@return string digest 32 bytes
function crypto.hmac_sha256(key, text) end

---@param text string
---@return string digest 32 bytes
function crypto.sha256(text) end

return crypto
