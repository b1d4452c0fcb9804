---@meta
error("meta file")

--- JSON as Lua values: null, lists that may be empty, whole numbers of 64 bits.
local M = {}

--- JSON's null: in a table it says that a member is there, and null.
M.null = nil ---@type lightuserdata

--- Makes a list of a table, so that it stays one when it is empty.
---@generic T: table
---@param list T|nil changed; a new one without
---@return T
function M.array(list) end

--- Whether a value is a list: made one, or with the keys 1 to n.
---@param value any
---@return boolean
function M.is_array(value) end

--- Compact text with sorted keys. Raises for what JSON cannot say.
---@param value any
---@return string
function M.encode(value) end

--- The value, or nil and what is wrong with the text.
---@param text string
---@return any value
---@return string|nil why
function M.decode(text) end

return M
