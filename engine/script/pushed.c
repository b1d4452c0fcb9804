#include "script/pushed.h"

#include <lauxlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "script/value.h"

/* All that are tables but `state`, which a policy may change and give back. */
static const char *const names[PUSHED_MAX] = {"spec",	 "analysis", "history", "clock",
					      "samples", "failures", "changed", "ready",
					      "params",	 "peers"};

static size_t place_of(const char *name)
{
	size_t i = 0;
	while (i < PUSHED_MAX && strcmp(names[i], name) != 0)
		i++;
	return i;
}

void pushed_push(struct pushed *pushed, lua_State *L, const cJSON *member)
{
	bool small = member->child == NULL;
	size_t i = small ? PUSHED_MAX : place_of(member->string);
	if (i == PUSHED_MAX) {
		value_push(L, member);
		return;
	}
	if (pushed->last[i].json != NULL && json_equal(pushed->last[i].json, member)) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, pushed->last[i].reference);
		return;
	}
	value_push(L, member);
	lua_pushvalue(L, -1);
	int reference = luaL_ref(L, LUA_REGISTRYINDEX);
	/* From here on nothing raises. */
	if (pushed->last[i].json != NULL)
		luaL_unref(L, LUA_REGISTRYINDEX, pushed->last[i].reference);
	json_free(pushed->last[i].json);
	pushed->last[i].json = json_copy(member);
	pushed->last[i].reference = reference;
}

void pushed_fini(struct pushed *pushed)
{
	for (size_t i = 0; i < PUSHED_MAX; i++)
		json_free(pushed->last[i].json);
	*pushed = (struct pushed){0};
}
