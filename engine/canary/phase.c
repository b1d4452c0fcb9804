#include "canary/phase_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
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
	[MOVE_ROLL_BACK] = {"roll-back", ANALYSIS | RETURNING},
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

void move_clear(struct move *move)
{
	free(move->notes);
	*move = (struct move){.kind = MOVE_SETTLE};
}

void move_note(struct move *move, bool warning, enum phase phase, const char *format, ...)
{
	if (move->note_count == NOTES_MAX)
		return;
	/* One at a time: two in a tick are many. */
	move->notes = xrealloc(move->notes, (move->note_count + 1) * sizeof(*move->notes));
	struct note *note = &move->notes[move->note_count++];
	note->warning = warning;
	note->phase = phase;
	va_list args;
	va_start(args, format);
	vsnprintf(note->text, sizeof(note->text), format, args);
	va_end(args);
}

static void begin(struct status *next, const struct situation *situation, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	next_drop_scale_down(next);
	next_enter(next, PHASE_PROGRESSING, situation);
	next_reset_counts(next);
	next_take_revision(next, situation);
	next->memory.changed = situation->changed;
	next->memory.contested[0] = '\0';
	next->memory.scale_down_us = 0;
	next_start_split(next, situation);
	next->memory.due_us = situation->now_us;
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "New revision detected! Scaling up %s.%s", spec->target_name,
		 spec->namespace);
	next_owe(next, situation, false, checksum, text);
	next_alert(next, situation, ALERT_INFO, true,
		   "New revision detected, progressing canary analysis.");
}

static void restart(struct status *next, const struct situation *situation, const char *checksum)
{
	const struct canary_spec *spec = situation->spec;
	char text[DEBT_TEXT_MAX];
	next_enter(next, PHASE_PROGRESSING, situation);
	snprintf(text, sizeof(text), "New revision detected! Restarting analysis for %s.%s",
		 spec->target_name, spec->namespace);
	next_owe(next, situation, false, checksum, text);
	next_take_policy(next, situation, situation->policy_after);
	next_reset_counts(next);
	next_take_revision(next, situation);
	next->memory.changed = situation->changed;
	next_start_split(next, situation);
	next->memory.due_us = situation->now_us;
}

static void initialized(struct status *next, const struct situation *situation)
{
	const struct canary_spec *spec = situation->spec;
	char checksum[HASH_TEXT_MAX];
	next_enter(next, PHASE_INITIALIZED, situation);
	next_reset_counts(next);
	next_take_revision(next, situation);
	next_remember_good(&next->memory);
	text_copy(next->last_promoted_spec, sizeof(next->last_promoted_spec),
		  situation->template_hash);
	next->memory.split = (struct split){.primary = 100};
	next->memory.due_us = 0;
	status_checksum(next, checksum);
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "Initialization done! %s.%s", spec->name, spec->namespace);
	next_owe(next, situation, false, checksum, text);
	next_alert(next, situation, ALERT_INFO, true, "New %s detected, initialization completed.",
		   spec->target_kind);
}

static void adopt(struct status *next, const struct situation *situation, const struct move *move)
{
	next->memory.foreign = true;
	next->memory.split = move->split;
	next->memory.since_us = situation->now_us;
	next->memory.due_us = phase_is_at_rest(next->phase) ? 0 : situation->now_us;
	if (move->differs)
		return;
	next_take_revision(next, situation);
	if (phase_is_at_rest(next->phase) && next->phase != PHASE_FAILED)
		text_copy(next->last_promoted_spec, sizeof(next->last_promoted_spec),
			  situation->template_hash);
}

static void hold(struct status *next, const struct situation *situation, const struct move *move)
{
	int64_t now = situation->now_us;
	if (phase_is_at_rest(next->phase) || next->phase == PHASE_WAITING)
		next_take_slot(next, situation, move->slot);
	if (next->memory.hold_since_us == 0) {
		next->memory.hold_since_us = now;
		if (move->gated && !move->muted)
			next_alert(next, situation, ALERT_WARN, false,
				   "Canary traffic increase is waiting for approval.");
	}
	next->memory.gated = move->gated;
	if (move->gated)
		next->memory.held_us = 0;
	else if (next->memory.held_us == 0)
		next->memory.held_us = now;
	next->memory.due_us = now + situation->spec->interval_us;
}

static void route(struct status *next, const struct situation *situation, const struct move *move,
		  const char *checksum)
{
	int64_t now = situation->now_us;
	next_owe_advance(next, situation, move, checksum);
	if (move->live || !split_equal(&next->memory.split, &move->split) ||
	    (move->has_iteration && move->iteration != next->iterations)) {
		next->memory.steps++;
		next->memory.stepped_us = now;
	}
	next->memory.split = move->split;
	next_set_match(next, move->match);
	next->memory.gated = false;
	if (next->memory.approved == PEOPLE_INCREASE)
		next->memory.approved = PEOPLE_NONE;
	next->memory.hold_since_us = next->memory.held_us = 0;
	next->memory.due_us = now + situation->spec->interval_us;
	if (move->has_iteration)
		next->iterations = move->iteration;
	else
		next->canary_weight = move->split.canary;
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
		next_owe(next, situation, false, checksum, text);
	next->memory.split = move->split;
	next->memory.due_us = situation->now_us + spec->interval_us;
	if (!last) {
		next->canary_weight = move->split.canary;
		return;
	}
	next_enter(next, PHASE_FINALISING, situation);
	next->canary_weight = 0;
	next->iterations = 0;
}

/* An event is known by its debt's id, and what we said in an earlier life is not known any more.
 * Hundredths of a second are more than there were debts. They begin again after eight months, when
 * no such event is left, and leave as many ids for this life. */
static uint32_t first_debt(int64_t now_us)
{
	return (uint32_t)(now_us / (10 * DURATION_MS) % (INT64_C(1) << 31));
}

static void replace(cJSON **kept, const cJSON *found)
{
	if (found == NULL)
		return;
	cJSON_Delete(*kept);
	*kept = cJSON_Duplicate(found, true);
}

/* What was found out on the way to the move, whatever that is. */
static void take_found(struct memory *memory, const struct move *move)
{
	replace(&memory->inventory, move->inventory);
	replace(&memory->state, move->state);
	replace(&memory->failures, move->failures);
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

	if (!status->memory.present)
		next->memory.next_debt = first_debt(now);
	next->memory.present = true;
	next->memory.generation = spec->generation;
	next_count_pause(&next->memory, now);
	char checksum[HASH_TEXT_MAX];
	status_checksum(status, checksum);
	for (size_t i = 0; i < move->note_count; i++)
		status_owe_event(next, move->notes[i].warning, move->notes[i].phase, checksum, now,
				 "%s", move->notes[i].text);
	next_take_policy(next, situation, situation->policy);
	take_found(&next->memory, move);
	if (move->live)
		next->memory.stepped_us = now;

	if (move->command != NULL && !next_take_command(next, situation, move, checksum, err))
		return false;

	switch (move->kind) {
	case MOVE_SETTLE:
		if (move->scaled_down)
			next->memory.scale_down_us = 0;
		if (move->give_up) {
			next->memory.due_us = next->memory.hold_since_us = next->memory.held_us = 0;
			next_take_slot(next, situation, NULL);
		}
		break;
	case MOVE_INITIALIZE:
		next_enter(next, PHASE_INITIALIZING, situation);
		next->memory.split = (struct split){.primary = 100};
		break;
	case MOVE_INITIALIZED:
		initialized(next, situation);
		break;
	case MOVE_ADOPT:
		adopt(next, situation, move);
		break;
	case MOVE_NOTICE_SPEC:
		next_take_revision(next, situation);
		next_take_slot(next, situation, NULL);
		next->memory.due_us = 0;
		next->memory.hold_since_us = 0;
		break;
	case MOVE_WAIT:
		next_take_slot(next, situation, NULL); /* nobody waits for people in it */
		if (next->phase != PHASE_WAITING) {
			next_enter(next, PHASE_WAITING, situation);
			if (!move->muted)
				next_alert(next, situation, ALERT_WARN, false,
					   "Canary is waiting for approval.");
		}
		next->memory.due_us = now + spec->interval_us;
		break;
	case MOVE_BEGIN:
		begin(next, situation, checksum);
		next_take_slot(next, situation, NULL);
		next_take_slot(next, situation, move->slot);
		next->memory.at_once = move->at_once;
		break;
	case MOVE_RESTART:
		restart(next, situation, checksum);
		break;
	case MOVE_CANCEL:
		if (status->phase == PHASE_WAITING) {
			next_enter(next, PHASE_INITIALIZED, situation);
			next->memory.due_us = 0;
			next_take_revision(next, situation);
		} else {
			next_roll_back(next, situation, move, checksum);
			next_take_revision(next, situation);
		}
		break;
	case MOVE_FAIL_CHECK:
		next->failed_checks += !move->own_limits;
		next->memory.hold_since_us = next->memory.held_us = 0;
		next->memory.due_us = now + spec->interval_us;
		break;
	case MOVE_HOLD:
		hold(next, situation, move);
		break;
	case MOVE_ROUTE:
		route(next, situation, move, checksum);
		break;
	case MOVE_WAIT_PROMOTION:
		next->memory.held_us = 0;
		if (next->phase != PHASE_WAITING_PROMOTION) {
			next_enter(next, PHASE_WAITING_PROMOTION, situation);
			if (!move->muted)
				next_alert(next, situation, ALERT_WARN, false,
					   "Canary promotion is waiting for approval.");
		}
		next->memory.due_us = now + spec->interval_us;
		break;
	case MOVE_PROMOTE: {
		char text[DEBT_TEXT_MAX];
		next->memory.foreign = false;
		next_promote_text(spec, text);
		next_owe(next, situation, false, checksum, text);
		next_enter(next, PHASE_PROMOTING, situation);
		next->memory.due_us = now;
		break;
	}
	case MOVE_SKIP:
		next->memory.foreign = false;
		next_skip(next, situation, checksum);
		break;
	case MOVE_PRIMARY:
		primary(next, situation, move, checksum);
		break;
	case MOVE_FINISH:
		next_finish(next, situation, checksum);
		break;
	case MOVE_ROLL_BACK:
		next_roll_back(next, situation, move, checksum);
		break;
	case MOVE_PROMOTION_FAILED:
		next_fail_promotion(next, situation, move, checksum);
		break;
	case MOVE_TERMINATE:
		next_drop_work(next);
		next_enter(next, PHASE_TERMINATING, situation);
		next->memory.due_us = next->memory.scale_down_us = 0;
		next_tell(next, situation, checksum, "Terminating canary");
		break;
	case MOVE_TERMINATED:
		next_enter(next, PHASE_TERMINATED, situation);
		next_tell(next, situation, checksum, "Terminated canary");
		break;
	case MOVES:
		return error_set(err, ERROR_BUG, "not a move");
	}
	if (move->due_us != 0)
		next->memory.due_us = move->due_us;
	next_follow_sessions(next, spec);
	return true;
}
