---@meta
error("meta file")

--- The run that a function is part of.
local task = {}

--- Returns after so many seconds, at most 600. Waits, as http.request does.
---@param seconds number
function task.sleep(seconds) end

return task
