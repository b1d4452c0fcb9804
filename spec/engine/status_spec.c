#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/status.h"

#define NOW INT64_C(1795412170000000) /* 2026-11-23T05:36:10Z */
#define LATER (NOW + 60 * DURATION_SECOND)

static cJSON *json(const char *text)
{
	struct error err = {0};
	cJSON *value = json_parse(text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	return value;
}

/* What the API server makes of a status and a patch of it; the caller frees. */
static cJSON *patched(const cJSON *status, const struct status *next, int64_t now_us)
{
	struct error err = {0};
	cJSON *whole = cJSON_CreateObject();
	if (status != NULL)
		cJSON_AddItemToObject(whole, "status", cJSON_Duplicate(status, true));
	SCOPED(json) cJSON *patch = status_patch(next, "7", "Deployment", now_us, &err);
	EXPECT_TEXT(err.text, "");
	EXPECT_TEXT(json_string(patch, "metadata.resourceVersion"), "7");
	json_merge_patch(&whole, patch);
	cJSON *result = cJSON_DetachItemFromObject(whole, "status");
	cJSON_Delete(whole);
	return result;
}

static const cJSON *condition(const cJSON *status, const char *type)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, json_get(status, "conditions"))
	{
		if (text_equal(json_string(one, "type"), type))
			return one;
	}
	return NULL;
}

static void fill(struct status *status)
{
	status_init(status);
	status->phase = PHASE_PROGRESSING;
	status->failed_checks = 2;
	status->canary_weight = 15;
	status->iterations = 3;
	text_copy(status->last_applied_spec, HASH_TEXT_MAX, "6d5f8c9b7");
	text_copy(status->last_promoted_spec, HASH_TEXT_MAX, "5c4b7d8f9");
	status->tracked_configs = json("{\"configmap/a\":\"0011\",\"secret/b\":\"2233\"}");
	struct memory *memory = &status->memory;
	memory->present = true;
	text_copy(memory->revision, HASH_TEXT_MAX, "rev");
	memory->split = (struct split){.primary = 85, .canary = 15, .mirror = true};
	memory->match = cJSON_Parse("[{\"headers\":{\"cookie\":{\"exact\":\"a\"}}}]");
	memory->rematch = true;
	memory->changed = CHANGED_IMAGE | CHANGED_CONFIG;
	memory->pinned = true;
	text_copy(memory->refused, HASH_TEXT_MAX, "refused");
	memory->due_us = NOW + 1;
	memory->since_us = NOW - 123456;
	text_copy(memory->notice, HASH_TEXT_MAX, "notice");
	text_copy(memory->applied, HASH_TEXT_MAX, "applied");
	text_copy(memory->policy, HASH_TEXT_MAX, "policy");
	memory->generation = 12;
	memory->hold_since_us = NOW - 5;
	memory->early = true;
	memory->pending = true;
	text_copy(memory->configs, HASH_TEXT_MAX, "configs");
	memory->replicas = 4;
	memory->state = json("{\"seen\":[1,2.5,null],\"text\":\"\\\"quoted\\\"\"}");
	memory->next_debt = 41;
	status_owe_event(status, true, PHASE_PROGRESSING, "checksum", NOW, "Halt %s \"%d%%\"",
			 "podinfo.test", 7);
	status_owe(status, DEBT_POST_ROLLOUT, PHASE_SUCCEEDED, "other", NOW + 2);
	status_owe(status, DEBT_PROMOTE, PHASE_PROGRESSING, "", NOW + 3);
	status_owe(status, DEBT_SCALE_DOWN, PHASE_FAILED, "", NOW + 4);
	status_remember(status, NOW, "pass", "success rate 99.9%", "");
	memory->split.canary = 20;
	status_remember(status, NOW + 9, "hold", "", "stale");
}

static void expect_same_memory(const struct memory *a, const struct memory *b)
{
	EXPECT(a->present == b->present && a->early == b->early && a->pending == b->pending);
	EXPECT_TEXT(a->revision, b->revision);
	EXPECT(split_equal(&a->split, &b->split));
	EXPECT(json_equal(a->match, b->match));
	EXPECT_INT(a->rematch, b->rematch);
	EXPECT_INT(a->changed, b->changed);
	EXPECT_INT(a->pinned, b->pinned);
	EXPECT_TEXT(a->refused, b->refused);
	EXPECT_INT(a->due_us, b->due_us);
	EXPECT_INT(a->since_us, b->since_us);
	EXPECT_INT(a->next_debt, b->next_debt);
	EXPECT_TEXT(a->notice, b->notice);
	EXPECT_TEXT(a->applied, b->applied);
	EXPECT_TEXT(a->policy, b->policy);
	EXPECT_TEXT(a->configs, b->configs);
	EXPECT_INT(a->generation, b->generation);
	EXPECT_INT(a->hold_since_us, b->hold_since_us);
	EXPECT_INT(a->replicas, b->replicas);
	EXPECT(a->state == NULL ? b->state == NULL : json_equal(a->state, b->state));
	EXPECT_INT(a->debt_count, b->debt_count);
	for (size_t i = 0; i < a->debt_count; i++) {
		const struct debt *one = &a->debts[i], *other = &b->debts[i];
		EXPECT_INT(one->kind, other->kind);
		EXPECT_INT(one->id, other->id);
		EXPECT_INT(one->warning, other->warning);
		EXPECT_INT(one->phase, other->phase);
		EXPECT_INT(one->time_us, other->time_us);
		EXPECT_TEXT(one->checksum, other->checksum);
		EXPECT_TEXT(one->text, other->text);
	}
	EXPECT_INT(a->history_count, b->history_count);
	for (size_t i = 0; i < a->history_count; i++) {
		EXPECT_INT(a->history[i].time_us, b->history[i].time_us);
		EXPECT_INT(a->history[i].weight, b->history[i].weight);
		EXPECT_TEXT(a->history[i].verdict, b->history[i].verdict);
		EXPECT_TEXT(a->history[i].text, b->history[i].text);
		EXPECT_TEXT(a->history[i].kind, b->history[i].kind);
	}
}

SPEC("status: what is written is read back, all of it")
{
	struct status status, back;
	fill(&status);
	SCOPED(json) cJSON *stored = patched(NULL, &status, NOW);
	status_read(&back, stored);
	EXPECT_INT(back.phase, PHASE_PROGRESSING);
	EXPECT_INT(back.failed_checks, 2);
	EXPECT_INT(back.canary_weight, 15);
	EXPECT_INT(back.iterations, 3);
	EXPECT_TEXT(back.last_applied_spec, "6d5f8c9b7");
	EXPECT_TEXT(back.last_promoted_spec, "5c4b7d8f9");
	EXPECT_INT(back.last_transition_us, NOW);
	EXPECT(json_equal(back.tracked_configs, status.tracked_configs));
	EXPECT(back.others == NULL);
	expect_same_memory(&back.memory, &status.memory);
	EXPECT_INT(back.memory.debts[0].id, 41);
	EXPECT_INT(back.memory.next_debt, 45);
	EXPECT_TEXT(back.memory.debts[0].text, "Halt podinfo.test \"7%\"");
	EXPECT_INT(back.memory.history[1].weight, 20);
	status_fini(&status);
	status_fini(&back);
}

SPEC("status: a copy is whole, and independent")
{
	struct status status, copy;
	fill(&status);
	status_copy(&copy, &status);
	expect_same_memory(&copy.memory, &status.memory);
	EXPECT(copy.tracked_configs != status.tracked_configs);
	status_fini(&status);
	EXPECT_TEXT(json_string(copy.memory.state, "text"), "\"quoted\"");
	EXPECT_TEXT(json_string(copy.tracked_configs, "[\"configmap/a\"]"), "0011");
	status_fini(&copy);
}

SPEC("status: phases are named as the reference names them")
{
	enum phase phase;
	EXPECT_TEXT(phase_name(PHASE_NONE), "");
	EXPECT_TEXT(phase_name(PHASE_FINALISING), "Finalising");
	for (int i = PHASE_NONE; i <= PHASE_TERMINATED; i++) {
		EXPECT(phase_parse(phase_name((enum phase)i), &phase));
		EXPECT_INT(phase, i);
	}
	EXPECT(!phase_parse("progressing", &phase));
	EXPECT(phase_is_at_rest(PHASE_FAILED) && !phase_is_at_rest(PHASE_WAITING));
}

SPEC("status: nothing and garbage read as a canary that was never seen")
{
	static const char *const texts[] = {
		"null",
		"3",
		"\"x\"",
		"[]",
		"{}",
		"{\"phase\":3,\"failedChecks\":\"x\",\"canaryWeight\":{},\"iterations\":null,"
		"\"lastAppliedSpec\":1,\"lastTransitionTime\":\"soon\",\"trackedConfigs\":[1],"
		"\"conditions\":{}}",
		"{\"phase\":\"Exploding\",\"conditions\":[1,null,{},{\"type\":7},"
		"{\"type\":\"Sluice\",\"message\":\"not json\"}]}",
		"{\"conditions\":[{\"type\":\"Sluice\",\"message\":\"[]\"}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct status status;
		SCOPED(json) cJSON *text = json(texts[i]);
		status_read(&status, text);
		EXPECT_INT(status.phase, PHASE_NONE);
		EXPECT_INT(status.failed_checks, 0);
		EXPECT_INT(status.canary_weight, 0);
		EXPECT(!status.memory.present && status.tracked_configs == NULL);
		EXPECT_INT(status.last_transition_us, 0);
		status_fini(&status);
	}
	struct status status;
	status_read(&status, NULL);
	EXPECT_INT(status.phase, PHASE_NONE);
	status_fini(&status);
}

SPEC("status: numbers out of range come into range")
{
	struct status status;
	SCOPED(json)
	cJSON *text = json("{\"phase\":\"Progressing\",\"failedChecks\":-3,\"canaryWeight\":1e300,"
			   "\"iterations\":-7.5}");
	status_read(&status, text);
	EXPECT_INT(status.phase, PHASE_PROGRESSING);
	EXPECT_INT(status.failed_checks, 0);
	EXPECT_INT(status.canary_weight, 100);
	EXPECT_INT(status.iterations, -1);
	status_fini(&status);
}

static void read_document(struct status *status, const char *document)
{
	cJSON *whole = cJSON_CreateObject();
	cJSON *conditions = cJSON_AddArrayToObject(whole, "conditions");
	cJSON *one = cJSON_CreateObject();
	cJSON_AddStringToObject(one, "type", "Sluice");
	cJSON_AddStringToObject(one, "message", document);
	cJSON_AddItemToArray(conditions, one);
	status_read(status, whole);
	cJSON_Delete(whole);
}

SPEC("status: of a document that is older, newer or mangled, what is known is read")
{
	struct status status;
	read_document(&status,
		      "{\"v\":9,\"revision\":7,\"split\":\"x\",\"due\":-1,\"since\":1e17,"
		      "\"owes\":[1,{\"kind\":\"dance\"},{\"kind\":\"event\",\"id\":\"x\","
		      "\"phase\":\"?\",\"time\":{}},{\"kind\":\"promote\",\"id\":5}],"
		      "\"state\":[1],\"history\":[3,[],[1,2,3,4],{\"a\":1}],\"replicas\":1e99,"
		      "\"generation\":2,\"future\":{}}");
	const struct memory *memory = &status.memory;
	EXPECT(memory->present);
	EXPECT_TEXT(memory->revision, "");
	EXPECT_INT(memory->split.primary, 0);
	EXPECT_INT(memory->due_us, 0);
	EXPECT_INT(memory->since_us, 0);
	EXPECT_INT(memory->debt_count, 2);
	EXPECT_INT(memory->debts[0].phase, PHASE_NONE);
	EXPECT_INT(memory->debts[1].kind, DEBT_PROMOTE);
	EXPECT_INT(memory->next_debt, 6);
	EXPECT(memory->state == NULL);
	EXPECT_INT(memory->history_count, 2);
	EXPECT_INT(memory->generation, 2);
	EXPECT_INT(memory->replicas, 0);
	status_fini(&status);
}

SPEC("status: more debts and history than there is room for are cut")
{
	struct buf text;
	struct status status;
	buf_init(&text, MEMORY_DOC_MAX);
	buf_puts(&text, "{\"owes\":[");
	for (int i = 0; i < 60; i++)
		buf_printf(&text, "%s{\"kind\":\"event\",\"id\":%d}", i > 0 ? "," : "", i);
	buf_puts(&text, "],\"history\":[");
	for (int i = 0; i < 60; i++)
		buf_printf(&text, "%s[%d,%d,\"pass\",\"\"]", i > 0 ? "," : "", i, i);
	buf_puts(&text, "]}");
	read_document(&status, text.text);
	EXPECT_INT(status.memory.debt_count, DEBTS_MAX);
	EXPECT_INT(status.memory.debts[0].id, 0);
	EXPECT_INT(status.memory.history_count, HISTORY_MAX);
	EXPECT_INT(status.memory.history[HISTORY_MAX - 1].weight, 59);
	status_fini(&status);
	buf_fini(&text);
}

SPEC("status: a document that is too long is not one of ours")
{
	struct status status;
	SCOPED(text) char *text = xmalloc(MEMORY_DOC_MAX + 64);
	memset(text, ' ', MEMORY_DOC_MAX + 32);
	text_copy(text + MEMORY_DOC_MAX + 32, 32, "{\"v\":1}");
	read_document(&status, text);
	EXPECT(!status.memory.present);
	status_fini(&status);
}

SPEC("status: the promoted condition has the words of the reference")
{
	static const struct {
		enum phase phase;
		const char *status, *message;
	} cases[] = {
		{PHASE_INITIALIZING, "Unknown",
		 "New Deployment detected, starting initialization."},
		{PHASE_INITIALIZED, "True", "Deployment initialization completed."},
		{PHASE_WAITING, "Unknown", "Waiting for approval."},
		{PHASE_PROGRESSING, "Unknown",
		 "New revision detected, progressing canary analysis."},
		{PHASE_WAITING_PROMOTION, "Unknown", "Waiting for approval."},
		{PHASE_PROMOTING, "Unknown",
		 "Canary analysis completed, starting primary rolling update."},
		{PHASE_FINALISING, "Unknown",
		 "Canary analysis completed, routing all traffic to primary."},
		{PHASE_SUCCEEDED, "True",
		 "Canary analysis completed successfully, promotion finished."},
		{PHASE_FAILED, "False", "Canary analysis failed, Deployment scaled to zero."},
		{PHASE_TERMINATING, "Unknown",
		 "Canary is being deleted, traffic returns to Deployment."},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct status status;
		status_init(&status);
		status.phase = cases[i].phase;
		SCOPED(json) cJSON *stored = patched(NULL, &status, NOW);
		const cJSON *promoted = condition(stored, "Promoted");
		EXPECT_TEXT(json_string(promoted, "status"), cases[i].status);
		EXPECT_TEXT(json_string(promoted, "reason"), phase_name(cases[i].phase));
		EXPECT_TEXT(json_string(promoted, "message"), cases[i].message);
		EXPECT_TEXT(json_string(promoted, "lastUpdateTime"), "2026-11-23T05:36:10Z");
		status_fini(&status);
	}
}

SPEC("status: after a failed promotion the condition does not claim that anything is at zero")
{
	struct status status;
	status_init(&status);
	status.phase = PHASE_FAILED;
	status.canary_weight = 100;
	SCOPED(json) cJSON *stored = patched(NULL, &status, NOW);
	EXPECT_TEXT(json_string(condition(stored, "Promoted"), "message"),
		    "Promotion failed, traffic stays on the canary Deployment.");
	status_fini(&status);
}

/* A further write over what is stored: reads, changes the phase, patches. */
static cJSON *move_on(const cJSON *stored, enum phase phase, int64_t now_us)
{
	struct status status;
	status_read(&status, stored);
	status.phase = phase;
	cJSON *next = patched(stored, &status, now_us);
	status_fini(&status);
	return next;
}

SPEC("status: times of the promoted condition change with its reason and its status only")
{
	SCOPED(json) cJSON *first = move_on(NULL, PHASE_PROGRESSING, NOW);
	SCOPED(json) cJSON *again = move_on(first, PHASE_PROGRESSING, LATER);
	EXPECT(json_equal(condition(first, "Promoted"), condition(again, "Promoted")));
	SCOPED(json) cJSON *next = move_on(again, PHASE_PROMOTING, LATER);
	const cJSON *promoted = condition(next, "Promoted");
	EXPECT_TEXT(json_string(promoted, "lastUpdateTime"), "2026-11-23T05:37:10Z");
	EXPECT_TEXT(json_string(promoted, "lastTransitionTime"), "2026-11-23T05:36:10Z");
	SCOPED(json) cJSON *done = move_on(next, PHASE_SUCCEEDED, LATER + DURATION_SECOND);
	promoted = condition(done, "Promoted");
	EXPECT_TEXT(json_string(promoted, "lastTransitionTime"), "2026-11-23T05:37:11Z");
}

SPEC("status: the last transition does not move while a canary rests")
{
	SCOPED(json) cJSON *failed = move_on(NULL, PHASE_FAILED, NOW);
	SCOPED(json) cJSON *still = move_on(failed, PHASE_FAILED, LATER);
	EXPECT_TEXT(json_string(still, "lastTransitionTime"), "2026-11-23T05:36:10Z");
	SCOPED(json) cJSON *begun = move_on(still, PHASE_PROGRESSING, LATER);
	EXPECT_TEXT(json_string(begun, "lastTransitionTime"), "2026-11-23T05:37:10Z");
	SCOPED(json) cJSON *step = move_on(begun, PHASE_PROGRESSING, LATER + DURATION_SECOND);
	EXPECT_TEXT(json_string(step, "lastTransitionTime"), "2026-11-23T05:37:11Z");
}

SPEC("status: the Sluice condition says in a word what goes on, and since when it is there")
{
	struct status status;
	fill(&status);
	SCOPED(json) cJSON *stored = patched(NULL, &status, NOW);
	const cJSON *sluice = json_at(stored, "conditions[1]");
	EXPECT_TEXT(json_string(sluice, "type"), "Sluice");
	EXPECT_TEXT(json_string(sluice, "status"), "True");
	EXPECT_TEXT(json_string(sluice, "reason"), "Holding");
	EXPECT_TEXT(json_string(sluice, "lastTransitionTime"), "2026-11-23T05:36:10Z");
	status_fini(&status);

	status_read(&status, stored);
	status.memory.hold_since_us = 0;
	SCOPED(json) cJSON *later = patched(stored, &status, LATER);
	sluice = condition(later, "Sluice");
	EXPECT_TEXT(json_string(sluice, "reason"), "Progressing");
	EXPECT_TEXT(json_string(sluice, "lastUpdateTime"), "2026-11-23T05:37:10Z");
	EXPECT_TEXT(json_string(sluice, "lastTransitionTime"), "2026-11-23T05:36:10Z");
	status_fini(&status);

	status_init(&status);
	status.phase = PHASE_SUCCEEDED;
	status.memory.present = true;
	SCOPED(json) cJSON *rest = patched(NULL, &status, NOW);
	EXPECT_TEXT(json_string(condition(rest, "Sluice"), "reason"), "AtRest");
	EXPECT_TEXT(json_string(condition(rest, "Sluice"), "message"), "{\"v\":1,\"split\":[0,0]}");
	status_owe(&status, DEBT_POST_ROLLOUT, PHASE_SUCCEEDED, "", NOW);
	SCOPED(json) cJSON *owing = patched(NULL, &status, NOW);
	EXPECT_TEXT(json_string(condition(owing, "Sluice"), "reason"), "Succeeded");
	status_fini(&status);
}

SPEC("status: fields and conditions of others stay, and are not in the patch unless they must be")
{
	SCOPED(json)
	cJSON *stored =
		json("{\"phase\":\"Initialized\",\"sessionAffinityCookie\":\"a=b\","
		     "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"Yes\","
		     "\"more\":1},{\"type\":\"Promoted\",\"status\":\"True\",\"reason\":"
		     "\"Initialized\",\"message\":\"theirs\"}]}");
	struct status status;
	struct error err = {0};
	status_read(&status, stored);
	status.memory.present = true;
	SCOPED(json) cJSON *patch = status_patch(&status, NULL, "Deployment", NOW, &err);
	EXPECT(json_get(patch, "metadata") == NULL);
	EXPECT(json_at(patch, "status.sessionAffinityCookie") == NULL);
	EXPECT_TEXT(json_string(patch, "status.conditions[0].message"), "theirs");
	EXPECT_TEXT(json_string(patch, "status.conditions[1].type"), "Sluice");
	EXPECT_TEXT(json_string(patch, "status.conditions[2].type"), "Ready");
	EXPECT_INT(json_int(patch, "status.conditions[2].more", 0), 1);
	SCOPED(json) cJSON *next = patched(stored, &status, NOW);
	EXPECT_TEXT(json_string(next, "sessionAffinityCookie"), "a=b");
	status_fini(&status);
	status_read(&status, next);
	EXPECT_TEXT(status.cookie, "a=b");
	EXPECT_TEXT(json_string(status.others, "conditions[0].type"), "Ready");
	status_fini(&status);
}

SPEC("status: configs that are not tracked any more are gone after the patch")
{
	SCOPED(json)
	cJSON *stored = json("{\"trackedConfigs\":{\"configmap/a\":\"1\",\"secret/b\":\"2\"}}");
	struct status status;
	status_read(&status, stored);
	cJSON_Delete(status.tracked_configs);
	status.tracked_configs = json("{\"secret/b\":\"3\"}");
	SCOPED(json) cJSON *fewer = patched(stored, &status, NOW);
	SCOPED(json) cJSON *wanted = json("{\"secret/b\":\"3\"}");
	EXPECT(json_equal(json_get(fewer, "trackedConfigs"), wanted));
	cJSON_Delete(status.tracked_configs);
	status.tracked_configs = NULL;
	SCOPED(json) cJSON *none = patched(stored, &status, NOW);
	EXPECT(json_get(none, "trackedConfigs") == NULL);
	status_fini(&status);
}

SPEC("status: a canary without memory has no Sluice condition")
{
	struct status status;
	fill(&status);
	status.memory.present = false;
	SCOPED(json) cJSON *stored = patched(NULL, &status, NOW);
	EXPECT(condition(stored, "Sluice") == NULL && condition(stored, "Promoted") != NULL);
	status_fini(&status);
}

SPEC("status: the document never grows past its cap, however much is owed")
{
	struct status status, back;
	char long_text[DEBT_TEXT_MAX], long_history[200];
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	memset(long_history, 'y', sizeof(long_history));
	long_history[sizeof(long_history) - 1] = '\0';
	fill(&status);
	for (int i = 0; i < HISTORY_MAX * 2; i++)
		status_remember(&status, NOW, "pass", long_history, "");
	SCOPED(text) char *state = xmalloc(2000);
	memset(state, 's', 1999);
	state[1999] = '\0';
	json_put_string(status.memory.state, "text", state);
	SCOPED(json) cJSON *some = patched(NULL, &status, NOW);
	EXPECT(strlen(json_string(condition(some, "Sluice"), "message")) <= MEMORY_DOC_MAX);
	for (int i = 0; i < DEBTS_MAX * 2; i++)
		status_owe_event(&status, true, PHASE_WAITING_PROMOTION, "01234567890123456789012",
				 NOW, "%s", long_text);
	EXPECT_INT(status.memory.debt_count, DEBTS_MAX);
	SCOPED(json) cJSON *stored = patched(NULL, &status, NOW);
	EXPECT(strlen(json_string(condition(stored, "Sluice"), "message")) <= MEMORY_DOC_MAX);
	status_read(&back, stored);
	EXPECT_INT(back.memory.history_count, 0);
	EXPECT_INT(back.memory.debt_count, DEBTS_MAX);
	EXPECT(text_starts(back.memory.debts[DEBTS_MAX - 1].text, "xxxxxxxxxxxxxxxxxxxx"));
	/* What must not be lost is still owed. */
	EXPECT_INT(back.memory.debts[0].kind, DEBT_POST_ROLLOUT);
	EXPECT_INT(back.memory.debts[1].kind, DEBT_PROMOTE);
	EXPECT_INT(back.memory.debts[2].kind, DEBT_SCALE_DOWN);
	status_fini(&back);
	status_fini(&status);
}

SPEC("status: the newest history is kept when not all of it fits")
{
	struct status status, back;
	status_init(&status);
	status.memory.present = true;
	for (int i = 0; i < 20; i++)
		status_owe_event(&status, false, PHASE_PROGRESSING, "c", NOW, "%0290d", i);
	for (int i = 0; i < HISTORY_MAX; i++) {
		SCOPED(text) char *padded = xasprintf("%d%0100d", i, 0);
		status_remember(&status, NOW, "pass", padded, "");
	}
	SCOPED(json) cJSON *stored = patched(NULL, &status, NOW);
	status_read(&back, stored);
	EXPECT(back.memory.history_count > 0 && back.memory.history_count < HISTORY_MAX);
	EXPECT(text_starts(back.memory.history[back.memory.history_count - 1].text, "110"));
	EXPECT_INT(strlen(back.memory.debts[0].text), 290);
	status_fini(&back);
	status_fini(&status);
}

SPEC("status: a policy's state that is too large is refused with its size")
{
	struct status status;
	struct error err = {0};
	status_init(&status);
	status.memory.present = true;
	status.memory.state = cJSON_CreateObject();
	SCOPED(text) char *text = xasprintf("%03000d", 0);
	json_put_string(status.memory.state, "t", text);
	EXPECT(status_patch(&status, "1", "Deployment", NOW, &err) == NULL);
	EXPECT_INT(err.kind, ERROR_INVALID);
	EXPECT_TEXT(err.text, "the policy's state has 3008 bytes, 2048 are allowed");
	status_fini(&status);
}

SPEC("status: texts are cut between characters")
{
	struct status status;
	char text[DEBT_TEXT_MAX + 1];
	memset(text, 'x', sizeof(text));
	memcpy(text + DEBT_TEXT_MAX - 2, "\xc3\xa9", 3);
	status_init(&status);
	status_owe_event(&status, false, PHASE_NONE, "", NOW, "%s", text);
	EXPECT_INT(strlen(status.memory.debts[0].text), DEBT_TEXT_MAX - 2);
	status_fini(&status);
}

SPEC("status: the checksum is ten characters over what is applied and what is tracked")
{
	struct status status, other;
	char one[HASH_TEXT_MAX], two[HASH_TEXT_MAX];
	fill(&status);
	status_checksum(&status, one);
	EXPECT_INT(strlen(one), 10);
	EXPECT_INT(strspn(one, "bcdfghjklmnpqrstvwxz2456789"), 10);
	status_copy(&other, &status);
	other.canary_weight = 99;
	status_checksum(&other, two);
	EXPECT_TEXT(two, one);
	cJSON_Delete(other.tracked_configs);
	other.tracked_configs = json("{\"secret/b\":\"2233\",\"configmap/a\":\"0011\"}");
	status_checksum(&other, two);
	EXPECT_TEXT(two, one);
	json_put_string(other.tracked_configs, "[\"secret/b\"]", "2234");
	status_checksum(&other, two);
	EXPECT(strcmp(one, two) != 0);
	text_copy(status.last_applied_spec, HASH_TEXT_MAX, "7");
	status_checksum(&status, two);
	EXPECT(strcmp(one, two) != 0);
	status_fini(&status);
	status_fini(&other);
	status_init(&status);
	status_checksum(&status, one);
	EXPECT_INT(strlen(one), 10);
}
