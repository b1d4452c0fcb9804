#include "canary/scaler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/converge_parts.h"

static bool is_scaled_object(const struct canary_spec *spec)
{
	return text_equal(spec->scaler_kind, kube_scaled_object.kind);
}

static const struct kube_kind *kind_of(const struct canary_spec *spec)
{
	return is_scaled_object(spec) ? &kube_scaled_object : &kube_hpa;
}

enum step scaler_look(struct tick *tick, const cJSON **scaler)
{
	const struct canary_spec *spec = tick->spec;
	*scaler = NULL;
	if (spec->scaler_name == NULL)
		return STEP_ON;
	enum step step = converge_look_at(tick, kind_of(spec), spec->scaler_name, scaler);
	if (step != STEP_ON || *scaler != NULL)
		return step;
	return tick_halt(tick, "%s %s.%s get query error: not found",
			 is_scaled_object(spec) ? "Keda ScaledObject" : "HorizontalPodAutoscaler",
			 spec->scaler_name, spec->namespace);
}

static enum step ensure(struct tick *tick, bool also_update)
{
	const struct canary_spec *spec = tick->spec;
	const struct kube_kind *kind = kind_of(spec);
	const cJSON *scaler, *live;
	enum step step = scaler_look(tick, &scaler);
	if (step != STEP_ON || scaler == NULL)
		return step;
	char name[KUBE_NAME_MAX];
	snprintf(name, sizeof(name), "%.240s-primary", spec->scaler_name);
	step = converge_look_at(tick, kind, name, &live);
	if (step != STEP_ON || (live != NULL && !also_update))
		return step;
	if (!is_scaled_object(spec))
		return converge_ensure(tick, kind, workload_primary_hpa(spec, scaler));
	return converge_ensure(
		tick, kind, workload_primary_scaled_object(spec, scaler, tick->driver->can_weigh));
}

enum step scaler_make(struct tick *tick)
{
	return ensure(tick, false);
}

enum step scaler_follow(struct tick *tick)
{
	return ensure(tick, true);
}

/* "0" is our word: any other number is somebody else's, and stays. */
static enum step set_paused(struct tick *tick, const char *name, bool paused)
{
	const cJSON *scaled;
	enum step step = converge_look_at(tick, &kube_scaled_object, name, &scaled);
	if (step != STEP_ON || scaled == NULL)
		return step;
	const cJSON *annotations = json_at(scaled, "metadata.annotations");
	const cJSON *now = json_get(annotations, workload_paused_replicas);
	if (text_equal(cJSON_GetStringValue(now), "0") == paused)
		return STEP_ON;
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_scaled_object, tick->spec->namespace, name);
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	cJSON *annotation = cJSON_CreateObject();
	cJSON_AddItemToObject(annotation, workload_paused_replicas,
			      paused ? cJSON_CreateString("0") : cJSON_CreateNull());
	json_put_string(patch, "metadata.resourceVersion",
			json_string(scaled, "metadata.resourceVersion"));
	json_put(patch, "metadata.annotations", annotation);
	return converge_write(tick, KUBE_MERGE, path, patch);
}

enum step scaler_pause(struct tick *tick)
{
	return is_scaled_object(tick->spec) ? set_paused(tick, tick->spec->scaler_name, true)
					    : STEP_ON;
}

enum step scaler_resume(struct tick *tick)
{
	return is_scaled_object(tick->spec) ? set_paused(tick, tick->spec->scaler_name, false)
					    : STEP_ON;
}

enum step scaler_let_go(struct tick *tick)
{
	const char *had = tick->status.memory.scaler;
	bool has = had != NULL && is_scaled_object(tick->spec) &&
		   strcmp(had, tick->spec->scaler_name) == 0;
	if (had != NULL && !has && tick->beside == NULL) {
		enum step step = set_paused(tick, had, false);
		if (step != STEP_ON)
			return step;
		tick->scaler_news = true;
	}
	tick->scaler_known = true;
	return STEP_ON;
}

void scaler_remember(const struct tick *tick, struct status *next)
{
	if (!tick->scaler_known)
		return;
	free(next->memory.scaler);
	next->memory.scaler =
		is_scaled_object(tick->spec) ? xstrdup(tick->spec->scaler_name) : NULL;
}
