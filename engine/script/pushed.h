/*
 * pushed.h - tables that stay in a Lua state from call to call, as long as they are the same.
 *
 * Most of what the hooks of a policy are told does not change from one to the next: its spec, its
 * history. It is compared with what was pushed last, which takes a tenth of pushing it again. For
 * policies that leave what they are given as it is.
 */
#ifndef SLUICE_SCRIPT_PUSHED_H
#define SLUICE_SCRIPT_PUSHED_H

#include <cjson/cJSON.h>
#include <lua.h>

enum { PUSHED_MAX = 10 };

struct pushed {
	struct {
		cJSON *json;   /* owned; NULL: nothing yet */
		int reference; /* of its table */
	} last[PUSHED_MAX];
};

/* Leaves the value of a member of a rollout on the stack; may raise. */
void pushed_push(struct pushed *pushed, lua_State *L, const cJSON *member);
/* Once the state is closed. */
void pushed_fini(struct pushed *pushed);

#endif
