#include "canary/converge_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/contest.h"
#include "canary/endpoints.h"
#include "canary/mark.h"
#include "canary/scaler.h"
#include "canary/target.h"
#include "canary/unready.h"

static enum step observe_others(struct tick *tick)
{
	SCOPED(json) cJSON *paths = cJSON_CreateArray();
	bool waiting = false;
	const cJSON *path, *object;
	if (tick->spec->target->also != NULL)
		tick->spec->target->also(tick->target, paths);
	cJSON_ArrayForEach(path, paths)
	{
		enum step step = converge_look(tick, path->valuestring, &object);
		if (step == STEP_END)
			return step;
		waiting |= step == STEP_WAIT;
	}
	return waiting ? STEP_WAIT : STEP_ON;
}

static enum step observe_configs(struct tick *tick)
{
	json_free(tick->configs);
	tick->configs = cJSON_CreateArray();
	if (!tick->spec->target->tracks_configs)
		return STEP_ON;
	SCOPED(json) cJSON *refs = workload_config_refs(tick->target, &tick->world->workload);
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
	target_hash(tick->spec->target, tick->target, tick->template_hash);
	text_copy(tick->hashed_version, sizeof(tick->hashed_version), version);
}

static void name_revision(struct tick *tick)
{
	bool alone = tick->tracked == NULL;
	if (alone && tick->revised[0] != '\0' && strcmp(tick->revised, tick->template_hash) == 0)
		return;
	workload_revision(tick->template_hash, tick->tracked, tick->revision);
	text_copy(tick->revised, sizeof(tick->revised), alone ? tick->template_hash : "");
}

/* Where pods are not the target's own, the label only names them in the mesh. */
static bool converge_label(struct tick *tick, struct error *err)
{
	if (tick->spec->target->runs_pods)
		return workload_selector(tick->target, &tick->world->workload, &tick->label, err);
	text_copy(tick->label.key, sizeof(tick->label.key),
		  tick->world->workload.selector_labels[0]);
	text_copy(tick->label.value, sizeof(tick->label.value), tick->spec->apex);
	return true;
}

/* The id of another controller does not tell with which configs its primary began, but the copies
 * do: they are written just before. */
static enum step compare_copies(struct tick *tick)
{
	const cJSON *config;
	bool same = true;
	if (!tick->status.memory.foreign || tick->spec->target->is_own_primary)
		return STEP_ON;
	cJSON_ArrayForEach(config, tick->configs)
	{
		char name[KUBE_NAME_MAX], hash[HASH_TEXT_MAX], of_copy[HASH_TEXT_MAX];
		bool secret = text_equal(json_string(config, "kind"), "Secret");
		const cJSON *copy;
		snprintf(name, sizeof(name), "%.240s-primary",
			 json_string_or(config, "metadata.name", ""));
		enum step step = converge_look_at(tick, secret ? &kube_secret : &kube_config_map,
						  name, &copy);
		if (step != STEP_ON)
			return step;
		workload_config_hash(config, hash);
		workload_config_hash(copy, of_copy);
		same &= copy != NULL && strcmp(hash, of_copy) == 0;
	}
	tick->copies_same = same;
	return STEP_ON;
}

enum step converge_observe(struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const cJSON *target, *primary = NULL;
	const struct kube_kind *kind = &spec->target->kube;
	enum step first = converge_look_at(tick, kind, spec->target_name, &target);
	enum step second = spec->target->is_own_primary
				   ? first
				   : converge_look_at(tick, kind, spec->primary_target, &primary);
	if (first == STEP_END || second == STEP_END)
		return STEP_END;
	if (first == STEP_WAIT || second == STEP_WAIT)
		return STEP_WAIT;
	tick->target = target;
	tick->primary = spec->target->is_own_primary ? target : primary;
	if (target == NULL)
		return STEP_ON;
	converge_divert(tick);
	struct error err = {0};
	if (!converge_label(tick, &err) ||
	    (spec->target->fits != NULL && !spec->target->fits(target, &err)))
		return tick_halt(tick, "%s", err.text);
	enum step step = observe_others(tick);
	if (step == STEP_ON)
		step = observe_configs(tick);
	if (step != STEP_ON)
		return step;
	json_free(tick->tracked);
	tick->tracked = workload_tracked(tick->configs);
	if (spec->target->tracks_configs && spec->target->is_own_primary)
		mark_digest(tick->tracked, tick->configs_digest);
	hash_template(tick);
	name_revision(tick);
	return compare_copies(tick);
}

bool converge_is_promoted(const struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const struct workload_options *options = &tick->world->workload;
	const struct memory *memory = &tick->status.memory;
	/* Its template may still be about configs that were tried and put back. */
	if (tick->configs_digest[0] != '\0' && memory->good[0][0] != '\0')
		return strcmp(tick->revision, memory->good[0]) == 0;
	if (workload_same(spec, tick->target, tick->primary, &tick->label, tick->tracked, options))
		return true;
	return tick->status.memory.foreign && tick->copies_same &&
	       workload_same_template(spec, tick->target, tick->primary, &tick->label,
				      tick->tracked, options);
}

/* At rest a Service goes on leading to where it leads until the primary of another target, which
 * the Canary has been given, is ready. A revision that mends something does not wait for that. */
static bool leads_on(struct tick *tick, enum service_role role, const cJSON *live)
{
	struct error why = {0};
	char wanted[sizeof(tick->label.value) + sizeof("-primary")];
	const cJSON *selects = json_get(json_at(live, "spec.selector"), tick->label.key);
	snprintf(wanted, sizeof(wanted), "%s-primary", tick->label.value);
	if (role == SERVICE_CANARY || !phase_is_at_rest(tick->status.phase) ||
	    !cJSON_IsString(selects) || strcmp(selects->valuestring, wanted) == 0)
		return false;
	return tick->primary == NULL ||
	       (converge_is_promoted(tick) && converge_ready(tick, SIDE_PRIMARY, &why) != READY);
}

static enum step ensure_service(struct tick *tick, enum service_role role, const char *name)
{
	const cJSON *live;
	if (!tick->spec->target->runs_pods)
		return STEP_ON;
	enum step step = converge_look_at(tick, &kube_service, name, &live);
	if (step != STEP_ON)
		return step;
	if (leads_on(tick, role, live)) {
		struct error why = {0};
		if (role == SERVICE_PRIMARY) /* which is not made yet, maybe */
			return STEP_ON;
		(void)converge_ready(tick, SIDE_PRIMARY, &why);
		return unready_halt(tick, SIDE_PRIMARY, &why);
	}
	SCOPED(json) cJSON *ports = workload_ports(tick->spec, tick->target);
	return converge_ensure(tick, &kube_service,
			       workload_service(tick->spec, role, &tick->label, ports, live));
}

static enum step ensure_config(struct tick *tick, const cJSON *config)
{
	bool secret = text_equal(json_string(config, "kind"), "Secret");
	const struct kube_kind *kind = secret ? &kube_secret : &kube_config_map;
	char name[KUBE_NAME_MAX];
	const cJSON *live;
	snprintf(name, sizeof(name), "%.240s-primary", json_string_or(config, "metadata.name", ""));
	enum step step = converge_look_at(tick, kind, name, &live);
	if (step != STEP_ON)
		return step;
	return converge_ensure(
		tick, kind, workload_config_copy(tick->spec, config, live, &tick->world->workload));
}

static enum step ensure_configs(struct tick *tick)
{
	const cJSON *config;
	cJSON_ArrayForEach(config, tick->configs)
	{
		enum step step = ensure_config(tick, config);
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
	step = converge_ensure(tick, &tick->spec->target->kube,
			       workload_primary(tick->spec, tick->target, &tick->label,
						tick->tracked, tick->revision,
						&tick->world->workload));
	if (step != STEP_ON)
		return step;
	return converge_look_at(tick, &tick->spec->target->kube, tick->spec->primary_target,
				&tick->primary);
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
	if (tick->spec->target->copy != NULL)
		return converge_ensure(tick, &tick->spec->target->kube,
				       workload_primary(tick->spec, tick->target, &tick->label,
							NULL, tick->revision,
							&tick->world->workload));
	char path[KUBE_PATH_MAX];
	kube_path(path, &tick->spec->target->kube, tick->spec->namespace,
		  tick->spec->primary_target);
	SCOPED(json)
	cJSON *patch = workload_promotion(tick->spec, tick->target, tick->primary, &tick->label,
					  tick->tracked, tick->revision, &tick->world->workload);
	return converge_write(tick, KUBE_JSON_PATCH, path, patch);
}

enum step converge_initial(struct tick *tick)
{
	if (tick->beside != NULL || tick->spec->target->driver != NULL ||
	    converge_is_promoted(tick))
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
	if (converge_ready(tick, SIDE_PRIMARY, &why) != READY)
		return unready_halt(tick, SIDE_PRIMARY, &why);
	enum readiness ready;
	step = endpoints_await(tick, SIDE_PRIMARY, &ready, &why);
	return step != STEP_ON || ready == READY ? step : endpoints_halt(tick, SIDE_PRIMARY, &why);
}

static enum step scaler_stage(struct tick *tick)
{
	const cJSON *scaler;
	return scaler_look(tick, &scaler);
}

/* Of a target that is copied as it is: what the canary's traffic goes to. */
static enum step ensure_canary(struct tick *tick)
{
	const struct target_kind *kind = tick->spec->target;
	if (kind->copy == NULL)
		return STEP_ON;
	return converge_ensure(tick, &kind->kube,
			       kind->copy(tick->spec, tick->target, tick->spec->canary));
}

/* It follows the target when a release begins, not while the last one has traffic. */
static enum step canary_service_stage(struct tick *tick)
{
	const cJSON *live;
	if (tick->spec->target->copy != NULL) {
		enum step step = converge_look_at(tick, &tick->spec->target->kube,
						  tick->spec->canary, &live);
		return step != STEP_ON || live != NULL ? step : ensure_canary(tick);
	}
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

/* Somebody's hand may have been on it. */
static enum step rest_stage(struct tick *tick)
{
	bool rests = phase_is_at_rest(tick->status.phase) &&
		     target_is_stopped(tick->spec->target, tick->target);
	return rests ? scaler_pause(tick) : STEP_ON;
}

enum step converge_objects(struct tick *tick)
{
	static enum step (*const stages[])(struct tick * tick) = {
		scaler_stage,	     canary_service_stage, primary_service_stage,
		early_routes_stage,  ensure_primary,	   scaler_make,
		await_first_primary, apex_service_stage,   rest_stage};
	if (!tick->thorough && tick->primary != NULL)
		return STEP_ON;
	for (; tick->stage < ARRAY_LEN(stages); tick->stage++) {
		enum step step = stages[tick->stage](tick);
		if (step != STEP_ON)
			return step;
	}
	return STEP_ON;
}

bool converge_is_outdated(const struct tick *tick)
{
	const char *revision = tick->status.memory.revision;
	return strcmp(tick->revision, revision) != 0 &&
	       !workload_carries(tick->spec, tick->primary, tick->tracked, revision);
}

enum step converge_promotion(struct tick *tick)
{
	struct error err;
	if (tick->beside != NULL)
		return STEP_ON;
	if (workload_carries(tick->spec, tick->primary, tick->tracked,
			     tick->status.memory.revision))
		return scaler_follow(tick);
	/* Another controller has copied it already, under an id of its own. */
	if ((tick->tracked == NULL || tick->status.memory.foreign) && converge_is_promoted(tick))
		return scaler_follow(tick);
	if (strcmp(tick->revision, tick->status.memory.revision) != 0) {
		error_set(&err, ERROR_CONFLICT,
			  "the target is not what was analysed: nothing is copied to the primary");
		return tick_trouble(tick, &err);
	}
	if (tick->spec->target->driver != NULL)
		return STEP_ON; /* its own split makes all pods follow */
	enum step step = copy_target(tick);
	return step == STEP_ON ? scaler_follow(tick) : step;
}

enum step converge_restore(struct tick *tick)
{
	SCOPED(json) cJSON *patch = workload_restoration(tick->primary);
	if (patch == NULL || tick->beside != NULL ||
	    !workload_carries(tick->spec, tick->primary, tick->tracked,
			      tick->status.memory.revision))
		return STEP_ON;
	char path[KUBE_PATH_MAX];
	kube_path(path, &tick->spec->target->kube, tick->spec->namespace,
		  tick->spec->primary_target);
	return converge_write(tick, KUBE_JSON_PATCH, path, patch);
}

enum step converge_scale(struct tick *tick, int replicas)
{
	SCOPED(json) cJSON *patch = target_scale(tick->spec->target, tick->target, replicas);
	if (patch == NULL || tick->beside != NULL)
		return STEP_ON;
	char path[KUBE_PATH_MAX];
	kube_path(path, &tick->spec->target->kube, tick->spec->namespace, tick->spec->target_name);
	if (replicas > 0) {
		enum step step = contest_look(tick, path, tick->spec->target->kube.kind, patch);
		if (step != STEP_ON)
			return step;
	}
	if (tick->spec->target->scales) {
		SCOPED(json) cJSON *tested = workload_scale(tick->target, replicas);
		return converge_write(tick, KUBE_JSON_PATCH, path, tested);
	}
	json_put_string(patch, "metadata.resourceVersion",
			json_string(tick->target, "metadata.resourceVersion"));
	return converge_write(tick, KUBE_MERGE, path, patch);
}

enum step converge_scale_up(struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const struct split *split = &tick->status.memory.split;
	if (tick->beside != NULL)
		return STEP_ON;
	enum step step = scaler_resume(tick);
	if (step != STEP_ON)
		return step;
	step = ensure_canary(tick);
	if (step != STEP_ON)
		return step;
	if (!target_is_stopped(spec->target, tick->target)) {
		long replicas = spec->target->pods(tick->target).wanted;
		bool apart = spec->canary_replicas > 0 || spec->canary_percent > 0;
		long wanted = workload_wanted_replicas(spec, tick->target, tick->primary, NULL);
		/* Nothing is taken from those who serve. */
		if (!apart || (wanted < replicas && (split->canary > 0 || split->mirror)))
			return STEP_ON;
		return converge_scale(tick, (int)wanted);
	}
	const cJSON *scaler;
	step = scaler_look(tick, &scaler);
	if (step != STEP_ON)
		return step;
	return converge_scale(tick,
			      workload_wanted_replicas(spec, tick->target, tick->primary, scaler));
}

enum step converge_scale_down(struct tick *tick)
{
	struct error why = {0};
	if (tick->beside != NULL || tick->target == NULL)
		return STEP_ON;
	bool empty = target_is_stopped(tick->spec->target, tick->target);
	if (!empty && !tick->spec->skip_analysis &&
	    converge_ready(tick, SIDE_PRIMARY, &why) != READY)
		return unready_halt(tick, SIDE_PRIMARY, &why);
	enum step step = scaler_pause(tick);
	return step != STEP_ON || empty ? step : converge_scale(tick, 0);
}
