/*
 * driver.h - a driver: a trusted Lua file that speaks the dialect of a mesh, a metric store or a
 * receiver of alerts.
 *
 * Its path is its registration: "istio" of the kind "traffic" is lua/traffic/istio.lua, built in or
 * below --lua DIR. It has a Lua state of its own (script/vm.h), so that a driver that holds secrets
 * shares nothing. The file returns a table, or a function that makes one of a provider's name.
 */
#ifndef SLUICE_SCRIPT_DRIVER_H
#define SLUICE_SCRIPT_DRIVER_H

#include <cjson/cJSON.h>

#include "script/vm.h"

struct driver;

/* Loads lua/KIND/NAME.lua and runs it. ERROR_NOT_FOUND when there is no such file. `modules` are
 * what `require` finds beside the files of lua/; they are borrowed until this returns. */
struct driver *driver_new(const char *kind, const char *name, const struct vm_module *modules,
			  struct error *err) MUST_CHECK;
void driver_free(struct driver *driver);
struct vm *driver_vm(struct driver *driver);
const char *driver_path(const struct driver *driver); /* "lua/traffic/istio.lua" */

/* Whether the file returned a function: it has forms, "smi:v1alpha2". */
bool driver_has_forms(const struct driver *driver);
/* A table of the driver's functions, by its number. 0 is none. For a file that returned a function,
 * `provider` is its argument; else it is the file's table. */
int driver_table(struct driver *driver, const char *provider, struct error *err) MUST_CHECK;
/* Pushes the table; cannot raise. */
void driver_push(struct driver *driver, int table);
bool driver_has(struct driver *driver, int table, const char *function);
/* The plain data of a table as JSON, functions left out; the caller frees. */
cJSON *driver_facts(struct driver *driver, int table, struct error *err) MUST_CHECK;

/* Whether the table has a name, the first of these functions, and nothing beyond them but a
 * description; else one sentence about the first thing that is wrong. `functions` ends with NULL.
 */
bool driver_check(struct driver *driver, int table, const char *const *functions,
		  struct error *err) MUST_CHECK;

/* Pushes the arguments of a call, under protection; how many. */
typedef int driver_arguments(lua_State *L, void *owner);
/* Calls a function of the table; `*owned_result` is what it returned first, exactly (NULL for nil);
 * the caller frees. */
bool driver_call(struct driver *driver, int table, const char *function,
		 driver_arguments *arguments, void *owner, cJSON **owned_result,
		 struct error *err) MUST_CHECK;

enum { DRIVER_NAMES_MAX = 200 };
/* The names of the files that there are of a kind, sorted; the caller frees each. How many. */
size_t driver_names(const char *kind, char *owned_names[DRIVER_NAMES_MAX]);

#endif
