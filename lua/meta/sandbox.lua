---@meta
error("meta file")
--- What a policy can use: for editors that know LuaLS. What is not here is not there. `make lint` compares.

---@generic T
---@param value T
---@param message? any
---@return T
function assert(value, message, ...) end

---@param message any raised as it is; texts get file and line before them
---@param level? integer 0: no place
function error(message, level) end

---@param value any
---@return table|false|nil metatable false for texts
function getmetatable(value) end

---@param list table
---@return fun(list: table, at: integer): integer, any
---@return table
---@return integer
function ipairs(list) end

--- The key after `key` in the order of `pairs`: goes over the whole table each time.
---@param map table
---@param key? any
---@return any key, any value
function next(map, key) end

--- Goes through numbers, then texts byte by byte, then false and true. Other keys raise: they have no order.
---@param map table
---@return fun(): any, any
---@return table
---@return nil
function pairs(map) end

---@param f function
---@return boolean ok
---@return any ... results, or what was raised
function pcall(f, ...) end

---@return boolean
function rawequal(a, b) end

---@param map table
function rawget(map, key) end

---@param value table|string
---@return integer
function rawlen(value) end

---@param map table
---@return table
function rawset(map, key, value) end

---@param at integer|"#"
function select(at, ...) end

--- Refuses `__gc` and `__mode`.
---@generic T: table
---@param value T
---@param meta? table
---@return T
function setmetatable(value, meta) end

---@param value any
---@param base? integer
---@return number?
function tonumber(value, base) end

--- Numbers in the shortest form that reads back as the same; no addresses.
---@param value any
---@return string
function tostring(value) end

---@param value any
---@return "nil"|"boolean"|"number"|"string"|"table"|"function"
function type(value) end

_G = {}

---@class stringlib
string = {}

---@param text string
---@param from? integer
---@param to? integer 200 bytes at most
---@return integer ...
function string.byte(text, from, to) end

---@param ... integer
---@return string
function string.char(...) end

---@param text string
---@param pattern string
---@param from? integer
---@param plain? boolean
---@return integer? from, integer? to, any ... captures
function string.find(text, pattern, from, plain) end

--- `%d %i %c %x %X %o %e %E %f %F %g %G %a %A %s %%`, widths of two digits.
---@param format string
---@return string
function string.format(format, ...) end

---@param text string
---@param pattern string
---@param from? integer
---@return fun(): any ...
function string.gmatch(text, pattern, from) end

---@param text string
---@param pattern string
---@param with string|number|table|function
---@param most? integer
---@return string, integer count
function string.gsub(text, pattern, with, most) end

---@param text string
---@return integer
function string.len(text) end

---@param text string
---@return string
function string.lower(text) end

---@param text string
---@param pattern string
---@param from? integer
---@return any ... captures, or the whole match
function string.match(text, pattern, from) end

---@param text string
---@param count integer
---@param between? string
---@return string text of 64 KiB at most
function string.rep(text, count, between) end

---@param text string
---@return string
function string.reverse(text) end

---@param text string
---@param from integer
---@param to? integer
---@return string
function string.sub(text, from, to) end

---@param text string
---@return string
function string.upper(text) end

---@class tablelib
table = {}

---@param list table
---@param separator? string
---@param from? integer
---@param to? integer
---@return string
function table.concat(list, separator, from, to) end

---@param list table
---@param at integer
---@param value any
---@overload fun(list: table, value: any)
function table.insert(list, at, value) end

---@param from table
---@param first integer
---@param last integer
---@param at integer
---@param to? table
---@return table to
function table.move(from, first, last, at, to) end

---@return table list with `n`
function table.pack(...) end

---@param list table
---@param at? integer
---@return any
function table.remove(list, at) end

--- Stable, whatever `before` says.
---@generic T
---@param list T[]
---@param before? fun(a: T, b: T): boolean
function table.sort(list, before) end

---@param list table
---@param from? integer
---@param to? integer 200 values at most
---@return any ...
function table.unpack(list, from, to) end

---@class mathlib
math = {}
math.huge = 0.0
math.maxinteger = 0
math.mininteger = 0
math.pi = 0.0

---@param x number
---@return number
function math.abs(x) end

--- Correctly rounded, as asin, atan, cos, exp, log, pow, sin and tan are.
---@param x number
---@return number
function math.acos(x) end

---@param x number
---@return number
function math.asin(x) end

---@param y number
---@param x? number
---@return number
function math.atan(y, x) end

---@param x number
---@return integer
function math.ceil(x) end

---@param x number
---@return number
function math.cos(x) end

---@param x number
---@return number
function math.exp(x) end

---@param x number
---@return integer
function math.floor(x) end

---@param x number
---@param y number
---@return number
function math.fmod(x, y) end

---@param x number
---@param base? number
---@return number
function math.log(x, base) end

---@param x number
---@param ... number
---@return number
function math.max(x, ...) end

---@param x number
---@param ... number
---@return number
function math.min(x, ...) end

---@param x number
---@return number, number
function math.modf(x) end

--- Instead of the operator `^`, which is refused.
---@param x number
---@param y number
---@return number
function math.pow(x, y) end

---@param x number
---@return number
function math.sin(x) end

---@param x number
---@return number
function math.sqrt(x) end

---@param x number
---@return number
function math.tan(x) end

---@param x any
---@return integer?
function math.tointeger(x) end

---@param x any
---@return "integer"|"float"|nil
function math.type(x) end

---@param a integer
---@param b integer
---@return boolean
function math.ult(a, b) end
