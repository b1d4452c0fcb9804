/*
 * converge_routes.c - the routes of a canary made to carry its split, through their driver.
 */
#include "canary/converge_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/abroad.h"
#include "canary/contest.h"
#include "canary/endpoints.h"
#include "canary/ordinals.h"
#include "canary/target.h"
#include "kube/split.h"

/* What the driver wants to see, asked again until it asks for nothing more. */
static enum step read_routes(struct tick *tick, const struct traffic_view *view, cJSON *paths)
{
	struct error err = {0};
	for (int round = 0; round < 4; round++) {
		int before = cJSON_GetArraySize(paths);
		SCOPED(json) cJSON *objects = asks_objects(tick->asks, paths);
		if (!tick->driver->needs(view, objects, paths, &err))
			return tick_halt(tick, "%s", err.text);
		if (round > 0 && cJSON_GetArraySize(paths) == before)
			return STEP_ON;
		bool waiting = false;
		const cJSON *path;
		cJSON_ArrayForEach(path, paths)
		{
			const cJSON *object;
			enum step step = converge_look(tick, path->valuestring, &object);
			if (step == STEP_END)
				return step;
			waiting |= step == STEP_WAIT;
		}
		if (waiting)
			return STEP_WAIT;
	}
	return tick_halt(tick, "the routes of %s.%s name each other in a circle", tick->spec->name,
			 tick->spec->namespace);
}

static enum step write_route(struct tick *tick, const cJSON *wanted, const char *wrong)
{
	char path[KUBE_PATH_MAX];
	struct error err = {0};
	if (!traffic_path(tick->driver, wanted, path, &err))
		return tick_trouble(tick, &err);
	bool trusted = !text_equal(path, wrong);
	if (!tick->world->asks.mesh_apart || !split_is_mesh(path))
		return converge_ensure_as(tick, path, wanted, trusted);
	SCOPED(json) cJSON *marked = json_copy(wanted);
	abroad_mark(marked);
	return converge_ensure_as(tick, path, marked, trusted);
}

/* `wrong` is the path of the object that does not carry the split, or NULL. */
static enum step write_routes(struct tick *tick, const cJSON *desired, const char *wrong)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, json_get(desired, "own"))
	{
		enum step step = write_route(tick, item, wrong);
		if (step != STEP_ON)
			return step;
	}
	cJSON_ArrayForEach(item, json_get(desired, "edit"))
	{
		const char *path = json_string_or(item, "path", "");
		/* A target is written by its team, as releases. */
		bool adopted = tick->spec->target->driver == NULL;
		const char *kind = json_string_or(tick->spec->json, "routeRef.kind", "");
		enum step step = adopted ? contest_look(tick, path, kind, NULL) : STEP_ON;
		if (step == STEP_ON)
			step = converge_write(tick, KUBE_JSON_PATCH, path, json_get(item, "patch"));
		if (step != STEP_ON)
			return step;
	}
	cJSON_ArrayForEach(item, json_get(desired, "delete"))
	{
		enum step step = converge_write(tick, KUBE_DELETE, item->valuestring, NULL);
		if (step != STEP_ON)
			return step;
	}
	return STEP_ON;
}

/* Its digest is taken once, however often the tick comes to it. */
static enum step write_one(struct tick *tick, const cJSON *wanted)
{
	char path[KUBE_PATH_MAX];
	struct error err = {0};
	if (tick->world->asks.mesh_apart)
		return write_route(tick, wanted, NULL);
	if (!traffic_path(tick->driver, wanted, path, &err))
		return tick_trouble(tick, &err);
	if (tick->route_digest == 0)
		tick->route_digest = json_digest(wanted);
	return converge_ensure_digest(tick, path, wanted, tick->route_digest, true);
}

/* Those of a blind driver, each once between two moves. */
static enum step write_owned(struct tick *tick)
{
	const cJSON *own = json_get(tick->routes, "own");
	for (size_t count = (size_t)cJSON_GetArraySize(own); tick->route_done < count;) {
		const cJSON *item = cJSON_GetArrayItem(own, (int)tick->route_done);
		enum step step = write_one(tick, item);
		if (step != STEP_ON)
			return step;
		tick->route_done++;
		tick->route_digest = 0;
	}
	return STEP_ON;
}

/* LIVE or PENDING when the objects carry the split, else BROKEN. */
static enum traffic_state says_split(const struct traffic_view *view, const cJSON *objects,
				     const struct split *split)
{
	struct split live;
	struct error why;
	enum traffic_state state = view->driver->observed(view, objects, &live, &why);
	bool same = split_equal(&live, split);
	return (state == TRAFFIC_LIVE || state == TRAFFIC_PENDING) && same ? state : TRAFFIC_BROKEN;
}

static const int64_t unseen_us = 10 * DURATION_SECOND;

/* A split that is the target's own takes as long as its pods, and they as long as a release may;
 * nothing is said of that before the step is due. One that goes by itself to what is ready takes a
 * moment. */
static enum step await_own_pods(struct tick *tick, const struct error *why)
{
	/* Until its controller has seen it, nobody knows of which revision what is. */
	tick->unseen = !partition_is_seen(tick->target);
	const struct memory *memory = &tick->status.memory;
	bool spares = tick->spec->target->spares;
	int64_t due_us = memory->due_us;
	if (spares)
		due_us = (due_us == 0 ? memory->since_us : due_us) + unseen_us;
	else if (tick->unseen)
		due_us = (due_us == 0 ? tick->now_us : due_us) + unseen_us;
	tick->due_us = due_us;
	tick->unreached = !tick->unseen && (spares || tick->now_us >= due_us);
	return tick->now_us < due_us ? STEP_END : tick_halt(tick, "%s", why->text);
}

/* What was written is read back: a step counts from when its split is in force. */
static enum step await_routes(struct tick *tick, const struct traffic_view *view,
			      const cJSON *paths)
{
	SCOPED(json) cJSON *objects = asks_objects(tick->asks, paths);
	struct split live;
	struct error why = {0};
	enum traffic_state state = tick->driver->observed(view, objects, &live, &why);
	switch (state) {
	case TRAFFIC_LIVE:
		break;
	case TRAFFIC_PENDING:
		tick->pending = true;
		return tick->spec->target->driver == NULL ? tick_halt(tick, "%s", why.text)
							  : await_own_pods(tick, &why);
	case TRAFFIC_ABSENT:
	case TRAFFIC_BROKEN:
		return tick_halt(tick, "%s", why.text);
	}
	const struct split wanted = converge_split(tick);
	if (!split_equal(&live, &wanted))
		return tick_halt(tick,
				 "the routes of %s.%s were written, but carry %d/%d%s instead of "
				 "%d/%d",
				 tick->spec->name, tick->spec->namespace, live.primary, live.canary,
				 live.mirror ? " and mirror" : "", wanted.primary, wanted.canary);
	tick->landed = tick->pending;
	tick->pending = false;
	return STEP_ON;
}

static struct traffic_view view_of(const struct tick *tick)
{
	return (struct traffic_view){
		.driver = tick->driver,
		.spec = tick->spec,
		.label = &tick->label,
		.match = tick->status.memory.match != NULL ? tick->status.memory.match
							   : tick->spec->match,
		.status = &tick->status,
		.revision = tick->revision,
		.configs = tick->configs_digest[0] == '\0' ? NULL : tick->configs_digest,
	};
}

enum step converge_inventory(struct tick *tick)
{
	const struct traffic_view view = view_of(tick);
	if (tick->driver->inventory == NULL || tick->spec->route_name == NULL)
		return STEP_ON;
	SCOPED(text)
	char *of = xasprintf("%s/%s", json_string_or(tick->spec->json, "routeRef.kind", ""),
			     tick->spec->route_name);
	if (text_equal(json_string(tick->status.memory.inventory, "of"), of))
		return STEP_ON;
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	enum step step = read_routes(tick, &view, paths);
	if (step != STEP_ON)
		return step;
	struct error err = {0};
	cJSON *was = NULL;
	SCOPED(json) cJSON *objects = asks_objects(tick->asks, paths);
	if (!tick->driver->inventory(&view, objects, &was, &err))
		return tick_halt(tick, "%s", err.text);
	if (was == NULL)
		return STEP_ON;
	tick->inventory = cJSON_CreateObject();
	cJSON_AddStringToObject(tick->inventory, "of", of);
	cJSON_AddItemToObject(tick->inventory, "was", was);
	tick->move.inventory = tick->inventory;
	return tick_move(tick, MOVE_SETTLE);
}

static enum step route(struct tick *tick)
{
	const struct traffic_view view = view_of(tick);
	const struct split wanted = converge_split(tick);
	struct error err = {0};
	if (tick->driver->blind) {
		if (tick->routes == NULL)
			tick->routes = tick->driver->desired(&view, &wanted, NULL, &err);
		return tick->routes == NULL ? tick_halt(tick, "%s", err.text) : write_owned(tick);
	}
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	enum step step = read_routes(tick, &view, paths);
	if (step != STEP_ON)
		return step;
	SCOPED(json) cJSON *objects = asks_objects(tick->asks, paths);
	bool says = says_split(&view, objects, &wanted) != TRAFFIC_BROKEN;
	if (tick->thorough || tick->status.memory.rematch || !says) {
		SCOPED(json) cJSON *desired = tick->driver->desired(&view, &wanted, objects, &err);
		if (desired == NULL)
			return tick_halt(tick, "%s", err.text);
		step = write_routes(tick, desired,
				    says ? NULL : cJSON_GetStringValue(paths->child));
		if (step != STEP_ON)
			return step;
	}
	return await_routes(tick, &view, paths);
}

/* Some users have been given to the canary already, and the others would get errors. */
static bool is_relieved(const struct tick *tick)
{
	const struct split *split = &tick->status.memory.split;
	enum phase phase = tick->status.phase;
	bool released = phase == PHASE_PROGRESSING || phase == PHASE_WAITING_PROMOTION ||
			phase == PHASE_PROMOTING;
	struct error why;
	return released && split->primary > 0 && split->canary > 0 && tick->driver != NULL &&
	       tick->driver->can_weigh && tick->spec->target->driver == NULL &&
	       tick->primary != NULL && tick->target != NULL &&
	       !converge_serves(tick, SIDE_PRIMARY) &&
	       !target_is_stopped(tick->spec->target, tick->target) &&
	       converge_ready(tick, SIDE_CANARY, &why) == READY;
}

void converge_divert(struct tick *tick)
{
	if (tick->routes != NULL || tick->routes_done)
		return;
	tick->diverted = tick->spec->target->driver == NULL && tick->driver != NULL &&
			 tick->driver->can_weigh && tick->status.phase != PHASE_INITIALIZING &&
			 tick->status.memory.split.canary > 0 && tick->primary != NULL &&
			 converge_serves(tick, SIDE_PRIMARY) && !converge_serves(tick, SIDE_CANARY);
	tick->relieved = is_relieved(tick);
}

struct split converge_split(const struct tick *tick)
{
	if (tick->relieved)
		return (struct split){.canary = 100};
	return tick->diverted ? (struct split){.primary = 100} : tick->status.memory.split;
}

enum step converge_routes(struct tick *tick)
{
	tick->wrote = false;
	tick->routing = true;
	enum step step = route(tick);
	tick->routing = false;
	if (step == STEP_ON && tick->spec->target->is_own_primary) {
		step = ordinals_revert(tick);
		tick->unreached |= step == STEP_END;
	}
	const struct split carried = converge_split(tick);
	if (step == STEP_ON)
		endpoints_note_served(tick, &carried);
	tick->rerouted |= tick->wrote;
	return step;
}

enum step converge_live_split(struct tick *tick, struct split *split, bool *known)
{
	const struct traffic_view view = view_of(tick);
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	struct error why = {0};
	enum step step = read_routes(tick, &view, paths);
	if (step != STEP_ON)
		return step;
	SCOPED(json) cJSON *objects = asks_objects(tick->asks, paths);
	enum traffic_state state = tick->driver->observed(&view, objects, split, &why);
	*known = state == TRAFFIC_LIVE || state == TRAFFIC_PENDING;
	return STEP_ON;
}

enum step converge_restore_routes(struct tick *tick)
{
	const struct traffic_view view = view_of(tick);
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	struct error err = {0};
	if (tick->driver->restore == NULL)
		return STEP_ON;
	enum step step = read_routes(tick, &view, paths);
	if (step != STEP_ON)
		return step;
	SCOPED(json) cJSON *objects = asks_objects(tick->asks, paths);
	SCOPED(json) cJSON *undo = tick->driver->restore(&view, objects, &err);
	return undo == NULL ? tick_halt(tick, "%s", err.text) : write_routes(tick, undo, NULL);
}

/* One that is ours and has no owner there to go with. */
static enum step drop_route(struct tick *tick, const cJSON *own)
{
	char path[KUBE_PATH_MAX];
	struct error err = {0};
	const cJSON *live;
	if (!traffic_path(tick->driver, own, path, &err))
		return tick_trouble(tick, &err);
	if (!split_is_mesh(path))
		return STEP_ON;
	enum step step = converge_look(tick, path, &live);
	if (step != STEP_ON || live == NULL || !workload_is_owned(tick->spec, live))
		return step;
	return converge_delete_at(tick, path);
}

enum step converge_drop_routes(struct tick *tick)
{
	const struct traffic_view view = view_of(tick);
	const struct split primary = {.primary = 100};
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	struct error err = {0};
	if (!tick->world->asks.mesh_apart)
		return STEP_ON;
	enum step step = read_routes(tick, &view, paths);
	if (step != STEP_ON)
		return step;
	SCOPED(json) cJSON *objects = asks_objects(tick->asks, paths);
	SCOPED(json) cJSON *desired = tick->driver->desired(&view, &primary, objects, &err);
	const cJSON *own;
	cJSON_ArrayForEach(own, json_get(desired, "own"))
	{
		step = drop_route(tick, own);
		if (step != STEP_ON)
			return step;
	}
	return desired == NULL ? tick_halt(tick, "%s", err.text) : STEP_ON;
}
