/*
 * phase_edits.c - the edits of a status that moves of the state machine are made of.
 */
#include "canary/phase_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

void next_take_slot(struct status *next, const struct situation *situation, const char *slot)
{
	struct memory *memory = &next->memory;
	if (slot == NULL) {
		memory->slot[0] = '\0';
		memory->slot_us = 0;
	} else if (strcmp(memory->slot, slot) != 0) {
		text_copy(memory->slot, sizeof(memory->slot), slot);
		memory->slot_us = situation->now_us;
	}
}

void next_enter(struct status *next, enum phase phase, const struct situation *situation)
{
	next->phase = phase;
	next->memory.since_us = situation->now_us;
	next->memory.hold_since_us = 0;
	next->memory.held_us = 0;
	next->memory.paused_for_us = 0;
	next->memory.gated = false;
	next->memory.approved = PEOPLE_NONE;
	next->memory.notice[0] = '\0';
	if (phase_is_at_rest(phase) || phase == PHASE_TERMINATING)
		next_take_slot(next, situation, NULL);
}

void next_set_match(struct status *next, const cJSON *match)
{
	struct memory *memory = &next->memory;
	memory->rematch = (match == NULL) != (memory->match == NULL) ||
			  (match != NULL && !json_equal(match, memory->match));
	if (!memory->rematch)
		return;
	cJSON_Delete(memory->match);
	memory->match = match == NULL ? NULL : cJSON_Duplicate(match, true);
}

void next_reset_counts(struct status *next)
{
	next_set_match(next, NULL);
	next->canary_weight = 0;
	next->failed_checks = 0;
	next->iterations = 0;
	next->memory.history_count = 0;
	cJSON_Delete(next->memory.state);
	next->memory.state = NULL;
	cJSON_Delete(next->memory.failures);
	next->memory.failures = NULL;
	next->memory.steps = 0;
	next->memory.at_once = false;
	next->memory.stepped_us = 0;
}

void next_take_revision(struct status *next, const struct situation *situation)
{
	text_copy(next->last_applied_spec, sizeof(next->last_applied_spec),
		  situation->template_hash);
	text_copy(next->memory.revision, sizeof(next->memory.revision), situation->revision);
	cJSON_Delete(next->tracked_configs);
	next->tracked_configs =
		situation->tracked == NULL ? NULL : cJSON_Duplicate(situation->tracked, true);
	struct memory *memory = &next->memory;
	if (situation->configs == NULL || memory->first_configs[0] != '\0')
		return;
	text_copy(memory->first_configs, sizeof(memory->first_configs), situation->configs);
	text_copy(memory->first_mark, sizeof(memory->first_mark), situation->mark);
}

void next_owe(struct status *next, const struct situation *situation, bool warning,
	      const char *checksum, const char *text)
{
	status_owe_event(next, warning, next->phase, checksum, situation->now_us, "%s", text);
}

void next_alert(struct status *next, const struct situation *situation,
		enum alert_severity severity, bool detailed, const char *format, ...)
{
	char text[ALERT_TEXT_MAX];
	va_list args;
	if ((situation->alerts & 1u << severity) == 0)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	status_owe_alert(next, severity, detailed, text);
}

void next_owe_advance(struct status *next, const struct situation *situation,
		      const struct move *move, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	char text[DEBT_TEXT_MAX];
	if (move->message != NULL)
		text_copy(text, sizeof(text), move->message);
	else if (move->has_iteration)
		snprintf(text, sizeof(text), "Advance %s.%s canary iteration %d/%d", spec->name,
			 spec->namespace, move->iteration, spec->iterations);
	else
		snprintf(text, sizeof(text), "Advance %s.%s canary weight %d", spec->name,
			 spec->namespace, move->split.canary);
	if (text[0] != '\0')
		next_owe(next, situation, false, checksum, text);
}

void next_unpin(struct status *next, const struct situation *situation)
{
	struct memory *memory = &next->memory;
	if (!memory->pinned)
		return;
	status_owe(next, DEBT_UNPIN, next->phase, "", situation->now_us);
	struct debt *debt = &memory->debts[memory->debt_count - 1];
	text_copy(debt->text, sizeof(debt->text), memory->policy);
	memory->pinned = false;
}

void next_take_policy(struct status *next, const struct situation *situation, const char *hash)
{
	if (strcmp(next->memory.policy, hash) == 0)
		return;
	next_unpin(next, situation);
	text_copy(next->memory.policy, sizeof(next->memory.policy), hash);
}

void next_start_split(struct status *next, const struct situation *situation)
{
	next->memory.split = situation->stay_on_canary ? (struct split){.canary = 100}
						       : (struct split){.primary = 100};
	next->canary_weight = next->memory.split.canary;
}

void next_drop_scale_down(struct status *next)
{
	struct memory *memory = &next->memory;
	size_t kept = 0;
	for (size_t i = 0; i < memory->debt_count; i++)
		if (memory->debts[i].kind != DEBT_SCALE_DOWN)
			memory->debts[kept++] = memory->debts[i];
	memory->debt_count = kept;
}

/* Ten letters that derive from the canary and the revision, as all generated values do. */
static void give_cookie(const struct canary_spec *spec, const char *name, const char *revision,
			char cookie[COOKIE_TEXT_MAX])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	char hex[SHA256_HEX_SIZE], value[11] = "";
	SCOPED(text) char *of = xasprintf("%s/%s/%s", spec->uid, name, revision);
	sha256_hex(of, strlen(of), hex);
	for (size_t i = 0; i < 10; i++) {
		const char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
		value[i] = letters[strtoul(pair, NULL, 16) % 52];
	}
	snprintf(cookie, COOKIE_TEXT_MAX, "%s=%s", name, value);
}

static void set_cookie(struct status *next, char cookie[COOKIE_TEXT_MAX], const char *text)
{
	next->cookies_changed |= strcmp(cookie, text) != 0;
	text_copy(cookie, COOKIE_TEXT_MAX, text);
}

void next_follow_sessions(struct status *next, const struct canary_spec *spec)
{
	char cookie[COOKIE_TEXT_MAX];
	const cJSON *affinity = json_get(spec->analysis, "sessionAffinity");
	const char *name = json_string_or(affinity, "cookieName", "");
	next->cookies_changed = false;
	if (name[0] == '\0') {
		set_cookie(next, next->cookie, "");
		set_cookie(next, next->previous_cookie, "");
	} else if (next->memory.split.canary > 0 && next->cookie[0] == '\0') {
		give_cookie(spec, name, next->memory.revision, cookie);
		set_cookie(next, next->cookie, cookie);
	} else if (next->memory.split.canary == 0 && next->cookie[0] != '\0') {
		set_cookie(next, next->previous_cookie, next->cookie);
		set_cookie(next, next->cookie, "");
	}
}

void next_drop_work(struct status *next)
{
	struct memory *memory = &next->memory;
	size_t kept = 0;
	for (size_t i = 0; i < memory->debt_count; i++)
		if (memory->debts[i].kind == DEBT_EVENT ||
		    memory->debts[i].kind == DEBT_POST_ROLLOUT)
			memory->debts[kept++] = memory->debts[i];
	memory->debt_count = kept;
}

void next_tell(struct status *next, const struct situation *situation, const char *checksum,
	       const char *what)
{
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "%s %s.%s", what, situation->spec->name,
		 situation->spec->namespace);
	next_owe(next, situation, false, checksum, text);
}
