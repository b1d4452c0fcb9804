#include "canary/theirs.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static bool analyses(enum phase phase)
{
	return phase == PHASE_PROGRESSING || phase == PHASE_WAITING_PROMOTION;
}

/* Within one phase. */
static enum move_kind stayed(const struct canary_spec *spec, const struct status *before,
			     const struct status *after, struct move *move)
{
	if (after->phase == PHASE_PROMOTING && after->canary_weight != before->canary_weight)
		return MOVE_PRIMARY;
	if (!analyses(after->phase))
		return MOVE_SETTLE;
	if (strcmp(before->last_applied_spec, after->last_applied_spec) != 0)
		return MOVE_RESTART;
	if (after->failed_checks > before->failed_checks)
		return MOVE_FAIL_CHECK;
	if (after->phase == PHASE_WAITING_PROMOTION)
		return MOVE_SETTLE;
	if (spec->strategy == STRATEGY_CANARY)
		return after->canary_weight != before->canary_weight ? MOVE_ROUTE : MOVE_SETTLE;
	move->has_iteration = true;
	move->iteration = after->iterations;
	return after->iterations != before->iterations ? MOVE_ROUTE : MOVE_SETTLE;
}

/* To another phase. */
static enum move_kind went(const struct status *before, enum phase to)
{
	switch (to) {
	case PHASE_INITIALIZING:
		return MOVE_INITIALIZE;
	case PHASE_INITIALIZED:
		return before->phase == PHASE_WAITING ? MOVE_CANCEL : MOVE_INITIALIZED;
	case PHASE_WAITING:
		return MOVE_WAIT;
	case PHASE_PROGRESSING:
		return before->phase == PHASE_WAITING_PROMOTION ? MOVE_RESTART : MOVE_BEGIN;
	case PHASE_WAITING_PROMOTION:
		return MOVE_WAIT_PROMOTION;
	case PHASE_PROMOTING:
		return MOVE_PROMOTE;
	case PHASE_FINALISING:
		return MOVE_PRIMARY;
	case PHASE_SUCCEEDED:
		return before->phase == PHASE_FINALISING ? MOVE_FINISH : MOVE_SKIP;
	case PHASE_FAILED:
		return analyses(before->phase) ? MOVE_ROLL_BACK : MOVE_PROMOTION_FAILED;
	case PHASE_TERMINATING:
		return MOVE_TERMINATE;
	case PHASE_TERMINATED:
		return MOVE_TERMINATED;
	case PHASE_NONE:
		return MOVES;
	}
	return MOVES;
}

/* As the other one splits traffic. A test of requests, not of shares, has all that match. */
static struct split split_after(const struct canary_spec *spec, const struct status *before,
				const struct status *after)
{
	const struct split *split = &before->memory.split;
	if (spec->strategy == STRATEGY_CANARY || after->phase == PHASE_PROMOTING)
		return (struct split){.primary = 100 - after->canary_weight,
				      .canary = after->canary_weight};
	if (spec->strategy == STRATEGY_AB_TESTING || after->iterations > spec->iterations)
		return (struct split){.canary = 100};
	return *split;
}

bool theirs_move(const struct canary_spec *spec, const struct status *before,
		 const struct status *after, struct move *move)
{
	*move = (struct move){.kind = MOVE_SETTLE};
	move->kind = before->phase == after->phase ? stayed(spec, before, after, move)
						   : went(before, after->phase);
	if (move->kind == MOVES || !phase_allows(before->phase, move->kind))
		return false;
	if (move->kind == MOVE_ROUTE)
		move->split = split_after(spec, before, after);
	if (move->kind == MOVE_PRIMARY)
		move->split = after->phase == PHASE_FINALISING ? (struct split){.primary = 100}
							       : split_after(spec, before, after);
	return true;
}

bool theirs_is_ours(const struct canary_spec *spec, const struct status *ours,
		    const struct status *theirs)
{
	if (ours->phase != theirs->phase)
		return false;
	if (ours->phase == PHASE_PROMOTING)
		return spec->step_weight_promotion == 0 ||
		       ours->canary_weight == theirs->canary_weight;
	if (!analyses(ours->phase))
		return true;
	if (ours->failed_checks != theirs->failed_checks)
		return false;
	if (ours->phase == PHASE_WAITING_PROMOTION)
		return true;
	return spec->strategy == STRATEGY_CANARY ? ours->canary_weight == theirs->canary_weight
						 : ours->iterations == theirs->iterations;
}

void theirs_words(const struct move *move, char *into, size_t size)
{
	static const char *const words[MOVES] = {
		[MOVE_SETTLE] = "leave it as it is",
		[MOVE_INITIALIZE] = "begin to initialise it",
		[MOVE_INITIALIZED] = "initialise it",
		[MOVE_ADOPT] = "take it over",
		[MOVE_NOTICE_SPEC] = "leave it as it is",
		[MOVE_WAIT] = "wait for approval",
		[MOVE_BEGIN] = "begin the release",
		[MOVE_RESTART] = "restart the analysis",
		[MOVE_CANCEL] = "cancel the release",
		[MOVE_FAIL_CHECK] = "count a failed check",
		[MOVE_HOLD] = "hold",
		[MOVE_ROUTE] = "advance",
		[MOVE_WAIT_PROMOTION] = "wait for approval of the promotion",
		[MOVE_PROMOTE] = "promote",
		[MOVE_SKIP] = "promote without an analysis",
		[MOVE_PRIMARY] = "return traffic to the primary",
		[MOVE_FINISH] = "finish the release",
		[MOVE_ROLL_BACK] = "roll back",
		[MOVE_PROMOTION_FAILED] = "give up the promotion",
		[MOVE_TERMINATE] = "give things back",
		[MOVE_TERMINATED] = "end",
	};
	if (move->kind == MOVE_ROUTE && move->has_iteration)
		snprintf(into, size, "advance to iteration %d", move->iteration);
	else if (move->kind == MOVE_ROUTE)
		snprintf(into, size, "advance to weight %d%s", move->split.canary,
			 move->split.mirror ? ", mirrored" : "");
	else
		text_copy(into, size, words[move->kind]);
}
