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

--- RSASSA-PKCS1-v1_5 with SHA-256, as JSON Web Tokens call RS256.
---@param key string a private key in PEM
---@param text string
---@return string|nil signature, string|nil why
function crypto.rs256(key, text) end

---@param text string
---@return string digest 32 bytes
function crypto.sha256(text) end

return crypto
