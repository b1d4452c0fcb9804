#include "canary/leave.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/converge.h"
#include "canary/debts.h"
#include "canary/scaler.h"
#include "canary/target.h"
#include "canary/workload_meta.h"

static const char finalizer[] = "finalizer.flagger.app";

bool leave_is_asked(const cJSON *canary)
{
	return json_string(canary, "metadata.deletionTimestamp") != NULL;
}

bool leave_is_held(const cJSON *canary)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, json_at(canary, "metadata.finalizers"))
	{
		if (text_equal(cJSON_GetStringValue(item), finalizer))
			return true;
	}
	return false;
}

/* Ours is put on or taken off; those of others stay. */
static enum step write_finalizer(struct tick *tick, bool wanted)
{
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	cJSON *list = cJSON_CreateArray();
	const cJSON *item;
	cJSON_ArrayForEach(item, json_at(tick->spec->object, "metadata.finalizers"))
	{
		if (!text_equal(cJSON_GetStringValue(item), finalizer))
			cJSON_AddItemToArray(list, cJSON_Duplicate(item, true));
	}
	if (wanted)
		cJSON_AddItemToArray(list, cJSON_CreateString(finalizer));
	json_put_string(patch, "metadata.resourceVersion", tick->resource_version);
	json_put(patch, "metadata.finalizers", list);
	return converge_write(tick, KUBE_MERGE, tick->path, patch);
}

enum step leave_hold(struct tick *tick)
{
	bool wanted = tick->spec->revert_on_deletion;
	if (tick->held == wanted)
		return STEP_ON;
	enum step step = write_finalizer(tick, wanted);
	if (step != STEP_ON)
		return step;
	const struct answer *answer = ask_object(tick->asks, tick->path);
	if (answer == NULL)
		return STEP_WAIT;
	text_copy(tick->resource_version, sizeof(tick->resource_version),
		  json_string_or(answer->object, "metadata.resourceVersion", ""));
	tick->held = wanted;
	return STEP_ON;
}

/* As many as the primary has; with a primary that is gone, as many as it takes. */
static enum step scale_alike(struct tick *tick)
{
	const struct target_kind *kind = tick->spec->target;
	bool stopped = target_is_stopped(kind, tick->target);
	if (tick->primary == NULL || !kind->scales)
		return stopped ? converge_scale_up(tick) : STEP_ON;
	long wanted = kind->pods(tick->primary).wanted;
	return !stopped && kind->pods(tick->target).wanted >= wanted
		       ? STEP_ON
		       : converge_scale(tick, wanted > 0 ? (int)wanted : 1);
}

/* One that is ours goes with the Canary; one that was adopted selects the target's pods again. */
static enum step restore_apex(struct tick *tick)
{
	const cJSON *apex;
	if (!tick->spec->target->runs_pods)
		return STEP_ON;
	enum step step = converge_look_at(tick, &kube_service, tick->spec->apex, &apex);
	if (step != STEP_ON || apex == NULL || workload_is_owned(tick->spec, apex))
		return step;
	const cJSON *selector = json_at(apex, "spec.selector");
	if (text_equal(cJSON_GetStringValue(json_get(selector, tick->label.key)),
		       tick->label.value))
		return STEP_ON;
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_service, tick->spec->namespace, tick->spec->apex);
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	cJSON *label = cJSON_CreateObject();
	cJSON_AddStringToObject(label, tick->label.key, tick->label.value);
	json_put_string(patch, "metadata.resourceVersion",
			json_string(apex, "metadata.resourceVersion"));
	json_put(patch, "spec.selector", label);
	meta_managed(patch);
	return converge_write(tick, KUBE_MERGE, path, patch);
}

static enum step restore(struct tick *tick)
{
	struct error why = {0};
	if (tick->target == NULL)
		return STEP_ON; /* nothing can be led anywhere */
	enum step step = scaler_let_go(tick);
	if (step == STEP_ON)
		step = scaler_resume(tick);
	if (step == STEP_ON)
		step = scale_alike(tick);
	if (step != STEP_ON)
		return step;
	if (!tick->spec->target->spares && converge_ready(tick, SIDE_CANARY, &why) != READY)
		return tick_halt(tick, "canary %s %s.%s not ready: %s", tick->spec->target->noun,
				 tick->spec->target_name, tick->spec->namespace, why.text);
	step = restore_apex(tick);
	if (step == STEP_ON)
		step = converge_restore_routes(tick);
	return step == STEP_ON ? converge_drop_routes(tick) : step;
}

enum step leave(struct tick *tick)
{
	if (!tick->spec->revert_on_deletion)
		return leave_hold(tick) == STEP_WAIT ? STEP_WAIT : STEP_END;
	if (tick->status.phase != PHASE_TERMINATING && tick->status.phase != PHASE_TERMINATED)
		return tick_move(tick, MOVE_TERMINATE);
	enum step step = debts_pay(tick);
	if (step != STEP_ON)
		return step;
	if (tick->status.phase == PHASE_TERMINATED)
		return write_finalizer(tick, false) == STEP_WAIT ? STEP_WAIT : STEP_END;
	step = converge_observe(tick);
	if (step == STEP_ON)
		step = restore(tick);
	return step == STEP_ON ? tick_move(tick, MOVE_TERMINATED) : step;
}

enum step leave_without_target(struct tick *tick)
{
	enum phase phase = tick->status.phase;
	const struct canary_spec *spec = tick->spec;
	bool routed =
		tick->status.memory.present && tick->primary != NULL &&
		(!spec->target->runs_pods ||
		 workload_selector_of_primary(tick->primary, &tick->world->workload, &tick->label));
	if (routed && (phase == PHASE_PROGRESSING || phase == PHASE_WAITING_PROMOTION ||
		       phase == PHASE_PROMOTING)) {
		tick->move.reason = "the target is gone";
		tick->move.gone = true;
		return tick_move(tick, MOVE_ROLL_BACK);
	}
	enum step step = routed ? converge_routes(tick) : STEP_ON;
	if (step == STEP_ON && routed)
		step = debts_pay(tick);
	if (step != STEP_ON)
		return step;
	return tick_halt(tick, "%s %s.%s get query error: not found", spec->target->noun,
			 spec->target_name, spec->namespace);
}
