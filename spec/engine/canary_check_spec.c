/*
 * canary_check_spec.c - what is refused or warned of before a release begins, though each field is
 * sound.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "given.h"
#include "spec.h"

SPEC("canary spec: combinations that do not do what one might think are warnings")
{
	static const struct {
		const char *top, *analysis, *wanted;
	} cases[] = {
		{NULL, "iterations: 5\n    stepWeight: 5",
		 "warning: spec.analysis.iterations: makes this a rollout by iterations; "
		 "stepWeight has no effect\n"},
		{NULL, "stepWeight: 5\n    stepWeights: [1, 2]",
		 "warning: spec.analysis.stepWeights: has no effect beside stepWeight\n"},
		{NULL, "stepWeights: [1, 5, 5, 3]",
		 "warning: spec.analysis.stepWeights[2]: is not above the step before it, and is "
		 "passed over\n"
		 "warning: spec.analysis.stepWeights[3]: is not above the step before it, and is "
		 "passed over\n"},
		{NULL, "stepWeights: [1, 5]\n    maxWeight: 50",
		 "warning: spec.analysis.maxWeight: has no effect beside stepWeights, whose last "
		 "is the most\n"},
		{NULL, "stepWeight: 20\n    maxWeight: 50",
		 "warning: spec.analysis.maxWeight: is not a multiple of stepWeight: the last "
		 "step goes to 60\n"},
		{NULL, "stepWeight: 5\n    match: [{headers: {a: {exact: b}}}]",
		 "warning: spec.analysis.match: keeps all others away from the canary: without "
		 "spec.analysis.iterations, weights are about those who match\n"},
		{"provider: traefik", "stepWeight: 5\n    match: [{headers: {a: {exact: b}}}]",
		 "warning: spec.analysis.match: has no effect, because the provider traefik cannot "
		 "tell requests apart\n"},
		{"provider: appmesh", "stepWeight: 5\n    mirror: true",
		 "warning: spec.analysis.mirror: has no effect, because the provider appmesh "
		 "cannot mirror\n"},
		{"provider: istio", "stepWeight: 5\n    mirrorWeight: 5",
		 "warning: spec.analysis.mirrorWeight: has no effect without "
		 "spec.analysis.mirror\n"},
		{"provider: traefik", "stepWeight: 5\n    sessionAffinity: {cookieName: a}",
		 "warning: spec.analysis.sessionAffinity: has no effect, because the provider "
		 "traefik cannot pin sessions\n"},
		{"progressDeadlineSeconds: 0", "stepWeight: 5",
		 "warning: spec.progressDeadlineSeconds: is 0: whatever is not ready at once has "
		 "failed\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED(text)
		char *top = xasprintf("  %s\n",
				      cases[i].top == NULL ? "provider: istio" : cases[i].top);
		SCOPED(text) char *analysis = xasprintf("    %s\n", cases[i].analysis);
		given((struct given){.top = top, .analysis = analysis});
		EXPECT_TOLD(cases[i].wanted);
		EXPECT(given_spec != NULL && !given_spec->mirror);
		EXPECT(json_get(given_spec->analysis, "sessionAffinity") == NULL);
	}
	given_forget();
}

/* `field` with so many items, each of them with its number between `before` and `after`. */
static char *list_of(const char *field, size_t count, const char *before, const char *after)
{
	struct buf list = {0};
	buf_init(&list, MIB);
	buf_printf(&list, "    %s [", field);
	for (size_t i = 0; i < count; i++)
		buf_printf(&list, "%s%zu%s, ", before, i, after);
	buf_puts(&list, "]\n");
	return buf_take(&list);
}

SPEC("canary spec: what no release could get through is refused before one begins")
{
	static const struct {
		const char *field;
		size_t count;
		const char *before, *after, *wanted;
	} cases[] = {
		{"stepWeights:", 1, "", "",
		 "spec.analysis.stepWeights: end with 0: the canary would be promoted without any "
		 "traffic\n"},
		{"stepWeight: 5\n    metrics:", 101, "{name: m", ", query: up, threshold: 1}",
		 "spec.analysis.metrics: must have at most 100 elements, has 101\n"},
		{"iterations: 5\n    match:", 101, "{headers: {user: {exact: u", "}}}",
		 "spec.analysis.match: must have at most 100 elements, has 101\n"},
		{"stepWeight: 5\n    metrics:", 17, "{name: m",
		 ", query: up, threshold: 1, failureLimit: 2}",
		 "spec.analysis.metrics[16].failureLimit: is possible for at most 16 metrics\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED(text)
		char *analysis =
			list_of(cases[i].field, cases[i].count, cases[i].before, cases[i].after);
		given((struct given){.analysis = analysis});
		EXPECT_TOLD_OF(cases[i].wanted);
		EXPECT(given_spec == NULL);
	}
	SCOPED(text) char *query = xasprintf(", threshold: 1, query: \"up%04000d\"}", 0);
	SCOPED(text)
	char *analysis = list_of("stepWeight: 5\n    metrics:", 17, "{name: m", query);
	given((struct given){.analysis = analysis});
	EXPECT_TOLD_OF("spec.analysis.metrics: have ");
	EXPECT_TOLD_OF(" bytes together, 65536 are allowed\n");
	given_forget();
}

SPEC("canary spec: stepWeight wins over stepWeights, so that only one of them is read")
{
	given((struct given){.analysis = "    {stepWeight: 5, stepWeights: [1, 2]}\n"});
	EXPECT_INT(given_spec->step_weight, 5);
	EXPECT(given_spec->step_weights == NULL);
	given_forget();
}

SPEC("canary spec: A/B on a provider that sees no requests would move all traffic, so it is "
     "refused")
{
	given((struct given){.top = "  provider: linkerd\n",
			     .analysis = "    iterations: 5\n"
					 "    match: [{headers: {a: {exact: b}}}]\n"});
	EXPECT_TOLD("spec.analysis.match: the provider linkerd cannot tell requests apart: all "
		    "traffic would go to the canary\n");
	given((struct given){.analysis = "    iterations: 5\n"
					 "    match: [{headers: {a: {exact: b, regex: c}}}]\n"});
	EXPECT_TOLD("spec.analysis.match[0].headers.a: must have one of exact, prefix, suffix and "
		    "regex\n");
	given((struct given){.analysis = "    iterations: 5\n    match: [{headers: {a: {}}}]\n"});
	EXPECT_TOLD_OF("spec.analysis.match[0].headers.a: must have one of");
	static const char *const nothing[] = {"{}", "{headers: {}}", "{uri: {prefix: /a}}"};
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
		SCOPED(text)
		char *analysis = xasprintf(
			"    iterations: 5\n    match: [{headers: {a: {exact: b}}}, %s]\n",
			nothing[i]);
		given((struct given){.analysis = analysis});
		EXPECT_TOLD_OF("spec.analysis.match[1]: must have headers, queryParams or "
			       "sourceLabels: all "
			       "traffic would go to the canary");
	}
	/* What the mesh drops of a condition would let more people match. */
	static const char *const some[] = {
		"contour", "gloo",	     "nginx", "gatewayapi:v1", "gatewayapi:v1beta1",
		"appmesh", "appmesh:v1beta2"};
	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		SCOPED(text) char *top = xasprintf("  provider: %s\n", some[i]);
		given((struct given){
			.top = top,
			.analysis = "    iterations: 5\n    match: [{headers: {a: {exact: b}}, "
				    "sourceLabels: {c: d}}]\n"});
		EXPECT_TOLD_OF("spec.analysis.match");
		EXPECT_TOLD_OF("requests apart by");
	}
	given_forget();
}

SPEC("canary spec: hooks that may take longer than the interval are told")
{
	given((struct given){.analysis = "    interval: 15s\n    stepWeight: 5\n    webhooks:\n"
					 "    - {name: a, url: 'http://a'}\n"
					 "    - {name: b, url: 'http://b', timeout: 6s,"
					 " type: rollback}\n"
					 "    - {name: c, url: 'http://b', timeout: 50s,"
					 " type: event}\n"});
	EXPECT_TOLD("warning: spec.analysis.webhooks: may take 16s in one step, longer than the "
		    "interval of 15s\n");
	given_forget();
}

SPEC("canary spec: a metric says what is measured and what passes")
{
	static const struct {
		const char *metric, *wanted;
	} cases[] = {
		{"{name: errors, threshold: 1}",
		 "spec.analysis.metrics[0]: needs a query or a templateRef: \"errors\" is not one "
		 "of the built-in metrics request-success-rate and request-duration\n"},
		{"{name: request-duration, thresholdRange: {}}",
		 "warning: spec.analysis.metrics[0].thresholdRange: has neither min nor max, so "
		 "every value passes\n"},
		{"{name: request-success-rate}",
		 "warning: spec.analysis.metrics[0].thresholdRange: has neither min nor max, so "
		 "every value passes\n"},
		{"{name: errors, query: up}",
		 "warning: spec.analysis.metrics[0].thresholdRange: has neither min nor max, so no "
		 "value above 0 passes\n"},
		{"{name: request-duration, threshold: 5, thresholdRange: {max: 5}}",
		 "warning: spec.analysis.metrics[0].threshold: has no effect beside "
		 "thresholdRange\n"},
		{"{name: request-duration, thresholdRange: {min: 5, max: 4}}",
		 "spec.analysis.metrics[0].thresholdRange: has a min above its max, so no value "
		 "passes\n"},
		{"{name: request-success-rate, thresholdRange: {min: 990}}",
		 "spec.analysis.metrics[0].thresholdRange: no success rate is above 100 "
		 "percent\n"},
		{"{name: request-duration, query: up, thresholdRange: {max: 5}}",
		 "warning: spec.analysis.metrics[0]: is measured in 2 ways, each on its own: "
		 "built-in, query\n"},
		{"{name: request-duration, thresholdRange: {max: '5'}}",
		 "spec.analysis.metrics[0].thresholdRange.max: must be a number, is \"5\"\n"},
		{"{name: request-duration, interval: 1.5m, threshold: 5}",
		 "spec.analysis.metrics[0].interval: must be a duration, such as \"30s\" or "
		 "\"1h30m\", is \"1.5m\"\n"},
		{"{name: request-duration, onNoData: wait, threshold: 5}",
		 "spec.analysis.metrics[0].onNoData: must be one of fail, hold, is \"wait\"\n"},
		{"{name: request-duration, threshold: 5}, {name: request-duration, threshold: 9}",
		 "warning: spec.analysis.metrics[1]: has the same name as "
		 "spec.analysis.metrics[0]; events and graphs will not tell them apart\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED(text)
		char *analysis = xasprintf(SOUND "    metrics: [%s]\n", cases[i].metric);
		given((struct given){.analysis = analysis});
		EXPECT_TOLD_OF(cases[i].wanted);
	}
	given_forget();
}

SPEC("canary spec: a metric without bounds passes at 0 and no higher, unless a policy judges it")
{
	static const char metrics[] = "    metrics: [{name: errors, query: up}]\n";
	SCOPED(text) char *plain = xasprintf(SOUND "%s", metrics);
	given((struct given){.analysis = plain});
	EXPECT(given_spec->metrics[0].has_threshold && given_spec->metrics[0].threshold == 0);
	EXPECT(json_number(json_at(given_spec->analysis, "metrics"), "[0].threshold", -1) == 0);
	SCOPED(text)
	char *judged = xasprintf(SOUND "    policy: {inline: 'return {}'}\n%s", metrics);
	given((struct given){.analysis = judged});
	EXPECT(!given_spec->metrics[0].has_threshold);
	EXPECT_TOLD_OF("so every value passes\n");
	given_forget();
}

SPEC("canary spec: both cookies must not have one name")
{
	given((struct given){.analysis = SOUND "    sessionAffinity: {cookieName: a, "
					       "primaryCookieName: a}\n"});
	EXPECT_TOLD("spec.analysis.sessionAffinity: can't use the same cookie name for both "
		    "primary and cookie name; please update them to be different\n");
	given_forget();
}

SPEC("canary spec: references to other namespaces are refused where they are blocked")
{
	static const char analysis[] =
		SOUND "    metrics: [{name: m, threshold: 1, templateRef: {name: t, "
		      "namespace: other}}]\n"
		      "    alerts: [{name: a, providerRef: {name: p, namespace: other}}]\n";
	static const char top[] = "  provider: gloo\n  upstreamRef: {apiVersion: v1, "
				  "kind: Upstream, name: u, namespace: other}\n";
	given((struct given){.top = top, .analysis = analysis});
	EXPECT_TOLD("");
	given((struct given){
		.top = top, .analysis = analysis, .options = {.no_cross_namespace_refs = true}});
	EXPECT_TOLD("spec.analysis.metrics[0].templateRef: can't access metric template t.other, "
		    "cross-namespace references are blocked\n"
		    "spec.upstreamRef: can't access gloo upstream u.other, cross-namespace "
		    "references are blocked\n"
		    "spec.analysis.alerts[0].providerRef: can't access alert provider p.other, "
		    "cross-namespace references are blocked\n");
	given((struct given){.analysis = SOUND "    metrics: [{name: m, threshold: 1, "
					       "templateRef: {name: t, namespace: test}}]\n",
			     .options = {.no_cross_namespace_refs = true}});
	EXPECT_TOLD("");
	given_forget();
}
