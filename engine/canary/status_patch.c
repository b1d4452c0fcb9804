/*
 * status_patch.c - the one write of a tick: a merge patch that names only what is ours.
 */
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/status_parts.h"

/* What the Promoted condition says of a phase; the caller frees `message`. */
struct promoted {
	const char *status; /* NULL: nothing to say */
	char *message;
};

static struct promoted promoted_of(const struct status *status, const char *kind)
{
	switch (status->phase) {
	case PHASE_NONE:
		break;
	case PHASE_INITIALIZING:
		return (struct promoted){
			"Unknown", xasprintf("New %s detected, starting initialization.", kind)};
	case PHASE_INITIALIZED:
		return (struct promoted){"True", xasprintf("%s initialization completed.", kind)};
	case PHASE_WAITING:
	case PHASE_WAITING_PROMOTION:
		return (struct promoted){"Unknown", xstrdup("Waiting for approval.")};
	case PHASE_PROGRESSING:
		return (struct promoted){
			"Unknown", xstrdup("New revision detected, progressing canary analysis.")};
	case PHASE_PROMOTING:
		return (struct promoted){
			"Unknown",
			xstrdup("Canary analysis completed, starting primary rolling update.")};
	case PHASE_FINALISING:
		return (struct promoted){
			"Unknown",
			xstrdup("Canary analysis completed, routing all traffic to primary.")};
	case PHASE_SUCCEEDED:
		return (struct promoted){
			"True",
			xstrdup("Canary analysis completed successfully, promotion finished.")};
	case PHASE_FAILED:
		if (status->canary_weight > 0)
			return (struct promoted){
				"False", xasprintf("Promotion failed, traffic stays on the canary "
						   "%s.",
						   kind)};
		return (struct promoted){
			"False", xasprintf("Canary analysis failed, %s scaled to zero.", kind)};
	case PHASE_TERMINATING:
		return (struct promoted){
			"Unknown",
			xasprintf("Canary is being deleted, traffic returns to %s.", kind)};
	case PHASE_TERMINATED:
		return (struct promoted){"Unknown",
					 xasprintf("Canary is deleted, traffic is on %s.", kind)};
	}
	return (struct promoted){0};
}

static cJSON *condition(const char *type, const char *status, const char *reason,
			const char *message, const char *updated, const char *changed)
{
	cJSON *json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "type", type);
	cJSON_AddStringToObject(json, "status", status);
	cJSON_AddStringToObject(json, "reason", reason);
	cJSON_AddStringToObject(json, "message", message);
	cJSON_AddStringToObject(json, "lastUpdateTime", updated);
	cJSON_AddStringToObject(json, "lastTransitionTime", changed);
	return json;
}

/* The condition as it is, while status and reason stay; `*same` says so. NULL when a canary was
 * never seen. */
static cJSON *promoted_condition(const struct status *status, const char *kind, const char *now,
				 bool *same)
{
	const cJSON *old = status->promoted;
	struct promoted wanted = promoted_of(status, kind);
	SCOPED(text) char *message = wanted.message;
	const char *reason = phase_name(status->phase);
	bool same_status =
		wanted.status == NULL || text_equal(json_string(old, "status"), wanted.status);
	*same = wanted.status == NULL ||
		(same_status && text_equal(json_string(old, "reason"), reason));
	if (*same)
		return old == NULL ? NULL : cJSON_Duplicate(old, true);
	const char *changed = same_status ? json_string_or(old, "lastTransitionTime", now) : now;
	return condition("Promoted", wanted.status, reason, message, now, changed);
}

/* What goes on, in one word. */
static const char *sluice_reason(const struct status *status)
{
	const struct memory *memory = &status->memory;
	if (memory->paused_us > 0)
		return "Paused";
	if (phase_is_at_rest(status->phase) && memory->debt_count == 0 &&
	    memory->alert_count == 0 && memory->due_us == 0)
		return "AtRest";
	if (memory->hold_since_us > 0)
		return "Holding";
	return status->phase == PHASE_NONE ? "New" : phase_name(status->phase);
}

static cJSON *sluice_condition(const struct status *status, const char *now, struct error *err)
{
	SCOPED(text) char *message = memory_text(&status->memory, err);
	if (message == NULL)
		return NULL;
	char since[TIME_TEXT_MAX];
	text_copy(since, sizeof(since), now);
	if (status->stored_since_us > 0)
		time_text(status->stored_since_us, since);
	return condition("Sluice", "True", sluice_reason(status), message, now, since);
}

/* A merge patch leaves what it does not name: what is gone must be named as null. */
static cJSON *configs_patch(const struct status *status)
{
	if (status->tracked_configs == NULL)
		return cJSON_CreateNull();
	cJSON *patch = cJSON_Duplicate(status->tracked_configs, true);
	const cJSON *stored;
	cJSON_ArrayForEach(stored, status->stored_configs)
	{
		if (json_get(status->tracked_configs, stored->string) == NULL)
			cJSON_AddNullToObject(patch, stored->string);
	}
	return patch;
}

static void add_text_or_null(cJSON *json, const char *field, const char *text)
{
	if (text[0] == '\0')
		cJSON_AddNullToObject(json, field);
	else
		cJSON_AddStringToObject(json, field, text);
}

cJSON *status_patch(const struct status *status, const char *resource_version,
		    const char *target_kind, int64_t now_us, struct error *err)
{
	char now[TIME_TEXT_MAX], transition[TIME_TEXT_MAX];
	bool same;
	time_text(now_us, now);
	cJSON *sluice = status->memory.present ? sluice_condition(status, now, err) : NULL;
	if (status->memory.present && sluice == NULL)
		return NULL;
	cJSON *promoted = promoted_condition(status, target_kind, now, &same);
	bool rests = phase_is_at_rest(status->phase) && same && status->last_transition_us > 0;
	time_text(rests ? status->last_transition_us : now_us, transition);

	cJSON *patch = cJSON_CreateObject();
	if (resource_version != NULL)
		json_put_string(patch, "metadata.resourceVersion", resource_version);
	cJSON *json = cJSON_AddObjectToObject(patch, "status");
	cJSON_AddStringToObject(json, "phase", phase_name(status->phase));
	cJSON_AddNumberToObject(json, "failedChecks", status->failed_checks);
	cJSON_AddNumberToObject(json, "canaryWeight", status->canary_weight);
	cJSON_AddNumberToObject(json, "iterations", status->iterations);
	add_text_or_null(json, "lastAppliedSpec", status->last_applied_spec);
	add_text_or_null(json, "lastPromotedSpec", status->last_promoted_spec);
	if (status->cookies_changed) {
		add_text_or_null(json, "sessionAffinityCookie", status->cookie);
		add_text_or_null(json, "previousSessionAffinityCookie", status->previous_cookie);
	}
	cJSON_AddStringToObject(json, "lastTransitionTime", transition);
	cJSON_AddItemToObject(json, "trackedConfigs", configs_patch(status));
	cJSON *conditions = cJSON_AddArrayToObject(json, "conditions");
	if (promoted != NULL)
		cJSON_AddItemToArray(conditions, promoted);
	if (sluice != NULL)
		cJSON_AddItemToArray(conditions, sluice);
	if (status->memory.contested[0] != '\0')
		cJSON_AddItemToArray(conditions, condition("Contested", "True", "WrittenByOthers",
							   status->memory.contested, now, now));
	const cJSON *other;
	cJSON_ArrayForEach(other, json_get(status->others, "conditions"))
	{
		cJSON_AddItemToArray(conditions, cJSON_Duplicate(other, true));
	}
	return patch;
}
