/*
 * value_fuzz.c - any JSON into Lua and back: the exact way gives the same, the plain way gives the
 * same once nulls and empty lists are as Lua has them.
 */
#include <lua.h>

#include "base/json.h"
#include "base/mem.h"
#include "fuzz.h"
#include "script/meter.h"
#include "script/value.h"

enum { TEXT_MOST = 1 << 20 };

struct trip {
	const cJSON *json;
	bool exact;
	cJSON *back; /* owned by the caller */
	struct error err;
};

static int go(lua_State *L)
{
	struct trip *trip = lua_touserdata(L, 1);
	if (trip->exact)
		value_push_exact(L, trip->json);
	else
		value_push(L, trip->json);
	REQUIRE(lua_gettop(L) == 2);
	bool ok = trip->exact ? value_read_exact(L, 2, TEXT_MOST, &trip->back, &trip->err)
			      : value_read(L, 2, &trip->back, &trip->err);
	REQUIRE(ok || trip->err.text[0] != '\0');
	REQUIRE(lua_gettop(L) == 2);
	return 0;
}

static cJSON *there_and_back(const cJSON *json, bool exact)
{
	struct meter meter;
	lua_State *L = meter_open(&meter);
	struct trip trip = {.json = json, .exact = exact};
	lua_pushcfunction(L, go);
	lua_pushlightuserdata(L, &trip);
	meter_begin(&meter, NULL);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK)
		REQUIRE(meter.spent);
	meter_end(&meter);
	lua_close(L);
	return trip.back;
}

static bool has_twins(const cJSON *json)
{
	for (const cJSON *item = json->child; item != NULL; item = item->next) {
		if (has_twins(item))
			return true;
		for (const cJSON *other = item->next; cJSON_IsObject(json) && other != NULL;
		     other = other->next)
			if (strcmp(item->string, other->string) == 0)
				return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	SCOPED(json) cJSON *json = json_parse((const char *)bytes, len, NULL);
	if (json == NULL || has_twins(json))
		return 0;
	SCOPED(json) cJSON *exact = there_and_back(json, true);
	REQUIRE(exact == NULL || json_equal(exact, json));
	SCOPED(json) cJSON *once = there_and_back(json, false);
	if (once == NULL)
		return 0;
	SCOPED(json) cJSON *twice = there_and_back(once, false);
	REQUIRE(twice == NULL || json_equal(once, twice));
	return 0;
}
