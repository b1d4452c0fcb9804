#include "script/driver.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "script/embed.h"
#include "script/task.h"
#include "script/value.h"
#include "spec.h"
#include "traffic/driver.h"

/* A directory for --lua with one file; removed by `leave`. */
struct overlay {
	char dir[64], file[160];
};

static void enter(struct overlay *overlay, const char *kind, const char *text)
{
	static int count; /* overlaid files are kept for ever: each has a name of its own */
	char sub[100];
	text_copy(overlay->dir, sizeof(overlay->dir), "/tmp/sluice-spec-XXXXXX");
	EXPECT(mkdtemp(overlay->dir) != NULL);
	snprintf(sub, sizeof(sub), "%s/%s", overlay->dir, kind);
	EXPECT(mkdir(sub, 0700) == 0);
	snprintf(overlay->file, sizeof(overlay->file), "%s/try%d.lua", sub, count++);
	FILE *file = fopen(overlay->file, "w");
	EXPECT(file != NULL);
	fputs(text, file);
	fclose(file);
	embed_overlay(overlay->dir);
}

static void leave(struct overlay *overlay)
{
	embed_overlay(NULL);
	unlink(overlay->file);
	*strrchr(overlay->file, '/') = '\0';
	rmdir(overlay->file);
	rmdir(overlay->dir);
}

static struct driver *load(const char *text, struct error *err)
{
	struct overlay overlay;
	char name[40];
	enter(&overlay, "try", text);
	text_copy(name, sizeof(name), strrchr(overlay.file, '/') + 1);
	*strchr(name, '.') = '\0';
	struct driver *driver = driver_new("try", name, NULL, err);
	leave(&overlay);
	return driver;
}

static int push_json(lua_State *L, void *owner)
{
	value_push_exact(L, owner);
	return 1;
}

/* What `run(argument)` of a driver gives: JSON text, "nil", or the error. */
static char *answer(const char *body, const char *argument_text)
{
	struct error err = {0};
	SCOPED(text)
	char *text =
		xasprintf("local json <const>, shape <const> = require('json'), "
			  "require('shape')\nlocal M = {}\nfunction M.run(v)\n%s\nend\nreturn M",
			  body);
	struct driver *driver = load(text, &err);
	EXPECT_TEXT(err.text, "");
	int table = driver_table(driver, "try", &err);
	EXPECT(table != 0);
	SCOPED(json) cJSON *argument = json_parse(argument_text, strlen(argument_text), &err);
	SCOPED(json) cJSON *result = NULL;
	char *told;
	if (driver_call(driver, table, "run", push_json, argument, &result, &err))
		told = result == NULL ? xstrdup("nil") : json_text(result);
	else
		told = xasprintf("%s: %s", error_kind_name(err.kind), err.text);
	EXPECT_INT(lua_gettop(vm_state(driver_vm(driver))), 0);
	driver_free(driver);
	return told;
}

static void expect_answer(const char *body, const char *argument, const char *wanted)
{
	SCOPED(text) char *told = answer(body, argument);
	EXPECT_TEXT(told, wanted);
}

static void expect_part(const char *body, const char *argument, const char *part)
{
	SCOPED(text) char *told = answer(body, argument);
	EXPECT_CONTAINS(told, part);
}

SPEC("driver: JSON comes back as it went in: null, empty lists, whole numbers of 64 bits")
{
	static const char *const values[] = {
		"null",
		"[]",
		"{}",
		"[null]",
		"{\"a\":null,\"b\":[],\"c\":{}}",
		"[[],[[]],{\"a\":[]}]",
		"9223372036854775807",
		"-9223372036854775808",
		"1700000000000000001",
		"9007199254740993",
		"[0.1,-2.5,1e300,0]",
		"\"\\u00e9\\n\"",
	};
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct error err = {0};
		SCOPED(json) cJSON *wanted = json_parse(values[i], strlen(values[i]), &err);
		SCOPED(text) char *text = json_text(wanted);
		expect_answer("return v", values[i], text);
		expect_answer("return json.decode(json.encode(v))", values[i], text);
	}
	expect_answer("return 1700000000000000001 + 1", "null", "1700000000000000002");
	expect_answer("return math.maxinteger", "null", "9223372036854775807");
}

SPEC("driver: json.array makes a list of what would be an object")
{
	expect_answer("return { json.array(), {}, json.array({ 1 }) }", "null", "[[],{},[1]]");
	expect_answer("return { json.is_array({}), json.is_array({ 1 }), json.is_array(v) }", "[]",
		      "[false,true,true]");
	expect_answer("return v == json.null", "null", "true");
	expect_part("v.x = 1 return v", "[]", "a list in the result has a hole or a key");
}

SPEC("driver: json.decode says what is wrong instead of raising")
{
	expect_part("local found, why = json.decode('{\"a\":') return { found == nil, why }", "0",
		    "[true,\"");
	expect_part("return json.encode({ print = pairs })", "0",
		    "json.encode: the result holds a function");
	expect_part("return 0/0", "0", "a number in the result is not finite");
}

SPEC("driver: shapes say the path of what is not as expected")
{
	static const char reply[] = "{\"data\":{\"result\":[{\"value\":[1,\"7\"]}],\"n\":null}}";
	expect_answer("return shape.string(v, 'data.result.1.value.2')", reply, "\"7\"");
	expect_answer("return shape.number(v, 'data.result.1.value.2')", reply,
		      "invalid: data.result[0].value[1]: must be a number, is a string");
	expect_answer("return shape.list(v, 'data.result.2.value')", reply,
		      "invalid: data.result[1].value: must be a list, is missing");
	expect_answer("return shape.object(v, 'data.n')", reply,
		      "invalid: data.n: must be an object, is missing");
	expect_answer("return shape.object(v, 'x.y', 'HTTPRoute')", reply,
		      "invalid: HTTPRoute: x.y: must be an object, is missing");
	expect_answer("return shape.optional(shape.list, v, 'data.n')", reply, "nil");
	expect_answer("return shape.optional(shape.list, v, 'data')", reply,
		      "invalid: data: must be a list, is an object");
	expect_answer("return shape.list(v, '')", "7",
		      "invalid: the value: must be a list, is a number");
	expect_answer("return shape.integer(v, '')", "7.5",
		      "invalid: the value: must be a whole number, is a number");
}

SPEC("driver: pairs goes in order, so that the same object is rendered each time")
{
	expect_answer("local keys = json.array() for k in pairs(v) do keys[#keys + 1] = k end "
		      "return keys",
		      "{\"z\":1,\"a\":1,\"m\":1,\"b\":1}", "[\"a\",\"b\",\"m\",\"z\"]");
}

SPEC("driver: a mistake tells file and line, and who called")
{
	SCOPED(text)
	char *told =
		answer("local function inner() return v.a.b end\nlocal x = inner() return x", "{}");
	EXPECT_CONTAINS(told, "script: lua/try/try");
	EXPECT_CONTAINS(told, ".lua:4: attempt to index a nil value (field 'a') < lua/try/try");
	EXPECT_CONTAINS(told, ".lua:5");
}

SPEC("driver: what loops or hoards is stopped, whatever it catches")
{
	expect_part("while true do end", "0", "stopped: it ran for too long");
	expect_part("while true do pcall(function() while true do end end) end", "0",
		    "stopped: it ran for too long");
	expect_part("local t = {} for i = 1, 1e9 do t[i] = { i } end", "0",
		    "stopped: it used too much memory");
	expect_part("return string.rep('x', 1 << 30)", "0", "stopped: it used too much memory");
	expect_part("return string.find(string.rep('x', 30000), string.rep('.-', 20) .. 'y')", "0",
		    "stopped: it ran for too long");
	expect_part(
		"return select(2, string.rep('x', 30000):gsub(string.rep('.-', 20) .. 'y', ''))",
		"0", "stopped: it ran for too long");
	expect_part("return table.move({}, 1, 1 << 62, 2)", "0", "more than a million values");
	expect_part("return table.move({}, -1 << 62, 1 << 62, 2)", "0", "more than a million");
	expect_part(
		"for i = 1, 1e9 do setmetatable({}, { __gc = function() while true do end end }) "
		"end",
		"0", "has no __gc");
}

SPEC("driver: patterns mean what they mean in Lua, also on long answers")
{
	expect_answer(
		"return { string.find('a.b', '.', 1, true), string.match('k=v', '^(%w+)=(%w*)$'), "
		"string.gsub('a b', '%w', { a = 'x' }), #string.rep('line\\n', 200000):gsub('\\n', "
		"'') }",
		"0", "[2,\"k\",\"x b\",800000]");
	expect_answer(
		"local n = 0 for _ in string.gmatch(string.rep('a,b\\n', 300000), '[^\\n]+') do "
		"n = n + 1 end return n",
		"0", "300000");
}

SPEC("driver: has no way out")
{
	expect_answer("return { os == nil, io == nil, debug == nil, load == nil, package == nil, "
		      "dofile == nil, print == nil, coroutine == nil }",
		      "0", "[true,true,true,true,true,true,true,true]");
	expect_part("return require('../../etc/passwd')", "0",
		    "there is no module '../../etc/passwd'");
	expect_part("return require('nothing')", "0",
		    "there is no module 'nothing': no file lua/nothing.lua");
}

SPEC("driver: a file that is none is refused in one sentence")
{
	struct error err = {0};
	EXPECT(driver_new("traffic", "nonesuch", NULL, &err) == NULL);
	EXPECT_INT(err.kind, ERROR_NOT_FOUND);
	EXPECT_TEXT(err.text, "there is no traffic driver \"nonesuch\"");
	EXPECT(driver_new("traffic", "../sandbox", NULL, &err) == NULL);
	EXPECT_INT(err.kind, ERROR_NOT_FOUND);
	EXPECT(load("return 7", &err) == NULL);
	EXPECT_CONTAINS(err.text, "must return the table of a driver, returned a number");
	EXPECT(load("return {", &err) == NULL);
	EXPECT_CONTAINS(err.text, ".lua:1: unexpected symbol near <eof>");
	EXPECT(load("return require('nothing')", &err) == NULL);
	EXPECT_CONTAINS(err.text, "there is no module 'nothing'");
}

/* What driver_check says of a driver of metrics, or of another kind of driver with these. */
static void expect_check(const char *body, const char *wanted)
{
	static const char *const functions[] = {"query", "online", NULL};
	struct error err = {0};
	struct driver *driver = load(body, &err);
	EXPECT_TEXT(err.text, "");
	int table = driver_table(driver, "x", &err);
	bool good = driver_check(driver, table, functions, &err);
	const char *told = strstr(err.text, ".lua: ");
	EXPECT_TEXT(told == NULL ? err.text : told + strlen(".lua: "), wanted);
	EXPECT(good == (wanted[0] == '\0'));
	driver_free(driver);
}

SPEC("driver: what it must have, and what it cannot, is said when it is loaded")
{
	expect_check("return { name = 'a', query = function() end }", "");
	expect_check("return { name = 'a', query = type, online = type, description = 'b' }", "");
	expect_check("return { name = 'a', qery = type }",
		     "knows no \"qery\"; did you mean query?");
	expect_check("return { name = 'a', online = type }", "has no function query");
	expect_check("return { name = 'a', query = 'a' }", "query must be a function, is a string");
	expect_check("return { query = type }", "name must be a string");
	expect_check("return { 7, name = 'a', query = type }", "knows no \"[1]\"");
}

static int give_seven(lua_State *L)
{
	lua_newtable(L);
	lua_pushinteger(L, 7);
	lua_setfield(L, -2, "seven");
	return 1;
}

SPEC("driver: a file may make a table for each provider, and find modules of C")
{
	struct overlay overlay;
	struct error err = {0};
	static const struct vm_module modules[] = {{"gift", give_seven}, {NULL, NULL}};
	enter(&overlay, "try",
	      "local gift = require('gift') return function(provider) return "
	      "{ provider = provider, n = gift.seven, run = function() end } end");
	char name[40];
	text_copy(name, sizeof(name), strrchr(overlay.file, '/') + 1);
	*strchr(name, '.') = '\0';
	struct driver *driver = driver_new("try", name, modules, &err);
	EXPECT_TEXT(err.text, "");
	int table = driver_table(driver, "mesh:v2", &err);
	SCOPED(json) cJSON *facts = driver_facts(driver, table, &err);
	SCOPED(text) char *text = json_canonical(facts);
	EXPECT_TEXT(text, "{\"n\":7,\"provider\":\"mesh:v2\"}");
	EXPECT(driver_has(driver, table, "run"));
	EXPECT(!driver_has(driver, table, "walk"));
	char *names[DRIVER_NAMES_MAX];
	EXPECT_INT(driver_names("try", names), 1);
	EXPECT_TEXT(names[0], name);
	free(names[0]);
	leave(&overlay);
	driver_free(driver);
}

/* What is wrong with the table of a traffic driver; `text` stands for it. */
static void expect_refused(const char *text, const char *part)
{
	struct overlay overlay;
	struct error err = {0};
	char name[40];
	enter(&overlay, "traffic", text);
	text_copy(name, sizeof(name), strrchr(overlay.file, '/') + 1);
	*strchr(name, '.') = '\0';
	EXPECT(traffic_find(name, &err) == NULL);
	leave(&overlay);
	EXPECT_CONTAINS(err.text, part);
}

#define CAN "can_weigh=true, can_match=false, can_mirror=false, can_stick=false"
#define DOES "needs=next, desired=next, observed=next"

SPEC("driver: a traffic driver with a mistake is refused in one sentence")
{
	expect_refused("return {name='x', kinds={}, " CAN ", needs=next, desired=next}",
		       ".lua: has no function observed");
	expect_refused("return {name='x', kinds={}, can_weigh=1, " DOES "}",
		       ".lua: can_weigh must be true or false");
	expect_refused("return {name='x', kinds={}, kind={}, " CAN ", " DOES "}",
		       ".lua: knows no \"kind\"; did you mean kinds?");
	expect_refused("return {name='x', kinds={['a/v1']='b'}, " CAN ", " DOES "}",
		       ".lua: kinds must be like {[\"group/v1\"] = {Kind = \"kinds\"}}");
	expect_refused("return {kinds={}, " CAN ", " DOES "}", ".lua: name must be a string");
	expect_refused("local x = nil + 1 return {}",
		       ".lua:1: attempt to perform arithmetic on a nil");
}

/* What `M.FUNCTION` of a good driver answers is `body` instead: the sentence about it. */
static void expect_complaint(const char *function, const char *body, const char *part)
{
	static const char canary_text[] =
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"test\"},\"spec\":{\"targetRef\":{"
		"\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\"},\"service\":{"
		"\"port\":80},\"analysis\":{\"interval\":\"10s\",\"threshold\":3,\"stepWeight\":50}"
		"}}";
	struct overlay overlay;
	struct error err = {0};
	struct spec_problems problems = {0};
	const struct spec_options options = {.default_provider = "kubernetes"};
	const struct split split = {.primary = 100};
	char name[40];
	static int count; /* those of one name are one driver */
	SCOPED(text)
	char *text = xasprintf("local M = {name='odd%d', kinds={}, " CAN ", " DOES "}\n"
			       "function M.%s()\n%s\nend return M",
			       count++, function, body);
	enter(&overlay, "traffic", text);
	text_copy(name, sizeof(name), strrchr(overlay.file, '/') + 1);
	*strchr(name, '.') = '\0';
	const struct traffic_driver *driver = traffic_find(name, &err);
	EXPECT_TEXT(err.text, "");
	SCOPED(json) cJSON *canary = cJSON_Parse(canary_text);
	SCOPED(json) cJSON *objects = cJSON_CreateObject();
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	struct canary_spec *spec = canary_spec_new(canary, &options, &problems);
	const struct traffic_view view = {.driver = driver, .spec = spec};
	struct split live;
	if (strcmp(function, "needs") == 0)
		EXPECT(!driver->needs(&view, objects, paths, &err));
	else if (strcmp(function, "observed") == 0)
		EXPECT_INT(driver->observed(&view, objects, &live, &err), TRAFFIC_BROKEN);
	else if (strcmp(function, "desired") == 0)
		EXPECT(driver->desired(&view, &split, objects, &err) == NULL);
	else
		driver->check(&view, &problems);
	if (strcmp(function, "check") == 0 && problems.count > 0)
		text_copy(err.text, sizeof(err.text), problems.items[problems.count - 1].text);
	EXPECT_CONTAINS(err.text, part);
	EXPECT_CONTAINS(err.text, "lua/traffic/try");
	canary_spec_free(spec);
	spec_problems_fini(&problems);
	leave(&overlay);
}

SPEC("driver: what a traffic driver answers is checked, and told with the file and the function")
{
	static const char *const no_lists[] = {"return 7", "return 'x'", "return true"};
	for (size_t i = 0; i < ARRAY_LEN(no_lists); i++) {
		expect_complaint("needs", no_lists[i], ": needs: must return a list of paths");
		expect_complaint("desired", no_lists[i], ": desired: must return a table");
		expect_complaint("observed", no_lists[i], ": observed: the state must be live");
		expect_complaint("check", no_lists[i],
				 ": check: must return a list of {path, text}");
	}
	expect_complaint("needs", "return {a = '/api/v1/namespaces/n/services/s'}",
			 ": needs: must");
	expect_complaint("needs", "return {7}", ": needs: must return a list of paths");
	expect_complaint("desired", "return {own = 'x'}", ": desired: must return lists");
	expect_complaint("desired", "return {delete = 7}", ": desired: must return lists");
	expect_complaint("desired", "return {own = {{kind = 'Pod'}}}", ": desired: own must list");
	expect_complaint("observed", "return {state = 'live', primary = 1.5, canary = 0}",
			 ": observed: weights must be whole numbers");
	expect_complaint("observed", "return {state = 'live', primary = '100', canary = 0}",
			 ": observed: weights must be whole numbers");
	expect_complaint("check", "return {{path = 5, text = {}}}", ": check: must return a list");
	expect_complaint("check", "local x = nil return x.y",
			 ".lua:3: attempt to index a nil value");
	expect_complaint("observed", "return ('x'):rep(30000):find(('.-'):rep(20) .. 'y')",
			 "stopped: it ran for too long");
}

SPEC("driver: forms that mean the same are one driver, and a form that there is not is refused")
{
	struct error err = {0};
	const struct traffic_driver *plain = traffic_find("smi:v1alpha2", &err);
	EXPECT(plain != NULL);
	for (int i = 0; i < 200; i++) {
		SCOPED(text) char *form = xasprintf("smi:v1alpha2:mesh%d", i);
		EXPECT(traffic_find(form, &err) == plain);
	}
	EXPECT(traffic_find("smi:v1alpha2:istio", &err) != plain);
	EXPECT(traffic_find("gatewayapi", &err) == traffic_find("gatewayapi:v1", &err));
	EXPECT_TEXT(err.text, "");
	EXPECT(traffic_find("istio:x", &err) == NULL);
	EXPECT_CONTAINS(err.text, "is \"istio:x\"; did you mean istio?");
}

/* A coroutine that waits twice for a number. */
static int start_waiting(lua_State *L)
{
	static const char text[] = "local wait = ... local a = wait() local b = wait() "
				   "if b == 0 then error('nothing') end return a + b";
	(void)lua_touserdata(L, 1);
	lua_State *thread = lua_newthread(L);
	if (luaL_loadstring(thread, text) != LUA_OK)
		return lua_error(L);
	return 1;
}

static int wait(lua_State *L)
{
	return lua_yield(L, 0);
}

static enum vm_outcome run_waiting(struct vm *vm, long second, struct error *err, long *sum)
{
	int results;
	EXPECT(vm_call(vm, start_waiting, NULL, 1, err));
	lua_State *thread = lua_tothread(vm_state(vm), -1);
	int reference = vm_keep(vm);
	lua_pushcfunction(thread, wait);
	EXPECT_INT(vm_resume(vm, thread, 1, &results, err), VM_YIELDED);
	lua_pushinteger(thread, 40);
	EXPECT_INT(vm_resume(vm, thread, 1, &results, err), VM_YIELDED);
	lua_pushinteger(thread, second);
	enum vm_outcome outcome = vm_resume(vm, thread, 1, &results, err);
	if (outcome == VM_RETURNED)
		*sum = (long)lua_tointeger(thread, -1);
	vm_drop(vm, reference);
	return outcome;
}

SPEC("driver: a coroutine waits and goes on, and fails with file and line")
{
	struct error err = {0};
	long sum = 0;
	struct vm *vm = vm_new("waiting", NULL, &err);
	EXPECT_TEXT(err.text, "");
	EXPECT_INT(run_waiting(vm, 2, &err, &sum), VM_RETURNED);
	EXPECT_INT(sum, 42);
	EXPECT_INT(run_waiting(vm, 0, &err, &sum), VM_FAILED);
	EXPECT_CONTAINS(err.text, ":1: nothing");
	vm_free(vm);
}

/* ---- stubs ---- */

static void add_words(cJSON *names, const char *text, const char *start, const char *stop)
{
	for (const char *at = strstr(text, start); at != NULL; at = strstr(at + 1, start)) {
		const char *name = strchr(at, '.') + 1;
		SCOPED(text) char *word = xstrndup(name, strcspn(name, stop));
		cJSON_AddTrueToObject(names, word);
	}
}

SPEC("driver: each function that C gives to drivers has a stub, and each stub a function")
{
	static const char *const modules[] = {"http", "task", "crypto", "host", "json"};
	for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
		struct error err = {0};
		struct overlay overlay;
		SCOPED(text)
		char *body = xasprintf("local names = {} for name in pairs(require('%s')) do "
				       "names[name] = true end return { names = names }",
				       modules[i]);
		enter(&overlay, "try", body);
		SCOPED(text) char *name = xstrdup(strrchr(overlay.file, '/') + 1);
		*strchr(name, '.') = '\0';
		struct driver *driver = driver_new("try", name, task_modules, &err);
		leave(&overlay);
		EXPECT_TEXT(err.text, "");
		int table = driver_table(driver, "try", &err);
		SCOPED(json) cJSON *facts = driver_facts(driver, table, &err);
		SCOPED(json) cJSON *stubs = cJSON_CreateObject();
		SCOPED(text) char *path = xasprintf("lua/meta/%s.lua", modules[i]);
		SCOPED(text) char *text = spec_file(path, NULL);
		add_words(stubs, text, "\nfunction ", "(");
		add_words(stubs, text, "\nM.", " ");
		SCOPED(text) char *given = json_canonical(json_get(facts, "names"));
		SCOPED(text) char *told = json_canonical(stubs);
		EXPECT_TEXT(given, told);
		driver_free(driver);
	}
}
