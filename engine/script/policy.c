#include "script/policy.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/words.h"
#include "script/bind.h"
#include "script/embed.h"
#include "script/meter.h"
#include "script/pushed.h"
#include "script/tokens.h"
#include "script/value.h"

enum { GARBAGE_MAX = 256 * KIB }; /* between two collections; one takes some 0.1 ms then */

/* A Lua state: of a user's policy alone, of the stock ones together. */
struct box {
	lua_State *L;
	struct meter meter;
	struct pushed pushed; /* for those that share */
	size_t policies;      /* that are in it */
	size_t bytes;	      /* once they were built */
	int environment;      /* reference of the function that makes a fresh one */
};

struct policy {
	struct box *box;
	struct meter_allowance *allowance; /* of the calls to come, or NULL */
	char *name, *text;
	char hash[17];
	bool has[POLICY_HOOKS];
	int lines[POLICY_HOOKS]; /* where each hook begins */
	int chunk;		 /* reference of the compiled main chunk */
};

struct policy_run {
	struct policy *policy;
	int hooks; /* reference of the table that the main chunk returned */
	bool shares;
};

static const char *const hook_names[POLICY_HOOKS] = {
	[HOOK_START] = "start",	      [HOOK_THRESHOLDS] = "thresholds",
	[HOOK_MATCH] = "match",	      [HOOK_JUDGE] = "judge",
	[HOOK_STEP] = "step",	      [HOOK_PACE] = "pace",
	[HOOK_ROLLBACK] = "rollback", [HOOK_PROMOTION] = "promotion",
};

const char *policy_hook_name(enum policy_hook hook)
{
	return hook_names[hook];
}

/* ---- calls into Lua: the arguments of one protected call ---- */

struct call {
	struct policy *policy;
	const char *text;
	size_t len;
	struct policy_run *run;
	enum policy_hook hook;
	const cJSON *rollout, *extra;
};

static int traceback(lua_State *L)
{
	if (meter_is_spent(L))
		return 1; /* nothing may be allocated now */
	if (lua_type(L, 1) == LUA_TSTRING)
		return 1;
	if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
		return 1;
	lua_pushfstring(L, "error object is a %s", luaL_typename(L, 1));
	return 1;
}

/* Calls `function` protected, with the call as its only argument. What it returned is on top of the
 * stack on success. */
static bool protect(struct policy *policy, lua_CFunction function, struct call *call, int results,
		    struct error *err)
{
	lua_State *L = policy->box->L;
	struct meter *meter = &policy->box->meter;
	lua_settop(L, 0);
	lua_pushcfunction(L, traceback);
	lua_pushcfunction(L, function);
	lua_pushlightuserdata(L, call);
	meter_begin(meter, policy->allowance);
	int status = lua_pcall(L, 1, results, 1);
	meter_end(meter);
	if (status == LUA_OK)
		return true;
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error";
	if (meter->spent)
		error_set(err, ERROR_SCRIPT, "%s%sthe policy was stopped: %s",
			  meter->where[0] == '\0' ? policy->name : meter->where,
			  meter->where[0] == '\0' ? ": " : "", meter->why);
	else
		error_set(err, ERROR_SCRIPT, "%s", text);
	lua_settop(L, 0);
	return false;
}

/* ---- making a state ---- */

/* The trusted part: opens the libraries, hands them to lua/sandbox.lua, keeps the function that
 * makes environments. */
static int open_state(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
					     {LUA_STRLIBNAME, luaopen_string},
					     {LUA_TABLIBNAME, luaopen_table},
					     {NULL, NULL}};
	static const luaL_Reg natives[] = {{"charge", bind_charge},
					   {"copy", bind_copy},
					   {"keys", bind_keys},
					   {"tostring", bind_tostring},
					   {"new_string", bind_string},
					   {"new_math", bind_math},
					   {NULL, NULL}};
	for (const luaL_Reg *library = libraries; library->func != NULL; library++) {
		luaL_requiref(L, library->name, library->func, 1);
		lua_pop(L, 1);
	}
	if (luaL_loadbufferx(L, call->text, call->len, "=" METER_TRUSTED, "t") != LUA_OK)
		return lua_error(L);
	lua_createtable(L, 0, 6);
	luaL_setfuncs(L, natives, 0);
	lua_call(L, 1, 1);
	call->policy->box->environment = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int compile(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	char chunk_name[200];
	snprintf(chunk_name, sizeof(chunk_name), "=%.190s", call->policy->name);
	if (luaL_loadbufferx(L, call->text, call->len, chunk_name, "t") != LUA_OK)
		return lua_error(L);
	call->policy->chunk = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* Runs the main chunk in a fresh environment; returns what it returned. */
static int run_chunk(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->policy->chunk);
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->policy->box->environment);
	lua_call(L, 0, 1);
	/* _ENV is the only upvalue of a main chunk. */
	lua_setupvalue(L, -2, 1);
	lua_call(L, 0, 1);
	return 1;
}

static void push_rollout(lua_State *L, const struct policy_run *run, const cJSON *rollout)
{
	const cJSON *member;
	lua_createtable(L, 0, cJSON_GetArraySize(rollout));
	cJSON_ArrayForEach(member, rollout)
	{
		lua_pushstring(L, member->string);
		if (run->shares)
			pushed_push(&run->policy->box->pushed, L, member);
		else
			value_push(L, member);
		lua_rawset(L, -3);
	}
}

static int call_hook(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->run->hooks);
	lua_pushstring(L, hook_names[call->hook]);
	lua_rawget(L, -2);
	push_rollout(L, call->run, call->rollout);
	if (call->extra != NULL)
		value_push(L, call->extra);
	lua_call(L, call->extra == NULL ? 1 : 2, 1);
	return 1;
}

static bool check_member(struct policy *policy, struct error *err)
{
	lua_State *L = policy->box->L;
	static const char *const words[] = {"start", "thresholds",  "match",	"judge",
					    "step",  "pace",	    "rollback", "promotion",
					    "name",  "description", "params",	NULL};
	if (lua_type(L, -2) != LUA_TSTRING)
		return error_set(err, ERROR_INVALID,
				 "%s: the table of hooks has a key that is no name", policy->name);
	const char *key = lua_tostring(L, -2);
	for (int hook = 0; hook < POLICY_HOOKS; hook++) {
		if (strcmp(key, hook_names[hook]) != 0)
			continue;
		if (lua_type(L, -1) != LUA_TFUNCTION)
			return error_set(err, ERROR_INVALID,
					 "%s: hook %s must be a function, is a %s", policy->name,
					 key, luaL_typename(L, -1));
		lua_Debug function;
		lua_pushvalue(L, -1);
		lua_getinfo(L, ">S", &function);
		policy->lines[hook] = function.linedefined;
		policy->has[hook] = true;
		return true;
	}
	for (size_t i = POLICY_HOOKS; words[i] != NULL; i++)
		if (strcmp(key, words[i]) == 0)
			return true;
	const char *meant = words_nearest(key, words);
	return error_set(err, ERROR_INVALID,
			 "%s: there is no hook \"%.60s\"%s%s%s; there are start, thresholds, "
			 "match, judge, step, pace, rollback, promotion",
			 policy->name, key, meant == NULL ? "" : " (did you mean ",
			 meant == NULL ? "" : meant, meant == NULL ? "" : "?)");
}

/* What the main chunk returned is on top of the stack. */
static bool check_hooks(struct policy *policy, struct error *err)
{
	lua_State *L = policy->box->L;
	if (lua_type(L, -1) != LUA_TTABLE)
		return error_set(err, ERROR_INVALID,
				 "%s: a policy must return a table of hooks, returned a %s",
				 policy->name, luaL_typename(L, -1));
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
		if (!check_member(policy, err))
			return false;
	return true;
}

static bool build(struct policy *policy, const char *text, size_t len, struct error *err)
{
	size_t sandbox_len;
	const char *sandbox = embed_find("lua/sandbox.lua", &sandbox_len);
	if (sandbox == NULL)
		return error_set(err, ERROR_NOT_FOUND, "lua/sandbox.lua is missing");
	struct call call = {.policy = policy, .text = sandbox, .len = sandbox_len};
	bool opened = policy->box->policies > 1;
	if (!opened && !protect(policy, open_state, &call, 0, err))
		return false;
	call.text = text;
	call.len = len;
	if (!tokens_check(policy->name, text, len, err))
		return false;
	if (!protect(policy, compile, &call, 0, err) ||
	    !protect(policy, run_chunk, &call, 1, err) || !check_hooks(policy, err))
		return false;
	lua_settop(policy->box->L, 0);
	meter_collect(&policy->box->meter);
	policy->box->bytes = policy->box->meter.bytes;
	return true;
}

static struct box *box_new(void)
{
	struct box *box = xcalloc(1, sizeof(*box));
	box->L = meter_open(&box->meter);
	return box;
}

/* In a state of its own, or in that of another one. */
static struct policy *policy_in(struct policy *other, const char *name, const char *text,
				size_t len, struct error *err)
{
	if (len > POLICY_TEXT_MAX) {
		error_set(err, ERROR_INVALID, "%s: longer than %d bytes", name, POLICY_TEXT_MAX);
		return NULL;
	}
	struct policy *policy = xcalloc(1, sizeof(*policy));
	char hex[SHA256_HEX_SIZE];
	sha256_hex(text, len, hex);
	hex[16] = '\0';
	text_copy(policy->hash, sizeof(policy->hash), hex);
	policy->name = xstrdup(name);
	policy->text = xstrndup(text, len);
	policy->box = other == NULL ? box_new() : other->box;
	policy->box->policies++;
	policy->chunk = LUA_NOREF;
	if (build(policy, text, len, err))
		return policy;
	policy_free(policy);
	return NULL;
}

struct policy *policy_new(const char *name, const char *text, size_t len, struct error *err)
{
	return policy_in(NULL, name, text, len, err);
}

struct policy *policy_new_stock(const char *name, struct policy *beside, struct error *err)
{
	char path[100];
	snprintf(path, sizeof(path), "policies/%.60s.lua", name);
	for (char *c = path; *c != '\0'; c++)
		if (*c == '-')
			*c = '_';
	size_t len;
	const char *text = strchr(name, '/') != NULL ? NULL : embed_find(path, &len);
	if (text == NULL) {
		error_set(err, ERROR_NOT_FOUND, "there is no stock policy \"%s\"", name);
		return NULL;
	}
	return policy_in(beside, path, text, len, err);
}

void policy_free(struct policy *policy)
{
	if (policy == NULL)
		return;
	struct box *box = policy->box;
	luaL_unref(box->L, LUA_REGISTRYINDEX, policy->chunk);
	if (--box->policies == 0) {
		lua_close(box->L);
		pushed_fini(&box->pushed);
		free(box);
	}
	free(policy->name);
	free(policy->text);
	free(policy);
}

const char *policy_name(const struct policy *policy)
{
	return policy->name;
}

const char *policy_hash(const struct policy *policy)
{
	return policy->hash;
}

void policy_allow(struct policy *policy, struct meter_allowance *allowance)
{
	policy->allowance = allowance;
}

const char *policy_text(const struct policy *policy)
{
	return policy->text;
}

int policy_line(const struct policy *policy, enum policy_hook hook)
{
	return policy->lines[hook];
}

bool policy_has(const struct policy *policy, enum policy_hook hook)
{
	return policy->has[hook];
}

void policy_blame(const struct policy *policy, enum policy_hook hook, struct error *err)
{
	error_wrap(err, "%s:%d: %s", policy->name, policy->lines[hook], hook_names[hook]);
}

size_t policy_bytes(const struct policy *policy)
{
	return policy->box->meter.bytes;
}

struct policy_run *policy_run_new(struct policy *policy, bool shares, struct error *err)
{
	struct call call = {.policy = policy};
	if (!protect(policy, run_chunk, &call, 1, err))
		return NULL;
	if (lua_type(policy->box->L, -1) != LUA_TTABLE) {
		error_set(err, ERROR_SCRIPT, "%s: returned no table of hooks", policy->name);
		lua_settop(policy->box->L, 0);
		return NULL;
	}
	struct policy_run *run = xcalloc(1, sizeof(*run));
	run->policy = policy;
	run->shares = shares;
	run->hooks = luaL_ref(policy->box->L, LUA_REGISTRYINDEX);
	lua_settop(policy->box->L, 0);
	return run;
}

void policy_run_free(struct policy_run *run)
{
	if (run == NULL)
		return;
	struct policy *policy = run->policy;
	luaL_unref(policy->box->L, LUA_REGISTRYINDEX, run->hooks);
	if (policy->box->meter.bytes > policy->box->bytes + GARBAGE_MAX)
		meter_collect(&policy->box->meter);
	free(run);
}

bool policy_call(struct policy_run *run, enum policy_hook hook, const cJSON *rollout,
		 const cJSON *extra, cJSON **owned_result, struct error *err)
{
	struct policy *policy = run->policy;
	struct call call = {
		.policy = policy, .run = run, .hook = hook, .rollout = rollout, .extra = extra};
	*owned_result = NULL;
	if (!protect(policy, call_hook, &call, 1, err)) {
		if (!text_starts(err->text, policy->name))
			policy_blame(policy, hook, err);
		return false;
	}
	bool read =
		lua_isnil(policy->box->L, -1) || value_read(policy->box->L, -1, owned_result, err);
	lua_settop(policy->box->L, 0);
	if (!read)
		policy_blame(policy, hook, err);
	return read;
}

/* Of `text` from the line `at` back to `begin`: the first one that has the word "return". */
static int return_before(const char *text, int begin, int at)
{
	const char *line = text;
	int number = 1, found = begin;
	while (line != NULL && number <= at) {
		const char *end = strchr(line, '\n');
		size_t len = end == NULL ? strlen(line) : (size_t)(end - line);
		const char *word = memmem(line, len, "return", strlen("return"));
		if (number >= begin && word != NULL)
			found = number;
		line = end == NULL ? NULL : end + 1;
		number++;
	}
	return found;
}

bool policy_trace(struct policy *policy, enum policy_hook hook, const cJSON *rollout,
		  const cJSON *extra, int *line)
{
	struct error err = {0};
	SCOPED(json) cJSON *answer = NULL;
	*line = policy->lines[hook];
	struct policy_run *run = policy_run_new(policy, false, &err);
	if (run == NULL)
		return true;
	policy->box->meter.traced = policy->lines[hook];
	bool good = policy_call(run, hook, rollout, extra, &answer, &err);
	int last = policy->box->meter.traced_line;
	policy->box->meter.traced = 0;
	policy_run_free(run);
	if (good && last >= *line)
		*line = return_before(policy->text, *line, last);
	else if (last >= *line)
		*line = last; /* where it failed */
	return !good || answer != NULL;
}
