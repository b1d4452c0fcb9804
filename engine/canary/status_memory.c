/*
 * status_memory.c - the document: compact JSON, without what is zero or empty.
 *
 *     {"v":1,"revision":"…","split":[95,5],"due":…,"since":…,"owes":[…],"history":[[…]…],…}
 *
 * Times are microseconds since 1970. Whoever reads an older or a newer document reads what it knows
 * of it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/status_parts.h"

enum { DOCUMENT_VERSION = 1 };

static const struct {
	const char *name;
	enum debt_kind kind;
} debt_kinds[] = {
	{"event", DEBT_EVENT},	   {"post-rollout", DEBT_POST_ROLLOUT},
	{"promote", DEBT_PROMOTE}, {"scale-down", DEBT_SCALE_DOWN},
	{"unpin", DEBT_UNPIN},	   {"restore", DEBT_RESTORE},
};

static const char *debt_kind_name(enum debt_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(debt_kinds); i++)
		if (debt_kinds[i].kind == kind)
			return debt_kinds[i].name;
	return "";
}

/* ---- reading ---- */

static int64_t number_in(double number, double least, double most, int64_t fallback)
{
	return number >= least && number <= most ? (int64_t)number : fallback;
}

/* A double holds whole numbers exactly up to 2^53: microseconds until the year 2255. */
static int64_t time_of(const cJSON *item)
{
	return cJSON_IsNumber(item) ? number_in(item->valuedouble, 0, 0x1p53, 0) : 0;
}

static void read_text(char *into, size_t size, const cJSON *json, const char *field)
{
	text_copy(into, size, json_string_or(json, field, ""));
}

static int percent_of(const cJSON *item)
{
	return cJSON_IsNumber(item) ? (int)number_in(item->valuedouble, 0, 100, 0) : 0;
}

static struct split split_of(const cJSON *json)
{
	return (struct split){
		.primary = percent_of(json_at(json, "[0]")),
		.canary = percent_of(json_at(json, "[1]")),
		.mirror = json_bool(json, "[2]", false),
	};
}

struct debt *memory_add_debt(struct memory *memory)
{
	if (memory->debt_count == memory->debt_room) {
		memory->debt_room += 2;
		memory->debts = xrealloc(memory->debts, memory->debt_room * sizeof(*memory->debts));
	}
	struct debt *debt = &memory->debts[memory->debt_count++];
	*debt = (struct debt){0};
	return debt;
}

static bool read_debt(struct debt *debt, const cJSON *json)
{
	const char *kind = json_string_or(json, "kind", "");
	size_t at = 0;
	while (at < ARRAY_LEN(debt_kinds) && strcmp(kind, debt_kinds[at].name) != 0)
		at++;
	if (at == ARRAY_LEN(debt_kinds))
		return false;
	*debt = (struct debt){
		.kind = debt_kinds[at].kind,
		.id = (uint32_t)number_in(json_number(json, "id", 0), 0, UINT32_MAX, 0),
		.warning = json_bool(json, "warning", false),
		.time_us = time_of(json_get(json, "time")),
	};
	if (!phase_parse(json_string_or(json, "phase", ""), &debt->phase))
		debt->phase = PHASE_NONE;
	read_text(debt->checksum, sizeof(debt->checksum), json, "checksum");
	read_text(debt->text, sizeof(debt->text), json, "text");
	return true;
}

static void read_debts(struct memory *memory, const cJSON *json)
{
	const cJSON *item;
	memory->next_debt = (uint32_t)number_in(json_number(json, "next", 0), 0, UINT32_MAX, 0);
	cJSON_ArrayForEach(item, json_get(json, "owes"))
	{
		if (memory->debt_count == DEBTS_MAX)
			return;
		struct debt *debt = memory_add_debt(memory);
		if (!read_debt(debt, item)) {
			memory->debt_count--;
			continue;
		}
		if (debt->id >= memory->next_debt)
			memory->next_debt = debt->id + 1;
	}
}

static const char *const severities[] = {
	[ALERT_INFO] = "info", [ALERT_WARN] = "warn", [ALERT_ERROR] = "error"};

static void read_alerts(struct memory *memory, const cJSON *list)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		if (memory->alert_count == ALERTS_MAX)
			return;
		struct owed_alert *alert = &memory->alerts[memory->alert_count++];
		const char *severity = json_string_or(item, "severity", "");
		alert->id = (uint32_t)number_in(json_number(item, "id", 0), 0, UINT32_MAX, 0);
		for (size_t i = 0; i < ARRAY_LEN(severities); i++)
			if (strcmp(severity, severities[i]) == 0)
				alert->severity = (enum alert_severity)i;
		alert->detailed = json_bool(item, "detailed", false);
		read_text(alert->text, sizeof(alert->text), item, "text");
		if (alert->id >= memory->next_debt)
			memory->next_debt = alert->id + 1;
	}
}

static void read_history(struct memory *memory, const cJSON *list)
{
	int surplus = cJSON_GetArraySize(list) - HISTORY_MAX, at = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		if (at++ < surplus || !cJSON_IsArray(item))
			continue;
		struct history_entry *entry = &memory->history[memory->history_count++];
		entry->time_us = time_of(json_at(item, "[0]"));
		entry->weight = percent_of(json_at(item, "[1]"));
		read_text(entry->verdict, sizeof(entry->verdict), item, "[2]");
		read_text(entry->text, sizeof(entry->text), item, "[3]");
		read_text(entry->kind, sizeof(entry->kind), item, "[4]");
	}
}

void memory_read(struct memory *memory, const char *text)
{
	size_t len = strlen(text);
	if (len > MEMORY_DOC_MAX)
		return;
	SCOPED(json) cJSON *json = json_parse(text, len, NULL);
	if (!cJSON_IsObject(json))
		return;
	memory->present = true;
	read_text(memory->revision, sizeof(memory->revision), json, "revision");
	memory->changed = (unsigned)number_in(json_number(json, "changed", 0), 0, 7, 0);
	memory->split = split_of(json_get(json, "split"));
	cJSON *match = json_get(json, "match");
	if (cJSON_IsArray(match))
		memory->match = cJSON_DetachItemViaPointer(json, match);
	memory->rematch = json_bool(json, "rematch", false);
	memory->due_us = time_of(json_get(json, "due"));
	memory->since_us = time_of(json_get(json, "since"));
	read_debts(memory, json);
	read_alerts(memory, json_get(json, "alerts"));
	read_text(memory->notice, sizeof(memory->notice), json, "notice");
	read_text(memory->applied, sizeof(memory->applied), json, "applied");
	read_text(memory->policy, sizeof(memory->policy), json, "policy");
	memory->pinned = json_bool(json, "pinned", false);
	memory->foreign = json_bool(json, "foreign", false);
	read_text(memory->refused, sizeof(memory->refused), json, "refused");
	memory->generation = (long)time_of(json_get(json, "generation"));
	memory->hold_since_us = time_of(json_get(json, "holds"));
	memory->scale_down_us = time_of(json_get(json, "scaleDown"));
	read_text(memory->slot, sizeof(memory->slot), json, "slot");
	memory->slot_us = time_of(json_get(json, "slotSince"));
	memory->at_once = json_bool(json, "atOnce", false);
	for (size_t i = 0; i < GOOD_MAX; i++) {
		const cJSON *revision = cJSON_GetArrayItem(json_get(json, "good"), (int)i);
		if (cJSON_IsString(revision))
			text_copy(memory->good[i], sizeof(memory->good[i]), revision->valuestring);
	}
	memory->steps = (int)number_in(json_number(json, "steps", 0), 0, INT32_MAX, 0);
	memory->stepped_us = time_of(json_get(json, "stepped"));
	memory->held_us = time_of(json_get(json, "held"));
	cJSON *failures = json_get(json, "failures");
	if (cJSON_IsObject(failures))
		memory->failures = cJSON_DetachItemViaPointer(json, failures);
	memory->early = json_bool(json, "early", false);
	memory->pending = json_bool(json, "pending", false);
	read_text(memory->configs, sizeof(memory->configs), json, "configs");
	read_text(memory->first_configs, sizeof(memory->first_configs), json, "firstConfigs");
	read_text(memory->first_mark, sizeof(memory->first_mark), json, "firstMark");
	read_text(memory->command, sizeof(memory->command), json, "command");
	memory->refused_command = json_bool(json, "refusedCommand", false);
	memory->paused_us = time_of(json_get(json, "paused"));
	memory->paused_for_us = time_of(json_get(json, "pausedFor"));
	memory->gated = json_bool(json, "gated", false);
	memory->approved = (enum people_gate)number_in(json_number(json, "approved", 0),
						       PEOPLE_NONE, PEOPLE_PROMOTION, PEOPLE_NONE);
	memory->replicas = (int)number_in(json_number(json, "replicas", 0), 0, INT32_MAX, 0);
	const char *scaler = json_string(json, "scaler");
	memory->scaler = scaler == NULL ? NULL : xstrdup(scaler);
	cJSON *inventory = json_get(json, "inventory");
	if (cJSON_IsObject(inventory))
		memory->inventory = cJSON_DetachItemViaPointer(json, inventory);
	cJSON *state = json_get(json, "state");
	if (cJSON_IsObject(state))
		memory->state = cJSON_DetachItemViaPointer(json, state);
	read_history(memory, json_get(json, "history"));
}

/* ---- writing ---- */

static void add_text(cJSON *json, const char *field, const char *text)
{
	if (text[0] != '\0')
		cJSON_AddStringToObject(json, field, text);
}

static void add_number(cJSON *json, const char *field, int64_t number)
{
	if (number != 0)
		cJSON_AddNumberToObject(json, field, (double)number);
}

static void push_number(cJSON *list, int64_t number)
{
	cJSON_AddItemToArray(list, cJSON_CreateNumber((double)number));
}

static cJSON *split_json(const struct split *split)
{
	cJSON *list = cJSON_CreateArray();
	push_number(list, split->primary);
	push_number(list, split->canary);
	if (split->mirror)
		cJSON_AddItemToArray(list, cJSON_CreateTrue());
	return list;
}

/* `most` bytes of its text. */
static cJSON *debt_json(const struct debt *debt, size_t most)
{
	char text[DEBT_TEXT_MAX];
	text_copy(text, most < sizeof(text) ? most + 1 : sizeof(text), debt->text);
	cJSON *json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "kind", debt_kind_name(debt->kind));
	cJSON_AddNumberToObject(json, "id", debt->id);
	if (debt->warning)
		cJSON_AddTrueToObject(json, "warning");
	add_text(json, "phase", phase_name(debt->phase));
	add_number(json, "time", debt->time_us);
	add_text(json, "checksum", debt->checksum);
	add_text(json, "text", text);
	return json;
}

static cJSON *alert_json(const struct owed_alert *alert, size_t most)
{
	char text[ALERT_TEXT_MAX];
	text_copy(text, most < sizeof(text) ? most + 1 : sizeof(text), alert->text);
	cJSON *json = cJSON_CreateObject();
	cJSON_AddNumberToObject(json, "id", alert->id);
	cJSON_AddStringToObject(json, "severity", severities[alert->severity]);
	if (alert->detailed)
		cJSON_AddTrueToObject(json, "detailed");
	add_text(json, "text", text);
	return json;
}

/* With the newest `history` entries, and of each debt's text at most `most` bytes. */
static char *document(const struct memory *memory, size_t history, size_t most)
{
	SCOPED(json) cJSON *json = cJSON_CreateObject();
	cJSON_AddNumberToObject(json, "v", DOCUMENT_VERSION);
	add_text(json, "revision", memory->revision);
	add_number(json, "changed", memory->changed);
	cJSON_AddItemToObject(json, "split", split_json(&memory->split));
	if (memory->match != NULL)
		cJSON_AddItemToObject(json, "match", cJSON_Duplicate(memory->match, true));
	if (memory->rematch)
		cJSON_AddTrueToObject(json, "rematch");
	add_number(json, "due", memory->due_us);
	add_number(json, "since", memory->since_us);
	add_number(json, "next", memory->next_debt);
	if (memory->debt_count > 0) {
		cJSON *list = cJSON_AddArrayToObject(json, "owes");
		for (size_t i = 0; i < memory->debt_count; i++)
			cJSON_AddItemToArray(list, debt_json(&memory->debts[i], most));
	}
	if (memory->alert_count > 0) {
		cJSON *list = cJSON_AddArrayToObject(json, "alerts");
		for (size_t i = 0; i < memory->alert_count; i++)
			cJSON_AddItemToArray(list, alert_json(&memory->alerts[i], most));
	}
	add_text(json, "notice", memory->notice);
	add_text(json, "applied", memory->applied);
	add_text(json, "policy", memory->policy);
	if (memory->pinned)
		cJSON_AddTrueToObject(json, "pinned");
	if (memory->foreign)
		cJSON_AddTrueToObject(json, "foreign");
	add_text(json, "refused", memory->refused);
	add_number(json, "generation", memory->generation);
	add_number(json, "holds", memory->hold_since_us);
	add_number(json, "scaleDown", memory->scale_down_us);
	add_text(json, "slot", memory->slot);
	add_number(json, "slotSince", memory->slot_us);
	if (memory->at_once)
		cJSON_AddTrueToObject(json, "atOnce");
	cJSON *good = memory->good[0][0] == '\0' ? NULL : cJSON_AddArrayToObject(json, "good");
	for (size_t i = 0; i < GOOD_MAX && memory->good[i][0] != '\0'; i++)
		cJSON_AddItemToArray(good, cJSON_CreateString(memory->good[i]));
	add_number(json, "held", memory->held_us);
	add_number(json, "steps", memory->steps);
	add_number(json, "stepped", memory->stepped_us);
	if (memory->failures != NULL)
		cJSON_AddItemToObject(json, "failures", cJSON_Duplicate(memory->failures, true));
	if (memory->early)
		cJSON_AddTrueToObject(json, "early");
	if (memory->pending)
		cJSON_AddTrueToObject(json, "pending");
	add_text(json, "configs", memory->configs);
	add_text(json, "firstConfigs", memory->first_configs);
	add_text(json, "firstMark", memory->first_mark);
	add_text(json, "command", memory->command);
	if (memory->refused_command)
		cJSON_AddTrueToObject(json, "refusedCommand");
	add_number(json, "paused", memory->paused_us);
	add_number(json, "pausedFor", memory->paused_for_us);
	if (memory->gated)
		cJSON_AddTrueToObject(json, "gated");
	add_number(json, "approved", memory->approved);
	add_number(json, "replicas", memory->replicas);
	if (memory->scaler != NULL)
		add_text(json, "scaler", memory->scaler);
	if (memory->inventory != NULL)
		cJSON_AddItemToObject(json, "inventory", cJSON_Duplicate(memory->inventory, true));
	if (memory->state != NULL)
		cJSON_AddItemToObject(json, "state", cJSON_Duplicate(memory->state, true));
	cJSON *list = history == 0 ? NULL : cJSON_AddArrayToObject(json, "history");
	for (size_t i = memory->history_count - history; i < memory->history_count; i++) {
		const struct history_entry *entry = &memory->history[i];
		cJSON *item = cJSON_CreateArray();
		push_number(item, entry->time_us);
		push_number(item, entry->weight);
		cJSON_AddItemToArray(item, cJSON_CreateString(entry->verdict));
		cJSON_AddItemToArray(item, cJSON_CreateString(entry->text));
		if (entry->kind[0] != '\0')
			cJSON_AddItemToArray(item, cJSON_CreateString(entry->kind));
		cJSON_AddItemToArray(list, item);
	}
	return json_text(json);
}

char *memory_text(const struct memory *memory, struct error *err)
{
	enum { TEXT_LEAST = 75 };
	if (memory->state != NULL) {
		SCOPED(text) char *state = json_text(memory->state);
		if (strlen(state) > POLICY_STATE_MAX) {
			error_set(err, ERROR_INVALID,
				  "the policy's state has %zu bytes, %d are allowed", strlen(state),
				  POLICY_STATE_MAX);
			return NULL;
		}
	}
	size_t history = memory->history_count, most = DEBT_TEXT_MAX;
	for (;;) {
		char *text = document(memory, history, most);
		size_t len = strlen(text);
		if (len <= MEMORY_DOC_MAX)
			return text;
		free(text);
		if (history > 0)
			history--;
		else if (most > TEXT_LEAST)
			most /= 2;
		else {
			error_set(err, ERROR_INVALID,
				  "what is to be remembered has %zu bytes, %d are allowed", len,
				  MEMORY_DOC_MAX);
			return NULL;
		}
	}
}
