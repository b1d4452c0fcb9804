#include "canary/replay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_delta.h"
#include "base/mem.h"

/* Tens of texts: searched in a row. */
struct learnt {
	char hash[HASH_TEXT_MAX];
	struct policy *policy; /* NULL: `err` says why */
	struct error err;
	struct learnt *next;
};

struct replay {
	struct learnt *learnt;
};

struct replay *replay_new(void)
{
	return xcalloc(1, sizeof(struct replay));
}

void replay_free(struct replay *replay)
{
	if (replay == NULL)
		return;
	while (replay->learnt != NULL) {
		struct learnt *next = replay->learnt->next;
		policy_free(replay->learnt->policy);
		free(replay->learnt);
		replay->learnt = next;
	}
	free(replay);
}

void replay_learn(struct replay *replay, const char *name, const char *hash, const char *text)
{
	for (const struct learnt *each = replay->learnt; each != NULL; each = each->next)
		if (strcmp(each->hash, hash) == 0)
			return;
	struct learnt *learnt = xcalloc(1, sizeof(*learnt));
	text_copy(learnt->hash, sizeof(learnt->hash), hash);
	learnt->policy = policy_new(name, text, strlen(text), &learnt->err);
	if (learnt->policy != NULL && strcmp(policy_hash(learnt->policy), hash) != 0) {
		policy_free(learnt->policy);
		learnt->policy = NULL;
		error_set(&learnt->err, ERROR_INVALID, "%s: is not the text of the hash %s", name,
			  hash);
	}
	learnt->next = replay->learnt;
	replay->learnt = learnt;
}

/* ---- one call ---- */

static struct policy *find(const struct replay *replay, const cJSON *decision, int position,
			   struct error *err)
{
	const cJSON *item = cJSON_GetArrayItem(json_get(decision, "policies"), position);
	const char *hash = json_string_or(item, "hash", "");
	for (const struct learnt *each = replay->learnt; each != NULL; each = each->next) {
		if (strcmp(each->hash, hash) != 0)
			continue;
		if (each->policy == NULL)
			*err = each->err;
		return each->policy;
	}
	error_set(err, ERROR_NOT_FOUND, "the log has no text of the policy %s (%s)",
		  json_string_or(item, "name", "?"), hash);
	return NULL;
}

/* The policies of a call in their order: the last two are the stock ones. */
static bool chain_of(const struct replay *replay, const cJSON *decision, const cJSON *call,
		     struct policy_chain *chain, struct error *err)
{
	struct policy **const places[] = {&chain->own, &chain->stock, &chain->defaults};
	const cJSON *positions = json_get(call, "chain");
	int count = cJSON_GetArraySize(positions);
	*chain = (struct policy_chain){0};
	if (count < 1 || count > 3)
		return error_set(err, ERROR_INVALID, "a call without its policies");
	for (int i = 0; i < count; i++) {
		int position = cJSON_GetArrayItem(positions, i)->valueint;
		struct policy *policy = find(replay, decision, position, err);
		if (policy == NULL)
			return false;
		*places[3 - count + i] = policy;
	}
	return true;
}

static bool hook_of(const cJSON *call, enum policy_hook *hook)
{
	const char *name = json_string_or(call, "hook", "");
	for (int i = 0; i < POLICY_HOOKS; i++) {
		if (strcmp(policy_hook_name((enum policy_hook)i), name) != 0)
			continue;
		*hook = (enum policy_hook)i;
		return true;
	}
	return false;
}

/* As the call saw it; NULL: as the first one did. */
static cJSON *rollout_of(const cJSON *decision, const cJSON *call, bool measured)
{
	cJSON *rollout = json_copy(json_get(decision, "rollout"));
	const cJSON *delta = json_get(call, "rollout");
	struct error err;
	if (delta != NULL)
		(void)!json_delta_apply(&rollout, delta, &err);
	const cJSON *samples = json_get(decision, "samples");
	if (measured && samples != NULL)
		cJSON_AddItemToObject(rollout, "samples", json_copy(samples));
	return rollout;
}

static const cJSON *sample_of(const cJSON *decision, const cJSON *call)
{
	if (json_get(call, "sample") == NULL)
		return NULL;
	return cJSON_GetArrayItem(json_get(decision, "samples"), (int)json_int(call, "sample", 0));
}

bool replay_call(struct replay *replay, const cJSON *decision, const cJSON *call,
		 cJSON **owned_answer, struct error *answered, struct error *err)
{
	struct policy_chain chain;
	enum policy_hook hook;
	*owned_answer = NULL;
	if (!hook_of(call, &hook))
		return error_set(err, ERROR_INVALID, "a call of no hook");
	if (!chain_of(replay, decision, call, &chain, err))
		return false;
	SCOPED(json)
	cJSON *rollout = rollout_of(decision, call, json_bool(call, "measured", false));
	if (!policy_chain_call(&chain, hook, rollout, sample_of(decision, call), owned_answer,
			       answered))
		*owned_answer = NULL;
	return true;
}

bool replay_judge(struct replay *replay, const cJSON *decision, const cJSON *call,
		  const cJSON *sample, cJSON **owned_answer, struct error *err)
{
	struct policy_chain chain;
	*owned_answer = NULL;
	if (!chain_of(replay, decision, call, &chain, err))
		return false;
	SCOPED(json) cJSON *rollout = rollout_of(decision, call, true);
	int position = (int)json_int(call, "sample", -1);
	if (position >= 0 && position < cJSON_GetArraySize(json_get(rollout, "samples")))
		cJSON_ReplaceItemInArray(json_get(rollout, "samples"), position, json_copy(sample));
	return policy_chain_call(&chain, HOOK_JUDGE, rollout, sample, owned_answer, err);
}

void replay_place(struct replay *replay, const cJSON *decision, const cJSON *call, char *place,
		  size_t size)
{
	struct policy_chain chain;
	enum policy_hook hook;
	struct error err = {0};
	place[0] = '\0';
	if (!hook_of(call, &hook) || !chain_of(replay, decision, call, &chain, &err))
		return;
	struct policy *const asked[] = {chain.own, chain.stock, chain.defaults};
	SCOPED(json)
	cJSON *rollout = rollout_of(decision, call, json_bool(call, "measured", false));
	const cJSON *sample = sample_of(decision, call);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		int line;
		if (asked[i] == NULL || !policy_has(asked[i], hook) ||
		    !policy_trace(asked[i], hook, rollout, sample, &line))
			continue;
		snprintf(place, size, "%s:%d", policy_name(asked[i]), line);
		return;
	}
}

/* ---- what a decision comes to ---- */

/* Who answers: the log, or a chain of policies. */
struct asking {
	const cJSON *decision;
	const struct policy_chain *chain; /* NULL: the log */
	cJSON *rollout;			  /* owned by the caller */
	cJSON *answer;			  /* of the last question, owned when there is a chain */
	struct error err;
};

/* The last one: when a policy fails, the stock one is asked after it. */
static const cJSON *recorded_call(const cJSON *decision, enum policy_hook hook, int sample)
{
	const cJSON *call, *found = NULL;
	cJSON_ArrayForEach(call, json_get(decision, "calls"))
	{
		if (text_equal(json_string(call, "hook"), policy_hook_name(hook)) &&
		    json_int(call, "sample", -1) == sample)
			found = call;
	}
	return found;
}

static const cJSON *ask(struct asking *asking, enum policy_hook hook, const cJSON *sample,
			int position)
{
	asking->err = (struct error){0};
	if (asking->chain == NULL) {
		const cJSON *call = recorded_call(asking->decision, hook, position);
		if (json_get(call, "answer") == NULL)
			error_set(&asking->err, ERROR_SCRIPT, "%s",
				  json_string_or(call, "error", "was not asked"));
		return json_get(call, "answer");
	}
	json_free(asking->answer);
	asking->answer = NULL;
	if (!policy_chain_call(asking->chain, hook, asking->rollout, sample, &asking->answer,
			       &asking->err))
		asking->answer = NULL;
	return asking->answer;
}

static void set_text(struct result *result, const char *text)
{
	text_copy(result->text, sizeof(result->text), text);
}

static void failed_hook(const struct asking *asking, struct result *result)
{
	result->kind = RESULT_FAIL;
	set_text(result, asking->err.text);
}

/* What was measured for a check: the sample of the same metric and the same question. */
static cJSON *sample_for(const cJSON *decision, const cJSON *check)
{
	static const char *const same[] = {"query", "templateRef", "templateVariables", "interval"};
	const cJSON *sample;
	cJSON_ArrayForEach(sample, json_get(decision, "samples"))
	{
		const cJSON *metric = json_get(sample, "metric");
		bool fits = text_equal(json_string(metric, "name"), json_string(check, "name"));
		for (size_t i = 0; i < ARRAY_LEN(same); i++)
			fits &= json_equal(json_get(metric, same[i]), json_get(check, same[i]));
		if (!fits)
			continue;
		cJSON *taken = json_copy(sample);
		json_put(taken, "metric", json_copy(check));
		json_remove(taken, "range");
		const cJSON *range = json_get(check, "thresholdRange");
		if (range != NULL)
			json_put(taken, "range", json_copy(range));
		return taken;
	}
	return NULL;
}

/* The samples that the checks ask for; false when one was not measured. */
static bool gather(struct asking *asking, const cJSON *checks, cJSON *samples,
		   struct result *result)
{
	const cJSON *check;
	cJSON_ArrayForEach(check, checks)
	{
		cJSON *sample = sample_for(asking->decision, check);
		if (sample == NULL) {
			result->kind = RESULT_UNKNOWN;
			snprintf(result->text, sizeof(result->text),
				 "it asks for the metric %s, which was not measured",
				 json_string_or(check, "name", "?"));
			return false;
		}
		cJSON_AddItemToArray(samples, sample);
	}
	return true;
}

static void judge_all(struct asking *asking, const cJSON *samples, struct result *result)
{
	int position = 0;
	const cJSON *sample;
	result->kind = RESULT_GO;
	cJSON_ArrayForEach(sample, samples)
	{
		const cJSON *answer = ask(asking, HOOK_JUDGE, sample, position++);
		const char *word = json_string_or(answer, "verdict", "fail");
		bool held = strcmp(word, "hold") == 0;
		if (strcmp(word, "pass") == 0 || result->kind == RESULT_FAIL ||
		    (held && result->kind == RESULT_HOLD))
			continue;
		result->kind = held ? RESULT_HOLD : RESULT_FAIL;
		text_copy(result->metric, sizeof(result->metric),
			  json_string_or(sample, "name", ""));
		result->has_number = cJSON_IsNumber(json_get(sample, "value")) &&
				     !text_equal(json_string(sample, "kind"), "stale");
		result->number = json_number(sample, "value", 0);
		set_text(result,
			 answer == NULL ? asking->err.text : json_string_or(answer, "reason", ""));
	}
}

/* True: the checks are passed, or there were none. */
static bool run_checks(struct asking *asking, struct result *result)
{
	const cJSON *decision = asking->decision;
	if (recorded_call(decision, HOOK_THRESHOLDS, -1) == NULL)
		return true;
	const cJSON *checks = ask(asking, HOOK_THRESHOLDS, NULL, -1);
	if (checks == NULL) {
		failed_hook(asking, result);
		return false;
	}
	cJSON *samples = cJSON_CreateArray();
	bool measured = asking->chain != NULL ? gather(asking, checks, samples, result)
					      : json_get(decision, "samples") != NULL;
	if (measured && asking->chain == NULL) {
		json_free(samples);
		samples = json_copy(json_get(decision, "samples"));
	}
	cJSON_AddItemToObject(asking->rollout, "samples", samples);
	if (measured)
		judge_all(asking, samples, result);
	return measured && result->kind == RESULT_GO;
}

static void read_step(const struct asking *asking, const cJSON *answer, struct result *result)
{
	const char *action = json_string_or(answer, "action", "");
	set_text(result, json_string_or(answer, "reason", ""));
	if (answer == NULL) {
		failed_hook(asking, result);
	} else if (strcmp(action, "route") == 0) {
		result->kind = RESULT_ROUTE;
		result->weight = json_number(answer, "weight", result->weight);
	} else if (strcmp(action, "promote") == 0) {
		result->kind = RESULT_PROMOTE;
	} else if (strcmp(action, "rollback") == 0) {
		result->kind = RESULT_ROLL_BACK;
		result->weight = 0;
	} else {
		result->kind = RESULT_HOLD;
	}
}

/* The traffic stays as it is for now; or nobody can say. */
static bool step_goes_on(struct asking *asking, struct result *result)
{
	const cJSON *answer = ask(asking, HOOK_PACE, NULL, -1);
	if (answer == NULL) {
		failed_hook(asking, result);
		return true;
	}
	if (json_number(answer, "seconds", 0) <= json_number(asking->rollout, "step_age", 0))
		return false;
	result->kind = RESULT_ROUTE;
	set_text(result, "the step goes on");
	return true;
}

static void analyse(struct asking *asking, struct result *result)
{
	const cJSON *answer = ask(asking, HOOK_ROLLBACK, NULL, -1);
	if (answer == NULL) {
		failed_hook(asking, result);
		return;
	}
	if (json_bool(answer, "rollback", false)) {
		result->kind = RESULT_ROLL_BACK;
		result->weight = 0;
		set_text(result, json_string_or(answer, "reason", ""));
		return;
	}
	bool went_on = recorded_call(asking->decision, HOOK_THRESHOLDS, -1) != NULL ||
		       recorded_call(asking->decision, HOOK_STEP, -1) != NULL;
	if (!went_on) {
		result->kind = RESULT_UNKNOWN;
		set_text(result, "it would not have rolled back, and nothing was measured");
		return;
	}
	if (!run_checks(asking, result))
		return;
	if (recorded_call(asking->decision, HOOK_PACE, -1) != NULL && step_goes_on(asking, result))
		return;
	if (asking->chain == NULL && recorded_call(asking->decision, HOOK_STEP, -1) == NULL) {
		result->kind = RESULT_FAIL;
		return;
	}
	read_step(asking, ask(asking, HOOK_STEP, NULL, -1), result);
}

static void come_to(struct asking *asking, struct result *result)
{
	*result = (struct result){
		.kind = RESULT_UNKNOWN,
		.weight = json_number(json_get(asking->decision, "rollout"), "weight", 0)};
	if (recorded_call(asking->decision, HOOK_START, -1) != NULL) {
		const cJSON *answer = ask(asking, HOOK_START, NULL, -1);
		bool held = text_equal(json_string(answer, "action"), "hold");
		result->kind = answer == NULL || held ? RESULT_HOLD : RESULT_GO;
		set_text(result,
			 answer == NULL ? asking->err.text : json_string_or(answer, "reason", ""));
		if (text_equal(json_string(answer, "action"), "slot")) {
			result->kind = RESULT_UNKNOWN;
			set_text(result, "who held the slot is not recorded");
		}
	} else if (recorded_call(asking->decision, HOOK_PROMOTION, -1) != NULL) {
		const cJSON *answer = ask(asking, HOOK_PROMOTION, NULL, -1);
		result->kind = RESULT_PRIMARY;
		result->weight = 100 - json_number(answer, "weight", 100);
	} else {
		analyse(asking, result);
	}
}

void replay_result(const cJSON *decision, struct result *result)
{
	struct asking asking = {.decision = decision, .rollout = rollout_of(decision, NULL, false)};
	come_to(&asking, result);
	json_free(asking.rollout);
}

void replay_under(struct replay *replay, struct policy *policy, const cJSON *decision,
		  int failed_checks, const cJSON *state, struct result *result, cJSON **owned_state)
{
	struct policy_chain chain;
	struct asking asking = {.decision = decision, .chain = &chain};
	*owned_state = NULL;
	const cJSON *call = json_at(decision, "calls[0]");
	if (!chain_of(replay, decision, call, &chain, &asking.err)) {
		*result = (struct result){.kind = RESULT_UNKNOWN};
		set_text(result, asking.err.text);
		return;
	}
	struct policy_runs runs = {0};
	chain.own = policy;
	chain.runs = &runs;
	asking.rollout = rollout_of(decision, NULL, false);
	if (failed_checks >= 0)
		json_put_number(asking.rollout, "failed_checks", failed_checks);
	if (state != NULL)
		json_put(asking.rollout, "state", json_copy(state));
	come_to(&asking, result);
	const cJSON *kept = json_get(asking.answer, "state");
	if (cJSON_IsObject(kept))
		*owned_state = json_copy(kept);
	policy_runs_fini(&runs);
	json_free(asking.answer);
	json_free(asking.rollout);
}

bool result_equal(const struct result *a, const struct result *b)
{
	return a->kind == b->kind && !(fabs(a->weight - b->weight) > 0);
}

void result_text(const struct result *result, struct buf *into)
{
	static const char *const words[] = {
		[RESULT_GO] = "begin the release",
		[RESULT_FAIL] = "a failed check",
		[RESULT_HOLD] = "hold",
		[RESULT_ROUTE] = "go on to weight",
		[RESULT_PROMOTE] = "promote",
		[RESULT_PRIMARY] = "go back to the primary, which leaves the canary weight",
		[RESULT_ROLL_BACK] = "roll back",
		[RESULT_UNKNOWN] = "not known",
	};
	char number[32];
	buf_puts(into, words[result->kind]);
	json_number_text(result->weight, number);
	if (result->kind == RESULT_ROUTE || result->kind == RESULT_PRIMARY)
		buf_printf(into, " %s", number);
	json_number_text(result->number, number);
	if (result->metric[0] != '\0' && result->has_number)
		buf_printf(into, ", on %s = %s", result->metric, number);
	else if (result->metric[0] != '\0')
		buf_printf(into, ", on %s", result->metric);
	if (result->text[0] != '\0')
		buf_printf(into, ": %s", result->text);
}
