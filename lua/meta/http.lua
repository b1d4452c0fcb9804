---@meta
error("meta file")

---@class HttpRequest
---@field url string a path ("/apis/…") goes to the API server
---@field method string|nil "GET"
---@field headers table<string, string>|nil
---@field body string|nil
---@field timeout number|nil seconds; 5
---@field insecure boolean|nil do not verify the peer's certificate
---@field proxy string|nil

---@class HttpReply
---@field status integer
---@field body string
---@field retry_after number|nil seconds that the server asks to wait
---@field location string|nil where it says that the answer is; absolute, and not gone to

--- Requests over http and https. Messages show no more of a URL than its host.
local http = {}

--- Sends a request and returns when it is answered, whatever the status; redirections are not followed. Waits: it
--- raises inside of a comparator of table.sort, of a function given to string.gsub, and in a function of a driver that
--- must answer at once.
---@param request HttpRequest
---@return HttpReply|nil reply, WebError|nil err
function http.request(request) end

return http
