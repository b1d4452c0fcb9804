std = "lua54"
max_line_length = 120
files["lua/prelude.lua"] = { globals = { "pairs" } } -- what it is for
files["lua/meta/*.lua"] = { ignore = { "212" } } -- stubs
