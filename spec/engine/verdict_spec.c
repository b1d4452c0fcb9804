#include "canary/verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/policies.h"
#include "spec.h"

/* What becomes of an answer: its JSON, or what is wrong with it. */
static char *answer_of(enum policy_hook hook, const char *answer)
{
	struct error err = {0};
	struct policies *policies = policies_new();
	struct policy_chain chain = {0};
	EXPECT(policies_chain(policies, STRATEGY_CANARY, &chain, &err));
	SCOPED(text)
	char *text = xasprintf("return {\n  %s = function() return %s end,\n}",
			       policy_hook_name(hook), answer);
	chain.own = policies_text(policies, "mine.lua", text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	SCOPED(json) cJSON *result = NULL;
	bool good = policy_chain_call(&chain, hook, NULL, NULL, &result, &err);
	policies_free(policies);
	return good ? json_canonical(result) : xstrdup(err.text);
}

SPEC("verdict: a wrong answer of a hook is told with file, line and place")
{
	static const struct {
		enum policy_hook hook;
		const char *answer, *told;
	} wrong[] = {
		{HOOK_START, "true", "mine.lua:2: start: must be"},
		{HOOK_START, "{action = 'stop'}", "mine.lua:2: start: action "},
		{HOOK_START, "{action = 'hold', seconds = 1e9}",
		 "mine.lua:2: start: seconds must be a number from 0 to 604800"},
		{HOOK_START, "{action = 'slot'}", "mine.lua:2: start: name must be the slot's"},
		{HOOK_START, "{action = 'slot', name = 'a', limit = 0}",
		 "mine.lua:2: start: limit "},
		{HOOK_THRESHOLDS, "5", "mine.lua:2: thresholds: must be a list, is 5"},
		{HOOK_THRESHOLDS, "{{query = 'up'}}", "mine.lua:2: thresholds: [0].name "},
		{HOOK_THRESHOLDS, "{{name = 'a', thresholdRange = {max = '5'}}}",
		 "mine.lua:2: thresholds: [0].thresholdRange.max must be a number"},
		{HOOK_MATCH, "{{headers = {cookie = {}}}}",
		 "mine.lua:2: match: [0].headers.cookie must have one of exact"},
		{HOOK_JUDGE, "'pass'", "mine.lua:2: judge: must be"},
		{HOOK_JUDGE, "{verdict = 'ok'}", "mine.lua:2: judge: verdict "},
		{HOOK_STEP, "{}", "mine.lua:2: step: action "},
		{HOOK_STEP, "{action = 'promot'}", "did you mean promote?"},
		{HOOK_STEP, "{action = 'route', weight = 400}",
		 "mine.lua:2: step: weight must be a number from 0 to 100, is 400"},
		{HOOK_STEP, "{action = 'route', weight = '5'}", "mine.lua:2: step: weight must be"},
		{HOOK_STEP, "{action = 'route', wieght = 5}", "did you mean weight?"},
		{HOOK_ROLLBACK, "{rollback = 'yes'}", "mine.lua:2: rollback: rollback must be"},
		{HOOK_ROLLBACK, "false", "mine.lua:2: rollback: must be"},
		{HOOK_PROMOTION, "{}", "mine.lua:2: promotion: weight "},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		SCOPED(text) char *told = answer_of(wrong[i].hook, wrong[i].answer);
		EXPECT_CONTAINS(told, wrong[i].told);
	}
}

SPEC("verdict: an empty table is an empty list where one is wanted")
{
	SCOPED(text) char *checks = answer_of(HOOK_THRESHOLDS, "{}");
	EXPECT_TEXT(checks, "[]");
	SCOPED(text) char *match = answer_of(HOOK_MATCH, "{}");
	EXPECT_TEXT(match, "[]");
}
