#include "canary/decide.h"

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

/* The policy failed: a Warning, and one more failed check. */
static enum step fail_script(struct tick *tick, const struct error *err)
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

static enum step hold(struct tick *tick, const cJSON *proposal)
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
	hold(tick, proposal);
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
		return hold(tick, answer);
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
static enum step let_it_run(struct tick *tick)
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
	return fail_script(tick, broken);
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

/* A weight that a policy proposed; -1 when it is none. */
static int proposed_weight(const cJSON *proposal)
{
	double weight = json_number(proposal, "weight", -1);
	if (!(weight >= 0 && weight <= 100))
		return -1;
	return (int)floor(weight);
}

/* Of conditions that the mesh drops, more people would see the canary than were meant. */
static bool can_express(const struct tick *tick, const cJSON *match, struct error *err)
{
	struct spec_problems problems = {0};
	const struct traffic_view view = {
		.driver = tick->driver, .spec = tick->spec, .match = match};
	bool good = true;
	if (tick->driver->check != NULL)
		tick->driver->check(&view, &problems);
	for (size_t i = 0; good && i < problems.count; i++)
		if (!problems.items[i].warning &&
		    text_starts(problems.items[i].path, "spec.analysis.match"))
			good = error_set(err, ERROR_SCRIPT, "match: %s", problems.items[i].text);
	spec_problems_fini(&problems);
	return good;
}

/* Who sees the canary from this step on; what the spec says anyway is not kept. */
static bool ask_match(struct tick *tick, const struct policy_chain *policies, const cJSON *rollout,
		      struct error *err)
{
	SCOPED(json) cJSON *match = NULL;
	if (!policy_chain_call(policies, HOOK_MATCH, rollout, NULL, &match, err))
		return false;
	const cJSON *usual = tick->spec->match;
	if (usual == NULL ? match->child == NULL : json_equal(match, usual))
		return true;
	SCOPED(text) char *text = json_text(match);
	if (strlen(text) > POLICY_MATCH_MAX)
		return error_set(err, ERROR_SCRIPT,
				 "match: the conditions have %zu bytes, %d are allowed",
				 strlen(text), POLICY_MATCH_MAX);
	if (!tick->driver->can_match)
		return error_set(err, ERROR_SCRIPT, "match: %s cannot tell requests apart",
				 tick->spec->provider);
	if (!can_express(tick, match, err))
		return false;
	tick->match = match;
	tick->move.match = match;
	match = NULL;
	return true;
}

/* Of a route that the team owns only weights are changed. */
static bool can_mirror(const struct tick *tick)
{
	const struct traffic_driver *driver = tick->driver;
	const char *route = json_string(tick->spec->json, "routeRef.kind");
	bool adopted = route != NULL && driver->adopts != NULL && driver->adopts(driver, route);
	return driver->can_mirror && !adopted;
}

static enum step propose_route(struct tick *tick, const struct policy_chain *policies,
			       const cJSON *rollout, const cJSON *proposal)
{
	struct move *move = &tick->move;
	struct error err = {0};
	double iteration = json_number(proposal, "iteration", -1);
	move->has_iteration = iteration >= 0;
	move->iteration = (int)iteration;
	bool weighed = json_get(proposal, "weight") != NULL;
	int weight = weighed ? proposed_weight(proposal) : tick->status.memory.split.canary;
	if (weight < 0 || (!weighed && !move->has_iteration)) {
		error_set(&err, ERROR_SCRIPT,
			  "step: weight must be a number from 0 to 100 for action \"route\"");
		return fail_script(tick, &err);
	}
	if (!ask_match(tick, policies, rollout, &err))
		return fail_script(tick, &err);
	move->split.canary = weight;
	move->split.primary = 100 - weight;
	move->split.mirror = json_bool(proposal, "mirror", false);
	if (move->split.mirror && !can_mirror(tick)) {
		error_set(&err, ERROR_SCRIPT, "step: the provider %s cannot mirror",
			  tick->spec->provider);
		return fail_script(tick, &err);
	}
	const char *message = json_string(proposal, "message");
	if (message != NULL)
		move->message = tick_words(tick, "%s", message);
	return tick_move(tick, MOVE_ROUTE);
}

/* A step that has not lasted long enough stays as it is, and is measured again meanwhile. */
static enum step pace(struct tick *tick, const struct policy_chain *policies, const cJSON *rollout,
		      bool *stays)
{
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	*stays = true;
	if (!policy_chain_call(policies, HOOK_PACE, rollout, NULL, &answer, &err))
		return fail_script(tick, &err);
	int64_t wanted_us = (int64_t)(json_number(answer, "seconds", 0) * 1e6);
	int64_t ends_us = tick->status.memory.stepped_us + wanted_us;
	*stays = tick->now_us < ends_us;
	if (!*stays)
		return STEP_ON;
	if (ends_us < tick->now_us + tick->spec->interval_us)
		tick->move.due_us = ends_us;
	return let_it_run(tick);
}

static enum step gate_promotion(struct tick *tick, bool *open)
{
	const struct webhook_spec *failed;
	struct error why = {0};
	*open = true;
	if (obey_opens(tick, PEOPLE_PROMOTION))
		return STEP_ON;
	if (hooks_run(tick, WEBHOOK_CONFIRM_PROMOTION, PHASE_PROGRESSING, "Confirm-promotion",
		      &failed, &why) == STEP_WAIT)
		return STEP_WAIT;
	if (failed == NULL)
		return STEP_ON;
	*open = false;
	if (tick->status.phase != PHASE_WAITING_PROMOTION)
		move_note(&tick->move, true, tick->status.phase,
			  "Halt %s.%s advancement waiting for promotion approval %s",
			  tick->spec->name, tick->spec->namespace, failed->name);
	tick->move.muted = failed->mute_alert;
	return tick_move(tick, MOVE_WAIT_PROMOTION);
}

static enum step gate_increase(struct tick *tick, bool *open)
{
	const struct webhook_spec *failed;
	struct error why = {0};
	*open = true;
	if (tick->status.memory.split.mirror || tick->status.phase != PHASE_PROGRESSING ||
	    obey_opens(tick, PEOPLE_INCREASE))
		return STEP_ON;
	if (hooks_run(tick, WEBHOOK_CONFIRM_TRAFFIC_INCREASE, PHASE_PROGRESSING,
		      "Confirm-traffic-increase", &failed, &why) == STEP_WAIT)
		return STEP_WAIT;
	if (failed == NULL)
		return STEP_ON;
	*open = false;
	move_note(&tick->move, true, tick->status.phase,
		  "Halt %s.%s advancement waiting for traffic increase approval %s",
		  tick->spec->name, tick->spec->namespace, failed->name);
	tick->move.reason = "waiting for traffic increase approval";
	tick->move.muted = failed->mute_alert;
	tick->move.gated = true;
	return tick_move(tick, MOVE_HOLD);
}

static enum step propose(struct tick *tick, const struct policy_chain *policies,
			 const cJSON *rollout)
{
	SCOPED(json) cJSON *proposal = NULL;
	struct error err = {0};
	if (!tick_ask(tick, policies, HOOK_STEP, rollout, NULL, &proposal, &err))
		return fail_script(tick, &err);
	const char *action = json_string_or(proposal, "action", "");
	const cJSON *state = json_get(proposal, "state");
	if (cJSON_IsObject(state)) {
		cJSON_Delete(tick->state);
		tick->state = cJSON_Duplicate(state, true);
		tick->move.state = tick->state;
	}
	if (strcmp(action, "hold") == 0)
		return hold(tick, proposal);
	if (strcmp(action, "rollback") == 0) {
		tick->move.reason =
			tick_words(tick, "%s", json_string_or(proposal, "reason", "by policy"));
		return tick_move(tick, MOVE_ROLL_BACK);
	}
	bool route = strcmp(action, "route") == 0;
	bool open = true;
	enum step step = STEP_ON;
	if (tick->spec->strategy == STRATEGY_CANARY)
		step = gate_increase(tick, &open);
	if (step != STEP_ON || !open)
		return step;
	/* All traffic on the canary is as good as promoted, so its gate may come first. */
	if (!route || json_bool(proposal, "confirm", false))
		step = gate_promotion(tick, &open);
	if (step != STEP_ON || !open)
		return step;
	return route ? propose_route(tick, policies, rollout, proposal)
		     : tick_move(tick, MOVE_PROMOTE);
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
		return let_it_run(tick);
	}
	bool stays = false;
	if (!is_untouched(tick))
		step = pace(tick, policies, rollout, &stays);
	return step != STEP_ON || stays ? step : propose(tick, policies, rollout);
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
		int proposed = proposed_weight(answer);
		weight = proposed < tick->status.memory.split.primary ? 100 : proposed;
	}
	tick->move.split.primary = weight;
	tick->move.split.canary = 100 - weight;
	return tick_move(tick, MOVE_PRIMARY);
}
