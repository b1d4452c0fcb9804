#include "canary/phase.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/duration.h"
#include "base/mem.h"

#define IN(phase) (1u << (phase))

enum {
	AT_REST = IN(PHASE_INITIALIZED) | IN(PHASE_SUCCEEDED) | IN(PHASE_FAILED),
	ANALYSIS = IN(PHASE_PROGRESSING) | IN(PHASE_WAITING_PROMOTION),
	RETURNING = IN(PHASE_PROMOTING) | IN(PHASE_FINALISING),
	ANY_SEEN = AT_REST | ANALYSIS | RETURNING | IN(PHASE_INITIALIZING) | IN(PHASE_WAITING) |
		   IN(PHASE_TERMINATING),
};

/* The table: for each move, the phases it may be made in. */
static const struct {
	const char *name;
	unsigned phases;
} moves[MOVES] = {
	[MOVE_SETTLE] = {"settle", ANY_SEEN},
	[MOVE_INITIALIZE] = {"initialize", IN(PHASE_NONE)},
	[MOVE_INITIALIZED] = {"initialized", IN(PHASE_INITIALIZING)},
	[MOVE_ADOPT] = {"adopt", ANY_SEEN | IN(PHASE_TERMINATED)},
	[MOVE_NOTICE_SPEC] = {"notice-spec", AT_REST},
	[MOVE_WAIT] = {"wait", AT_REST | IN(PHASE_WAITING)},
	[MOVE_BEGIN] = {"begin", AT_REST | IN(PHASE_WAITING)},
	[MOVE_RESTART] = {"restart", ANALYSIS | IN(PHASE_PROMOTING)},
	[MOVE_CANCEL] = {"cancel", ANALYSIS | IN(PHASE_WAITING)},
	[MOVE_FAIL_CHECK] = {"fail-check", ANALYSIS},
	[MOVE_HOLD] = {"hold",
		       AT_REST | ANALYSIS | RETURNING | IN(PHASE_WAITING) | IN(PHASE_INITIALIZING)},
	[MOVE_ROUTE] = {"route", ANALYSIS},
	[MOVE_WAIT_PROMOTION] = {"wait-promotion", ANALYSIS},
	[MOVE_PROMOTE] = {"promote", ANALYSIS},
	[MOVE_SKIP] = {"skip", ANALYSIS},
	[MOVE_PRIMARY] = {"primary", IN(PHASE_PROMOTING)},
	[MOVE_FINISH] = {"finish", IN(PHASE_FINALISING)},
	[MOVE_ROLL_BACK] = {"roll-back", ANALYSIS | IN(PHASE_PROMOTING)},
	[MOVE_PROMOTION_FAILED] = {"promotion-failed", RETURNING},
	[MOVE_TERMINATE] = {"terminate", (ANY_SEEN | IN(PHASE_NONE)) & ~IN(PHASE_TERMINATING)},
	[MOVE_TERMINATED] = {"terminated", IN(PHASE_TERMINATING)},
};

const char *move_name(enum move_kind kind)
{
	return moves[kind].name;
}

bool phase_allows(enum phase phase, enum move_kind kind)
{
	return (moves[kind].phases & IN(phase)) != 0;
}

void move_note(struct move *move, bool warning, enum phase phase, const char *format, ...)
{
	if (move->note_count == NOTES_MAX)
		return;
	struct note *note = &move->notes[move->note_count++];
	note->warning = warning;
	note->phase = phase;
	va_list args;
	va_start(args, format);
	vsnprintf(note->text, sizeof(note->text), format, args);
	va_end(args);
}

static const struct split all_primary = {.primary = 100};

static void take_slot(struct status *next, const struct situation *situation, const char *slot)
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

static void enter(struct status *next, enum phase phase, const struct situation *situation)
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
		take_slot(next, situation, NULL);
}

static void set_match(struct status *next, const cJSON *match)
{
	struct memory *memory = &next->memory;
	memory->rematch = (match == NULL) != (memory->match == NULL) ||
			  (match != NULL && !json_equal(match, memory->match));
	if (!memory->rematch)
		return;
	cJSON_Delete(memory->match);
	memory->match = match == NULL ? NULL : cJSON_Duplicate(match, true);
}

static void reset_counts(struct status *next)
{
	set_match(next, NULL);
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

/* What the status is about from now on: the target as it is in this situation. */
static void take_revision(struct status *next, const struct situation *situation)
{
	text_copy(next->last_applied_spec, sizeof(next->last_applied_spec),
		  situation->template_hash);
	text_copy(next->memory.revision, sizeof(next->memory.revision), situation->revision);
	cJSON_Delete(next->tracked_configs);
	next->tracked_configs =
		situation->tracked == NULL ? NULL : cJSON_Duplicate(situation->tracked, true);
}

static void owe(struct status *next, const struct situation *situation, bool warning,
		const char *checksum, const char *text)
{
	status_owe_event(next, warning, next->phase, checksum, situation->now_us, "%s", text);
}

static void PRINTF_LIKE(5, 6)
	alert(struct status *next, const struct situation *situation, enum alert_severity severity,
	      bool detailed, const char *format, ...)
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

/* "Advance podinfo.test canary weight 5" and its relatives, for a ROUTE without words of its own.
 */
static void owe_advance(struct status *next, const struct situation *situation,
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
		owe(next, situation, false, checksum, text);
}

/* The text that was pinned is not needed any more. */
static void unpin(struct status *next, const struct situation *situation)
{
	struct memory *memory = &next->memory;
	if (!memory->pinned)
		return;
	status_owe(next, DEBT_UNPIN, next->phase, "", situation->now_us);
	struct debt *debt = &memory->debts[memory->debt_count - 1];
	text_copy(debt->text, sizeof(debt->text), memory->policy);
	memory->pinned = false;
}

static void take_policy(struct status *next, const struct situation *situation, const char *hash)
{
	if (strcmp(next->memory.policy, hash) == 0)
		return;
	unpin(next, situation);
	text_copy(next->memory.policy, sizeof(next->memory.policy), hash);
}

/* Where traffic is while a new analysis begins. */
static void start_split(struct status *next, const struct situation *situation)
{
	next->memory.split =
		situation->stay_on_canary ? (struct split){.canary = 100} : all_primary;
	next->canary_weight = next->memory.split.canary;
}

/* The target is needed again. */
static void drop_scale_down(struct status *next)
{
	struct memory *memory = &next->memory;
	size_t kept = 0;
	for (size_t i = 0; i < memory->debt_count; i++)
		if (memory->debts[i].kind != DEBT_SCALE_DOWN)
			memory->debts[kept++] = memory->debts[i];
	memory->debt_count = kept;
}

static void begin(struct status *next, const struct situation *situation, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	drop_scale_down(next);
	enter(next, PHASE_PROGRESSING, situation);
	reset_counts(next);
	take_revision(next, situation);
	next->memory.changed = situation->changed;
	next->memory.scale_down_us = 0;
	start_split(next, situation);
	next->memory.due_us = situation->now_us;
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "New revision detected! Scaling up %s.%s", spec->target_name,
		 spec->namespace);
	owe(next, situation, false, checksum, text);
	alert(next, situation, ALERT_INFO, true,
	      "New revision detected, progressing canary analysis.");
}

static void restart(struct status *next, const struct situation *situation, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	char text[DEBT_TEXT_MAX];
	enter(next, PHASE_PROGRESSING, situation);
	snprintf(text, sizeof(text), "New revision detected! Restarting analysis for %s.%s",
		 spec->target_name, spec->namespace);
	owe(next, situation, false, checksum, text);
	take_policy(next, situation, situation->policy_after);
	reset_counts(next);
	take_revision(next, situation);
	next->memory.changed = situation->changed;
	start_split(next, situation);
	next->memory.due_us = situation->now_us;
}

/* The target goes to zero: at once, or in its time. */
static void scale_down(struct status *next, const struct situation *situation, const char *checksum)
{
	int64_t delay_us = situation->spec->scale_down_delay_us;
	if (delay_us == 0)
		status_owe(next, DEBT_SCALE_DOWN, next->phase, checksum, situation->now_us);
	else
		next->memory.scale_down_us = situation->now_us + delay_us;
}

/* `text` ends with what is scaled down. */
static void owe_scale_down(struct status *next, const struct situation *situation, bool warning,
			   const char *checksum, const char *text)
{
	char when[DURATION_TEXT_MAX];
	duration_text(situation->spec->scale_down_delay_us, when);
	bool later = situation->spec->scale_down_delay_us > 0;
	status_owe_event(next, warning, next->phase, checksum, situation->now_us, "%s%s%s", text,
			 later ? " in " : "", later ? when : "");
}

/* What is promoted can be gone back to. */
static void remember_good(struct memory *memory)
{
	char good[GOOD_MAX][HASH_TEXT_MAX] = {{0}};
	size_t count = 0;
	text_copy(good[count++], HASH_TEXT_MAX, memory->revision);
	for (size_t i = 0; i < GOOD_MAX && count < GOOD_MAX; i++)
		if (strcmp(memory->good[i], memory->revision) != 0)
			text_copy(good[count++], HASH_TEXT_MAX, memory->good[i]);
	memcpy(memory->good, good, sizeof(good));
}

/* The end of a rollout that failed. `split` is where traffic stays. */
static void fail(struct status *next, const struct situation *situation, const char *checksum,
		 struct split split)
{
	const struct canary_spec *spec = situation->spec;
	enter(next, PHASE_FAILED, situation);
	next->canary_weight = split.canary;
	next->failed_checks = 0;
	next->iterations = 0;
	next->memory.split = split;
	set_match(next, NULL);
	next->memory.due_us = 0;
	if (split.canary == 0) {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text), "Canary failed! Scaling down %s.%s", spec->name,
			 spec->namespace);
		scale_down(next, situation, checksum);
		owe_scale_down(next, situation, true, checksum, text);
	}
	status_owe(next, DEBT_POST_ROLLOUT, PHASE_FAILED, checksum, situation->now_us);
	unpin(next, situation);
}

static void promote_text(const struct canary_spec *spec, char text[DEBT_TEXT_MAX])
{
	snprintf(text, DEBT_TEXT_MAX, "Copying %s.%s template spec to %s.%s", spec->target_name,
		 spec->namespace, spec->primary_target, spec->namespace);
}

static void skip(struct status *next, const struct situation *situation, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	char text[DEBT_TEXT_MAX];
	promote_text(spec, text);
	owe(next, situation, false, checksum, text);
	status_owe(next, DEBT_PROMOTE, PHASE_PROGRESSING, checksum, situation->now_us);
	enter(next, PHASE_SUCCEEDED, situation);
	reset_counts(next);
	next->memory.split = all_primary;
	next->memory.due_us = 0;
	text_copy(next->last_promoted_spec, sizeof(next->last_promoted_spec),
		  next->last_applied_spec);
	remember_good(&next->memory);
	scale_down(next, situation, checksum);
	status_owe(next, DEBT_POST_ROLLOUT, PHASE_SUCCEEDED, checksum, situation->now_us);
	snprintf(text, sizeof(text), "Promotion completed! Canary analysis was skipped for %s.%s",
		 spec->target_name, spec->namespace);
	owe(next, situation, false, checksum, text);
	unpin(next, situation);
	alert(next, situation, ALERT_INFO, false,
	      "Canary analysis was skipped, promotion finished.");
}

static void primary(struct status *next, const struct situation *situation, const struct move *move,
		    const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	bool last = move->split.primary >= 100;
	char text[DEBT_TEXT_MAX] = "";
	if (move->message != NULL)
		text_copy(text, sizeof(text), move->message);
	else if (!situation->routed)
		text[0] = '\0';
	else if (last && spec->step_weight_promotion == 0)
		text_copy(text, sizeof(text), "Routing all traffic to primary");
	else
		snprintf(text, sizeof(text), "Advance %s.%s primary weight %d", spec->name,
			 spec->namespace, move->split.primary);
	if (text[0] != '\0')
		owe(next, situation, false, checksum, text);
	next->memory.split = move->split;
	next->memory.due_us = situation->now_us + spec->interval_us;
	if (!last) {
		next->canary_weight = move->split.canary;
		return;
	}
	enter(next, PHASE_FINALISING, situation);
	next->canary_weight = 0;
	next->iterations = 0;
}

static void finish(struct status *next, const struct situation *situation, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	enter(next, PHASE_SUCCEEDED, situation);
	next->canary_weight = 0;
	next->iterations = 0;
	next->failed_checks = 0;
	next->memory.split = all_primary;
	set_match(next, NULL);
	next->memory.due_us = 0;
	text_copy(next->last_promoted_spec, sizeof(next->last_promoted_spec),
		  next->last_applied_spec);
	remember_good(&next->memory);
	scale_down(next, situation, checksum);
	status_owe(next, DEBT_POST_ROLLOUT, PHASE_SUCCEEDED, checksum, situation->now_us);
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "Promotion completed! Scaling down %s.%s", spec->target_name,
		 spec->namespace);
	owe_scale_down(next, situation, false, checksum, text);
	unpin(next, situation);
	alert(next, situation, ALERT_INFO, false,
	      "Canary analysis completed successfully, promotion finished.");
}

static void alert_of_failure(struct status *next, const struct situation *situation,
			     const struct move *move)
{
	const char *why = move->reason;
	static const char threshold[] = "failed checks threshold reached";
	if (move->kind == MOVE_CANCEL)
		return; /* whoever took the release back knows */
	if (why == NULL)
		alert(next, situation, ALERT_ERROR, false, "Progress deadline exceeded %s",
		      move->note_count == 0 ? "" : move->notes[move->note_count - 1].text);
	else if (text_starts(why, threshold))
		alert(next, situation, ALERT_ERROR, false, "F%s", why + 1);
	else
		alert(next, situation, move->by_hook ? ALERT_WARN : ALERT_ERROR, false,
		      "Rolling back %s", why);
}

static void roll_back(struct status *next, const struct situation *situation,
		      const struct move *move, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	if (move->reason != NULL) {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text), "Rolling back %s.%s %s", spec->name, spec->namespace,
			 move->reason);
		owe(next, situation, true, checksum, text);
	}
	if (situation->stay_on_canary) {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text),
			 "Canary failed! %s.%s keeps all traffic, as %s.%s is not ready",
			 spec->target_name, spec->namespace, spec->primary_target, spec->namespace);
		owe(next, situation, true, checksum, text);
	}
	alert_of_failure(next, situation, move);
	/* The last backend that works keeps the traffic, whatever was found wrong with it. */
	fail(next, situation, checksum,
	     situation->stay_on_canary ? (struct split){.canary = 100} : all_primary);
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

/* Users keep to the canary while it has traffic; afterwards their cookies are taken away. */
static void follow_sessions(struct status *next, const struct canary_spec *spec)
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

/* What was owed of a rollout and would undo what its end restores. */
static void drop_work(struct status *next)
{
	struct memory *memory = &next->memory;
	size_t kept = 0;
	for (size_t i = 0; i < memory->debt_count; i++)
		if (memory->debts[i].kind == DEBT_EVENT ||
		    memory->debts[i].kind == DEBT_POST_ROLLOUT)
			memory->debts[kept++] = memory->debts[i];
	memory->debt_count = kept;
}

/* "Terminating canary podinfo.test" */
static void tell(struct status *next, const struct situation *situation, const char *checksum,
		 const char *what)
{
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "%s %s.%s", what, situation->spec->name,
		 situation->spec->namespace);
	owe(next, situation, false, checksum, text);
}

/* ---- commands ---- */

static void shift(int64_t *time_us, int64_t by_us)
{
	if (*time_us != 0)
		*time_us += by_us;
}

/* The time of the pause did not pass. Counted at each commit, so that what is set during a pause is
 * not moved by what was before. */
static void count_pause(struct memory *memory, int64_t now_us)
{
	int64_t paused_us = now_us - memory->paused_us;
	if (memory->paused_us == 0)
		return;
	memory->paused_us = now_us;
	memory->paused_for_us += paused_us;
	shift(&memory->due_us, paused_us);
	shift(&memory->since_us, paused_us);
	shift(&memory->hold_since_us, paused_us);
	shift(&memory->held_us, paused_us);
	shift(&memory->stepped_us, paused_us);
}

static enum people_gate gate_of(enum phase phase)
{
	if (phase == PHASE_WAITING)
		return PEOPLE_ROLLOUT;
	return phase == PHASE_WAITING_PROMOTION ? PEOPLE_PROMOTION : PEOPLE_INCREASE;
}

static void obey(struct status *next, const struct situation *situation, enum command_kind kind)
{
	struct memory *memory = &next->memory;
	switch (kind) {
	case COMMAND_PAUSE:
		memory->paused_us = situation->now_us;
		break;
	case COMMAND_RETRY:
		/* What is on the target is new again. */
		memory->revision[0] = '\0';
		memory->due_us = 0;
		memory->paused_us = 0;
		break;
	case COMMAND_PROMOTE:
	case COMMAND_ABORT:
	case COMMAND_RESUME:
		memory->paused_us = 0;
		break;
	case COMMAND_APPROVE:
		memory->approved = gate_of(next->phase);
		memory->due_us = situation->now_us;
		break;
	case COMMAND_SKIP_TO:
	case COMMANDS:
		break;
	}
}

/* It is taken with this move, and never again. */
static bool take_command(struct status *next, const struct situation *situation,
			 const struct move *move, const char *checksum, struct error *err)
{
	const struct command *command = move->command;
	const char *does = command_does(next->phase, command->kind);
	char what[DEBT_TEXT_MAX / 2], text[DEBT_TEXT_MAX];
	text_copy(next->memory.command, sizeof(next->memory.command), command->digest);
	next->memory.refused_command = move->refused != NULL;
	command_describe(command, situation->spec->name, situation->spec->namespace, what,
			 sizeof(what));
	if (move->refused != NULL) {
		snprintf(text, sizeof(text), "Command %s refused: %s", what, move->refused);
		owe(next, situation, true, checksum, text);
		return true;
	}
	if (does == NULL)
		return error_set(err, ERROR_BUG, "no command \"%s\" in phase \"%s\"",
				 command_name(command->kind), phase_name(next->phase));
	snprintf(text, sizeof(text), "Command %s: %s", what, does);
	owe(next, situation, false, checksum, text);
	obey(next, situation, command->kind);
	return true;
}

/* An event is known by its debt's id, and what we said in an earlier life is not known any more:
 * seconds since 2020 are more than there were debts. */
static uint32_t first_debt(int64_t now_us)
{
	int64_t seconds = now_us / DURATION_SECOND - 1577836800;
	return seconds > 0 && seconds < UINT32_MAX ? (uint32_t)seconds : 0;
}

bool phase_next(const struct status *status, const struct situation *situation,
		const struct move *move, struct status *next, struct error *err)
{
	const struct canary_spec *spec = situation->spec;
	int64_t now = situation->now_us;
	status_copy(next, status);
	if (!phase_allows(status->phase, move->kind))
		return error_set(err, ERROR_BUG, "no move \"%s\" in phase \"%s\"",
				 move_name(move->kind), phase_name(status->phase));

	if (move->kind == MOVE_ADOPT)
		next->memory.next_debt = first_debt(now);
	next->memory.present = true;
	next->memory.generation = spec->generation;
	count_pause(&next->memory, now);
	char checksum[HASH_TEXT_MAX];
	status_checksum(status, checksum);
	for (size_t i = 0; i < move->note_count; i++)
		status_owe_event(next, move->notes[i].warning, move->notes[i].phase, checksum, now,
				 "%s", move->notes[i].text);
	take_policy(next, situation, situation->policy);
	if (move->inventory != NULL) {
		cJSON_Delete(next->memory.inventory);
		next->memory.inventory = cJSON_Duplicate(move->inventory, true);
	}
	if (move->state != NULL) {
		cJSON_Delete(next->memory.state);
		next->memory.state = cJSON_Duplicate(move->state, true);
	}
	if (move->failures != NULL) {
		cJSON_Delete(next->memory.failures);
		next->memory.failures = cJSON_Duplicate(move->failures, true);
	}
	if (move->live)
		next->memory.stepped_us = now;

	if (move->command != NULL && !take_command(next, situation, move, checksum, err))
		return false;

	switch (move->kind) {
	case MOVE_SETTLE:
		if (move->scaled_down)
			next->memory.scale_down_us = 0;
		if (move->give_up) {
			next->memory.due_us = next->memory.hold_since_us = next->memory.held_us = 0;
			take_slot(next, situation, NULL);
		}
		break;
	case MOVE_INITIALIZE:
		enter(next, PHASE_INITIALIZING, situation);
		next->memory.split = all_primary;
		break;
	case MOVE_INITIALIZED: {
		enter(next, PHASE_INITIALIZED, situation);
		reset_counts(next);
		take_revision(next, situation);
		remember_good(&next->memory);
		text_copy(next->last_promoted_spec, sizeof(next->last_promoted_spec),
			  situation->template_hash);
		next->memory.split = all_primary;
		next->memory.due_us = 0;
		status_checksum(next, checksum);
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text), "Initialization done! %s.%s", spec->name,
			 spec->namespace);
		owe(next, situation, false, checksum, text);
		alert(next, situation, ALERT_INFO, true,
		      "New %s detected, initialization completed.", spec->target_kind);
		break;
	}
	case MOVE_ADOPT:
		next->memory.split = move->split;
		next->memory.since_us = now;
		next->memory.due_us = phase_is_at_rest(next->phase) ? 0 : now;
		if (move->differs)
			break;
		take_revision(next, situation);
		if (phase_is_at_rest(next->phase) && next->phase != PHASE_FAILED)
			text_copy(next->last_promoted_spec, sizeof(next->last_promoted_spec),
				  situation->template_hash);
		break;
	case MOVE_NOTICE_SPEC:
		take_revision(next, situation);
		take_slot(next, situation, NULL);
		next->memory.due_us = 0;
		next->memory.hold_since_us = 0;
		break;
	case MOVE_WAIT:
		take_slot(next, situation, NULL); /* nobody waits for people in it */
		if (next->phase != PHASE_WAITING) {
			enter(next, PHASE_WAITING, situation);
			if (!move->muted)
				alert(next, situation, ALERT_WARN, false,
				      "Canary is waiting for approval.");
		}
		next->memory.due_us = now + spec->interval_us;
		break;
	case MOVE_BEGIN:
		begin(next, situation, checksum);
		take_slot(next, situation, NULL);
		take_slot(next, situation, move->slot);
		next->memory.at_once = move->at_once;
		break;
	case MOVE_RESTART:
		restart(next, situation, checksum);
		break;
	case MOVE_CANCEL:
		if (status->phase == PHASE_WAITING) {
			enter(next, PHASE_INITIALIZED, situation);
			next->memory.due_us = 0;
			take_revision(next, situation);
		} else {
			roll_back(next, situation, move, checksum);
			take_revision(next, situation);
		}
		break;
	case MOVE_FAIL_CHECK:
		next->failed_checks += !move->own_limits;
		next->memory.hold_since_us = next->memory.held_us = 0;
		next->memory.due_us = now + spec->interval_us;
		break;
	case MOVE_HOLD:
		if (phase_is_at_rest(status->phase) || status->phase == PHASE_WAITING)
			take_slot(next, situation, move->slot);
		if (next->memory.hold_since_us == 0) {
			next->memory.hold_since_us = now;
			if (move->gated && !move->muted)
				alert(next, situation, ALERT_WARN, false,
				      "Canary traffic increase is waiting for approval.");
		}
		next->memory.gated = move->gated;
		if (move->gated)
			next->memory.held_us = 0;
		else if (next->memory.held_us == 0)
			next->memory.held_us = now;
		next->memory.due_us = now + spec->interval_us;
		break;
	case MOVE_ROUTE:
		owe_advance(next, situation, move, checksum);
		if (!split_equal(&status->memory.split, &move->split) ||
		    (move->has_iteration && move->iteration != status->iterations)) {
			next->memory.steps++;
			next->memory.stepped_us = now;
		}
		next->memory.split = move->split;
		set_match(next, move->match);
		next->memory.gated = false;
		if (next->memory.approved == PEOPLE_INCREASE)
			next->memory.approved = PEOPLE_NONE;
		next->memory.hold_since_us = next->memory.held_us = 0;
		next->memory.due_us = now + spec->interval_us;
		if (move->has_iteration)
			next->iterations = move->iteration;
		else
			next->canary_weight = move->split.canary;
		break;
	case MOVE_WAIT_PROMOTION:
		next->memory.held_us = 0;
		if (next->phase != PHASE_WAITING_PROMOTION) {
			enter(next, PHASE_WAITING_PROMOTION, situation);
			if (!move->muted)
				alert(next, situation, ALERT_WARN, false,
				      "Canary promotion is waiting for approval.");
		}
		next->memory.due_us = now + spec->interval_us;
		break;
	case MOVE_PROMOTE: {
		char text[DEBT_TEXT_MAX];
		promote_text(spec, text);
		owe(next, situation, false, checksum, text);
		enter(next, PHASE_PROMOTING, situation);
		next->memory.due_us = now;
		break;
	}
	case MOVE_SKIP:
		skip(next, situation, checksum);
		break;
	case MOVE_PRIMARY:
		primary(next, situation, move, checksum);
		break;
	case MOVE_FINISH:
		finish(next, situation, checksum);
		break;
	case MOVE_ROLL_BACK:
		roll_back(next, situation, move, checksum);
		break;
	case MOVE_PROMOTION_FAILED: {
		char text[DEBT_TEXT_MAX];
		snprintf(text, sizeof(text), "Promotion of %s.%s failed, primary not ready: %s",
			 spec->target_name, spec->namespace,
			 move->reason == NULL ? "" : move->reason);
		owe(next, situation, true, checksum, text);
		alert(next, situation, ALERT_ERROR, false,
		      "Promotion failed, primary not ready: %s",
		      move->reason == NULL ? "" : move->reason);
		fail(next, situation, checksum, (struct split){.canary = 100});
		break;
	}
	case MOVE_TERMINATE:
		drop_work(next);
		enter(next, PHASE_TERMINATING, situation);
		next->memory.due_us = next->memory.scale_down_us = 0;
		tell(next, situation, checksum, "Terminating canary");
		break;
	case MOVE_TERMINATED:
		enter(next, PHASE_TERMINATED, situation);
		tell(next, situation, checksum, "Terminated canary");
		break;
	case MOVES:
		return error_set(err, ERROR_BUG, "not a move");
	}
	if (move->due_us != 0)
		next->memory.due_us = move->due_us;
	follow_sessions(next, spec);
	return true;
}
