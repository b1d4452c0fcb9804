#include "hostile.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "script/policy.h"

const struct hostile hostiles[] = {
	{"syntax error",
	 "local x = 1\n"
	 "return {step = functon() end}",
	 "mine.lua:2:"},
	{"wrong type returned by the file", "return 1",
	 "must return a table of hooks, returned a number"},
	{"a hook that is no function", "return {step = 1}",
	 "hook step must be a function, is a number"},
	{"runtime error",
	 "return {step = function(r)\n"
	 "  return r.a.b\n"
	 "end}",
	 "mine.lua:2:"},
	{"error in the file",
	 "local t = nil\n"
	 "local u = t.x\n"
	 "return {}",
	 "mine.lua:2:"},
	{"endless loop",
	 "return {step = function()\n"
	 "  while true do end\n"
	 "end}",
	 "mine.lua:2: the policy was stopped: it ran for too long"},
	{"endless loop in the file", "while true do end", "ran for too long"},
	{"endless loop under pcall",
	 "return {step = function() while true do pcall(function() while true do end end) end end}",
	 "ran for too long"},
	{"endless loop in a closing variable",
	 "return {step = function() local x <close> = setmetatable({}, {__close = function() while "
	 "true do end end}) while true do end end}",
	 "ran for too long"},
	{"endless loop in __index, __eq, __concat",
	 "return {step = function() local t = setmetatable({}, {}) getmetatable(t).__index = "
	 "function(_, k) return t[k .. 'x'] end return t.a end}",
	 NULL},
	{"endless allocation",
	 "return {step = function()\n"
	 "  local t = {}\n"
	 "  for i = 1, 1e9 do t[i] = {i} end\n"
	 "end}",
	 "mine.lua:3: the policy was stopped"},
	{"endless allocation under pcall",
	 "return {step = function() while true do pcall(function() local s = 'x' while true do s = "
	 "s .. s end end) end end}",
	 "the policy was stopped"},
	{"endless garbage",
	 "return {step = function() while true do local t = {{}, {}, {}} end end}",
	 "the policy was stopped"},
	{"endless closures",
	 "return {step = function() local f while true do local g = f f = function() return g end "
	 "end end}",
	 "the policy was stopped"},
	{"a text that grows",
	 "return {step = function() local s = 'x' while true do s = s .. s end end}",
	 "made too long a text"},
	{"comparing long texts",
	 "return {step = function() local a = ('x'):rep(32768) .. ('x'):rep(32767) local b = "
	 "('x'):rep(65535) while a == b do end end}",
	 "ran for too long"},
	{"ordering long texts",
	 "return {step = function() local a = ('x'):rep(65535) local b = ('x'):rep(65534) .. 'y' "
	 "while a < b do end end}",
	 "ran for too long"},
	{"string.rep of much", "return {step = function() return string.rep('x', 3e8) end}",
	 "too long"},
	{"string.rep of nothing",
	 "return {step = function() string.rep('', 3e8) while true do string.rep('', 3e8) end end}",
	 "ran for too long"},
	{"string.rep by method", "return {step = function() return ('x'):rep(3e8) end}",
	 "too long"},
	{"a pattern that backtracks",
	 "return {step = function() return string.find(('a'):rep(60000), '.-.-.-.-.-.-b') end}",
	 "ran for too long"},
	{"a pattern over a long text, again and again",
	 "return {step = function() local s = ('a'):rep(60000) while true do s:find('b') end end}",
	 "ran for too long"},
	{"plain find, quadratic",
	 "return {step = function() local s, p = ('a'):rep(60000), ('a'):rep(30000) .. 'b' while "
	 "true do s:find(p, 1, true) end end}",
	 "ran for too long"},
	{"a pattern that recurses",
	 "return {step = function() return string.match(('a'):rep(60000), ('a?'):rep(30000) .. "
	 "('a'):rep(30000)) end}",
	 NULL},
	{"%b and %f over a long text",
	 "return {step = function() local s = ('('):rep(60000) while true do s:find('%b()') end "
	 "end}",
	 "ran for too long"},
	{"gsub that grows",
	 "return {step = function() return (('a'):rep(60000):gsub('a', ('b'):rep(60000))) end}",
	 "the policy was stopped"},
	{"gsub that calls",
	 "return {step = function() return (('a'):rep(60000):gsub('a', function() while true do "
	 "end end)) end}",
	 "ran for too long"},
	{"gmatch without end",
	 "return {step = function() while true do for _ in ('a'):rep(60000):gmatch('a*') do end "
	 "end end}",
	 "ran for too long"},
	{"string.format of long texts",
	 "return {step = function() local s = ('a'):rep(60000) while true do "
	 "string.format('%s%s%s%s', s, s, s, s) end end}",
	 "the policy was stopped"},
	{"string.format that is wide",
	 "return {step = function() return string.format('%999d', 1) end}", "too wide"},
	{"tonumber of a long text",
	 "return {step = function() local s = ('9'):rep(60000) while true do tonumber(s) end end}",
	 "ran for too long"},
	{"arithmetic on a long text",
	 "return {step = function() local s = ('9'):rep(60000) while true do local x = s + 1 end "
	 "end}",
	 "ran for too long"},
	{"table.move over nothing",
	 "return {step = function() return table.move({}, 1, 1e9, 2) end}", "ran for too long"},
	{"table.concat over nothing",
	 "return {step = function() table.concat({}, ',', 1, 1e9) end}", "ran for too long"},
	{"table.concat of much",
	 "return {step = function() local t, s = {}, ('x'):rep(60000) for i = 1, 1000 do t[i] = s "
	 "end while true do pcall(table.concat, t) end end}",
	 "the policy was stopped"},
	{"table.insert at the front",
	 "return {step = function() local t = {} for i = 1, 1e6 do table.insert(t, 1, i) end end}",
	 "ran for too long"},
	{"table.sort with a liar",
	 "return {step = function() local t = {} for i = 1, 5000 do t[i] = i end while true do "
	 "table.sort(t, function() return true end) end end}",
	 "ran for too long"},
	{"table.unpack of much",
	 "return {step = function() local t = {} for i = 1, 5000 do t[i] = i end return "
	 "table.unpack(t) end}",
	 "mine.lua:1: step: table.unpack: too many values"},
	{"pairs over what was emptied",
	 "return {step = function() local t = {} for i = 1, 30000 do t['k' .. i] = true end for i "
	 "= 1, 30000 do t['k' .. i] = nil end while true do pairs(t) end end}",
	 "the policy was stopped"},
	{"next over a large table",
	 "return {step = function() local t = {} for i = 1, 10000 do t[i] = i end local k while "
	 "true do k = next(t, k) end end}",
	 "ran for too long"},
	{"math over and over", "return {step = function() while true do math.sin(1e308) end end}",
	 "ran for too long"},
	{"math.pow over and over",
	 "return {step = function() local x = 1.000000001 while true do math.pow(x, 1e9 + 0.1) end "
	 "end}",
	 "ran for too long"},
	{"deep recursion",
	 "return {step = function()\n"
	 "  local function f() return 1 + f() end\n"
	 "  return f()\n"
	 "end}",
	 "mine.lua:2: the policy was stopped: its calls are nested too deep"},
	{"deep recursion under pcall",
	 "return {step = function() local function f() return pcall(f) and f() end while true do "
	 "f() end end}",
	 "the policy was stopped"},
	{"many values handed on",
	 "return {step = function() local function f(...) return "
	 "f(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,...) end return f() "
	 "end}",
	 "the policy was stopped"},
	{"many values returned",
	 "return {step = function() local function f(n) if n == 0 then return 1 end return "
	 "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1, f(n - 1) end while true do "
	 "f(150) end end}",
	 "the policy was stopped"},
	{"a huge table returned",
	 "return {step = function() local t = {} for i = 1, 50000 do t[i] = i end return t end}",
	 "too deep or too large"},
	{"a deep table returned",
	 "return {step = function() local t = {} for i = 1, 1000 do t = {t} end return t end}",
	 "too deep or too large"},
	{"a table in itself returned",
	 "return {step = function() local t = {} t.t = t return t end}", "too deep or too large"},
	{"one emptied table returned often",
	 "return {step = function() local e = {} for i = 1, 20000 do e['k' .. i] = 1 end for i = "
	 "1, 20000 do e['k' .. i] = nil end local t = {} for i = 1, 10000 do t[i] = e end return t "
	 "end}",
	 NULL},
	{"a long text returned",
	 "return {step = function() return {('x'):rep(65536), ('y'):rep(65536)} end}", "too large"},
	{"a function returned", "return {step = function() return {f = pcall} end}",
	 "the result holds a function"},
	{"NaN returned", "return {step = function() return {0/0} end}", "not finite"},
	{"an error object with __tostring",
	 "return {step = function() error(setmetatable({}, {__tostring = function() while true do "
	 "end end})) end}",
	 "the policy was stopped"},
	{"an error object whose __tostring fails",
	 "return {step = function() error(setmetatable({}, {__tostring = function() error('again') "
	 "end})) end}",
	 NULL},
	{"an error object that is a table", "return {step = function() error({}) end}",
	 "mine.lua:1: step: error object is a table"},
	{"the metatable of texts", "return {step = function() getmetatable('').__index = nil end}",
	 "mine.lua:1:"},
	{"a finalizer", "return {step = function() setmetatable({}, {__gc = function() end}) end}",
	 "__gc and __mode"},
	{"weak tables", "return {step = function() setmetatable({}, {__mode = 'k'}) end}",
	 "__gc and __mode"},
	{"the operator ^",
	 "return {step = function()\n"
	 "  return {weight = 2 ^ 0.5}\n"
	 "end}",
	 "mine.lua:2: the operator ^"},
	{"a key without an order",
	 "return {step = function() for k in pairs({[{}] = 1}) do end end}",
	 "mine.lua:1: a table as a key has no order"},
};
const size_t hostile_count = ARRAY_LEN(hostiles);

static double processor_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double hostile_run(const char *text, char *told, size_t size)
{
	struct error err = {0};
	cJSON *result = NULL;
	double begun = processor_ms();
	struct policy *policy = policy_new("mine.lua", text, strlen(text), &err);
	struct policy_run *run = policy == NULL ? NULL : policy_run_new(policy, false, &err);
	if (run != NULL && policy_call(run, HOOK_STEP, NULL, NULL, &result, &err))
		cJSON_Delete(result);
	policy_run_free(run);
	policy_free(policy);
	snprintf(told, size, "%s", err.text);
	return processor_ms() - begun;
}
