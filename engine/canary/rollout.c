#include "canary/rollout.h"

#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"
#include "base/zone.h"
#include "canary/target.h"

static cJSON *seconds_of(const cJSON *durations)
{
	cJSON *list = cJSON_CreateArray();
	const cJSON *duration;
	cJSON_ArrayForEach(duration, durations)
	{
		int64_t us = 0;
		if (cJSON_IsString(duration) && !duration_parse(duration->valuestring, &us, NULL))
			us = 0;
		cJSON_AddItemToArray(list,
				     cJSON_CreateNumber((double)us / (double)DURATION_SECOND));
	}
	return list;
}

static cJSON *failures_table(const struct memory *memory)
{
	cJSON *table = cJSON_CreateArray();
	const cJSON *counts;
	cJSON_ArrayForEach(counts, memory->failures)
	{
		cJSON *item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "name", counts->string);
		cJSON_AddNumberToObject(item, "failed", json_number(counts, "[0]", 0));
		cJSON_AddNumberToObject(item, "limit", json_number(counts, "[1]", 0));
		cJSON_AddItemToArray(table, item);
	}
	return table;
}

/* What a policy sees stands in the decision log. What a webhook's receiver is given, and headers
 * that the mesh sets, are for others, and hold tokens now and then. */
static void hide_secrets(cJSON *analysis)
{
	cJSON *webhook;
	cJSON_ArrayForEach(webhook, json_get(analysis, "webhooks"))
	{
		SCOPED(text) char *place = url_place(json_string_or(webhook, "url", ""), false);
		json_put_string(webhook, "url", place);
		json_remove(webhook, "metadata");
	}
}

static cJSON *analysis_table(const struct canary_spec *spec)
{
	cJSON *analysis = json_copy(spec->analysis);
	if (analysis == NULL)
		analysis = cJSON_CreateObject();
	hide_secrets(analysis);
	json_put_number(analysis, "interval_seconds",
			(double)spec->interval_us / (double)DURATION_SECOND);
	json_put_number(analysis, "threshold", spec->threshold);
	json_put_number(analysis, "iterations", spec->iterations);
	json_put_number(analysis, "maxWeight", spec->max_weight);
	json_put_number(analysis, "stepWeight", spec->step_weight);
	json_put_number(analysis, "stepWeightPromotion", spec->step_weight_promotion);
	json_put_bool(analysis, "mirror", spec->mirror);
	json_put_number(analysis, "mirrorWeight", spec->mirror_weight);
	if (spec->step_intervals != NULL)
		cJSON_AddItemToObject(analysis, "step_seconds", seconds_of(spec->step_intervals));
	json_put_number(analysis, "watch_seconds",
			(double)spec->watch_us / (double)DURATION_SECOND);
	json_remove(analysis, "policy"); /* its text may be long, and its params are told apart */
	if (json_get(analysis, "metrics") == NULL)
		cJSON_AddArrayToObject(analysis, "metrics");
	return analysis;
}

static cJSON *history_table(const struct memory *memory)
{
	cJSON *history = cJSON_CreateArray();
	for (size_t i = 0; i < memory->history_count; i++) {
		const struct history_entry *entry = &memory->history[i];
		cJSON *item = cJSON_CreateObject();
		cJSON_AddNumberToObject(item, "time", (double)entry->time_us / 1e6);
		cJSON_AddNumberToObject(item, "weight", entry->weight);
		cJSON_AddStringToObject(item, "verdict", entry->verdict);
		cJSON_AddStringToObject(item, "text", entry->text);
		if (entry->kind[0] != '\0')
			cJSON_AddStringToObject(item, "kind", entry->kind);
		cJSON_AddItemToArray(history, item);
	}
	return history;
}

unsigned rollout_changes(const struct tick *tick)
{
	const struct memory *memory = &tick->status.memory;
	const cJSON *now = json_at(tick->target, "spec.template.spec.containers");
	const cJSON *then = json_at(tick->primary, "spec.template.spec.containers");
	unsigned changes = 0;
	int count = cJSON_GetArraySize(now);
	for (int i = 0; i < count; i++) {
		const cJSON *a = cJSON_GetArrayItem(now, i), *b = cJSON_GetArrayItem(then, i);
		if (!json_equal(json_get(a, "image"), json_get(b, "image")))
			changes |= CHANGED_IMAGE;
		if (!json_equal(json_get(a, "env"), json_get(b, "env")))
			changes |= CHANGED_ENV;
	}
	/* In mid-run the status knows the configs under analysis, not the promoted ones. */
	bool none = tick->tracked == NULL && tick->status.tracked_configs == NULL;
	if (!none && !json_equal(tick->tracked, tick->status.tracked_configs))
		changes |= CHANGED_CONFIG;
	return phase_is_at_rest(tick->status.phase) || tick->status.phase == PHASE_WAITING
		       ? changes
		       : changes | (memory->changed & CHANGED_CONFIG);
}

/* A release is about what it was about when it began: at its end the primary is the same. */
static cJSON *changed_table(const struct tick *tick)
{
	bool begun = !phase_is_at_rest(tick->status.phase) && tick->status.phase != PHASE_WAITING;
	unsigned changes = begun ? tick->status.memory.changed : rollout_changes(tick);
	cJSON *changed = cJSON_CreateObject();
	cJSON_AddBoolToObject(changed, "image", (changes & CHANGED_IMAGE) != 0);
	cJSON_AddBoolToObject(changed, "env", (changes & CHANGED_ENV) != 0);
	cJSON_AddBoolToObject(changed, "config", (changes & CHANGED_CONFIG) != 0);
	return changed;
}

/* The canaries that the policy's params name, as "NAME" or "NAMESPACE/NAME"; those that there are.
 */
static cJSON *peers_table(const struct tick *tick)
{
	enum { PEERS_MAX = 16 };
	cJSON *peers = cJSON_CreateObject();
	const cJSON *item;
	int count = 0;
	cJSON_ArrayForEach(item, json_get(tick->spec->policy.params, "peers"))
	{
		const char *written = cJSON_GetStringValue(item);
		if (written == NULL || tick->fleet == NULL || ++count > PEERS_MAX)
			continue;
		const char *slash = strchr(written, '/');
		SCOPED(text)
		char *namespace = slash == NULL ? xstrdup(tick->spec->namespace)
						: xstrndup(written, (size_t)(slash - written));
		const char *name = slash == NULL ? written : slash + 1;
		SCOPED(json)
		cJSON *canary = tick->fleet->peer(tick->fleet->owner, tick->spec, namespace, name);
		if (canary == NULL || json_get(peers, written) != NULL)
			continue;
		struct status status;
		status_read(&status, json_get(canary, "status"));
		cJSON *peer = cJSON_AddObjectToObject(peers, written);
		cJSON_AddStringToObject(peer, "name", name);
		cJSON_AddStringToObject(peer, "namespace", namespace);
		cJSON_AddStringToObject(peer, "phase", phase_name(status.phase));
		cJSON_AddNumberToObject(peer, "weight", status.memory.split.canary);
		cJSON_AddNumberToObject(peer, "failed_checks", status.failed_checks);
		cJSON_AddStringToObject(peer, "revision", status.memory.revision);
		status_fini(&status);
	}
	return peers;
}

/* What the clocks of the zone that the policy's params name show; UTC when they name none. */
static cJSON *clock_table(const struct tick *tick)
{
	const char *zone = json_string_or(tick->spec->policy.params, "zone", "UTC");
	struct zone_clock clock;
	struct error err = {0};
	cJSON *table = cJSON_CreateObject();
	cJSON_AddStringToObject(table, "zone", zone);
	if (!zone_clock_at(zone_directory, zone, tick->now_us, &clock, &err)) {
		cJSON_AddStringToObject(table, "error", err.text);
		return table;
	}
	cJSON_AddNumberToObject(table, "year", clock.year);
	cJSON_AddNumberToObject(table, "month", clock.month);
	cJSON_AddNumberToObject(table, "day", clock.day);
	cJSON_AddNumberToObject(table, "hour", clock.hour);
	cJSON_AddNumberToObject(table, "minute", clock.minute);
	cJSON_AddNumberToObject(table, "second", clock.second);
	cJSON_AddStringToObject(table, "weekday", clock.day_name);
	cJSON_AddNumberToObject(table, "offset", clock.offset_s);
	return table;
}

/* This revision was promoted before. */
static bool was_good(const struct tick *tick)
{
	for (size_t i = 0; i < GOOD_MAX; i++)
		if (strcmp(tick->status.memory.good[i], tick->revision) == 0)
			return true;
	return false;
}

static long available(const struct tick *tick, bool canary)
{
	const struct target_kind *kind = tick->spec->target;
	const cJSON *workload = canary ? tick->target : tick->primary;
	return kind->side_pods != NULL ? kind->side_pods(workload, canary).available
				       : kind->pods(workload).available;
}

cJSON *rollout_table(const struct tick *tick)
{
	const struct canary_spec *spec = tick->spec;
	const struct status *status = &tick->status;
	cJSON *rollout = cJSON_CreateObject();
	cJSON_AddStringToObject(rollout, "name", spec->name);
	cJSON_AddStringToObject(rollout, "namespace", spec->namespace);
	cJSON_AddStringToObject(rollout, "target", spec->target_name);
	cJSON_AddStringToObject(rollout, "primary", spec->primary_target);
	cJSON_AddStringToObject(rollout, "provider", spec->provider);
	cJSON_AddStringToObject(rollout, "phase", phase_name(status->phase));
	cJSON_AddStringToObject(rollout, "strategy", strategy_name(spec->strategy));
	cJSON_AddStringToObject(rollout, "revision", tick->revision);
	cJSON_AddNumberToObject(rollout, "weight", status->memory.split.canary);
	cJSON_AddNumberToObject(rollout, "primary_weight", status->memory.split.primary);
	cJSON_AddBoolToObject(rollout, "mirrored", status->memory.split.mirror);
	cJSON_AddNumberToObject(rollout, "iterations", status->iterations);
	cJSON_AddNumberToObject(rollout, "failed_checks", status->failed_checks);
	cJSON_AddItemToObject(rollout, "failures", failures_table(&status->memory));
	cJSON_AddNumberToObject(rollout, "steps", status->memory.steps);
	if (status->memory.stepped_us > 0)
		cJSON_AddNumberToObject(rollout, "step_age",
					(double)(tick->now_us - status->memory.stepped_us) / 1e6);
	cJSON_AddBoolToObject(rollout, "good", was_good(tick));
	cJSON_AddNumberToObject(rollout, "threshold", spec->threshold);
	cJSON_AddNumberToObject(rollout, "now", (double)tick->now_us / 1e6);
	json_put_number(rollout, "ready.canary", (double)available(tick, true));
	json_put_number(rollout, "ready.primary", (double)available(tick, false));
	cJSON *whole = json_copy(spec->json);
	json_remove(whole, "analysis.policy");
	json_remove(whole, "service.headers");
	hide_secrets(json_get(whole, "analysis"));
	hide_secrets(json_get(whole, "canaryAnalysis"));
	cJSON_AddItemToObject(rollout, "spec", whole);
	cJSON_AddItemToObject(rollout, "analysis", analysis_table(spec));
	cJSON_AddItemToObject(rollout, "clock", clock_table(tick));
	cJSON_AddItemToObject(rollout, "peers", peers_table(tick));
	cJSON_AddItemToObject(rollout, "history", history_table(&status->memory));
	cJSON_AddItemToObject(rollout, "changed", changed_table(tick));
	cJSON_AddItemToObject(rollout, "params",
			      spec->policy.params == NULL ? cJSON_CreateObject()
							  : json_copy(spec->policy.params));
	cJSON_AddItemToObject(rollout, "state",
			      status->memory.state == NULL ? cJSON_CreateObject()
							   : json_copy(status->memory.state));
	return rollout;
}
