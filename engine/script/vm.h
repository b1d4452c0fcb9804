/*
 * vm.h - a Lua state for trusted files, with a budget: so many bytes, and so many instructions a
 * call.
 *
 * A driver may be wrong, but it cannot take the process with it: what loops or hoards ends in
 * ERROR_SCRIPT with file, line and the calls that led there. There is no os, io, debug, load,
 * package or coroutine; `require` finds only files of lua/ and modules that C gave, and `pairs`
 * goes through keys in their order, so that a driver renders the same object each time.
 */
#ifndef SLUICE_SCRIPT_VM_H
#define SLUICE_SCRIPT_VM_H

#include <lua.h>

#include "base/error.h"

struct vm;

/* A module that C gives: `open` leaves its table on the stack, under protection. */
struct vm_module {
	const char *name;
	lua_CFunction open;
};

/* `name` stands in messages; `modules` ends with a NULL name, or is NULL. Among them is always
 * "json". */
struct vm *vm_new(const char *name, const struct vm_module *modules, struct error *err) MUST_CHECK;
void vm_free(struct vm *vm);
lua_State *vm_state(struct vm *vm);
size_t vm_bytes(const struct vm *vm); /* what it holds now */

/* Runs `function` with `argument` as its only argument, a light userdata, with a new budget. On
 * success the stack holds its `results`; on failure it is empty. What Lua raised with shape.fail
 * is ERROR_INVALID with that sentence alone, all else ERROR_SCRIPT. */
bool vm_call(struct vm *vm, lua_CFunction function, void *argument, int results,
	     struct error *err) MUST_CHECK;

enum vm_outcome { VM_RETURNED, VM_YIELDED, VM_FAILED };
/* Starts or goes on with a coroutine of this state with a new budget; `count` arguments are on its
 * stack, what it returned or yielded is there afterwards (`*results`). A failed one is dead. */
enum vm_outcome vm_resume(struct vm *vm, lua_State *thread, int count, int *results,
			  struct error *err);

/* Takes the value on top of the stack into the registry, outside of any budget; the reference. */
int vm_keep(struct vm *vm);
void vm_drop(struct vm *vm, int reference);

#endif
