/*
 * decide_propose.c - what a policy proposes as the next step, and the gates before it.
 */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/decide_parts.h"
#include "canary/hooks.h"
#include "canary/obey.h"

int decide_weight(const cJSON *proposal)
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
	int weight = weighed ? decide_weight(proposal) : tick->status.memory.split.canary;
	if (weight < 0 || (!weighed && !move->has_iteration)) {
		error_set(&err, ERROR_SCRIPT,
			  "step: weight must be a number from 0 to 100 for action \"route\"");
		return decide_fail_script(tick, &err);
	}
	if (!ask_match(tick, policies, rollout, &err))
		return decide_fail_script(tick, &err);
	move->split.canary = weight;
	move->split.primary = 100 - weight;
	move->split.mirror = json_bool(proposal, "mirror", false);
	if (move->split.mirror && !can_mirror(tick)) {
		error_set(&err, ERROR_SCRIPT, "step: the provider %s cannot mirror",
			  tick->spec->provider);
		return decide_fail_script(tick, &err);
	}
	const char *message = json_string(proposal, "message");
	if (message != NULL)
		move->message = tick_words(tick, "%s", message);
	return tick_move(tick, MOVE_ROUTE);
}

enum step decide_pace(struct tick *tick, const struct policy_chain *policies, const cJSON *rollout,
		      bool *stays)
{
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	*stays = true;
	if (!policy_chain_call(policies, HOOK_PACE, rollout, NULL, &answer, &err))
		return decide_fail_script(tick, &err);
	int64_t wanted_us = (int64_t)(json_number(answer, "seconds", 0) * 1e6);
	int64_t ends_us = tick->status.memory.stepped_us + wanted_us;
	*stays = tick->now_us < ends_us;
	if (!*stays)
		return STEP_ON;
	if (ends_us < tick->now_us + tick->spec->interval_us)
		tick->move.due_us = ends_us;
	return decide_let_it_run(tick);
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

enum step decide_propose(struct tick *tick, const struct policy_chain *policies,
			 const cJSON *rollout)
{
	SCOPED(json) cJSON *proposal = NULL;
	struct error err = {0};
	if (!tick_ask(tick, policies, HOOK_STEP, rollout, NULL, &proposal, &err))
		return decide_fail_script(tick, &err);
	const char *action = json_string_or(proposal, "action", "");
	const cJSON *state = json_get(proposal, "state");
	if (cJSON_IsObject(state)) {
		cJSON_Delete(tick->state);
		tick->state = cJSON_Duplicate(state, true);
		tick->move.state = tick->state;
	}
	if (strcmp(action, "hold") == 0)
		return decide_hold(tick, proposal);
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
