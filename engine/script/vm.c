#include "script/vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "script/bind.h"
#include "script/bind_json.h"
#include "script/charge.h"
#include "script/embed.h"

enum {
	INSTRUCTIONS_STEP = 1000,
	WORK_AN_INSTRUCTION = 8, /* of library functions: drivers read long answers with them */
	LEVELS_SHOWN = 4,	 /* of the calls that led to an error */
};

struct vm {
	struct charger charger; /* first */
	lua_State *L;
	char *name;
	size_t bytes;
	bool metered; /* the cap on memory holds */
	bool spent;   /* nothing runs any more until the next call */
	long left;    /* instructions */
	const char *why;
	enum error_kind raised; /* what the last failure was */
};

static struct vm *owner_of(lua_State *L)
{
	return *(struct vm **)lua_getextraspace(L);
}

/* ---- budgets ---- */

static void count_instructions(lua_State *L, lua_Debug *activation);

static void spend(struct vm *vm, lua_State *L, const char *why)
{
	if (vm->spent)
		return;
	vm->spent = true;
	vm->why = why;
	lua_sethook(L, count_instructions, LUA_MASKCOUNT, 1);
}

/* Once spent, every further instruction raises: neither pcall nor a closing variable gets on. */
static void count_instructions(lua_State *L, lua_Debug *activation)
{
	struct vm *vm = owner_of(L);
	(void)activation;
	if (!vm->spent) {
		vm->left -= INSTRUCTIONS_STEP;
		if (vm->left > 0)
			return;
		spend(vm, L, "it ran for too long");
	}
	luaL_error(L, "stopped: %s", vm->why);
}

/* A pattern that backtracks for ever is one instruction. */
static void charge_call(lua_State *L, size_t units)
{
	struct vm *vm = owner_of(L);
	vm->left -= (long)(units / WORK_AN_INSTRUCTION) + 1;
	if (vm->left <= 0)
		spend(vm, L, "it ran for too long");
	if (vm->spent)
		luaL_error(L, "stopped: %s", vm->why);
}

static void *allocate(void *owner, void *block, size_t old, size_t size)
{
	struct vm *vm = owner;
	if (block == NULL)
		old = 0;
	if (size == 0) {
		vm->bytes -= old;
		free(block);
		return NULL;
	}
	if (vm->metered && size > old && vm->bytes - old + size > DRIVER_BYTES_MAX) {
		spend(vm, vm->L, "it used too much memory");
		return NULL;
	}
	void *moved = xrealloc(block, size);
	vm->bytes += size - old;
	return moved;
}

static void refill(struct vm *vm, lua_State *L)
{
	vm->spent = false;
	vm->why = "";
	vm->left = DRIVER_INSTRUCTIONS_MAX;
	vm->raised = ERROR_SCRIPT;
	lua_sethook(L, count_instructions, LUA_MASKCOUNT, INSTRUCTIONS_STEP);
}

/* ---- what a failure says ---- */

/* " < lua/route.lua:31 < lua/traffic/istio.lua:80": who called, innermost first, but for the line
 * that the message itself begins with. */
static void add_callers(lua_State *L, char *text, size_t size)
{
	lua_Debug activation;
	size_t len = strlen(text);
	int shown = 0;
	for (int level = 0; shown < LEVELS_SHOWN && lua_getstack(L, level, &activation); level++) {
		char place[LUA_IDSIZE + 24];
		lua_getinfo(L, "Sl", &activation);
		if (activation.currentline <= 0)
			continue;
		snprintf(place, sizeof(place), "%s:%d", activation.short_src,
			 activation.currentline);
		if (text_starts(text, place))
			continue;
		int added = snprintf(text + len, size - len, " < %s", place);
		if (added < 0 || (size_t)added >= size - len)
			break;
		len += (size_t)added;
		shown++;
	}
}

/* A table with a `message` is a sentence about the input, for whoever wrote that. */
static bool is_about_input(lua_State *L, int index)
{
	if (lua_type(L, index) != LUA_TTABLE)
		return false;
	lua_pushstring(L, "message");
	lua_rawget(L, index);
	if (lua_type(L, -1) == LUA_TSTRING)
		return true;
	lua_pop(L, 1);
	return false;
}

static int on_error(lua_State *L)
{
	struct vm *vm = owner_of(L);
	char text[ERROR_TEXT_MAX];
	if (vm->spent)
		return 1; /* nothing may be allocated now */
	if (is_about_input(L, 1)) {
		vm->raised = ERROR_INVALID;
		return 1;
	}
	if (lua_type(L, 1) == LUA_TSTRING)
		snprintf(text, sizeof(text), "%s", lua_tostring(L, 1));
	else
		snprintf(text, sizeof(text), "the error is a %s", luaL_typename(L, 1));
	add_callers(L, text, sizeof(text));
	lua_pushstring(L, text);
	return 1;
}

static bool failed(struct vm *vm, const char *text, struct error *err)
{
	if (vm->raised == ERROR_INVALID)
		return error_set(err, ERROR_INVALID, "%s", text);
	if (vm->spent)
		return error_set(err, ERROR_SCRIPT, "%s: stopped: %s", vm->name, vm->why);
	return error_set(err, ERROR_SCRIPT, "%s", text);
}

bool vm_call(struct vm *vm, lua_CFunction function, void *argument, int results, struct error *err)
{
	lua_State *L = vm->L;
	refill(vm, L);
	lua_settop(L, 0);
	lua_pushcfunction(L, on_error);
	lua_pushcfunction(L, function);
	lua_pushlightuserdata(L, argument);
	int status = lua_pcall(L, 1, results, 1);
	lua_sethook(L, NULL, 0, 0);
	if (status == LUA_OK) {
		lua_remove(L, 1);
		return true;
	}
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error";
	(void)failed(vm, text, err);
	vm->spent = false;
	lua_settop(L, 0);
	lua_gc(L, LUA_GCCOLLECT);
	return false;
}

enum vm_outcome vm_resume(struct vm *vm, lua_State *thread, int count, int *results,
			  struct error *err)
{
	refill(vm, thread);
	int status = lua_resume(thread, vm->L, count, results);
	lua_sethook(thread, NULL, 0, 0);
	if (status == LUA_OK)
		return VM_RETURNED;
	if (status == LUA_YIELD)
		return VM_YIELDED;
	char text[ERROR_TEXT_MAX] = "an error";
	if (!vm->spent && is_about_input(thread, lua_gettop(thread)))
		vm->raised = ERROR_INVALID;
	if (lua_type(thread, -1) == LUA_TSTRING)
		snprintf(text, sizeof(text), "%s", lua_tostring(thread, -1));
	if (vm->raised == ERROR_SCRIPT)
		add_callers(thread, text, sizeof(text));
	(void)failed(vm, text, err);
	vm->spent = false;
	lua_gc(vm->L, LUA_GCCOLLECT);
	return VM_FAILED;
}

int vm_keep(struct vm *vm)
{
	bool metered = vm->metered;
	vm->metered = false;
	int reference = luaL_ref(vm->L, LUA_REGISTRYINDEX);
	vm->metered = metered;
	return reference;
}

void vm_drop(struct vm *vm, int reference)
{
	luaL_unref(vm->L, LUA_REGISTRYINDEX, reference);
}

/* ---- require ---- */

static const char loaded_key[] = "sluice.loaded";

/* "shape", "traffic/smi": never out of lua/. */
static bool name_is_safe(const char *name)
{
	if (name[0] == '\0' || name[0] == '/' || strlen(name) > 60)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_/") == strlen(name);
}

static int require(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, loaded_key);
	lua_getfield(L, -1, name);
	if (lua_type(L, -1) == LUA_TLIGHTUSERDATA)
		return luaL_error(L, "module '%s' requires itself", name);
	if (!lua_isnil(L, -1))
		return 1;
	char path[100], chunk[104];
	size_t len;
	snprintf(path, sizeof(path), "lua/%.70s.lua", name);
	const char *text = name_is_safe(name) ? embed_find(path, &len) : NULL;
	if (text == NULL)
		return luaL_error(L, "there is no module '%s': no file %s", name, path);
	lua_pushlightuserdata(L, (void *)loaded_key);
	lua_setfield(L, 2, name);
	snprintf(chunk, sizeof(chunk), "=%s", path);
	if (luaL_loadbufferx(L, text, len, chunk, "t") != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 1);
	if (lua_isnil(L, -1))
		return luaL_error(L, "%s returned nothing", path);
	lua_pushvalue(L, -1);
	lua_setfield(L, 2, name);
	return 1;
}

/* ---- making one ---- */

struct opening {
	const struct vm_module *modules;
};

/* The stock functions that one call can keep busy for ever, in place of them counted ones. */
static void open_counted(lua_State *L)
{
	static const char *const counted[] = {"find", "match", "gmatch", "gsub"};
	lua_getglobal(L, LUA_STRLIBNAME);
	lua_pushcfunction(L, bind_string);
	lua_call(L, 0, 1);
	for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
		lua_getfield(L, -1, counted[i]);
		lua_setfield(L, -3, counted[i]);
	}
	lua_pop(L, 2);
}

static int open_state(lua_State *L)
{
	const struct opening *opening = lua_touserdata(L, 1);
	static const luaL_Reg libraries[] = {
		{LUA_GNAME, luaopen_base},	 {LUA_STRLIBNAME, luaopen_string},
		{LUA_TABLIBNAME, luaopen_table}, {LUA_MATHLIBNAME, luaopen_math},
		{LUA_UTF8LIBNAME, luaopen_utf8}, {NULL, NULL}};
	static const char *const unsafe[] = {"collectgarbage", "dofile", "load",
					     "loadfile",       "print",	 NULL};
	for (const luaL_Reg *library = libraries; library->func != NULL; library++) {
		luaL_requiref(L, library->name, library->func, 1);
		lua_pop(L, 1);
	}
	open_counted(L);
	for (size_t i = 0; unsafe[i] != NULL; i++) {
		lua_pushnil(L);
		lua_setglobal(L, unsafe[i]);
	}
	lua_pushnil(L);
	lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_newtable(L);
	bind_json(L);
	lua_setfield(L, -2, "json");
	for (const struct vm_module *module = opening->modules;
	     module != NULL && module->name != NULL; module++) {
		lua_pushcfunction(L, module->open);
		lua_call(L, 0, 1);
		lua_setfield(L, -2, module->name);
	}
	lua_setfield(L, LUA_REGISTRYINDEX, loaded_key);
	lua_pushcfunction(L, require);
	lua_pushvalue(L, -1);
	lua_setglobal(L, "require");
	lua_pushstring(L, "prelude");
	lua_call(L, 1, 0);
	return 0;
}

struct vm *vm_new(const char *name, const struct vm_module *modules, struct error *err)
{
	struct opening opening = {modules};
	struct vm *vm = xcalloc(1, sizeof(*vm));
	vm->charger.charge = charge_call;
	vm->name = xstrdup(name);
	vm->L = lua_newstate(allocate, vm);
	*(struct vm **)lua_getextraspace(vm->L) = vm;
	vm->metered = true;
	if (vm_call(vm, open_state, &opening, 0, err))
		return vm;
	vm_free(vm);
	return NULL;
}

void vm_free(struct vm *vm)
{
	if (vm == NULL)
		return;
	vm->metered = false;
	lua_close(vm->L);
	free(vm->name);
	free(vm);
}

lua_State *vm_state(struct vm *vm)
{
	return vm->L;
}

size_t vm_bytes(const struct vm *vm)
{
	return vm->bytes;
}
