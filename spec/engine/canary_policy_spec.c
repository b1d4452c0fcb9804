/*
 * canary_policy_spec.c - the fields that Sluice adds, and the annotations that stand for them.
 */
#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "given.h"
#include "spec.h"

SPEC("canary spec: a policy has a name, stands in a ConfigMap, or in the object")
{
	given((struct given){.analysis = "    policy: {name: evidence, params: {a: [1]},\n"
					 "      onPolicyChange: NextRollout}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->policy.source, POLICY_NAMED);
	EXPECT_TEXT(given_spec->policy.name, "evidence");
	EXPECT_INT(json_int(given_spec->policy.params, "a[0]", 0), 1);
	EXPECT(given_spec->policy.at_next_rollout);
	given((struct given){.analysis = "    policy: {configMap: {name: curves}}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->policy.source, POLICY_CONFIG_MAP);
	EXPECT_TEXT(given_spec->policy.name, "curves");
	EXPECT_TEXT(given_spec->policy.key, "policy.lua");
	EXPECT(given_spec->policy.params == NULL && !given_spec->policy.at_next_rollout);
	given((struct given){.analysis = "    policy: {configMap: {name: curves, key: a.lua}}\n"});
	EXPECT_TEXT(given_spec->policy.key, "a.lua");
	given((struct given){.analysis = "    policy:\n      inline: |\n        return {}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->policy.source, POLICY_INLINE);
	EXPECT_TEXT(given_spec->policy.text, "return {}\n");
	given_forget();
}

SPEC("canary spec: below policy, what is not known is an error")
{
	given((struct given){.analysis = "    policy: {name: a, parms: {}}\n"});
	EXPECT_TOLD("spec.analysis.policy.parms: is not a field that is known; did you mean "
		    "params?\n");
	given((struct given){.analysis = "    policy: {configMap: {name: a, kee: b}}\n"});
	EXPECT_TOLD("spec.analysis.policy.configMap.kee: is not a field that is known; did you "
		    "mean key?\n");
	given((struct given){.analysis = "    policy: {name: a, inline: 'return {}'}\n"});
	EXPECT_TOLD("spec.analysis.policy: must have only one of name, configMap and inline\n");
	given((struct given){.analysis = "    policy: {params: {}}\n"});
	EXPECT_TOLD_OF("spec.analysis.policy: must have one of name, configMap and inline\n");
	given((struct given){.analysis = "    policy: {name: a, onPolicyChange: Never}\n"});
	EXPECT_TOLD("spec.analysis.policy.onPolicyChange: must be one of NextTick, NextRollout, "
		    "is \"Never\"\n");
	given((struct given){.analysis = "    policy: evidence\n"});
	EXPECT_TOLD_OF("spec.analysis.policy: must be an object, is \"evidence\"\n");
	given_forget();
}

SPEC("canary spec: each field of Sluice has an annotation twin")
{
	given((struct given){.annotations = "{sluice.dev/policy: evidence, "
					    "sluice.dev/policy-params: 'cap: 20', "
					    "sluice.dev/on-policy-change: NextRollout, "
					    "sluice.dev/on-no-data: hold, "
					    "sluice.dev/on-error: fail}",
			     .analysis = "    metrics:\n"
					 "    - {name: request-duration, threshold: 500}\n"
					 "    - {name: a, query: up, threshold: 1, onNoData: fail}"
					 "\n"});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->policy.source, POLICY_NAMED);
	EXPECT_TEXT(given_spec->policy.name, "evidence");
	EXPECT_INT(json_int(given_spec->policy.params, "cap", 0), 20);
	EXPECT(given_spec->policy.at_next_rollout);
	EXPECT_TEXT(json_string(given_spec->metrics[0].json, "onNoData"), "hold");
	EXPECT_TEXT(json_string(given_spec->metrics[0].json, "onError"), "fail");
	EXPECT_TEXT(json_string(given_spec->metrics[1].json, "onNoData"), "fail");

	given((struct given){.annotations = "{sluice.dev/step-intervals: '1m, 2m', "
					    "sluice.dev/watch: 10m, "
					    "sluice.dev/hold-timeout: 1h30m, "
					    "sluice.dev/scale-down-delay: 5m, "
					    "sluice.dev/canary-replicas: '50%', "
					    "sluice.dev/on-good-revision: Promote, "
					    "sluice.dev/failure-limits: 'a=2'}",
			     .analysis = "    stepWeight: 5\n    metrics:\n"
					 "    - {name: a, query: up, threshold: 1}\n"});
	EXPECT_TOLD_OF("canaryReplicas: is the scale with which the canary carries all traffic");
	EXPECT_TEXT(json_string(given_spec->step_intervals, "[1]"), "2m");
	EXPECT_INT(given_spec->watch_us, 10 * DURATION_MINUTE);
	EXPECT_INT(given_spec->hold_timeout_us, 90 * DURATION_MINUTE);
	EXPECT_INT(given_spec->scale_down_delay_us, 5 * DURATION_MINUTE);
	EXPECT_INT(given_spec->canary_percent, 50);
	EXPECT_TEXT(json_string(given_spec->analysis, "onGoodRevision"), "Promote");
	EXPECT_INT(json_int(given_spec->metrics[0].json, "failureLimit", 0), 2);
	given((struct given){.annotations = "{sluice.dev/step-intervals: '1m, soon', "
					    "sluice.dev/failure-limits: 'b=2, a'}"});
	EXPECT_TOLD_OF("sluice.dev/step-intervals\"]: must be a duration");
	EXPECT_TOLD_OF("there is no metric \"b\"");
	EXPECT_TOLD_OF("must be \"METRIC=N, …\" with N from 1 to 1000, has \"a\"");

	given((struct given){.annotations = "{sluice.dev/policy: configmap/curves, "
					    "sluice.dev/policy-params: '{\"a\": {\"b\": 1}}'}"});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->policy.source, POLICY_CONFIG_MAP);
	EXPECT_TEXT(given_spec->policy.name, "curves");
	EXPECT_TEXT(given_spec->policy.key, "policy.lua");
	EXPECT_INT(json_int(given_spec->policy.params, "a.b", 0), 1);

	given((struct given){.annotations = "{sluice.dev/policy: configmap/curves/slow.lua}"});
	EXPECT_TEXT(given_spec->policy.key, "slow.lua");
	given((struct given){.annotations = "{sluice.dev/policy: 'return {}'}"});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->policy.source, POLICY_INLINE);
	EXPECT_TEXT(given_spec->policy.text, "return {}");
	given_forget();
}

SPEC("canary spec: wrong annotations are told as annotations")
{
	static const struct {
		const char *annotations, *wanted;
	} cases[] = {
		{"{sluice.dev/policy: 'Not a name'}",
		 "metadata.annotations[\"sluice.dev/policy\"]: must be the name of a stock "
		 "policy, \"configmap/NAME/KEY\" or Lua text, is \"Not a name\"\n"},
		{"{sluice.dev/policy: configmap/a/b/c}",
		 "metadata.annotations[\"sluice.dev/policy\"]: must be \"configmap/NAME\" or "
		 "\"configmap/NAME/KEY\", is \"a/b/c\"\n"},
		{"{sluice.dev/policy: configmap/}", "NAME must be a name of"},
		{"{sluice.dev/policy: a, sluice.dev/policy-params: 'a: [1'}",
		 "metadata.annotations[\"sluice.dev/policy-params\"]: must be a mapping in YAML "
		 "or JSON: "},
		{"{sluice.dev/policy: a, sluice.dev/policy-params: '3'}",
		 "must be one mapping in YAML or JSON\n"},
		{"{sluice.dev/policy: a, sluice.dev/policy-params: ''}",
		 "must be one mapping in YAML or JSON\n"},
		{"{sluice.dev/policy: a, sluice.dev/on-policy-change: later}",
		 "must be NextTick or NextRollout, is \"later\"\n"},
		{"{sluice.dev/on-error: ignore}",
		 "metadata.annotations[\"sluice.dev/on-error\"]: must be fail or hold, is "
		 "\"ignore\"\n"},
		{"{sluice.dev/polcy: a}",
		 "warning: metadata.annotations[\"sluice.dev/polcy\"]: is not an annotation that "
		 "is known; did you mean sluice.dev/policy?\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		given((struct given){.annotations = cases[i].annotations});
		EXPECT_TOLD_OF(cases[i].wanted);
	}
	given((struct given){.annotations = "{sluice.dev/policy: b, sluice.dev/other-thing: c}",
			     .analysis = "    policy: {name: a}\n"});
	EXPECT_TOLD("warning: metadata.annotations[\"sluice.dev/policy\"]: has no effect, because "
		    "spec.analysis.policy.name is set\n");
	EXPECT_TEXT(given_spec->policy.name, "a");
	given_forget();
}
