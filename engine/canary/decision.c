#include "canary/decision.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_delta.h"
#include "base/mem.h"

enum { RAW_MAX = 300 };

struct decision {
	cJSON *json;
};

static cJSON *list_of(struct decision *decision, const char *name)
{
	cJSON *list = json_get(decision->json, name);
	return list != NULL ? list : cJSON_AddArrayToObject(decision->json, name);
}

static bool holds_on(const cJSON *call)
{
	const char *hook = json_string_or(call, "hook", "");
	return strcmp(hook, policy_hook_name(HOOK_ROLLBACK)) == 0 ||
	       strcmp(hook, policy_hook_name(HOOK_THRESHOLDS)) == 0;
}

struct decision *decision_again(struct decision *owned_earlier)
{
	struct decision *decision = xcalloc(1, sizeof(*decision));
	decision->json = cJSON_CreateObject();
	if (owned_earlier == NULL)
		return decision;
	cJSON *calls = json_get(owned_earlier->json, "calls"), *policies;
	for (cJSON *call = calls == NULL ? NULL : calls->child; call != NULL;) {
		cJSON *next = call->next;
		if (holds_on(call))
			cJSON_AddItemToArray(list_of(decision, "calls"),
					     cJSON_DetachItemViaPointer(calls, call));
		call = next;
	}
	policies = cJSON_DetachItemFromObjectCaseSensitive(owned_earlier->json, "policies");
	if (policies != NULL && json_get(decision->json, "calls") != NULL)
		cJSON_AddItemToObject(decision->json, "policies", policies);
	else
		cJSON_Delete(policies);
	decision_free(owned_earlier);
	return decision;
}

void decision_free(struct decision *decision)
{
	if (decision == NULL)
		return;
	cJSON_Delete(decision->json);
	free(decision);
}

static int position_of(struct decision *decision, const struct policy *policy)
{
	cJSON *list = list_of(decision, "policies"), *item;
	int i = 0;
	cJSON_ArrayForEach(item, list)
	{
		if (text_equal(json_string(item, "hash"), policy_hash(policy)) &&
		    text_equal(json_string(item, "name"), policy_name(policy)))
			return i;
		i++;
	}
	item = cJSON_CreateObject();
	cJSON_AddStringToObject(item, "name", policy_name(policy));
	cJSON_AddStringToObject(item, "hash", policy_hash(policy));
	cJSON_AddItemToArray(list, item);
	return i;
}

/* What the call saw stands with it until the end. */
static void keep_rollout(struct decision *decision, const cJSON *rollout, cJSON *call)
{
	const cJSON *samples = json_get(rollout, "samples");
	if (samples != NULL && json_get(decision->json, "samples") == NULL)
		cJSON_AddItemToObject(decision->json, "samples", cJSON_Duplicate(samples, true));
	cJSON *kept = cJSON_Duplicate(rollout, true);
	cJSON_DeleteItemFromObjectCaseSensitive(kept, "samples");
	cJSON_AddItemToObject(call, "rollout", kept);
}

/* One rollout for all calls; what differs for one stands with it. */
static void share_rollout(struct decision *decision)
{
	cJSON *calls = json_get(decision->json, "calls"), *call;
	cJSON *last = cJSON_GetArrayItem(calls, cJSON_GetArraySize(calls) - 1);
	if (last == NULL)
		return;
	const cJSON *shared = cJSON_DetachItemFromObjectCaseSensitive(last, "rollout");
	cJSON_AddItemToObject(decision->json, "rollout", (cJSON *)(uintptr_t)shared);
	cJSON_ArrayForEach(call, calls)
	{
		cJSON *seen = cJSON_DetachItemFromObjectCaseSensitive(call, "rollout");
		cJSON *delta = seen == NULL ? NULL : json_delta(shared, seen);
		if (delta != NULL)
			cJSON_AddItemToObject(call, "rollout", delta);
		cJSON_Delete(seen);
	}
}

/* The same question of the same policies, in an earlier run. */
static void forget_call(struct decision *decision, const char *hook, int sample, const cJSON *chain)
{
	cJSON *calls = list_of(decision, "calls");
	for (cJSON *call = calls->child; call != NULL; call = call->next) {
		if (!text_equal(json_string(call, "hook"), hook) ||
		    json_int(call, "sample", -1) != sample ||
		    !json_equal(json_get(call, "chain"), chain))
			continue;
		cJSON_Delete(cJSON_DetachItemViaPointer(calls, call));
		return;
	}
}

static int sample_position(const cJSON *rollout, const cJSON *sample)
{
	int i = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, json_get(rollout, "samples"))
	{
		if (item == sample)
			return i;
		i++;
	}
	return -1;
}

void decision_call(struct decision *decision, const struct policy_chain *chain,
		   enum policy_hook hook, const cJSON *rollout, const cJSON *extra,
		   const cJSON *answer, const struct error *err)
{
	if (decision == NULL)
		return;
	const struct policy *const asked[] = {chain->own, chain->stock, chain->defaults};
	cJSON *call = cJSON_CreateObject(), *positions = cJSON_CreateArray();
	int sample = extra == NULL ? -1 : sample_position(rollout, extra);
	keep_rollout(decision, rollout, call);
	cJSON_AddStringToObject(call, "hook", policy_hook_name(hook));
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		if (asked[i] != NULL)
			cJSON_AddItemToArray(positions,
					     cJSON_CreateNumber(position_of(decision, asked[i])));
	cJSON_AddItemToObject(call, "chain", positions);
	if (json_get(rollout, "samples") != NULL)
		cJSON_AddTrueToObject(call, "measured");
	if (extra != NULL)
		cJSON_AddNumberToObject(call, "sample", sample);
	if (answer != NULL)
		cJSON_AddItemToObject(call, "answer", cJSON_Duplicate(answer, true));
	else
		cJSON_AddStringToObject(call, "error", err->text);
	forget_call(decision, policy_hook_name(hook), sample, positions);
	cJSON_AddItemToArray(list_of(decision, "calls"), call);
}

void decision_sample(struct decision *decision, const char *query, const char *raw)
{
	char text[RAW_MAX + 1] = "";
	if (decision == NULL)
		return;
	if (raw != NULL)
		text_copy(text, sizeof(text), raw);
	cJSON_AddItemToArray(list_of(decision, "asked"), cJSON_CreateString(query));
	cJSON_AddItemToArray(list_of(decision, "raw"), cJSON_CreateString(text));
}

void decision_move(struct decision *decision, const struct move *move)
{
	if (decision == NULL)
		return;
	share_rollout(decision);
	cJSON *json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "kind", move_name(move->kind));
	if (move->kind == MOVE_ROUTE || move->kind == MOVE_PRIMARY) {
		cJSON_AddNumberToObject(json, "weight", move->split.canary);
		if (move->split.mirror)
			cJSON_AddTrueToObject(json, "mirror");
	}
	if (move->has_iteration)
		cJSON_AddNumberToObject(json, "iteration", move->iteration);
	if (move->reason != NULL)
		cJSON_AddStringToObject(json, "reason", move->reason);
	cJSON_AddItemToObject(decision->json, "move", json);
}

void decision_theirs(struct decision *decision, cJSON *owned_theirs)
{
	cJSON_AddItemToObject(decision->json, "theirs", owned_theirs);
}

bool decision_is_empty(const struct decision *decision)
{
	return decision == NULL || json_get(decision->json, "calls") == NULL;
}

const cJSON *decision_json(const struct decision *decision)
{
	return decision->json;
}
