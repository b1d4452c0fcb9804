/*
 * sandbox_spec.c - what a policy can use does what the stock libraries of Lua do, and the same on
 * every machine.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "script/bind.h"
#include "script/policy.h"
#include "spec.h"

/* Makes a text of whatever an expression gives, or of how it fails. */
static const char describe[] =
	"local function describe(ok, ...)\n"
	"  local out = {tostring(ok)}\n"
	"  for i = 1, select('#', ...) do\n"
	"    local value = select(i, ...)\n"
	"    if not ok then value = tostring(value):gsub('^.-: ', '', 1) end\n"
	"    out[#out + 1] = type(value) == 'table' and '{' .. table.concat(value, ',') .. '}'\n"
	"      or tostring(value)\n"
	"  end\n"
	"  return table.concat(out, ' ')\n"
	"end\n";

static char *in_sandbox(const char *expression)
{
	struct error err = {0};
	SCOPED(text)
	char *text = xasprintf("%sreturn {step = function() return describe(pcall(function() %s "
			       "end)) end}",
			       describe, expression);
	struct policy *policy = policy_new("mine.lua", text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	SCOPED(json) cJSON *result = NULL;
	struct policy_run *run = policy_run_new(policy, false, &err);
	EXPECT(policy_call(run, HOOK_STEP, NULL, NULL, &result, &err));
	policy_run_free(run);
	policy_free(policy);
	return xstrdup(cJSON_IsString(result) ? result->valuestring : "(no text)");
}

static char *in_stock_lua(const char *expression)
{
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	SCOPED(text)
	char *text = xasprintf("%sreturn describe(pcall(function() %s end))", describe, expression);
	if (luaL_dostring(L, text))
		printf("  %s\n", lua_tostring(L, -1));
	char *answer = xstrdup(lua_tostring(L, -1));
	lua_close(L);
	return answer;
}

SPEC("sandbox: string and table do what the stock ones do")
{
	static const char *const expressions[] = {
		"return ('hello world'):find('o w')",
		"return ('hello world'):find('l+')",
		"return ('hello world'):find('(l)(.)')",
		"return ('a.b'):find('.', 1, true)",
		"return ('a.b'):find('.', -1, true), ('abc'):find('', 10), ('abc'):find('', 4)",
		"return ('key = value'):match('^(%w+)%s*=%s*(%w+)$')",
		"return ('  trim  '):match('^%s*(.-)%s*$') .. '|'",
		"return ('2024-05-06'):match('(%d+)-(%d+)-(%d+)')",
		"return ('THE (quick) fox'):find('%((%a+)%)')",
		"return ('f(a(b)c)d'):match('%b()')",
		"return ('THE (quick) fox'):gsub('%f[%a]%a+', string.lower)",
		"return ('abc'):gsub('%w', '%0%0')",
		"return ('abc def'):gsub('(%w+) (%w+)', '%2 %1')",
		"return ('abc'):gsub('', '-')",
		"return ('abc'):gsub('b*', '-')",
		"return ('hello'):gsub('l', {l = 'L'})",
		"return ('hello'):gsub('l', function() return false end)",
		"return ('hello'):gsub('.', function(c) return c:byte() end, 2)",
		"return ('x^y'):gsub('^x', 'z')",
		"return ('abc'):gsub('(b)()', '%2')",
		"return ('abc'):gsub('b', '%%')",
		"return ('abc'):gsub('b', '%9')",
		"return ('abc'):gsub('b', '%x')",
		"return ('abc'):gsub('(', 'x')",
		"return ('abc'):gsub('b', 5)",
		"return ('abc'):gsub('b', true)",
		"return ('abab'):find('(a)(b)%1%2')",
		"return ('abc'):find('%')",
		"return ('abc'):find('[a')",
		"return ('abc'):find('[]]'), ('a]c'):find('[]]'), ('a]c'):find('[^]]', 2)",
		"return ('abc'):find('[a-'), 1",
		"return ('a-c'):find('[a%-]+'), ('a-c'):find('[-c]+')",
		"return ('abc'):find('%f')",
		"return ('abc'):find(')')",
		"return ('aXb'):find('%u'), ('a1b'):find('%D+'), ('a\\tb'):find('%s')",
		"return ('abc'):match('()b()')",
		"return ('aaa'):match('a-b'), ('aaab'):match('a-b'), ('aaa'):match('^a?a?a?$')",
		("local out = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do "
		 "out[#out + 1] = k .. v end return out"),
		("local out = {} for w in ('one two'):gmatch('%a+') do "
		 "out[#out + 1] = w end return out"),
		"local out = {} for w in ('abc'):gmatch('') do out[#out + 1] = 'x' end return out",
		("local out = {} for p in ('abc'):gmatch('()b*') do out[#out + 1] = p end return "
		 "out"),
		("return ('abc'):sub(2), ('abc'):sub(-2), ('abc'):sub(0), ('abc'):sub(2, -2), "
		 "('abc'):sub(5), ('abc'):sub(-9, 2), ('abc'):sub(2, -9), ('abc'):sub(3, 99)"),
		"return ('abc'):byte(), ('abc'):byte(-1), ('abc'):byte(1, -1)",
		"return string.char(72, 105), string.char()",
		"return string.char(256)",
		"return ('abc'):upper(), ('ABC'):lower(), ('abc'):reverse(), ('abc'):len(), #'abc'",
		"return ('ab'):rep(3), ('ab'):rep(3, ','), ('ab'):rep(0), ('ab'):rep(-1)",
		"return string.format('%d %5d %-5d| %05d %+d', 1, 2, 3, 4, 5)",
		"return string.format('%5.2f %g %e %.3g %a', 3.14159, 0.1, 12345.678, 2/3, 1)",
		"return string.format('%x %X %#x %o %c %i', 255, 255, 255, 8, 65, 7)",
		"return string.format('%s %s %s %10s|%-10s|%.2s', 1, true, nil, 'a', 'b', 'abc')",
		"return string.format('%d', 3.0), string.format('%%')",
		"return string.format('%d', 3.5)",
		"return string.format('%d', 'x')",
		"return string.format('%d')",
		("return string.format('%s', setmetatable({}, {__tostring = function() return 'me' "
		 "end}))"),
		"local t = {1, 2, 3} table.insert(t, 4) table.insert(t, 1, 0) return t",
		"local t = {1, 2, 3} return table.remove(t), table.remove(t, 1), t, #t",
		"return table.remove({}), table.remove({}, 0), #{}",
		"local t = {3, 1, 2} table.sort(t) return t",
		"local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return t",
		("return table.concat({1, 2, 3}, ', '), table.concat({1, 2, 3}, '-', 2, 3), "
		 "table.concat({})"),
		"return table.concat({{}})",
		("return table.unpack({1, 2, 3}), table.unpack({1, 2, 3}, 2), table.unpack({1}, 1, "
		 "2)"),
		"local t = table.pack(1, nil, 3) return t.n, t[1], t[2], t[3]",
		("return table.move({1, 2, 3}, 1, 3, 2), table.move({1, 2, 3}, 2, 3, 1), "
		 "table.move({1, 2}, 1, 2, 1, {})"),
		("return math.floor(2.5), math.ceil(2.5), math.max(1, 3, 2), math.abs(-1), 7 // 2, "
		 "-7 % 3, "
		 "math.fmod(-7, 3), math.tointeger(3.0), math.type(1), math.type(1.0), math.huge"),
		("return math.sqrt(4), math.exp(0), math.sin(0), math.atan(0, -1) == math.pi, "
		 "math.log(8, 2), math.log(100, 10)"),
		("return tostring(1), tostring(1.0), tostring(-0.5), tostring(1e15), "
		 "tostring(1e100), "
		 "tostring(nil), tostring(true), tostring(math.huge), tostring(-math.huge)"),
		("return tonumber('10'), tonumber('0x10'), tonumber('z', 36), tonumber('1e1'), "
		 "tonumber('x')"),
		"return next({}), next({1}), rawlen({1, 2}), rawequal('a', 'a'), select(-1, 1, 2)",
		"local t = setmetatable({}, {__index = {a = 1}}) return t.a, rawget(t, 'a')",
		"error('oops')",
		"error('oops', 0)",
		"return pcall(error, 5)",
	};
	bool right = true;
	for (size_t i = 0; i < ARRAY_LEN(expressions); i++) {
		SCOPED(text) char *ours = in_sandbox(expressions[i]);
		SCOPED(text) char *stock = in_stock_lua(expressions[i]);
		if (strcmp(ours, stock) == 0)
			continue;
		printf("  %s\n    is      %s\n    in Lua  %s\n", expressions[i], ours, stock);
		right = false;
	}
	EXPECT(right);
}

static void expect_value(const char *expression, const char *wanted)
{
	SCOPED(text) char *text = xasprintf("return %s", expression);
	SCOPED(text) char *answer = in_sandbox(text);
	SCOPED(text) char *whole = xasprintf("true %s", wanted);
	EXPECT_TEXT(answer, whole);
}

SPEC("sandbox: numbers print in the shortest form that reads back, and there is one NaN")
{
	expect_value("0.1", "0.1");
	expect_value("0.1 + 0.2", "0.30000000000000004");
	expect_value("1 / 3", "0.3333333333333333");
	expect_value("2 / 3 * 100", "66.66666666666666");
	expect_value("1e21", "1e+21");
	expect_value("-0.0", "-0.0");
	expect_value("0/0", "nan");
	expect_value("-(0/0)", "nan");
	expect_value("string.format('%f %.1f', 0/0, -(0/0))", "nan nan");
}

/* The last digits are those of the exact result, rounded once (checked with 200 digits). */
SPEC("sandbox: exp, log, pow, sin and their like are correctly rounded")
{
	expect_value("math.exp(1)", "2.718281828459045");
	expect_value("math.log(10)", "2.302585092994046");
	expect_value("math.pow(2, 0.5)", "1.4142135623730951");
	expect_value("math.pow(10, -5)", "1e-05");
	expect_value("math.sin(1e22)", "-0.8522008497671888");
	expect_value("math.cos(1)", "0.5403023058681398");
	expect_value("math.tan(1)", "1.5574077246549023");
	expect_value("math.asin(1) * 2 == math.pi", "true");
	expect_value("math.acos(2)", "nan");
	expect_value("math.log(-1)", "nan");
	expect_value("math.log(0)", "-inf");
	expect_value("math.exp(710)", "inf");
	expect_value("math.exp(-745)", "5e-324");
	expect_value("math.exp(-744.4)", "5e-324");
	expect_value("math.exp(-720)", "2.0322308024e-313");
	expect_value("math.pow(2, -1074)", "5e-324");
	expect_value("math.pow(0, 0)", "1.0");
	expect_value("math.random == nil", "true");
}

SPEC("sandbox: nothing shows an address")
{
	expect_value("tostring({}), tostring(print), tostring(pcall), string.format('%s', {})",
		     "table nil function table");
	expect_value("tostring(setmetatable({}, {__name = 'mine'}))", "table");
	expect_value("pcall(string.format, '%p', {}) == false", "true");
}

SPEC("sandbox: pairs and next go in one order, whatever was put in first")
{
	static const char text[] = "local out, key = {}, nil for k in pairs({z=1, a=1, [true]=1, "
				   "[2.5]=1, [-1]=1, 7, 8, "
				   "[false]=1, ['10']=1}) do out[#out+1] = tostring(k) end "
				   "local t = {b=1, a=1, 5} repeat key = next(t, key) out[#out+1] "
				   "= tostring(key) until "
				   "key == nil return out";
	SCOPED(text) char *answer = in_sandbox(text);
	EXPECT_TEXT(answer, "true {-1,1,2,2.5,10,a,z,false,true,1,a,b,nil}");
}

SPEC("sandbox: what a run does to libraries and metatables is gone in the next")
{
	static const char text[] =
		"local seen = {string.x, table.x, math.x, _G.x, x, ('').x}\n"
		"string.x, table.x, math.x, x = 1, 1, 1, 1\n"
		"string.format, table.insert, pairs = nil, nil, nil\n"
		"return {step = function() return {n = #seen, m = getmetatable('')} end}";
	struct error err = {0};
	struct policy *policy = policy_new("mine.lua", text, strlen(text), &err);
	for (int i = 0; i < 3; i++) {
		SCOPED(json) cJSON *result = NULL;
		struct policy_run *run = policy_run_new(policy, false, &err);
		EXPECT(policy_call(run, HOOK_STEP, NULL, NULL, &result, &err));
		SCOPED(text) char *answer = json_canonical(result);
		EXPECT_TEXT(answer, "{\"m\":false,\"n\":0}");
		policy_run_free(run);
	}
	policy_free(policy);
}

SPEC("sandbox: a number's shortest form reads back")
{
	char text[NUMBER_TEXT_MAX];
	number_text(5e-324, text);
	EXPECT_TEXT(text, "5e-324");
	number_text(1.7976931348623157e308, text);
	EXPECT_TEXT(text, "1.7976931348623157e+308");
	number_text(123456789012345680.0, text);
	EXPECT_TEXT(text, "1.2345678901234568e+17");
	number_text(100, text);
	EXPECT_TEXT(text, "100.0");
}

/* ---- lua/meta: what editors are told ---- */

/* The names of `function NAME(` and of `NAME = ` at the beginning of lines, as keys of an object.
 */
static char *stubs_of(const char *path)
{
	size_t len;
	SCOPED(text) char *text = spec_file(path, &len);
	SCOPED(json) cJSON *names = cJSON_CreateObject();
	static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.";
	for (const char *line = text; *line != '\0';) {
		const char *name = line;
		bool function = strncmp(line, "function ", 9) == 0;
		name += function ? 9 : 0;
		size_t size = strspn(name, word);
		SCOPED(text) char *copy = xstrndup(name, size);
		if (size > 0 && (function || strncmp(name + size, " = ", 3) == 0))
			cJSON_AddTrueToObject(names, copy);
		const char *end = strchr(line, '\n');
		line = end == NULL ? line + strlen(line) : end + 1;
	}
	return json_canonical(names);
}

SPEC("sandbox: each function has a stub, and each stub a function")
{
	SCOPED(text)
	char *given = in_sandbox(
		"local names = {} "
		"for name, value in pairs(_G) do "
		"  if name ~= 'describe' then names[#names + 1] = name end "
		"  if type(value) == 'table' and name ~= '_G' then "
		"    for inner in pairs(value) do names[#names + 1] = name .. '.' .. inner end "
		"  end "
		"end "
		"table.sort(names) "
		"for i, name in ipairs(names) do names[i] = '\"' .. name .. '\":true' end "
		"return '{' .. table.concat(names, ',') .. '}'");
	SCOPED(text) char *stubs = stubs_of("lua/meta/sandbox.lua");
	EXPECT_TEXT(given + strlen("true "), stubs);
}
