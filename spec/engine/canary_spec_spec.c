#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "given.h"
#include "spec.h"

SPEC("canary spec: a minimal one has all defaults filled in")
{
	given((struct given){0});
	EXPECT_TOLD("");
	EXPECT_TEXT(given_spec->name, "podinfo");
	EXPECT_TEXT(given_spec->namespace, "test");
	EXPECT_TEXT(given_spec->uid, "0b0e");
	EXPECT_INT(given_spec->generation, 3);
	EXPECT_TEXT(given_spec->provider, "istio");
	EXPECT(given_spec->metrics_server == NULL);
	EXPECT_INT(given_spec->progress_deadline_us, 600 * DURATION_SECOND);
	EXPECT_TEXT(given_spec->target_kind, "Deployment");
	EXPECT_TEXT(given_spec->primary_target, "podinfo-primary");
	EXPECT(given_spec->scaler == NULL && given_spec->scaler_name == NULL &&
	       given_spec->ingress_name == NULL);
	EXPECT_TEXT(given_spec->apex, "podinfo");
	EXPECT_TEXT(given_spec->primary, "podinfo-primary");
	EXPECT_TEXT(given_spec->canary, "podinfo-canary");
	EXPECT_INT(given_spec->port, 9898);
	EXPECT_TEXT(given_spec->port_name, "http");
	EXPECT(given_spec->target_port == NULL);
	EXPECT_INT(given_spec->strategy, STRATEGY_CANARY);
	EXPECT_INT(given_spec->interval_us, 60 * DURATION_SECOND);
	EXPECT_INT(given_spec->threshold, 5);
	EXPECT_INT(given_spec->step_weight, 10);
	EXPECT_INT(given_spec->max_weight, 0);
	EXPECT_INT(given_spec->primary_ready_threshold, 100);
	EXPECT_INT(given_spec->canary_ready_threshold, 100);
	EXPECT(given_spec->step_weights == NULL && given_spec->match == NULL &&
	       !given_spec->mirror);
	EXPECT_INT(given_spec->metric_count, 0);
	EXPECT_INT(given_spec->webhook_count, 0);
	EXPECT_INT(given_spec->policy.source, POLICY_STOCK);
	given_forget();
}

SPEC("canary spec: the copy has no status and no managedFields")
{
	const char *text =
		"{\"metadata\":{\"name\":\"a\",\"managedFields\":[1]},\"status\":{\"phase\":3},"
		"\"spec\":{\"targetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
		"\"name\":\"a\"},\"service\":{\"port\":1},\"analysis\":{\"stepWeight\":5}}}";
	SCOPED(json) cJSON *whole = json_parse(text, strlen(text), NULL);
	given_object(whole, &(struct spec_options){0});
	EXPECT_TOLD("");
	EXPECT(json_get(given_spec->object, "status") == NULL);
	EXPECT(json_at(given_spec->object, "metadata.managedFields") == NULL);
	EXPECT_TEXT(given_spec->namespace, "default");
	EXPECT(json_get(whole, "status") != NULL);
	given_forget();
}

SPEC("canary spec: reads metrics and webhooks, with defaults")
{
	given((struct given){
		.analysis = SOUND
		"    metrics:\n"
		"    - {name: request-success-rate, thresholdRange: {min: 99}}\n"
		"    - {name: errors, interval: 30s, threshold: 0.5,\n"
		"       templateRef: {name: t, namespace: flagger},\n"
		"       templateVariables: {a: b}}\n"
		"    - {name: q, query: up, thresholdRange: {max: 1.5}}\n"
		"    webhooks:\n"
		"    - {name: load, url: 'http://tester/', metadata: {cmd: hey}}\n"
		"    - {name: gate, type: confirm-rollout, url: 'https://gate/ok',\n"
		"       timeout: 1m30s, retries: 3, disableTLS: true, muteAlert: true}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->metric_count, 3);
	const struct metric_spec *metric = given_spec->metrics;
	EXPECT_TEXT(metric[0].name, "request-success-rate");
	EXPECT_TEXT(metric[0].interval, "1m");
	EXPECT_INT(metric[0].interval_us, DURATION_MINUTE);
	EXPECT(metric[0].has_min && metric[0].min == 99 && !metric[0].has_max);
	EXPECT(!metric[0].has_threshold && metric[0].query == NULL);
	EXPECT_TEXT(metric[1].interval, "30s");
	EXPECT(metric[1].has_threshold && metric[1].threshold == 0.5);
	EXPECT_TEXT(metric[1].template_name, "t");
	EXPECT_TEXT(metric[1].template_namespace, "flagger");
	EXPECT_TEXT(json_string(metric[1].template_variables, "a"), "b");
	EXPECT_TEXT(json_string(metric[1].json, "name"), "errors");
	EXPECT_TEXT(metric[2].query, "up");
	EXPECT(metric[2].has_max && metric[2].max == 1.5);
	EXPECT_INT(given_spec->webhook_count, 2);
	const struct webhook_spec *hook = given_spec->webhooks;
	EXPECT_INT(hook[0].type, WEBHOOK_ROLLOUT);
	EXPECT_INT(hook[0].timeout_us, 10 * DURATION_SECOND);
	EXPECT_INT(hook[0].retries, 0);
	EXPECT_TEXT(json_string(hook[0].metadata, "cmd"), "hey");
	EXPECT_INT(hook[1].type, WEBHOOK_CONFIRM_ROLLOUT);
	EXPECT_TEXT(hook[1].url, "https://gate/ok");
	EXPECT_INT(hook[1].timeout_us, 90 * DURATION_SECOND);
	EXPECT_INT(hook[1].retries, 3);
	EXPECT(hook[1].disable_tls && hook[1].mute_alert && hook[1].metadata == NULL);
	given_forget();
}

SPEC("canary spec: a template without a namespace is in the canary's")
{
	given((struct given){.analysis = SOUND
			     "    metrics: [{name: m, templateRef: {name: t}, threshold: 1}]\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(given_spec->metrics[0].template_namespace, "test");
	given_forget();
}

SPEC("canary spec: the fields select the strategy")
{
	given((struct given){.analysis = "    {interval: 1m, threshold: 5, iterations: 3}\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(strategy_name(given_spec->strategy), "blue-green");
	given((struct given){.analysis = "    interval: 1m\n    threshold: 5\n    iterations: 3\n"
					 "    match: [{headers: {x-canary: {exact: insider}}}]\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(strategy_name(given_spec->strategy), "ab-testing");
	EXPECT_INT(cJSON_GetArraySize(given_spec->match), 1);
	given((struct given){.analysis = "    {interval: 1m, threshold: 5, iterations: 0,\n"
					 "     stepWeights: [1, 10, 50]}\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(strategy_name(given_spec->strategy), "canary");
	EXPECT_INT(cJSON_GetArraySize(given_spec->step_weights), 3);
	given_forget();
}

SPEC("canary spec: plain Kubernetes means blue/green with ten iterations, said as the reference "
     "does")
{
	given((struct given){.top = "  provider: kubernetes\n",
			     .analysis = SOUND
			     "    match: [{headers: {x-canary: {exact: insider}}}]\n"});
	EXPECT_TOLD("warning: spec.analysis.match: A/B testing is not supported when using the "
		    "kubernetes provider\n"
		    "warning: spec.analysis: Progressive traffic is not supported when using the "
		    "kubernetes provider\n"
		    "warning: spec.analysis.iterations: Setting canaryAnalysis.iterations: 10\n");
	EXPECT_INT(given_spec->strategy, STRATEGY_BLUE_GREEN);
	EXPECT_INT(given_spec->iterations, 10);
	EXPECT(given_spec->match == NULL && json_get(given_spec->analysis, "match") == NULL);
	EXPECT_INT(json_int(given_spec->analysis, "iterations", 0), 10);
	given((struct given){.top = "  provider: kubernetes\n",
			     .analysis = "    {interval: 1m, threshold: 5, iterations: 2}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->iterations, 2);
	given_forget();
}

SPEC("canary spec: the default provider is used when the canary names none")
{
	given((struct given){.top = "  suspend: true\n",
			     .options = {.default_provider = "appmesh:v1beta2"}});
	EXPECT_TOLD("");
	EXPECT_TEXT(given_spec->provider, "appmesh:v1beta2");
	EXPECT(given_spec->suspend);
	given((struct given){.top = "  skipAnalysis: true\n"});
	EXPECT_TEXT(given_spec->provider, "istio");
	given_forget();
}

SPEC("canary spec: providers of the reference and their suffixed forms are taken")
{
	static const char *const known[] = {
		"apisix", "appmesh",	   "appmesh:v1beta2",	 "contour",
		"gloo:x", "gatewayapi:v1", "smi:v1alpha2:istio", "traefik",
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		SCOPED(text)
		char *top = xasprintf(
			"  provider: '%s'\n  routeRef: {apiVersion: apisix.apache.org/v2, "
			"kind: ApisixRoute, name: podinfo}\n",
			known[i]);
		given((struct given){.top = top,
				     .service = "{port: 80, gatewayRefs: [{name: gateway}]}"});
		EXPECT_TOLD("");
		EXPECT_TEXT(given_spec->provider, known[i]);
	}
	given((struct given){.top = "  provider: appmseh\n"});
	EXPECT_TOLD_OF("spec.provider: is \"appmseh\"; did you mean appmesh? It must be one of "
		       "apisix, appmesh,");
	given((struct given){.top = "  provider: 'istio:'\n"});
	EXPECT_TOLD_OF("spec.provider: is \"istio:\"; did you mean istio?");
	given((struct given){.top = "  provider: ''\n"});
	EXPECT_TOLD_OF("spec.provider: must not be empty");
	given_forget();
}

SPEC("canary spec: a whole number is one, within its range")
{
	static const struct {
		const char *analysis, *wanted;
	} cases[] = {
		{"stepWeight: 2.5", "spec.analysis.stepWeight: must be a whole number from 0 to "
				    "100, is 2.5\n"},
		{"stepWeight: '10'", "spec.analysis.stepWeight: must be a whole number, is "
				     "\"10\"\n"},
		{"stepWeight: 101", "from 0 to 100, is 101"},
		{"stepWeight: -1", "from 0 to 100, is -1"},
		{"stepWeights: [10, 20.5]", "spec.analysis.stepWeights[1]: must be a whole number "
					    "from 0 to 100, is 20.5\n"},
		{"stepWeights: 10", "spec.analysis.stepWeights: must be a list, is 10\n"},
		{"stepWeight: 1\n    maxWeight: 150", "spec.analysis.maxWeight: must be a whole "
						      "number from 0 to 100, is 150\n"},
		{"stepWeight: 1\n    iterations: -1", "spec.analysis.iterations: must be a whole "
						      "number from 0 up, is -1\n"},
		{"stepWeight: 1\n    threshold: 1.5", "spec.analysis.threshold: must be a whole "
						      "number, is 1.5\n"},
		{"stepWeight: 1\n    threshold: 1e300", "must be a whole number, is 1e+300"},
		{"stepWeight: 1\n    mirror: 'yes'", "spec.analysis.mirror: must be true or "
						     "false, is \"yes\"\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED(text) char *analysis = xasprintf("    %s\n", cases[i].analysis);
		given((struct given){.analysis = analysis});
		EXPECT(given_spec == NULL);
		EXPECT_TOLD_OF(cases[i].wanted);
	}
	given((struct given){.service = "{port: 80.5}"});
	EXPECT_TOLD("spec.service.port: must be a whole number from 1 to 65535, is 80.5\n");
	given((struct given){.top = "  progressDeadlineSeconds: 0.5\n"});
	EXPECT_TOLD("spec.progressDeadlineSeconds: must be a whole number from 0 up, is 0.5\n");
	given_forget();
}

SPEC("canary spec: every wrong field is told at once, not just the first")
{
	given((struct given){.top = "  suspend: 1\n",
			     .service = "{port: x, hosts: [1]}",
			     .analysis = "    interval: 1d\n    threshold: []\n    webhooks:\n"
					 "    - {name: a, type: conform-rollout, url: ftp://x}\n"
					 "    - {url: 'http://x', timeout: 0s}\n"
					 "    - 3\n"});
	EXPECT_TOLD_OF("spec.service.port: must be a whole number, is \"x\"\n");
	EXPECT_TOLD_OF("spec.service.hosts[0]: must be a string, is 1\n");
	EXPECT_TOLD_OF("spec.suspend: must be true or false, is 1\n");
	EXPECT_TOLD_OF("spec.analysis.interval: must be a duration, such as \"30s\" or \"1h30m\", "
		       "is \"1d\"\n");
	EXPECT_TOLD_OF("spec.analysis.threshold: must be a whole number, is a list\n");
	EXPECT_TOLD_OF("spec.analysis.webhooks[0].type: is \"conform-rollout\"; did you mean "
		       "confirm-rollout?");
	EXPECT_TOLD_OF("spec.analysis.webhooks[0].url: must be an http or https URL, is "
		       "\"ftp://x\"\n");
	EXPECT_TOLD_OF("spec.analysis.webhooks[1].name: is required\n");
	EXPECT_TOLD_OF("spec.analysis.webhooks[1].timeout: must be longer than \"0s\"\n");
	EXPECT_TOLD_OF("spec.analysis.webhooks[2]: must be an object, is 3\n");
	given_forget();
}

SPEC("canary spec: an unknown field is a warning, with what was probably meant")
{
	given((struct given){.top = "  progresDeadlineSeconds: 60\n",
			     .analysis = "    interval: 1m\n    stepweight: 10\n    stepWeight: 5\n"
					 "    wibble: 3\n"});
	EXPECT_TOLD("warning: spec.progresDeadlineSeconds: is not a field that is known, and has "
		    "no effect; did you mean progressDeadlineSeconds?\n"
		    "warning: spec.analysis.stepweight: is not a field that is known, and has no "
		    "effect; did you mean stepWeight?\n"
		    "warning: spec.analysis.wibble: is not a field that is known, and has no "
		    "effect\n");
	EXPECT(given_spec != NULL);
	given_forget();
}

SPEC("canary spec: null is as good as nothing")
{
	given((struct given){.top = "  provider: null\n  autoscalerRef: ~\n",
			     .analysis = "    interval: ~\n    stepWeight: 5\n    match: null\n"
					 "    metrics: null\n    policy: null\n"});
	EXPECT_TOLD("");
	EXPECT(given_spec->match == NULL && given_spec->scaler_name == NULL);
	EXPECT_INT(given_spec->interval_us, DURATION_MINUTE);
	given_forget();
}

SPEC("canary spec: an interval that cannot be used is replaced, and that is said")
{
	given((struct given){.analysis = "    {interval: 1mfoo, stepWeight: 5}\n"});
	EXPECT_TOLD("warning: spec.analysis.interval: is not a duration: \"1mfoo\"; 60s is used "
		    "instead\n");
	EXPECT_INT(given_spec->interval_us, 60 * DURATION_SECOND);
	given((struct given){.analysis = "    {interval: 500ms, stepWeight: 5}\n"});
	EXPECT_TOLD("warning: spec.analysis.interval: is shorter than 10s, which is used "
		    "instead\n");
	EXPECT_INT(given_spec->interval_us, 10 * DURATION_SECOND);
	given((struct given){.analysis = "    {interval: 2s, stepWeight: 5}\n",
			     .options = {.min_interval_us = DURATION_SECOND}});
	EXPECT_TOLD("");
	EXPECT_INT(given_spec->interval_us, 2 * DURATION_SECOND);
	given((struct given){.analysis = "    {threshold: 0, stepWeight: 5}\n"});
	EXPECT_TOLD("warning: spec.analysis.threshold: is 0; 1 is used instead\n");
	EXPECT_INT(given_spec->threshold, 1);
	given_forget();
}

SPEC("canary spec: an analysis needs a way forward, unless it is skipped or a policy decides")
{
	static const char no_way[] = "spec.analysis: says no way forward: it needs one of "
				     "stepWeight, stepWeights, iterations and policy\n";
	given((struct given){.analysis = "    {interval: 1m, threshold: 5}\n"});
	EXPECT_TOLD(no_way);
	given((struct given){.analysis = "    {stepWeight: 0, stepWeights: []}\n"});
	EXPECT_TOLD(no_way);
	given((struct given){.top = "  skipAnalysis: true\n", .analysis = "    {}\n"});
	EXPECT_TOLD("");
	given((struct given){.analysis = "    {policy: {name: evidence}}\n"});
	EXPECT_TOLD("");
	given_forget();
}

SPEC("canary spec: problems are one text, errors only when there are some, cut where it ends")
{
	given((struct given){.top = "  suspend: 1\n  skipAnalysis: 2\n  wibble: 1\n"});
	struct buf text;
	buf_init(&text, 4096);
	spec_problems_text(&given_problems, &text);
	EXPECT_TEXT(text.text, "spec.suspend: must be true or false, is 1; spec.skipAnalysis: "
			       "must be true or false, is 2");
	buf_fini(&text);
	buf_init(&text, 90);
	spec_problems_text(&given_problems, &text);
	EXPECT_TEXT(text.text, "spec.suspend: must be true or false, is 1 (and 1 more)");
	buf_fini(&text);
	buf_init(&text, 40);
	spec_problems_text(&given_problems, &text);
	EXPECT_TEXT(text.text, "(2 problems)");
	buf_fini(&text);
	given((struct given){.top = "  wibble: 1\n"});
	buf_init(&text, 4096);
	spec_problems_text(&given_problems, &text);
	EXPECT_CONTAINS(text.text, "spec.wibble: is not a field that is known");
	buf_fini(&text);
	given_forget();
}

SPEC("canary spec: a thousand mistakes are counted, and 64 kept, errors first")
{
	struct buf top;
	buf_init(&top, MIB);
	for (int i = 0; i < 500; i++)
		buf_printf(&top, "  wibble%d: 1\n", i);
	buf_puts(&top, "  skipAnalysis: 1\n");
	SCOPED(text) char *text = buf_take(&top);
	given((struct given){.top = text});
	EXPECT_INT(given_problems.count, 64);
	EXPECT_INT(given_problems.errors, 1);
	EXPECT(!given_problems.items[63].warning);
	EXPECT_TEXT(given_problems.items[63].path, "spec.skipAnalysis");
	given_forget();
}
