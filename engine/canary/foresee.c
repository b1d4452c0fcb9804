#include "canary/foresee.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/adopt.h"
#include "canary/converge.h"
#include "canary/leave.h"
#include "canary/tick_parts.h"

/* STEP_ON: the target and its driver are there. */
static enum step look(struct tick *tick)
{
	struct error err = {0};
	tick_forget_run(tick);
	if (leave_is_asked(tick->spec->object))
		return STEP_END;
	tick->driver = traffic_find(tick->spec->provider, &err);
	if (tick->driver == NULL)
		return tick_trouble(tick, &err);
	enum step step = converge_observe(tick);
	return step == STEP_ON && tick->target == NULL ? STEP_END : step;
}

/* What ends a look before there is a move. */
static enum foreseen ended(const struct tick *tick, enum step step)
{
	if (tick->trouble.kind != ERROR_NONE)
		return FORESEEN_TROUBLE;
	return step == STEP_WAIT ? FORESEEN_WAIT : FORESEEN_NONE;
}

static bool move_on(struct tick *tick, const struct move *move, struct status *next)
{
	struct error err = {0};
	const struct situation situation = tick_situation(tick);
	if (phase_next(&tick->status, &situation, move, next, &err)) {
		/* Nobody pays, and nothing is waited for. */
		next->memory.debt_count = next->memory.alert_count = 0;
		next->memory.due_us = next->memory.scale_down_us = 0;
		next->memory.foreign = true; /* as every primary is */
		return true;
	}
	status_fini(next);
	return false;
}

enum foreseen foresee_adopt(struct tick *tick, struct status *next)
{
	enum step step = look(tick);
	if (step == STEP_ON)
		step = adopt(tick);
	if (step != STEP_ON)
		return ended(tick, step);
	return move_on(tick, &tick->move, next) ? FORESEEN_MOVE : FORESEEN_NONE;
}

enum foreseen foresee(struct tick *tick, struct status *next)
{
	tick->beside->unknown = false;
	enum step step = look(tick);
	if (step != STEP_ON)
		return ended(tick, step);
	if (tick->spec->suspend)
		return FORESEEN_NONE;
	if (tick->status.phase == PHASE_NONE)
		step = tick_move(tick, MOVE_INITIALIZE);
	else
		step = tick_decide(tick);
	if (step == STEP_WAIT || tick->trouble.kind != ERROR_NONE)
		return ended(tick, step);
	if (tick->beside->unknown)
		return FORESEEN_NONE;
	if (step == STEP_END)
		tick->move.kind = MOVE_SETTLE; /* it waits */
	return move_on(tick, &tick->move, next) ? FORESEEN_MOVE : FORESEEN_NONE;
}

/* Where the fields of the other controller say more than its move. */
static void take_fields(const struct canary_spec *spec, const struct status *after,
			struct status *next)
{
	next->phase = after->phase;
	next->failed_checks = after->failed_checks;
	next->canary_weight = after->canary_weight;
	next->iterations = after->iterations;
	memcpy(next->last_applied_spec, after->last_applied_spec, sizeof(next->last_applied_spec));
	memcpy(next->last_promoted_spec, after->last_promoted_spec,
	       sizeof(next->last_promoted_spec));
	struct split *split = &next->memory.split;
	if (after->phase != PHASE_PROGRESSING || spec->strategy != STRATEGY_CANARY ||
	    split->canary == after->canary_weight)
		return;
	*split = (struct split){.primary = 100 - after->canary_weight,
				.canary = after->canary_weight};
}

bool foresee_follow(struct tick *tick, const struct move *theirs, struct status *next)
{
	struct move move = *theirs;
	const struct move *ours = &tick->move;
	move.state = ours->state;
	move.failures = ours->failures;
	move.slot = ours->slot;
	move.match = ours->match;
	/* A step of mirroring shows in no field of the status. */
	if (ours->kind == MOVE_ROUTE && ours->split.mirror && move.split.canary == 0 &&
	    (move.kind == MOVE_ROUTE || (move.kind == MOVE_SETTLE && tick->beside->acted))) {
		move.kind = MOVE_ROUTE;
		move.split = ours->split;
		move.has_iteration = ours->has_iteration;
	}
	if (!move_on(tick, &move, next))
		return false;
	take_fields(tick->spec, &tick->beside->after, next);
	if (tick->verdict[0] != '\0')
		status_remember(next, tick->now_us, tick->verdict, tick->verdict_text,
				tick->verdict_kind);
	return true;
}

/* "Halt podinfo.test advancement error rate 2.00 > 1": what follows the name is why. */
static const char *without_halt(const struct tick *tick, const char *text)
{
	char prefix[200];
	snprintf(prefix, sizeof(prefix), "Halt %.60s.%.60s advancement ", tick->spec->name,
		 tick->spec->namespace);
	return text_starts(text, prefix) ? text + strlen(prefix) : text;
}

void foresee_reason(const struct tick *tick, char *into, size_t size)
{
	const struct move *move = &tick->move;
	const char *text = "";
	if (move->kind == MOVE_ROLL_BACK || move->kind == MOVE_PROMOTION_FAILED ||
	    move->kind == MOVE_CANCEL)
		text = move->reason == NULL ? "" : move->reason;
	else if (tick->verdict_text[0] != '\0')
		text = tick->verdict_text;
	else if (move->note_count > 0 && move->notes[move->note_count - 1].warning)
		text = move->notes[move->note_count - 1].text;
	text_copy(into, size, without_halt(tick, text));
}
