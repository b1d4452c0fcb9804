#include "canary/tick_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/adopt.h"
#include "canary/contest.h"
#include "canary/converge.h"
#include "canary/debts.h"
#include "canary/leave.h"
#include "canary/mark.h"
#include "canary/obey.h"
#include "canary/rollout.h"
#include "canary/scaler.h"
#include "canary/target.h"

/* How much later than the commit a split may be live, and the interval counts from the commit. */
static const int64_t live_slack_us = DURATION_SECOND;

/* How soon to look again when something keeps a rollout waiting that no watch would tell of. */
static const int64_t look_again_us = 10 * DURATION_SECOND;

struct tick *tick_new(const struct tick_world *world, const struct canary_spec *spec,
		      struct kept *kept, struct keeping *keeping, asks_wake *wake, void *owner,
		      uint64_t token)
{
	struct tick *tick = xcalloc(1, sizeof(*tick));
	tick->world = world;
	tick->spec = spec;
	tick->asks = asks_new(&world->asks, kept, keeping, wake, owner, token);
	kube_path(tick->path, &kube_canary, spec->namespace, spec->name);
	status_init(&tick->status);
	return tick;
}

void tick_forget_run(struct tick *tick)
{
	json_free(tick->configs);
	json_free(tick->tracked);
	json_free(tick->state);
	json_free(tick->match);
	tick->match = NULL;
	json_free(tick->failures);
	tick->failures = NULL;
	json_free(tick->inventory);
	tick->configs = NULL;
	tick->tracked = NULL;
	tick->state = NULL;
	tick->inventory = NULL;
	tick->configs_digest[0] = '\0';
	tick->target = NULL;
	tick->primary = NULL;
	move_clear(&tick->move);
	tick->words[0] = '\0';
	tick->verdict[0] = '\0';
	tick->verdict_text[0] = '\0';
	tick->verdict_kind[0] = '\0';
	tick->notice[0] = '\0';
	tick->pending = tick->status.memory.pending;
	tick->landed = false;
	tick->commanded = false;
	tick->unreached = tick->unseen = false;
	tick->policy_news = false;
	tick->scaler_known = tick->scaler_news = false;
	text_copy(tick->policy, sizeof(tick->policy), tick->status.memory.policy);
	text_copy(tick->policy_after, sizeof(tick->policy_after), tick->status.memory.policy);
	text_copy(tick->refused, sizeof(tick->refused), tick->status.memory.refused);
	tick->told_count = 0;
	if (tick->world->decisions != NULL || tick->beside != NULL)
		tick->decision = decision_again(tick->decision);
	tick->trouble.kind = ERROR_NONE;
	tick->due_us = 0;
}

/* What was compared with the world before this is compared again. */
static void converge_anew(struct tick *tick)
{
	json_free(tick->routes);
	tick->routes = NULL;
	tick->stage = tick->route_done = 0;
	tick->route_digest = 0;
	tick->objects_done = tick->routes_done = tick->diverted = tick->relieved = false;
}

static void drop_next(struct tick *tick)
{
	if (tick->next != NULL)
		status_fini(tick->next);
	free(tick->next);
	tick->next = NULL;
}

void tick_free(struct tick *tick)
{
	if (tick == NULL)
		return;
	tick_forget_run(tick);
	policy_runs_fini(&tick->runs);
	decision_free(tick->decision);
	asks_free(tick->asks);
	json_free(tick->checks);
	json_free(tick->routes);
	status_fini(&tick->status);
	drop_next(tick);
	free(tick);
}

void tick_begin(struct tick *tick, const cJSON *object)
{
	status_fini(&tick->status);
	status_read(&tick->status, json_get(object, "status"));
	text_copy(tick->resource_version, sizeof(tick->resource_version),
		  json_string_or(object, "metadata.resourceVersion", ""));
	tick->now_us = loop_now(kube_loop(tick->world->asks.kube));
	tick->committing = false;
	tick->held = leave_is_held(object);
	tick->moved = false;
	converge_anew(tick);
	command_digest(command_text(object), tick->command_seen);
}

void tick_look_again(struct tick *tick)
{
	asks_shed(tick->asks);
	converge_anew(tick);
}

void tick_shed(struct tick *tick)
{
	tick_forget_run(tick);
	policy_runs_fini(&tick->runs);
	json_free(tick->routes);
	tick->routes = NULL;
	tick->route_done = 0;
	tick->route_digest = 0;
	asks_shed(tick->asks);
	tick->spec = NULL;
}

void tick_take_up(struct tick *tick, const struct canary_spec *spec)
{
	tick->spec = spec;
}

bool tick_is_away(const struct tick *tick)
{
	return asks_are_away(tick->asks);
}

bool tick_measures(const struct tick *tick)
{
	return asks_miss_metrics(tick->asks);
}

void tick_renew(struct tick *tick)
{
	asks_clear(tick->asks);
	tick->contested[0] = '\0';
	policy_runs_fini(&tick->runs);
	tick->rerouted = tick->went_on = false;
	json_free(tick->checks);
	tick->checks = NULL;
	tick->moved = true;
	converge_anew(tick);
	tick->now_us = loop_now(kube_loop(tick->world->asks.kube));
}

enum step tick_trouble(struct tick *tick, const struct error *err)
{
	if (tick->trouble.kind == ERROR_NONE)
		tick->trouble = *err;
	return STEP_END;
}

/* Once for each `what`. */
static void notice_as(struct tick *tick, const char *what, const char *text)
{
	char hex[SHA256_HEX_SIZE];
	sha256_hex(what, strlen(what), hex);
	hex[16] = '\0';
	if (strcmp(hex, tick->status.memory.notice) == 0)
		return;
	text_copy(tick->notice, sizeof(tick->notice), hex);
	move_note(&tick->move, true, tick->status.phase, "%s", text);
}

void tick_notice(struct tick *tick, const char *text)
{
	notice_as(tick, text, text);
}

static enum step halt(struct tick *tick, const char *what, const char *format, va_list args)
{
	char text[DEBT_TEXT_MAX];
	vsnprintf(text, sizeof(text), format, args);
	tick->due_us = tick->now_us + look_again_us;
	notice_as(tick, what == NULL ? text : what, text);
	return STEP_END;
}

enum step tick_halt(struct tick *tick, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	enum step step = halt(tick, NULL, format, args);
	va_end(args);
	return step;
}

enum step tick_halt_as(struct tick *tick, const char *what, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	enum step step = halt(tick, what, format, args);
	va_end(args);
	return step;
}

bool tick_ask(struct tick *tick, const struct policy_chain *chain, enum policy_hook hook,
	      const cJSON *rollout, const cJSON *extra, cJSON **owned_result, struct error *err)
{
	decision_log_know(tick->world->decisions, chain->own);
	decision_log_know(tick->world->decisions, chain->stock);
	decision_log_know(tick->world->decisions, chain->defaults);
	bool answered = policy_chain_call(chain, hook, rollout, extra, owned_result, err);
	decision_call(tick->decision, chain, hook, rollout, extra, *owned_result, err);
	return answered;
}

enum step tick_move(struct tick *tick, enum move_kind kind)
{
	tick->move.kind = kind;
	return STEP_ON;
}

const char *tick_words(struct tick *tick, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(tick->words, sizeof(tick->words), format, args);
	va_end(args);
	return tick->words;
}

/* The interval of a step starts when its split is live: the routes were written in this tick, later
 * than the commit that wanted them. */
static bool is_late(const struct tick *tick)
{
	int64_t due_us = tick->status.memory.due_us;
	int64_t live_us = loop_now(kube_loop(tick->world->asks.kube));
	const struct split *split = &tick->status.memory.split;
	return tick->rerouted && !tick->diverted && !tick->relieved &&
	       (split->canary > 0 || split->mirror) && due_us != 0 &&
	       live_us + tick->spec->interval_us > due_us + live_slack_us;
}

/* What landed is a step: not the mark of a target that runs both revisions. */
static bool begins_step(const struct tick *tick)
{
	bool marks = tick->spec->target->is_own_primary && tick->status.memory.split.canary == 0;
	return tick->status.memory.due_us != 0 &&
	       (!marks || tick->status.phase != PHASE_PROGRESSING);
}

static enum step wait_anew(struct tick *tick)
{
	tick->move.due_us = loop_now(kube_loop(tick->world->asks.kube)) + tick->spec->interval_us;
	tick->move.live = true;
	return tick_move(tick, MOVE_SETTLE);
}

/* An interval that was made shorter counts from now on. What a policy holds may take longer. */
static bool is_hastened(const struct tick *tick)
{
	const struct memory *memory = &tick->status.memory;
	int64_t next_us = tick->now_us + tick->spec->interval_us + live_slack_us;
	return !phase_is_at_rest(tick->status.phase) && memory->held_us == 0 &&
	       memory->due_us > next_us;
}

static enum step hasten(struct tick *tick)
{
	tick->move.due_us = tick->now_us + tick->spec->interval_us;
	return tick_move(tick, MOVE_SETTLE);
}

/* Alerts go out beside everything else; nothing waits for them. */
static void look_after_alerts(struct tick *tick)
{
	const struct memory *memory = &tick->status.memory;
	SCOPED(buf) struct buf failures = {0};
	buf_init(&failures, DEBT_TEXT_MAX);
	for (size_t i = 0; i < memory->alert_count && tick->world->alerts != NULL; i++)
		if (alerts_are_done(tick->world->alerts, tick->spec, &memory->alerts[i], &failures))
			tick->told[tick->told_count++] = memory->alerts[i].id;
	if (failures.len > 0)
		move_note(&tick->move, true, tick->status.phase, "%s", failures.text);
}

/* What the end of the last release still waits for (a primary that is ready) may wait for ever: it
 * must not stand in the way of the revision that mends it. */
static bool a_fix_waits(const struct tick *tick)
{
	return tick->trouble.kind == ERROR_NONE && tick->objects_done && !tick->unseen &&
	       phase_is_at_rest(tick->status.phase) && tick_target_changed(tick) &&
	       !tick_target_is_promoted(tick);
}

/* Routes that wait for endpoints do so for as long as a release may: it may be over before they
 * come. */
static bool may_give_up(const struct tick *tick)
{
	switch (tick->status.phase) {
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
		return tick->unreached && tick->trouble.kind == ERROR_NONE;
	case PHASE_NONE:
	case PHASE_INITIALIZING:
	case PHASE_INITIALIZED:
	case PHASE_WAITING:
	case PHASE_SUCCEEDED:
	case PHASE_FAILED:
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return false;
	}
	return false;
}

/* Somebody wants it so: no Warning. */
static enum step suspended(struct tick *tick)
{
	struct move *move = &tick->move;
	size_t told = move->note_count;
	enum step step = tick_halt(tick, "skipping canary run as object is suspended");
	if (move->note_count > told)
		move->notes[told].warning = false;
	return step;
}

/* What keeps the routes waiting is told, from the note `said` on, unless the phase has more to say.
 */
static enum step decide_beside(struct tick *tick, size_t said)
{
	char notice[HASH_TEXT_MAX];
	size_t count = tick->move.note_count;
	text_copy(notice, sizeof(notice), tick->notice);
	tick->move.note_count = said;
	tick->notice[0] = '\0';
	tick->due_us = 0;
	enum step step = tick_decide(tick);
	if (step != STEP_END || !tick->unreached || tick->due_us != 0)
		return step;
	tick->due_us = tick->now_us + look_again_us;
	if (!tick->pending)
		return step;
	tick->move.note_count = count;
	text_copy(tick->notice, sizeof(tick->notice), notice);
	return step;
}

static enum step run(struct tick *tick)
{
	struct error err = {0};
	look_after_alerts(tick);
	tick->driver = traffic_find(tick->spec->provider, &err);
	if (leave_is_asked(tick->spec->object)) {
		if (tick->driver == NULL)
			return tick_halt(tick, "%s", err.text);
		/* All commands are refused by now, and that is said. */
		if (tick->status.phase == PHASE_TERMINATING && obey_ask_who(tick) == STEP_WAIT)
			return STEP_WAIT;
		if (tick->status.phase == PHASE_TERMINATING && obey(tick))
			return STEP_ON;
		return leave(tick);
	}
	enum step step = leave_hold(tick);
	if (step != STEP_ON)
		return step;
	if (tick->status.phase == PHASE_NONE)
		return tick_move(tick, MOVE_INITIALIZE);
	step = debts_pay_events(tick);
	if (step != STEP_ON)
		return step;
	if (tick->spec->suspend)
		return suspended(tick);
	if (tick->driver == NULL)
		return tick_halt(tick, "%s", err.text);
	step = converge_observe(tick);
	if (step != STEP_ON)
		return step;
	if (tick->target == NULL)
		return leave_without_target(tick);
	if (!tick->status.memory.present)
		return adopt(tick);
	step = obey_ask_who(tick);
	if (step != STEP_ON)
		return step;
	if (obey(tick))
		return STEP_ON;
	step = scaler_let_go(tick);
	if (step != STEP_ON)
		return step;
	bool asked = tick->thorough;
	tick->thorough = asked || tick->status.phase == PHASE_INITIALIZING ||
			 tick->status.memory.generation != tick->spec->generation;
	step = debts_pay_restore(tick);
	if (step == STEP_ON && !tick->objects_done)
		step = converge_inventory(tick);
	if (step != STEP_ON || tick->move.inventory != NULL)
		return step;
	step = converge_objects(tick);
	tick->objects_done |= step == STEP_ON;
	size_t said = tick->move.note_count;
	if (step == STEP_ON && !tick->routes_done)
		step = converge_routes(tick);
	tick->routes_done |= step == STEP_ON;
	tick->thorough = asked;
	if (step == STEP_ON && tick->landed)
		return begins_step(tick) ? wait_anew(tick) : tick_move(tick, MOVE_SETTLE);
	if (step == STEP_ON)
		step = debts_pay(tick);
	if (step == STEP_ON && obey_is_paused(tick))
		return STEP_END;
	if (step == STEP_END && (may_give_up(tick) || a_fix_waits(tick)) && !obey_is_paused(tick)) {
		return decide_beside(tick, said);
	}
	if (step == STEP_ON && is_late(tick))
		return wait_anew(tick);
	if (step == STEP_ON && is_hastened(tick))
		return hasten(tick);
	return step == STEP_ON ? tick_decide(tick) : step;
}

/* ---- the commit ---- */

/* It is paid, and whoever was to be told of it is told. */
static bool is_settled(const struct tick *tick, const struct debt *debt)
{
	return debt->id < tick->paid_before && herald_is_done(tick->herald, debt->id);
}

static bool has_settled(const struct tick *tick)
{
	const struct memory *memory = &tick->status.memory;
	for (size_t i = 0; i < memory->debt_count; i++)
		if (is_settled(tick, &memory->debts[i]))
			return true;
	return false;
}

static void take_off_paid(struct status *next, const struct tick *tick)
{
	struct memory *memory = &next->memory;
	size_t kept = 0;
	for (size_t i = 0; i < memory->debt_count; i++)
		if (!is_settled(tick, &memory->debts[i]))
			memory->debts[kept++] = memory->debts[i];
	memory->debt_count = kept;
	kept = 0;
	for (size_t i = 0; i < memory->alert_count; i++) {
		bool told = false;
		for (size_t k = 0; k < tick->told_count; k++)
			told |= tick->told[k] == memory->alerts[i].id;
		if (!told)
			memory->alerts[kept++] = memory->alerts[i];
	}
	memory->alert_count = kept;
}

struct situation tick_situation(struct tick *tick)
{
	return (struct situation){
		.spec = tick->spec,
		.now_us = tick->now_us,
		.template_hash = tick->template_hash,
		.tracked = tick->tracked,
		.revision = tick->revision,
		.configs = tick->configs_digest[0] == '\0' ? NULL : tick->configs_digest,
		.mark = mark_of(tick->target),
		.changed = rollout_changes(tick),
		.policy = tick->policy,
		.policy_after = tick->policy_after,
		.routed = tick->driver != NULL && tick->driver->can_weigh,
		.stay_on_canary = tick->primary != NULL &&
				  (tick_primary_is_broken(tick) || tick_primary_is_lost(tick)),
		.alerts = alerts_wanted(tick->world->alerts, tick->spec),
	};
}

static enum tick_result commit(struct tick *tick)
{
	if (tick->move.kind == MOVE_ROUTE && tick->move.due_us == 0)
		tick->move.due_us =
			loop_now(kube_loop(tick->world->asks.kube)) + tick->spec->interval_us;
	const struct situation situation = tick_situation(tick);
	struct error err = {0};
	contest_tell(tick);
	drop_next(tick);
	tick->next = xcalloc(1, sizeof(*tick->next));
	if (!phase_next(&tick->status, &situation, &tick->move, tick->next, &err)) {
		tick->trouble = err;
		return TICK_TROUBLE;
	}
	/* What the spec says anew is looked at until all of it is in force. */
	if (!tick->objects_done)
		tick->next->memory.generation = tick->status.memory.generation;
	tick->next->memory.pending = tick->pending;
	scaler_remember(tick, tick->next);
	take_off_paid(tick->next, tick);
	if (tick->notice[0] != '\0')
		text_copy(tick->next->memory.notice, sizeof(tick->next->memory.notice),
			  tick->notice);
	if (tick->contested[0] != '\0')
		text_copy(tick->next->memory.contested, sizeof(tick->next->memory.contested),
			  tick->contested);
	if (tick->command_seen[0] == '\0')
		tick->next->memory.command[0] = '\0';
	text_copy(tick->next->memory.refused, sizeof(tick->next->memory.refused), tick->refused);
	if (tick->verdict[0] != '\0')
		status_remember(tick->next, tick->now_us, tick->verdict, tick->verdict_text,
				tick->verdict_kind);
	SCOPED(json)
	cJSON *patch = status_patch(tick->next, tick->resource_version, tick->spec->target_kind,
				    tick->now_us, &err);
	if (patch == NULL) {
		tick->trouble = err;
		return TICK_TROUBLE;
	}
	char path[KUBE_PATH_MAX + 8];
	snprintf(path, sizeof(path), "%s/status", tick->path);
	tick->committing = true;
	(void)ask_write(tick->asks, "commit", KUBE_MERGE, path, patch);
	return TICK_WAITING;
}

static enum tick_result committed(struct tick *tick)
{
	const struct answer *answer = ask_write(tick->asks, "commit", KUBE_MERGE, "", NULL);
	if (answer == NULL)
		return TICK_WAITING;
	tick->committing = false;
	if (answer->error.kind != ERROR_NONE) {
		tick->trouble = answer->error;
		bool moved = answer->error.kind == ERROR_CONFLICT ||
			     answer->error.kind == ERROR_NOT_FOUND;
		/* After a lost reply nobody knows whether it took effect. */
		bool unknown = answer->error.kind == ERROR_UNAVAILABLE ||
			       answer->error.kind == ERROR_TIMEOUT;
		return moved || unknown ? TICK_STALE : TICK_TROUBLE;
	}
	const struct answer *now = ask_object(tick->asks, tick->path);
	text_copy(tick->resource_version, sizeof(tick->resource_version),
		  json_string_or(now->object, "metadata.resourceVersion", ""));
	tick->left = tick->status.phase;
	status_fini(&tick->status);
	tick->status = *tick->next; /* which is owned there from now on */
	free(tick->next);
	tick->next = NULL;
	decision_move(tick->decision, &tick->move);
	decision_log_add(tick->world->decisions, tick->spec->namespace, tick->spec->name,
			 tick->now_us, tick->decision, phase_is_at_rest(tick->status.phase));
	decision_free(tick->decision);
	tick->decision = NULL;
	herald_forget(tick->herald, &tick->status.memory);
	if (tick->world->alerts != NULL)
		alerts_forget(tick->world->alerts, tick->spec->uid, &tick->status.memory);
	return TICK_COMMITTED;
}

enum tick_result tick_run(struct tick *tick)
{
	if (tick->committing)
		return committed(tick);
	tick_forget_run(tick);
	enum step step = run(tick);
	if (tick->trouble.kind != ERROR_NONE)
		return tick->trouble.kind == ERROR_CONFLICT || tick->trouble.kind == ERROR_EXISTS
			       ? TICK_STALE
			       : TICK_TROUBLE;
	if (step == STEP_WAIT)
		return TICK_WAITING;
	/* What is paid is taken off by the next move, if there will be one soon. */
	const struct memory *memory = &tick->status.memory;
	int64_t due_us = memory->paused_us == 0 ? memory->due_us : 0;
	bool settle = (has_settled(tick) || tick->told_count > 0) && due_us == 0;
	bool forgets = tick->command_seen[0] == '\0' && memory->command[0] != '\0';
	/* A step counts from when it is in force, so it is remembered that it was not. */
	bool waits = tick->pending && !memory->pending;
	bool worth = step == STEP_ON || settle || waits || forgets || tick->policy_news ||
		     tick->scaler_news || tick->contested[0] != '\0' || tick->notice[0] != '\0';
	if (worth && tick->status.phase != PHASE_TERMINATED)
		return commit(tick);
	if (tick->due_us == 0 || (due_us > tick->now_us && due_us < tick->due_us))
		tick->due_us = due_us;
	return TICK_DONE;
}
