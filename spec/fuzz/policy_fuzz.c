/*
 * policy_fuzz.c - any text as a policy: refused with a sentence, or each hook answers with a value
 * or a sentence, within its limits whatever it does.
 */
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "fuzz.h"
#include "script/policy.h"

enum { STATE_MOST = 64 * MIB };

static void call_hooks(struct policy *policy)
{
	SCOPED(json)
	cJSON *rollout = cJSON_Parse(
		"{\"name\":\"podinfo\",\"namespace\":\"test\",\"weight\":10,\"failed_checks\":1,"
		"\"threshold\":5,\"analysis\":{\"maxWeight\":50,\"stepWeight\":5},"
		"\"history\":[],\"state\":{\"seen\":[1,2,{\"a\":null}]},\"now\":1795412170}");
	SCOPED(json) cJSON *sample = cJSON_Parse("{\"kind\":\"ok\",\"value\":99.5}");
	struct error err = {0};
	struct policy_run *run = policy_run_new(policy, false, &err);
	REQUIRE(run != NULL || err.text[0] != '\0');
	for (int hook = 0; run != NULL && hook < POLICY_HOOKS; hook++) {
		if (!policy_has(policy, (enum policy_hook)hook))
			continue;
		SCOPED(json) cJSON *result = NULL;
		err = (struct error){0};
		if (!policy_call(run, (enum policy_hook)hook, rollout, sample, &result, &err))
			REQUIRE(err.kind == ERROR_SCRIPT && err.text[0] != '\0');
	}
	REQUIRE(policy_bytes(policy) < STATE_MOST);
	policy_run_free(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct error err = {0};
	struct policy *policy = policy_new("fuzz", (const char *)bytes, len, &err);
	if (policy == NULL) {
		REQUIRE_SENTENCE(err);
		return 0;
	}
	call_hooks(policy);
	policy_free(policy);
	return 0;
}
