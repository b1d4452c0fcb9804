#include "canary/status.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/status_parts.h"

static const char *const phase_names[] = {
	[PHASE_NONE] = "",
	[PHASE_INITIALIZING] = "Initializing",
	[PHASE_INITIALIZED] = "Initialized",
	[PHASE_WAITING] = "Waiting",
	[PHASE_PROGRESSING] = "Progressing",
	[PHASE_WAITING_PROMOTION] = "WaitingPromotion",
	[PHASE_PROMOTING] = "Promoting",
	[PHASE_FINALISING] = "Finalising",
	[PHASE_SUCCEEDED] = "Succeeded",
	[PHASE_FAILED] = "Failed",
	[PHASE_TERMINATING] = "Terminating",
	[PHASE_TERMINATED] = "Terminated",
};

const char *phase_name(enum phase phase)
{
	return phase_names[phase];
}

bool phase_parse(const char *name, enum phase *phase)
{
	for (size_t i = 0; i < ARRAY_LEN(phase_names); i++) {
		if (strcmp(name, phase_names[i]) != 0)
			continue;
		*phase = (enum phase)i;
		return true;
	}
	return false;
}

bool phase_is_at_rest(enum phase phase)
{
	return phase == PHASE_INITIALIZED || phase == PHASE_SUCCEEDED || phase == PHASE_FAILED;
}

bool split_equal(const struct split *a, const struct split *b)
{
	return a->primary == b->primary && a->canary == b->canary && a->mirror == b->mirror;
}

void status_init(struct status *status)
{
	*status = (struct status){0};
}

void status_fini(struct status *status)
{
	cJSON_Delete(status->tracked_configs);
	cJSON_Delete(status->promoted);
	cJSON_Delete(status->others);
	cJSON_Delete(status->stored_configs);
	cJSON_Delete(status->memory.state);
	cJSON_Delete(status->memory.failures);
	cJSON_Delete(status->memory.match);
	cJSON_Delete(status->memory.inventory);
	free(status->memory.scaler);
	free(status->memory.debts);
	status_init(status);
}

static cJSON *copy(const cJSON *json)
{
	return json == NULL ? NULL : cJSON_Duplicate(json, true);
}

void status_copy(struct status *into, const struct status *from)
{
	*into = *from;
	into->tracked_configs = copy(from->tracked_configs);
	into->promoted = copy(from->promoted);
	into->others = copy(from->others);
	into->stored_configs = copy(from->stored_configs);
	into->memory.state = copy(from->memory.state);
	into->memory.failures = copy(from->memory.failures);
	into->memory.match = copy(from->memory.match);
	into->memory.inventory = copy(from->memory.inventory);
	into->memory.scaler = from->memory.scaler == NULL ? NULL : xstrdup(from->memory.scaler);
	into->memory.debts = NULL;
	into->memory.debt_count = into->memory.debt_room = 0;
	for (size_t i = 0; i < from->memory.debt_count; i++)
		*memory_add_debt(&into->memory) = from->memory.debts[i];
}

static int int_of(const cJSON *json, const char *field, int least, int most)
{
	long number = json_int(json, field, 0);
	return number < least ? least : number > most ? most : (int)number;
}

static int64_t time_of(const cJSON *json, const char *field)
{
	int64_t us = 0;
	const char *text = json_string(json, field);
	return text != NULL && time_parse(text, &us, NULL) && us > 0 ? us : 0;
}

static void read_text(char *into, size_t size, const cJSON *json, const char *field)
{
	text_copy(into, size, json_string_or(json, field, ""));
}

/* Those entries that are texts; NULL without any. */
static cJSON *configs_of(const cJSON *json)
{
	cJSON *configs = NULL;
	const cJSON *entry;
	if (!cJSON_IsObject(json))
		return NULL;
	cJSON_ArrayForEach(entry, json)
	{
		if (!cJSON_IsString(entry) || json_get(configs, entry->string) != NULL)
			continue;
		if (configs == NULL)
			configs = cJSON_CreateObject();
		cJSON_AddStringToObject(configs, entry->string, entry->valuestring);
	}
	return configs;
}

static void keep_other(struct status *status, const cJSON *field)
{
	if (status->others == NULL)
		status->others = cJSON_CreateObject();
	cJSON_AddItemToObject(status->others, field->string, cJSON_Duplicate(field, true));
}

static void read_conditions(struct status *status, const cJSON *list)
{
	cJSON *others = cJSON_CreateArray();
	bool found = false;
	char contested[CONTESTED_MAX] = "";
	const cJSON *condition;
	cJSON_ArrayForEach(condition, list)
	{
		const char *type = json_string_or(condition, "type", "");
		if (strcmp(type, "Promoted") == 0) {
			if (status->promoted == NULL)
				status->promoted = cJSON_Duplicate(condition, true);
		} else if (strcmp(type, "Sluice") == 0) {
			if (!found)
				memory_read(&status->memory,
					    json_string_or(condition, "message", ""));
			if (!found)
				status->stored_since_us = time_of(condition, "lastTransitionTime");
			found = true;
		} else if (strcmp(type, "Contested") == 0) {
			read_text(contested, sizeof(contested), condition, "message");
		} else if (type[0] != '\0') {
			cJSON_AddItemToArray(others, cJSON_Duplicate(condition, true));
		}
	}
	text_copy(status->memory.contested, sizeof(status->memory.contested), contested);
	if (others->child == NULL) {
		cJSON_Delete(others);
		return;
	}
	if (status->others == NULL)
		status->others = cJSON_CreateObject();
	cJSON_AddItemToObject(status->others, "conditions", others);
}

static bool is_ours(const char *field)
{
	static const char *const ours[] = {
		"phase",
		"failedChecks",
		"canaryWeight",
		"iterations",
		"lastAppliedSpec",
		"lastPromotedSpec",
		"lastTransitionTime",
		"trackedConfigs",
		"conditions",
		"sessionAffinityCookie",
		"previousSessionAffinityCookie",
	};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strcmp(field, ours[i]) == 0)
			return true;
	return false;
}

void status_read(struct status *status, const cJSON *json)
{
	status_init(status);
	if (!cJSON_IsObject(json))
		return;
	if (!phase_parse(json_string_or(json, "phase", ""), &status->phase))
		status->phase = PHASE_NONE;
	status->failed_checks = int_of(json, "failedChecks", 0, INT_MAX);
	status->canary_weight = int_of(json, "canaryWeight", 0, 100);
	status->iterations = int_of(json, "iterations", -1, INT_MAX);
	read_text(status->last_applied_spec, sizeof(status->last_applied_spec), json,
		  "lastAppliedSpec");
	read_text(status->last_promoted_spec, sizeof(status->last_promoted_spec), json,
		  "lastPromotedSpec");
	read_text(status->cookie, sizeof(status->cookie), json, "sessionAffinityCookie");
	read_text(status->previous_cookie, sizeof(status->previous_cookie), json,
		  "previousSessionAffinityCookie");
	status->last_transition_us = time_of(json, "lastTransitionTime");
	status->tracked_configs = configs_of(json_get(json, "trackedConfigs"));
	status->stored_configs = copy(status->tracked_configs);
	const cJSON *field;
	cJSON_ArrayForEach(field, json)
	{
		if (!is_ours(field->string))
			keep_other(status, field);
	}
	const cJSON *conditions = json_get(json, "conditions");
	if (cJSON_IsArray(conditions))
		read_conditions(status, conditions);
}

/* A place for one more debt. */
static struct debt *new_debt(struct memory *memory)
{
	size_t oldest = 0;
	if (memory->debt_count == DEBTS_MAX) {
		while (oldest < DEBTS_MAX - 1 && memory->debts[oldest].kind != DEBT_EVENT)
			oldest++;
		memmove(&memory->debts[oldest], &memory->debts[oldest + 1],
			(DEBTS_MAX - 1 - oldest) * sizeof(*memory->debts));
		memory->debt_count--;
	}
	struct debt *debt = memory_add_debt(memory);
	debt->id = memory->next_debt++;
	return debt;
}

void status_owe_event(struct status *status, bool warning, enum phase phase, const char *checksum,
		      int64_t now_us, const char *format, ...)
{
	struct debt *debt = new_debt(&status->memory);
	debt->kind = DEBT_EVENT;
	debt->warning = warning;
	debt->phase = phase;
	debt->time_us = now_us;
	text_copy(debt->checksum, sizeof(debt->checksum), checksum);
	va_list args;
	va_start(args, format);
	SCOPED(text) char *text = xvasprintf(format, args);
	va_end(args);
	text_copy(debt->text, sizeof(debt->text), text);
}

void status_owe_alert(struct status *status, enum alert_severity severity, bool detailed,
		      const char *text)
{
	struct memory *memory = &status->memory;
	if (memory->alert_count == ALERTS_MAX) {
		memory->alert_count--;
		memmove(&memory->alerts[0], &memory->alerts[1],
			memory->alert_count * sizeof(memory->alerts[0]));
	}
	struct owed_alert *alert = &memory->alerts[memory->alert_count++];
	*alert = (struct owed_alert){
		.id = memory->next_debt++, .severity = severity, .detailed = detailed};
	text_copy(alert->text, sizeof(alert->text), text);
}

void status_owe(struct status *status, enum debt_kind kind, enum phase phase, const char *checksum,
		int64_t now_us)
{
	struct debt *debt = new_debt(&status->memory);
	debt->kind = kind;
	debt->phase = phase;
	debt->time_us = now_us;
	text_copy(debt->checksum, sizeof(debt->checksum), checksum);
}

void status_remember(struct status *status, int64_t now_us, const char *verdict, const char *text,
		     const char *kind)
{
	struct memory *memory = &status->memory;
	if (memory->history_count == HISTORY_MAX) {
		memmove(memory->history, memory->history + 1,
			(HISTORY_MAX - 1) * sizeof(memory->history[0]));
		memory->history_count--;
	}
	struct history_entry *entry = &memory->history[memory->history_count++];
	*entry = (struct history_entry){.time_us = now_us, .weight = memory->split.canary};
	text_copy(entry->verdict, sizeof(entry->verdict), verdict);
	text_copy(entry->text, sizeof(entry->text), text);
	text_copy(entry->kind, sizeof(entry->kind), kind);
}

void status_checksum(const struct status *status, char checksum[HASH_TEXT_MAX])
{
	SCOPED(json) cJSON *both = cJSON_CreateObject();
	cJSON_AddItemToObject(both, "trackedConfigs",
			      status->tracked_configs == NULL
				      ? cJSON_CreateNull()
				      : cJSON_Duplicate(status->tracked_configs, true));
	cJSON_AddStringToObject(both, "lastAppliedSpec", status->last_applied_spec);
	SCOPED(text) char *text = json_canonical(both);
	char digits[16];
	snprintf(digits, sizeof(digits), "%010u", hash32_fnv1a(text, strlen(text)));
	hash_safe_encode(digits, checksum, HASH_TEXT_MAX);
}
