#include "script/driver.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/words.h"
#include "script/embed.h"
#include "script/value.h"

struct driver {
	struct vm *vm;
	char path[100];
	int file; /* reference of what the file returned */
	bool has_forms;
};

/* ---- loading ---- */

struct loading {
	const char *chunk, *text;
	size_t len;
};

static int run_file(lua_State *L)
{
	const struct loading *loading = lua_touserdata(L, 1);
	if (luaL_loadbufferx(L, loading->text, loading->len, loading->chunk, "t") != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 1);
	return 1;
}

static bool name_is_safe(const char *name)
{
	return name[0] != '\0' && strlen(name) <= 40 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

struct driver *driver_new(const char *kind, const char *name, const struct vm_module *modules,
			  struct error *err)
{
	char path[100], chunk[104];
	size_t len;
	snprintf(path, sizeof(path), "lua/%.30s/%.40s.lua", kind, name);
	snprintf(chunk, sizeof(chunk), "=%s", path);
	const char *text = name_is_safe(name) ? embed_find(path, &len) : NULL;
	if (text == NULL) {
		error_set(err, ERROR_NOT_FOUND, "there is no %s driver \"%.60s\"", kind, name);
		return NULL;
	}
	struct driver *driver = xcalloc(1, sizeof(*driver));
	struct loading loading = {chunk, text, len};
	text_copy(driver->path, sizeof(driver->path), path);
	driver->vm = vm_new(path, modules, err);
	if (driver->vm == NULL || !vm_call(driver->vm, run_file, &loading, 1, err)) {
		driver_free(driver);
		return NULL;
	}
	int type = lua_type(vm_state(driver->vm), -1);
	if (type != LUA_TTABLE && type != LUA_TFUNCTION) {
		error_set(err, ERROR_SCRIPT, "%s: must return the table of a driver, returned a %s",
			  path, lua_typename(vm_state(driver->vm), type));
		driver_free(driver);
		return NULL;
	}
	driver->has_forms = type == LUA_TFUNCTION;
	driver->file = vm_keep(driver->vm);
	return driver;
}

void driver_free(struct driver *driver)
{
	if (driver == NULL)
		return;
	vm_free(driver->vm);
	free(driver);
}

struct vm *driver_vm(struct driver *driver)
{
	return driver->vm;
}

const char *driver_path(const struct driver *driver)
{
	return driver->path;
}

bool driver_has_forms(const struct driver *driver)
{
	return driver->has_forms;
}

/* ---- its table ---- */

struct making {
	int file;
	const char *provider;
};

static int make_table(lua_State *L)
{
	const struct making *making = lua_touserdata(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, making->file);
	if (lua_type(L, -1) == LUA_TFUNCTION) {
		lua_pushstring(L, making->provider);
		lua_call(L, 1, 1);
	}
	return 1;
}

int driver_table(struct driver *driver, const char *provider, struct error *err)
{
	struct making making = {driver->file, provider};
	if (!vm_call(driver->vm, make_table, &making, 1, err))
		return 0;
	if (lua_type(vm_state(driver->vm), -1) == LUA_TTABLE)
		return vm_keep(driver->vm);
	error_set(err, ERROR_SCRIPT, "%s: made a %s, not the table of a driver, for \"%.60s\"",
		  driver->path, luaL_typename(vm_state(driver->vm), -1), provider);
	lua_settop(vm_state(driver->vm), 0);
	return 0;
}

void driver_push(struct driver *driver, int table)
{
	lua_rawgeti(vm_state(driver->vm), LUA_REGISTRYINDEX, table);
}

struct call {
	int table;
	const char *function;
	driver_arguments *arguments;
	void *owner;
	bool found;
};

static int look_for(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->table);
	call->found = lua_getfield(L, -1, call->function) == LUA_TFUNCTION;
	return 0;
}

bool driver_has(struct driver *driver, int table, const char *function)
{
	struct call call = {.table = table, .function = function};
	struct error err;
	return vm_call(driver->vm, look_for, &call, 0, &err) && call.found;
}

static int copy_facts(lua_State *L)
{
	const struct call *call = lua_touserdata(L, 1);
	lua_newtable(L);
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->table);
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		if (lua_type(L, -1) == LUA_TFUNCTION)
			continue;
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, 2);
	}
	lua_settop(L, 2);
	return 1;
}

cJSON *driver_facts(struct driver *driver, int table, struct error *err)
{
	struct call call = {.table = table};
	cJSON *facts = NULL;
	if (!vm_call(driver->vm, copy_facts, &call, 1, err))
		return NULL;
	if (!value_read_exact(vm_state(driver->vm), -1, DRIVER_RESULT_MAX, &facts, err))
		error_wrap(err, "%s", driver->path);
	lua_settop(vm_state(driver->vm), 0);
	return facts;
}

/* The type of each field of the table, by its name. */
static int list_fields(lua_State *L)
{
	const struct call *call = lua_touserdata(L, 1);
	lua_newtable(L);
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->table);
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		lua_pushstring(L, luaL_typename(L, -1));
		lua_setfield(L, 2, lua_type(L, -3) == LUA_TSTRING ? lua_tostring(L, -3) : "[1]");
	}
	lua_settop(L, 2);
	return 1;
}

static bool field_is_known(const struct driver *driver, const cJSON *field,
			   const char *const *functions, struct error *err)
{
	enum { WORDS_MAX = 10 };
	const char *words[WORDS_MAX] = {"name", "description"};
	size_t count = 2;
	for (size_t i = 0; functions[i] != NULL && count < WORDS_MAX - 1; i++)
		words[count++] = functions[i];
	for (size_t i = 0; i < count; i++) {
		const char *wanted = i < 2 ? "string" : "function";
		if (strcmp(words[i], field->string) != 0)
			continue;
		if (strcmp(field->valuestring, wanted) == 0)
			return true;
		return error_set(err, ERROR_SCRIPT, "%s: %s must be a %s, is a %s", driver->path,
				 words[i], wanted, field->valuestring);
	}
	const char *meant = words_nearest(field->string, words);
	return error_set(err, ERROR_SCRIPT, "%s: knows no \"%.60s\"%s%s%s", driver->path,
			 field->string, meant == NULL ? "" : "; did you mean ",
			 meant == NULL ? "" : meant, meant == NULL ? "" : "?");
}

bool driver_check(struct driver *driver, int table, const char *const *functions, struct error *err)
{
	struct call call = {.table = table};
	SCOPED(json) cJSON *fields = NULL;
	const cJSON *field;
	if (!vm_call(driver->vm, list_fields, &call, 1, err))
		return false;
	bool read = value_read_exact(vm_state(driver->vm), -1, DRIVER_RESULT_MAX, &fields, err);
	lua_settop(vm_state(driver->vm), 0);
	if (!read)
		return error_wrap(err, "%s", driver->path);
	cJSON_ArrayForEach(field, fields)
	{
		if (!field_is_known(driver, field, functions, err))
			return false;
	}
	if (json_get(fields, functions[0]) == NULL)
		return error_set(err, ERROR_SCRIPT, "%s: has no function %s", driver->path,
				 functions[0]);
	return json_get(fields, "name") != NULL ||
	       error_set(err, ERROR_SCRIPT, "%s: name must be a string", driver->path);
}

static int call_function(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->table);
	lua_getfield(L, -1, call->function);
	int count = call->arguments(L, call->owner);
	lua_call(L, count, 1);
	return 1;
}

bool driver_call(struct driver *driver, int table, const char *function,
		 driver_arguments *arguments, void *owner, cJSON **owned_result, struct error *err)
{
	struct call call = {
		.table = table, .function = function, .arguments = arguments, .owner = owner};
	*owned_result = NULL;
	if (!vm_call(driver->vm, call_function, &call, 1, err))
		return false;
	lua_State *L = vm_state(driver->vm);
	bool read =
		lua_isnil(L, -1) || value_read_exact(L, -1, DRIVER_RESULT_MAX, owned_result, err);
	lua_settop(L, 0);
	return read || error_wrap(err, "%s: %s", driver->path, function);
}

/* ---- which there are ---- */

struct listing {
	char **names;
	size_t count;
};

static void add_name(void *owner, const char *name)
{
	struct listing *listing = owner;
	for (size_t i = 0; i < listing->count; i++)
		if (strcmp(listing->names[i], name) == 0)
			return;
	if (listing->count < DRIVER_NAMES_MAX)
		listing->names[listing->count++] = xstrdup(name);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t driver_names(const char *kind, char *owned_names[DRIVER_NAMES_MAX])
{
	char dir[40];
	struct listing listing = {owned_names, 0};
	snprintf(dir, sizeof(dir), "lua/%.30s/", kind);
	embed_each(dir, add_name, &listing);
	qsort(owned_names, listing.count, sizeof(owned_names[0]), compare_names);
	return listing.count;
}
