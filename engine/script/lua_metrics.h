/*
 * lua_metrics.h - the metrics port over drivers in Lua: lua/metric/PROVIDER.lua.
 *
 * A driver's `query(ask)` is a task (script/task.h). `ask` has address, query, interval_seconds,
 * now, secret (its values by key), headers, region, insecure. It returns a sample,
 * { kind = "ok", value = 99.5, count = 1000 }, or nil and an error; a raise of shape.fail is an
 * answer that is not in the store's language. `online(ask)`, where there is one, says whether the
 * store can be asked at all. What a sample says never holds a value of the secret.
 */
#ifndef SLUICE_SCRIPT_LUA_METRICS_H
#define SLUICE_SCRIPT_LUA_METRICS_H

#include "loop/loop.h"
#include "ports.h"

/* Queries of the provider "prometheus" go to `owned_native`. `http`, and `api` (that of
 * the API server, or NULL), are borrowed. Freed by
 * ops->free, with the native one. */
struct metrics *lua_metrics(struct loop *loop, struct http *http, struct http *api,
			    struct metrics *owned_native);

#endif
