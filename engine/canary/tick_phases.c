/*
 * tick_phases.c - what a tick does in each phase once the world is as the status says.
 */
#include "canary/tick_parts.h"

#include <string.h>

#include "base/json.h"
#include "canary/contest.h"
#include "canary/converge.h"
#include "canary/decide.h"
#include "canary/endpoints.h"
#include "canary/measure.h"
#include "canary/obey.h"
#include "canary/pin.h"
#include "canary/target.h"
#include "canary/unready.h"

/* ---- readiness ---- */

/* While it is paused no deadline runs out: nor does the workload's own. */
static enum readiness ready_in_time(const struct tick *tick, enum side side, struct error *why)
{
	const struct memory *memory = &tick->status.memory;
	enum readiness ready = converge_ready(tick, side, why);
	int64_t pause_us = converge_pause_us(tick);
	bool gets_time =
		memory->paused_for_us + pause_us > 0 &&
		tick->now_us < memory->since_us + pause_us + tick->spec->progress_deadline_us;
	return ready == READY_NEVER && gets_time ? READY_NOT_YET : ready;
}

/* Whoever acts has changed the workloads since it saw them ready, or not. */
static enum readiness as_seen(const struct tick *tick, enum side side, enum readiness live,
			      struct error *why)
{
	if (tick->beside == NULL)
		return live;
	enum readiness seen = beside_ready(tick->beside, &tick->status, side == SIDE_PRIMARY,
					   tick->spec->threshold, live);
	if (seen != live)
		error_set(why, ERROR_TIMEOUT, "not ready in time, as the other controller saw it");
	return seen;
}

static enum readiness primary_ready(struct tick *tick, struct error *why)
{
	return as_seen(tick, SIDE_PRIMARY, ready_in_time(tick, SIDE_PRIMARY, why), why);
}

static enum readiness canary_ready(struct tick *tick, struct error *why)
{
	return as_seen(tick, SIDE_CANARY, ready_in_time(tick, SIDE_CANARY, why), why);
}

/* ---- the phases ---- */

static enum step initializing(struct tick *tick)
{
	struct error why = {0};
	enum step step = converge_initial(tick);
	if (step != STEP_ON)
		return step;
	if (!tick->spec->skip_analysis) {
		if (primary_ready(tick, &why) != READY)
			return unready_halt(tick, SIDE_PRIMARY, &why);
		step = measure_online(tick);
	}
	if (step == STEP_ON)
		step = converge_scale_down(tick);
	return step == STEP_ON ? tick_move(tick, MOVE_INITIALIZED) : step;
}

bool tick_target_is_promoted(const struct tick *tick)
{
	return converge_is_promoted(tick);
}

bool tick_target_changed(const struct tick *tick)
{
	return strcmp(tick->revision, tick->status.memory.revision) != 0;
}

bool tick_primary_is_broken(struct tick *tick)
{
	struct error why = {0};
	if (tick->spec->target->driver != NULL)
		return false; /* there is no canary beside it */
	return tick->status.memory.split.canary == 100 && primary_ready(tick, &why) != READY;
}

bool tick_primary_is_lost(struct tick *tick)
{
	struct error why = {0};
	bool starts = tick->move.kind == MOVE_BEGIN || tick->move.kind == MOVE_RESTART;
	if (tick->spec->target->driver != NULL || primary_ready(tick, &why) != READY_NEVER)
		return false;
	return starts || (!target_is_stopped(tick->spec->target, tick->target) &&
			  canary_ready(tick, &why) == READY);
}

/* The target goes to zero when its time has come. STEP_ON: there is nothing to do now. */
static enum step scale_down_in_time(struct tick *tick, bool *moves)
{
	int64_t when_us = tick->status.memory.scale_down_us;
	*moves = false;
	if (when_us == 0)
		return STEP_ON;
	if (tick->now_us < when_us) {
		tick->due_us = when_us;
		return STEP_ON;
	}
	enum step step = converge_scale_down(tick);
	*moves = step == STEP_ON;
	tick->move.scaled_down = *moves;
	return step;
}

static enum step at_rest(struct tick *tick, const struct policy_chain *policies,
			 const struct error *policy_error)
{
	struct error why = {0};
	bool moves;
	enum step step = scale_down_in_time(tick, &moves);
	if (step != STEP_ON || moves)
		return step;
	if (!tick_target_changed(tick)) {
		const struct memory *memory = &tick->status.memory;
		if (contest_rest(tick) == STEP_WAIT)
			return STEP_WAIT;
		tick->move.give_up = memory->due_us != 0 || memory->slot[0] != '\0';
		return tick->move.give_up ? tick_move(tick, MOVE_SETTLE) : STEP_END;
	}
	if (tick_target_is_promoted(tick))
		return tick_move(tick, MOVE_NOTICE_SPEC);
	if (policy_error->kind != ERROR_NONE)
		return tick_halt(tick, "Halt %s.%s advancement policy failed %s", tick->spec->name,
				 tick->spec->namespace, policy_error->text);
	if (tick->now_us < tick->status.memory.due_us)
		return STEP_END; /* held by the policy */
	/* A primary past its deadline must not stand in the way of the revision that mends it. */
	if (!tick->spec->skip_analysis && primary_ready(tick, &why) == READY_NOT_YET &&
	    !tick_primary_is_broken(tick))
		return unready_halt(tick, SIDE_PRIMARY, &why);
	return decide_begin(tick, policies);
}

static enum step waiting(struct tick *tick, const struct policy_chain *policies,
			 const struct error *policy_error)
{
	bool moves;
	enum step step = scale_down_in_time(tick, &moves);
	if (step != STEP_ON || moves)
		return step;
	if (tick_target_is_promoted(tick))
		return tick_move(tick, MOVE_CANCEL);
	if (obey_asks(tick, COMMAND_PROMOTE))
		return tick_move(tick, MOVE_BEGIN); /* and taken once it is ready */
	if (policy_error->kind != ERROR_NONE)
		return tick_halt(tick, "Halt %s.%s advancement policy failed %s", tick->spec->name,
				 tick->spec->namespace, policy_error->text);
	if (tick->now_us < tick->status.memory.due_us)
		return STEP_END;
	return decide_begin(tick, policies);
}

static enum step never_ready(struct tick *tick, const struct error *why)
{
	tick->move.reason = tick_words(tick, "progress deadline exceeded %s", why->text);
	return tick_move(tick, MOVE_ROLL_BACK);
}

static enum step analysis(struct tick *tick, const struct policy_chain *policies,
			  const struct error *policy_error)
{
	const struct canary_spec *spec = tick->spec;
	struct error why = {0};
	if (tick_target_changed(tick)) {
		if (!tick_target_is_promoted(tick))
			return tick_move(tick, MOVE_RESTART);
		tick->move.reason = "the target is back at the promoted revision";
		return tick_move(tick, MOVE_CANCEL);
	}
	if (!spec->skip_analysis && !tick_primary_is_broken(tick)) {
		enum readiness ready = primary_ready(tick, &why);
		if (ready == READY_NOT_YET)
			return unready_halt(tick, SIDE_PRIMARY, &why);
		if (ready == READY_NEVER)
			return never_ready(tick, &why);
	}
	enum step step = converge_scale_up(tick);
	if (step != STEP_ON)
		return step;
	enum readiness ready = canary_ready(tick, &why);
	if (ready == READY_NEVER)
		return never_ready(tick, &why);
	if (ready != READY)
		return unready_halt(tick, SIDE_CANARY, &why);
	if (obey_when_ready(tick))
		return STEP_ON;
	if (spec->skip_analysis)
		return tick_move(tick, MOVE_SKIP);
	if (tick->status.memory.at_once)
		return tick_move(tick, MOVE_PROMOTE);
	step = endpoints_await(tick, SIDE_CANARY, &ready, &why);
	if (step != STEP_ON)
		return step;
	if (ready == READY_NEVER)
		return never_ready(tick, &why);
	if (ready != READY)
		return endpoints_halt(tick, SIDE_CANARY, &why);
	if (tick->unreached)
		return STEP_END;
	if (policies->defaults == NULL)
		return tick_halt(tick, "Halt %s.%s advancement policy failed %s", spec->name,
				 spec->namespace, policy_error->text);
	if (policy_error->kind != ERROR_NONE)
		return decide_broken(tick, policies, policy_error);
	return decide_analysis(tick, policies);
}

/* The primary shall run the new revision. STEP_ON: it does, and can be reached. */
static enum step primary_took_over(struct tick *tick, bool *failed)
{
	struct error why = {0};
	enum readiness ready = primary_ready(tick, &why);
	bool serves = ready == READY;
	*failed = false;
	if (serves) {
		enum step step = endpoints_await(tick, SIDE_PRIMARY, &ready, &why);
		if (step != STEP_ON)
			return step;
	}
	switch (ready) {
	case READY:
		return tick->unreached ? STEP_END : STEP_ON;
	case READY_NOT_YET:
		return serves ? endpoints_halt(tick, SIDE_PRIMARY, &why)
			      : unready_halt(tick, SIDE_PRIMARY, &why);
	case READY_NEVER:
		*failed = true;
		if (tick->spec->target->driver != NULL && tick->status.phase == PHASE_PROMOTING)
			return never_ready(tick, &why);
		tick->move.reason = tick_words(tick, "%s", why.text);
		return tick_move(tick, MOVE_PROMOTION_FAILED);
	}
	return STEP_ON;
}

static enum step promoting(struct tick *tick, const struct policy_chain *policies)
{
	bool failed;
	if (tick_target_changed(tick) && !workload_carries(tick->spec, tick->primary, tick->tracked,
							   tick->status.memory.revision))
		return tick_move(tick, MOVE_RESTART);
	enum step step = converge_promotion(tick);
	if (step != STEP_ON)
		return step;
	step = primary_took_over(tick, &failed);
	if (step != STEP_ON || failed)
		return step;
	/* What the canary runs now nobody has analysed. */
	if (tick_target_changed(tick)) {
		tick->move.split.primary = 100;
		return tick_move(tick, MOVE_PRIMARY);
	}
	return tick->now_us < tick->status.memory.due_us ? STEP_END
							 : decide_promotion(tick, policies);
}

static enum step finalising(struct tick *tick)
{
	bool failed;
	enum step step = primary_took_over(tick, &failed);
	if (step != STEP_ON || failed)
		return step;
	return tick->now_us < tick->status.memory.due_us ? STEP_END : tick_move(tick, MOVE_FINISH);
}

static enum step decide_phase(struct tick *tick, const struct policy_chain *policies,
			      const struct error *policy_error)
{
	switch (tick->status.phase) {
	case PHASE_INITIALIZING:
		return initializing(tick);
	case PHASE_INITIALIZED:
	case PHASE_SUCCEEDED:
	case PHASE_FAILED:
		return at_rest(tick, policies, policy_error);
	case PHASE_WAITING:
		return waiting(tick, policies, policy_error);
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
		return analysis(tick, policies, policy_error);
	case PHASE_PROMOTING:
		return promoting(tick, policies);
	case PHASE_FINALISING:
		return finalising(tick);
	case PHASE_NONE:
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return STEP_END;
	}
	return STEP_END;
}

enum step tick_decide(struct tick *tick)
{
	struct policy_chain policies = {.runs = &tick->runs};
	struct error policy_error = {0};
	enum step step = pin_find(tick, &policies, &policy_error);
	return step == STEP_ON ? decide_phase(tick, &policies, &policy_error) : step;
}
