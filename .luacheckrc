std = "lua54"
max_line_length = 120
files["lua/prelude.lua"] = { globals = { "pairs", "setmetatable", table = { fields = { "move" }, other_fields = true } } } -- what it is for
files["lua/meta/*.lua"] = { ignore = { "212" } } -- stubs
files["lua/meta/sandbox.lua"] = { ignore = { "1", "5" } } -- they are what is global
files["spec/fuzz/seeds/**/*.lua"] = { ignore = { "." } } -- food for fuzzers
files["**/policies/*.lua"] = { read_globals = { math = { fields = { "pow" }, other_fields = true } } } -- the sandbox has it
