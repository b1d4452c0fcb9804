#include "canary/decide_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/hooks.h"
#include "canary/measure.h"
#include "canary/obey.h"
#include "canary/rollout.h"
#include "canary/verdict.h"

enum step decide_fail_script(struct tick *tick, const struct error *err)
{
	move_note(&tick->move, true, tick->status.phase, "Halt %s.%s advancement policy failed %s",
		  tick->spec->name, tick->spec->namespace, err->text);
	snprintf(tick->verdict, sizeof(tick->verdict), "error");
	text_copy(tick->verdict_text, sizeof(tick->verdict_text), err->text);
	return tick_move(tick, MOVE_FAIL_CHECK);
}

/* Every state has a deadline, a hold too: unless holdTimeout says otherwise, that of metrics is a
 * day, that of a policy as long as one answer may hold. */
static const int64_t metrics_hold_us = 24 * DURATION_HOUR;
static const int64_t policy_hold_us = VERDICT_HOLD_MAX * DURATION_SECOND;

static int64_t hold_ends(const struct tick *tick, int64_t usual_us)
{
	int64_t said_us = tick->spec->hold_timeout_us, since_us = tick->status.memory.held_us;
	return (since_us == 0 ? tick->now_us : since_us) + (said_us > 0 ? said_us : usual_us);
}

/* Then the move of this run is made. */
static bool held_too_long(struct tick *tick, int64_t usual_us, const char *reason)
{
	int64_t since_us = tick->status.memory.held_us;
	if (since_us == 0 || tick->now_us < hold_ends(tick, usual_us))
		return false;
	char text[DURATION_TEXT_MAX], why[sizeof(tick->words)];
	text_copy(why, sizeof(why), reason);
	duration_text(hold_ends(tick, usual_us) - since_us, text);
	tick->move.reason = tick_words(tick, "held for %s: %s", text, why);
	snprintf(tick->verdict, sizeof(tick->verdict), "hold");
	tick_move(tick, MOVE_ROLL_BACK);
	return true;
}

enum step decide_hold(struct tick *tick, const cJSON *proposal)
{
	const char *reason = json_string_or(proposal, "reason", "held by the policy");
	double seconds = json_number(proposal, "seconds", 0);
	char text[DEBT_TEXT_MAX];
	snprintf(text, sizeof(text), "Halt %s.%s advancement %s", tick->spec->name,
		 tick->spec->namespace, reason);
	bool begun = !phase_is_at_rest(tick->status.phase) && tick->status.phase != PHASE_WAITING;
	if (begun && held_too_long(tick, policy_hold_us, reason))
		return STEP_ON;
	tick_notice(tick, text);
	if (seconds > 0)
		tick->move.due_us = tick->now_us + (int64_t)(fmax(seconds, 1) * 1e6);
	if (begun && tick->move.due_us > hold_ends(tick, policy_hold_us))
		tick->move.due_us = hold_ends(tick, policy_hold_us);
	tick->move.reason = tick_words(tick, "%s", reason);
	snprintf(tick->verdict, sizeof(tick->verdict), "hold");
	text_copy(tick->verdict_text, sizeof(tick->verdict_text), reason);
	return tick_move(tick, MOVE_HOLD);
}

/* What is not granted holds the release; then the move of this run is made. */
static bool has_slot(struct tick *tick, const cJSON *answer)
{
	const struct memory *memory = &tick->status.memory;
	const char *slot = json_string_or(answer, "name", "");
	int limit = (int)json_int(answer, "limit", 1);
	int64_t since_us = strcmp(memory->slot, slot) == 0 ? memory->slot_us : tick->now_us;
	SCOPED(buf) struct buf why = {0};
	buf_init(&why, 400);
	text_copy(tick->slot, sizeof(tick->slot), slot);
	tick->move.slot = tick->slot;
	if (tick->fleet == NULL ||
	    tick->fleet->grant(tick->fleet->owner, tick->spec, slot, limit, since_us, &why))
		return true;
	SCOPED(json) cJSON *proposal = cJSON_Duplicate(answer, true);
	const char *reason = json_string(answer, "reason");
	SCOPED(text)
	char *text = xasprintf("%s%swaits for slot %s, %s", reason == NULL ? "" : reason,
			       reason == NULL ? "" : ": ", slot, why.text);
	json_put_string(proposal, "reason", text);
	decide_hold(tick, proposal);
	return false;
}

enum step decide_begin(struct tick *tick, const struct policy_chain *policies)
{
	const struct canary_spec *spec = tick->spec;
	SCOPED(json) cJSON *rollout = rollout_table(tick);
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	if (!tick_ask(tick, policies, HOOK_START, rollout, NULL, &answer, &err))
		return tick_halt(tick, "Halt %s.%s advancement policy failed %s", spec->name,
				 spec->namespace, err.text);
	if (text_equal(json_string(answer, "action"), "hold"))
		return decide_hold(tick, answer);
	if (text_equal(json_string(answer, "action"), "slot") && !has_slot(tick, answer))
		return STEP_ON;
	tick->move.at_once = text_equal(json_string(answer, "action"), "promote");

	const struct webhook_spec *failed;
	if (obey_opens(tick, PEOPLE_ROLLOUT))
		return tick_move(tick, MOVE_BEGIN);
	if (hooks_run(tick, WEBHOOK_CONFIRM_ROLLOUT, tick->status.phase, "Confirm-rollout", &failed,
		      &err) == STEP_WAIT)
		return STEP_WAIT;
	if (failed == NULL && tick->move.at_once)
		move_note(&tick->move, false, tick->status.phase,
			  "Promoting %s.%s without an analysis: %s", spec->name, spec->namespace,
			  json_string_or(answer, "reason", "the policy says so"));
	if (failed == NULL)
		return tick_move(tick, MOVE_BEGIN);
	if (tick->status.phase != PHASE_WAITING)
		move_note(&tick->move, true, tick->status.phase,
			  "Halt %s.%s advancement waiting for approval %s", spec->name,
			  spec->namespace, failed->name);
	tick->move.muted = failed->mute_alert;
	return tick_move(tick, MOVE_WAIT);
}

/* Nothing has reached the canary yet. */
static bool is_untouched(const struct tick *tick)
{
	const struct split *split = &tick->status.memory.split;
	return split->canary == 0 && tick->status.iterations == 0 &&
	       !(tick->spec->mirror && split->mirror);
}

/* The canary has carried all traffic since before this analysis, in which nothing has passed yet.
 */
static bool begins_with_all(const struct tick *tick)
{
	const struct memory *memory = &tick->status.memory;
	return memory->split.canary == 100 && memory->steps == 0;
}

/* Leaves all as it is for an interval, after which it is measured. */
enum step decide_let_it_run(struct tick *tick)
{
	tick->move.split = tick->status.memory.split;
	tick->move.match = tick->status.memory.match;
	tick->move.has_iteration = tick->status.iterations > 0;
	tick->move.iteration = tick->status.iterations;
	tick->move.message = "";
	return tick_move(tick, MOVE_ROUTE);
}

/* Whether the answer to `rollback` says so: then the move of this run is made. */
static bool rolls_back_by(struct tick *tick, const cJSON *answer)
{
	if (!json_bool(answer, "rollback", false))
		return false;
	const char *reason = json_string(answer, "reason");
	tick->move.reason = reason == NULL ? NULL : tick_words(tick, "%s", reason);
	tick_move(tick, MOVE_ROLL_BACK);
	return true;
}

/* `broken` is why the canary's own policy cannot be asked. Its failed checks count, and the stock
 * policy says when they are enough. */
static enum step go_on_without(struct tick *tick, const struct policy_chain *policies,
			       const cJSON *rollout, const struct error *broken, bool *rolls_back)
{
	const struct policy_chain stock = {.stock = policies->stock,
					   .defaults = policies->defaults};
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	if (!tick_ask(tick, &stock, HOOK_ROLLBACK, rollout, NULL, &answer, &err))
		return tick_halt(tick, "Halt %s.%s advancement policy failed %s", tick->spec->name,
				 tick->spec->namespace, err.text);
	*rolls_back = rolls_back_by(tick, answer);
	if (*rolls_back || tick->now_us < tick->status.memory.due_us)
		return STEP_ON;
	return decide_fail_script(tick, broken);
}

/* Enough is enough? */
static enum step ask_rollback(struct tick *tick, const struct policy_chain *policies,
			      const cJSON *rollout, bool *rolls_back)
{
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	*rolls_back = false;
	if (!tick_ask(tick, policies, HOOK_ROLLBACK, rollout, NULL, &answer, &err))
		return go_on_without(tick, policies, rollout, &err, rolls_back);
	*rolls_back = rolls_back_by(tick, answer);
	return STEP_ON;
}

enum step decide_broken(struct tick *tick, const struct policy_chain *policies,
			const struct error *broken)
{
	SCOPED(json) cJSON *rollout = rollout_table(tick);
	bool rolls_back = false;
	enum step step = go_on_without(tick, policies, rollout, broken, &rolls_back);
	bool moves = rolls_back || tick->move.kind != MOVE_SETTLE;
	return step == STEP_ON && !moves ? STEP_END : step;
}

static enum step roll_back_by_hook(struct tick *tick, bool *rolls_back)
{
	const struct canary_spec *spec = tick->spec;
	*rolls_back = false;
	for (size_t i = 0; i < spec->webhook_count; i++) {
		const struct webhook_spec *webhook = &spec->webhooks[i];
		if (webhook->type != WEBHOOK_ROLLBACK)
			continue;
		char label[64], checksum[HASH_TEXT_MAX];
		snprintf(label, sizeof(label), "hook %zu", i);
		status_checksum(&tick->status, checksum);
		const struct hook_call call = {
			.label = label,
			.webhook = webhook,
			.phase = tick->status.phase,
			.checksum = checksum,
		};
		bool passed;
		struct error why = {0};
		if (hook_call(tick, &call, &passed, &why) == STEP_WAIT)
			return STEP_WAIT;
		if (!passed) {
			move_note(&tick->move, false, tick->status.phase,
				  "Rollback hook %s not signaling a rollback", webhook->name);
			continue;
		}
		move_note(&tick->move, true, tick->status.phase, "Rollback check %s passed",
			  webhook->name);
		tick->move.reason = "manual webhook invoked";
		tick->move.by_hook = true;
		*rolls_back = true;
		return tick_move(tick, MOVE_ROLL_BACK);
	}
	return STEP_ON;
}

/* The check of this tick failed; whether that is enough is asked at the beginning of the next run.
 */
static enum step fail_check(struct tick *tick)
{
	snprintf(tick->verdict, sizeof(tick->verdict), "fail");
	return tick_move(tick, MOVE_FAIL_CHECK);
}

enum step decide_analysis(struct tick *tick, const struct policy_chain *policies)
{
	const struct canary_spec *spec = tick->spec;
	SCOPED(json) cJSON *rollout = rollout_table(tick);
	bool rolls_back = false;
	enum step step = STEP_ON;
	if (!tick->went_on)
		step = ask_rollback(tick, policies, rollout, &rolls_back);
	if (step != STEP_ON || rolls_back || tick->move.kind != MOVE_SETTLE)
		return step;
	tick->went_on = true;
	if (tick->now_us < tick->status.memory.due_us)
		return STEP_END;
	step = roll_back_by_hook(tick, &rolls_back);
	if (step != STEP_ON || rolls_back)
		return step;

	bool with_all = begins_with_all(tick);
	if (is_untouched(tick) || with_all) {
		move_note(&tick->move, false, tick->status.phase,
			  "Starting canary analysis for %s.%s", spec->target_name, spec->namespace);
		const struct webhook_spec *failed;
		struct error why = {0};
		if (hooks_run(tick, WEBHOOK_PRE_ROLLOUT, PHASE_PROGRESSING, "Pre-rollout", &failed,
			      &why) == STEP_WAIT)
			return STEP_WAIT;
		if (failed != NULL) {
			move_note(&tick->move, true, tick->status.phase,
				  "Halt %s.%s advancement pre-rollout check %s failed %s",
				  spec->name, spec->namespace, failed->name, why.text);
			text_copy(tick->verdict_text, sizeof(tick->verdict_text), why.text);
			return fail_check(tick);
		}
	} else {
		enum check check;
		step = measure(tick, policies, rollout, &check);
		if (step != STEP_ON)
			return step;
		if (check == CHECK_FAILED)
			return fail_check(tick);
		if (check == CHECK_HELD) {
			/* The note that says what is held was the last. */
			const struct move *move = &tick->move;
			const char *why = move->notes[move->note_count - 1].text;
			if (held_too_long(tick, metrics_hold_us, why))
				return STEP_ON;
			tick->move.reason = "a metric is held";
			snprintf(tick->verdict, sizeof(tick->verdict), "hold");
			return tick_move(tick, MOVE_HOLD);
		}
	}
	snprintf(tick->verdict, sizeof(tick->verdict), "pass");
	if (with_all) {
		tick->move.live = true; /* its first step, in which nothing moves */
		return decide_let_it_run(tick);
	}
	bool stays = false;
	if (!is_untouched(tick))
		step = decide_pace(tick, policies, rollout, &stays);
	return step != STEP_ON || stays ? step : decide_propose(tick, policies, rollout);
}

enum step decide_promotion(struct tick *tick, const struct policy_chain *policies)
{
	SCOPED(json) cJSON *rollout = rollout_table(tick);
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	int weight = 100;
	if (!tick_ask(tick, policies, HOOK_PROMOTION, rollout, NULL, &answer, &err)) {
		/* The way back to the primary is always open: all at once, and said so. */
		move_note(&tick->move, true, tick->status.phase,
			  "Policy of %s.%s failed %s; routing all traffic to primary",
			  tick->spec->name, tick->spec->namespace, err.text);
	} else {
		int proposed = decide_weight(answer);
		weight = proposed < tick->status.memory.split.primary ? 100 : proposed;
	}
	tick->move.split.primary = weight;
	tick->move.split.canary = 100 - weight;
	return tick_move(tick, MOVE_PRIMARY);
}
