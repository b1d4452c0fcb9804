#include "canary/converge.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/endpoints.h"
#include "canary/managed.h"

/* The object at a path: *object is NULL where there is none. */
static enum step look(struct tick *tick, const char *path, const cJSON **object)
{
	const struct answer *answer = ask_object(tick->asks, path);
	*object = NULL;
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->error.kind != ERROR_NONE)
		return tick_trouble(tick, &answer->error);
	*object = answer->object;
	return STEP_ON;
}

enum step converge_look_at(struct tick *tick, const struct kube_kind *kind, const char *name,
			   const cJSON **object)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, tick->spec->namespace, name);
	return look(tick, path, object);
}

static bool is_ready(const struct tick *tick, const cJSON *workload, int threshold,
		     struct error *why)
{
	return json_int(workload, "spec.replicas", 1) > 0 &&
	       workload_ready(workload, threshold, tick->spec->progress_deadline_us, tick->now_us,
			      why) == READY;
}

static bool serves(const cJSON *workload)
{
	return json_int(workload, "status.availableReplicas", 0) > 0;
}

/* No pod of the canary is available while the primary has some: until there is one again the routes
 * carry all on the primary, whatever was committed. Decided before the routes of a move are
 * compared, and not again until the next. */
static void divert(struct tick *tick)
{
	if (tick->routes != NULL || tick->routes_done)
		return;
	tick->diverted = tick->driver != NULL && tick->driver->can_weigh &&
			 tick->status.phase != PHASE_INITIALIZING &&
			 tick->status.memory.split.canary > 0 && tick->primary != NULL &&
			 serves(tick->primary) && !serves(tick->target);
}

/* What the routes shall carry now. */
static struct split wanted_split(const struct tick *tick)
{
	return tick->diverted ? (struct split){.primary = 100} : tick->status.memory.split;
}

/* Traffic never goes to a backend that is not ready while the other one serves, whatever a policy
 * or a phase wants: the routes stay as they are until it is. Before the first release there is no
 * other. True when the split would do that. */
static bool would_harm(struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const struct split split = wanted_split(tick);
	struct error why = {0};
	const char *name = NULL;
	if (tick->status.phase == PHASE_INITIALIZING || tick->primary == NULL ||
	    tick->target == NULL)
		return false;
	if (split.primary > 0 && serves(tick->target) &&
	    !is_ready(tick, tick->primary, spec->primary_ready_threshold, &why))
		name = spec->primary_target;
	else if (split.canary > 0 && serves(tick->primary) &&
		 !is_ready(tick, tick->target, spec->canary_ready_threshold, &why))
		name = spec->target_name;
	if (name != NULL)
		tick_halt(tick, "no traffic goes to %s.%s, which is not ready: %s", name,
			  spec->namespace, why.text);
	return name != NULL;
}

/* The same of the Services that lead there. */
static enum step await_endpoints(struct tick *tick)
{
	const struct split split = wanted_split(tick);
	const struct {
		enum side side;
		bool wanted;
		const cJSON *other;
	} sides[] = {
		{SIDE_PRIMARY, split.primary > 0, tick->target},
		{SIDE_CANARY, split.canary > 0 || split.mirror, tick->primary},
	};
	if (tick->status.phase == PHASE_INITIALIZING || tick->primary == NULL ||
	    tick->target == NULL)
		return STEP_ON;
	/* Routes that do not follow a move of ours are put back, and pods may be others since. */
	if (!tick->moved)
		memset(tick->reached, 0, sizeof(tick->reached));
	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		struct error why = {0};
		enum readiness ready;
		if (!sides[i].wanted || !serves(sides[i].other))
			continue;
		enum step step = endpoints_await(tick, sides[i].side, &ready, &why);
		if (step != STEP_ON)
			return step;
		tick->unreached = ready != READY;
		if (tick->unreached)
			return endpoints_halt(tick, sides[i].side, &why);
	}
	return STEP_ON;
}

static const struct answer *ask_to_write(struct tick *tick, enum kube_verb verb, const char *path,
					 const cJSON *body)
{
	char label[KUBE_PATH_MAX + KUBE_NAME_MAX + 16];
	snprintf(label, sizeof(label), "write %d %s/%s", (int)verb, path,
		 verb == KUBE_CREATE ? json_string_or(body, "metadata.name", "") : "");
	return ask_write(tick->asks, label, verb, path, body);
}

/* A test of the patch failed, or what it is about is not there: the object has moved since it was
 * read. An object that would come out invalid is named instead. */
static bool does_not_fit(const struct error *refused)
{
	return refused->kind == ERROR_INVALID &&
	       strstr(refused->text, "rejected our request due to an error in our request") != NULL;
}

enum step converge_write(struct tick *tick, enum kube_verb verb, const char *path,
			 const cJSON *body)
{
	if (tick->routing) {
		enum step step = would_harm(tick) ? STEP_END : await_endpoints(tick);
		if (step != STEP_ON)
			return step;
	}
	const struct answer *answer = ask_to_write(tick, verb, path, body);
	tick->wrote = true; /* once it is written a look says that all is well */
	if (answer == NULL)
		return STEP_WAIT;
	if (verb == KUBE_JSON_PATCH && does_not_fit(&answer->error)) {
		struct error err = answer->error;
		err.kind = ERROR_CONFLICT;
		return tick_trouble(tick, &err);
	}
	if (answer->error.kind == ERROR_INVALID)
		return tick_halt(tick, "%s", answer->error.text);
	if (answer->error.kind != ERROR_NONE)
		return tick_trouble(tick, &answer->error);
	return STEP_ON;
}

/* Fenced by the version that it was computed from. */
static enum step write_at(struct tick *tick, enum kube_verb verb, const char *path,
			  const cJSON *wanted, const char *version)
{
	SCOPED(json) cJSON *fenced = json_copy(wanted);
	json_put_string(fenced, "metadata.resourceVersion", version);
	return converge_write(tick, verb, path, fenced);
}

/* The same, after a look at it. What is not to be trusted is written though it seems to say what is
 * wanted: an element of a list may say more (a mirror). */
static enum step ensure_seen(struct tick *tick, const char *path, const cJSON *wanted, bool ours,
			     bool trusted)
{
	const cJSON *live;
	enum step step = look(tick, path, &live);
	if (step != STEP_ON)
		return step;
	if (live == NULL) {
		char collection[KUBE_PATH_MAX];
		text_copy(collection, sizeof(collection), path);
		*strrchr(collection, '/') = '\0';
		return converge_write(tick, KUBE_CREATE, collection, wanted);
	}
	if (trusted && json_covers(live, wanted) && !(ours && managed_has_more(live, wanted)))
		return STEP_ON;
	if (ours && managed_outlive(live)) {
		SCOPED(json) cJSON *upgrade = managed_upgrade(live);
		step = converge_write(tick, KUBE_JSON_PATCH, path, upgrade);
		if (step == STEP_ON)
			step = look(tick, path, &live);
		if (step != STEP_ON)
			return step;
	}
	return write_at(tick, ours ? KUBE_APPLY : KUBE_MERGE, path, wanted,
			json_string(live, "metadata.resourceVersion"));
}

/* Creates an owned object, or makes it say what is wanted. `path` is the object's. What was seen to
 * say it and not touched since is not looked at. */
static enum step ensure_as(struct tick *tick, const char *path, const cJSON *wanted, bool trusted)
{
	uint64_t digest = json_digest(wanted);
	bool ours = json_get(json_get(wanted, "metadata"), "ownerReferences") != NULL;
	char version[24];
	if (asks_says(tick->asks, path, digest, version) && trusted)
		return STEP_ON;
	enum step step = STEP_ON;
	if (ours && version[0] != '\0') {
		step = write_at(tick, KUBE_APPLY, path, wanted, version);
	} else {
		step = ensure_seen(tick, path, wanted, ours, trusted);
	}
	if (step == STEP_ON)
		asks_note(tick->asks, path, digest);
	return step;
}

static enum step ensure_kind(struct tick *tick, const struct kube_kind *kind, cJSON *owned_wanted)
{
	SCOPED(json) cJSON *wanted = owned_wanted;
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, tick->spec->namespace, json_string_or(wanted, "metadata.name", ""));
	return ensure_as(tick, path, wanted, true);
}

enum step converge_create(struct tick *tick, const struct kube_kind *kind, cJSON *owned_wanted)
{
	SCOPED(json) cJSON *wanted = owned_wanted;
	const cJSON *live;
	enum step step =
		converge_look_at(tick, kind, json_string_or(wanted, "metadata.name", ""), &live);
	if (step != STEP_ON || live != NULL)
		return step;
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, tick->spec->namespace, NULL);
	return converge_write(tick, KUBE_CREATE, path, wanted);
}

enum step converge_delete(struct tick *tick, const struct kube_kind *kind, const char *name)
{
	const cJSON *live;
	enum step step = converge_look_at(tick, kind, name, &live);
	if (step != STEP_ON || live == NULL)
		return step;
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, tick->spec->namespace, name);
	const struct answer *answer = ask_to_write(tick, KUBE_DELETE, path, NULL);
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->error.kind == ERROR_NONE)
		return STEP_ON;
	if (answer->error.kind != ERROR_DENIED)
		return tick_trouble(tick, &answer->error);
	SCOPED(text) char *canary = xasprintf("%s.%s", tick->spec->name, tick->spec->namespace);
	log_warn(canary, "%s: it stays for as long as the canary does", answer->error.text);
	return STEP_ON;
}

static enum step observe_configs(struct tick *tick)
{
	SCOPED(json) cJSON *refs = workload_config_refs(tick->target, &tick->world->workload);
	json_free(tick->configs);
	tick->configs = cJSON_CreateArray();
	bool waiting = false;
	const cJSON *ref;
	cJSON_ArrayForEach(ref, refs)
	{
		bool secret = text_equal(json_string(ref, "kind"), "Secret");
		const char *name = json_string_or(ref, "name", "");
		const cJSON *config;
		enum step step = converge_look_at(tick, secret ? &kube_secret : &kube_config_map,
						  name, &config);
		if (step == STEP_END)
			return step;
		waiting |= step == STEP_WAIT;
		if (step == STEP_WAIT)
			continue;
		if (config == NULL) {
			if (json_bool(ref, "optional", false))
				continue;
			return tick_halt(tick, "%s %s.%s get query error: not found",
					 secret ? "secret" : "configmap", name,
					 tick->spec->namespace);
		}
		if (workload_config_is_tracked(config))
			cJSON_AddItemReferenceToArray(tick->configs, (cJSON *)config);
	}
	return waiting ? STEP_WAIT : STEP_ON;
}

/* Of one version of the target once in a tick. */
static void hash_template(struct tick *tick)
{
	const char *version = json_string_or(tick->target, "metadata.resourceVersion", "");
	if (version[0] != '\0' && strcmp(version, tick->hashed_version) == 0)
		return;
	workload_template_hash(tick->target, tick->template_hash);
	text_copy(tick->hashed_version, sizeof(tick->hashed_version), version);
}

enum step converge_observe(struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const cJSON *target, *primary;
	enum step first = converge_look_at(tick, &kube_deployment, spec->target_name, &target);
	enum step second = converge_look_at(tick, &kube_deployment, spec->primary_target, &primary);
	if (first == STEP_END || second == STEP_END)
		return STEP_END;
	if (first == STEP_WAIT || second == STEP_WAIT)
		return STEP_WAIT;
	tick->target = target;
	tick->primary = primary;
	if (target == NULL)
		return STEP_ON;
	divert(tick);
	struct error err = {0};
	if (!workload_selector(target, &tick->world->workload, &tick->label, &err))
		return tick_halt(tick, "%s", err.text);
	enum step step = observe_configs(tick);
	if (step != STEP_ON)
		return step;
	json_free(tick->tracked);
	tick->tracked = workload_tracked(tick->configs);
	hash_template(tick);
	workload_revision(tick->template_hash, tick->tracked, tick->revision);
	return STEP_ON;
}

static enum step ensure_service(struct tick *tick, enum service_role role, const char *name)
{
	const cJSON *live;
	enum step step = converge_look_at(tick, &kube_service, name, &live);
	if (step != STEP_ON)
		return step;
	SCOPED(json) cJSON *ports = workload_ports(tick->spec, tick->target);
	return ensure_kind(tick, &kube_service,
			   workload_service(tick->spec, role, &tick->label, ports, live));
}

static enum step ensure_configs(struct tick *tick)
{
	const cJSON *config;
	cJSON_ArrayForEach(config, tick->configs)
	{
		bool secret = text_equal(json_string(config, "kind"), "Secret");
		enum step step = ensure_kind(
			tick, secret ? &kube_secret : &kube_config_map,
			workload_config_copy(tick->spec, config, &tick->world->workload));
		if (step != STEP_ON)
			return step;
	}
	return STEP_ON;
}

static enum step ensure_primary(struct tick *tick)
{
	if (tick->primary != NULL)
		return STEP_ON;
	enum step step = ensure_configs(tick);
	if (step != STEP_ON)
		return step;
	step = ensure_kind(tick, &kube_deployment,
			   workload_primary(tick->spec, tick->target, &tick->label, tick->tracked,
					    tick->revision, &tick->world->workload));
	if (step != STEP_ON)
		return step;
	return converge_look_at(tick, &kube_deployment, tick->spec->primary_target, &tick->primary);
}

/* `also_update`: at a promotion its fields follow the target's; else it is only created. */
static enum step ensure_hpa(struct tick *tick, bool also_update)
{
	const struct canary_spec *spec = tick->spec;
	if (!text_equal(spec->scaler_kind, "HorizontalPodAutoscaler"))
		return STEP_ON;
	const cJSON *hpa, *live;
	enum step step = converge_look_at(tick, &kube_hpa, spec->scaler_name, &hpa);
	if (step != STEP_ON)
		return step;
	if (hpa == NULL)
		return tick_halt(tick, "HorizontalPodAutoscaler %s.%s get query error: not found",
				 spec->scaler_name, spec->namespace);
	char name[KUBE_NAME_MAX];
	snprintf(name, sizeof(name), "%.240s-primary", spec->scaler_name);
	step = converge_look_at(tick, &kube_hpa, name, &live);
	if (step != STEP_ON || (live != NULL && !also_update))
		return step;
	return ensure_kind(tick, &kube_hpa, workload_primary_hpa(spec, hpa));
}

static bool routes_come_first(const struct tick *tick)
{
	return text_starts(tick->spec->provider, "appmesh");
}

/* Copies the target as it is now to the primary. */
static enum step copy_target(struct tick *tick)
{
	enum step step = ensure_configs(tick);
	if (step != STEP_ON)
		return step;
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_deployment, tick->spec->namespace, tick->spec->primary_target);
	SCOPED(json)
	cJSON *patch = workload_promotion(tick->spec, tick->target, tick->primary, &tick->label,
					  tick->tracked, tick->revision, &tick->world->workload);
	return converge_write(tick, KUBE_JSON_PATCH, path, patch);
}

enum step converge_initial(struct tick *tick)
{
	if (workload_same(tick->spec, tick->target, tick->primary, &tick->label, tick->tracked,
			  &tick->world->workload))
		return STEP_ON;
	return copy_target(tick);
}

/* A Service or route that is there already keeps leading to the target until the primary can carry
 * its traffic. */
static enum step await_first_primary(struct tick *tick)
{
	struct error why = {0};
	if (tick->status.phase != PHASE_INITIALIZING)
		return STEP_ON;
	enum step step = converge_initial(tick);
	if (step != STEP_ON || tick->spec->skip_analysis)
		return step;
	if (workload_ready(tick->primary, tick->spec->primary_ready_threshold,
			   tick->spec->progress_deadline_us, tick->now_us, &why) != READY)
		return tick_halt(tick, "%s.%s not ready: %s", tick->spec->primary_target,
				 tick->spec->namespace, why.text);
	enum readiness ready;
	step = endpoints_await(tick, SIDE_PRIMARY, &ready, &why);
	return step != STEP_ON || ready == READY ? step : endpoints_halt(tick, SIDE_PRIMARY, &why);
}

static enum step hpa_stage(struct tick *tick)
{
	return ensure_hpa(tick, false);
}

static enum step canary_service_stage(struct tick *tick)
{
	return ensure_service(tick, SERVICE_CANARY, tick->spec->canary);
}

static enum step primary_service_stage(struct tick *tick)
{
	return ensure_service(tick, SERVICE_PRIMARY, tick->spec->primary);
}

static enum step early_routes_stage(struct tick *tick)
{
	return routes_come_first(tick) ? converge_routes(tick) : STEP_ON;
}

static enum step apex_service_stage(struct tick *tick)
{
	return ensure_service(tick, SERVICE_APEX, tick->spec->apex);
}

enum step converge_objects(struct tick *tick)
{
	static enum step (*const stages[])(struct tick * tick) = {
		hpa_stage,	canary_service_stage, primary_service_stage, early_routes_stage,
		ensure_primary, await_first_primary,  apex_service_stage};
	if (!tick->thorough && tick->primary != NULL)
		return STEP_ON;
	for (; tick->stage < ARRAY_LEN(stages); tick->stage++) {
		enum step step = stages[tick->stage](tick);
		if (step != STEP_ON)
			return step;
	}
	return STEP_ON;
}

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
			enum step step = look(tick, path->valuestring, &object);
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
	return ensure_as(tick, path, wanted, !text_equal(path, wrong));
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
		enum step step =
			converge_write(tick, KUBE_JSON_PATCH, json_string_or(item, "path", ""),
				       json_get(item, "patch"));
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

/* Those of a blind driver, each once between two moves. */
static enum step write_owned(struct tick *tick)
{
	const cJSON *own = json_get(tick->routes, "own");
	for (size_t count = (size_t)cJSON_GetArraySize(own); tick->route_done < count;) {
		const cJSON *item = cJSON_GetArrayItem(own, (int)tick->route_done);
		enum step step = write_route(tick, item, NULL);
		if (step != STEP_ON)
			return step;
		tick->route_done++;
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
		return tick_halt(tick, "%s", why.text);
	case TRAFFIC_ABSENT:
	case TRAFFIC_BROKEN:
		return tick_halt(tick, "%s", why.text);
	}
	const struct split wanted = wanted_split(tick);
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
	const struct split wanted = wanted_split(tick);
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

enum step converge_routes(struct tick *tick)
{
	tick->wrote = false;
	tick->routing = true;
	enum step step = route(tick);
	tick->routing = false;
	const struct split carried = wanted_split(tick);
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

enum step converge_promotion(struct tick *tick)
{
	struct error err;
	if (workload_carries(tick->spec, tick->primary, tick->status.memory.revision))
		return ensure_hpa(tick, true);
	/* Another controller has copied it already, under an id of its own. */
	if (tick->tracked == NULL && workload_same(tick->spec, tick->target, tick->primary,
						   &tick->label, NULL, &tick->world->workload))
		return ensure_hpa(tick, true);
	if (strcmp(tick->revision, tick->status.memory.revision) != 0) {
		error_set(&err, ERROR_CONFLICT,
			  "the target is not what was analysed: nothing is copied to the primary");
		return tick_trouble(tick, &err);
	}
	enum step step = ensure_configs(tick);
	if (step != STEP_ON)
		return step;
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_deployment, tick->spec->namespace, tick->spec->primary_target);
	SCOPED(json)
	cJSON *patch = workload_promotion(tick->spec, tick->target, tick->primary, &tick->label,
					  tick->tracked, tick->revision, &tick->world->workload);
	step = converge_write(tick, KUBE_JSON_PATCH, path, patch);
	return step == STEP_ON ? ensure_hpa(tick, true) : step;
}

enum step converge_scale(struct tick *tick, int replicas)
{
	if (json_int(tick->target, "spec.replicas", 1) == replicas)
		return STEP_ON;
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_deployment, tick->spec->namespace, tick->spec->target_name);
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	json_put_string(patch, "metadata.resourceVersion",
			json_string(tick->target, "metadata.resourceVersion"));
	json_put_number(patch, "spec.replicas", replicas);
	return converge_write(tick, KUBE_MERGE, path, patch);
}

enum step converge_scale_up(struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const struct split *split = &tick->status.memory.split;
	long replicas = json_int(tick->target, "spec.replicas", 1);
	if (replicas > 0) {
		bool apart = spec->canary_replicas > 0 || spec->canary_percent > 0;
		long wanted = workload_wanted_replicas(spec, tick->target, tick->primary, NULL);
		/* Nothing is taken from those who serve. */
		if (!apart || (wanted < replicas && (split->canary > 0 || split->mirror)))
			return STEP_ON;
		return converge_scale(tick, (int)wanted);
	}
	const cJSON *hpa = NULL;
	if (text_equal(tick->spec->scaler_kind, "HorizontalPodAutoscaler")) {
		enum step step = converge_look_at(tick, &kube_hpa, tick->spec->scaler_name, &hpa);
		if (step != STEP_ON)
			return step;
	}
	return converge_scale(
		tick, workload_wanted_replicas(tick->spec, tick->target, tick->primary, hpa));
}

enum step converge_scale_down(struct tick *tick)
{
	struct error why = {0};
	if (tick->target == NULL || json_int(tick->target, "spec.replicas", 1) == 0)
		return STEP_ON;
	if (!tick->spec->skip_analysis &&
	    workload_ready(tick->primary, tick->spec->primary_ready_threshold,
			   tick->spec->progress_deadline_us, tick->now_us, &why) != READY)
		return tick_halt(tick, "%s.%s not ready: %s", tick->spec->primary_target,
				 tick->spec->namespace, why.text);
	return converge_scale(tick, 0);
}
