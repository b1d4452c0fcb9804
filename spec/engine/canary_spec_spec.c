#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/spec.h"

/* A Canary from the parts that matter to a spec; the rest is sound. */
struct given {
	const char *annotations; /* a mapping in flow style */
	const char *top;	 /* further members of spec, indented by two */
	const char *service;	 /* instead of {port: 9898} */
	const char *analysis;	 /* members of spec.analysis, indented by four */
	const char *target;	 /* instead of podinfo, a Deployment */
	struct spec_options options;
};

static struct spec_problems problems;
static struct canary_spec *spec;
static char *told; /* all problems, a line each */

static void forget(void)
{
	canary_spec_free(spec);
	spec_problems_fini(&problems);
	free(told);
	spec = NULL;
	told = NULL;
}

static void tell(void)
{
	struct buf text;
	buf_init(&text, MIB);
	for (size_t i = 0; i < problems.count; i++)
		buf_printf(&text, "%s%s: %s\n", problems.items[i].warning ? "warning: " : "",
			   problems.items[i].path, problems.items[i].text);
	told = buf_take(&text);
}

static void parse_object(const cJSON *object, const struct spec_options *options)
{
	forget();
	spec = canary_spec_new(object, options, &problems);
	tell();
	EXPECT((spec == NULL) == (problems.errors > 0));
}

static void parse_text(const char *text, const struct spec_options *options)
{
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *file = yaml_parse("canary.yaml", text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	parse_object(yaml_document(file, 0), options);
}

static void parse(struct given given)
{
	SCOPED(text)
	char *text = xasprintf(
		"apiVersion: flagger.app/v1beta1\n"
		"kind: Canary\n"
		"metadata:\n"
		"  name: podinfo\n"
		"  namespace: test\n"
		"  uid: 0b0e\n"
		"  generation: 3\n"
		"  annotations: %s\n"
		"spec:\n"
		"  targetRef: %s\n"
		"  service: %s\n"
		"%s"
		"  analysis:\n"
		"%s",
		given.annotations == NULL ? "{}" : given.annotations,
		given.target == NULL ? "{apiVersion: apps/v1, kind: Deployment, name: podinfo}"
				     : given.target,
		given.service == NULL ? "{port: 9898}" : given.service,
		given.top == NULL ? "  provider: istio\n" : given.top,
		given.analysis == NULL ? "    {interval: 1m, threshold: 5, stepWeight: 10}\n"
				       : given.analysis);
	parse_text(text, &given.options);
}

#define SOUND "    interval: 1m\n    threshold: 5\n    stepWeight: 10\n"

/* The whole of what is told. */
#define EXPECT_TOLD(text) EXPECT_TEXT(told, text)
#define EXPECT_TOLD_OF(part) EXPECT_CONTAINS(told, part)

SPEC("canary spec: a minimal one has all defaults filled in")
{
	parse((struct given){0});
	EXPECT_TOLD("");
	EXPECT_TEXT(spec->name, "podinfo");
	EXPECT_TEXT(spec->namespace, "test");
	EXPECT_TEXT(spec->uid, "0b0e");
	EXPECT_INT(spec->generation, 3);
	EXPECT_TEXT(spec->provider, "istio");
	EXPECT(spec->metrics_server == NULL);
	EXPECT_INT(spec->progress_deadline_us, 600 * DURATION_SECOND);
	EXPECT_TEXT(spec->target_kind, "Deployment");
	EXPECT_TEXT(spec->primary_target, "podinfo-primary");
	EXPECT(spec->scaler == NULL && spec->scaler_name == NULL && spec->ingress_name == NULL);
	EXPECT_TEXT(spec->apex, "podinfo");
	EXPECT_TEXT(spec->primary, "podinfo-primary");
	EXPECT_TEXT(spec->canary, "podinfo-canary");
	EXPECT_INT(spec->port, 9898);
	EXPECT_TEXT(spec->port_name, "http");
	EXPECT(spec->target_port == NULL);
	EXPECT_INT(spec->strategy, STRATEGY_CANARY);
	EXPECT_INT(spec->interval_us, 60 * DURATION_SECOND);
	EXPECT_INT(spec->threshold, 5);
	EXPECT_INT(spec->step_weight, 10);
	EXPECT_INT(spec->max_weight, 0);
	EXPECT_INT(spec->primary_ready_threshold, 100);
	EXPECT_INT(spec->canary_ready_threshold, 100);
	EXPECT(spec->step_weights == NULL && spec->match == NULL && !spec->mirror);
	EXPECT_INT(spec->metric_count, 0);
	EXPECT_INT(spec->webhook_count, 0);
	EXPECT_INT(spec->policy.source, POLICY_STOCK);
	forget();
}

SPEC("canary spec: the copy has no status and no managedFields")
{
	const char *text =
		"{\"metadata\":{\"name\":\"a\",\"managedFields\":[1]},\"status\":{\"phase\":3},"
		"\"spec\":{\"targetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
		"\"name\":\"a\"},\"service\":{\"port\":1},\"analysis\":{\"stepWeight\":5}}}";
	SCOPED(json) cJSON *whole = json_parse(text, strlen(text), NULL);
	parse_object(whole, &(struct spec_options){0});
	EXPECT_TOLD("");
	EXPECT(json_get(spec->object, "status") == NULL);
	EXPECT(json_at(spec->object, "metadata.managedFields") == NULL);
	EXPECT_TEXT(spec->namespace, "default");
	EXPECT(json_get(whole, "status") != NULL);
	forget();
}

SPEC("canary spec: reads metrics and webhooks, with defaults")
{
	parse((struct given){
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
	EXPECT_INT(spec->metric_count, 3);
	const struct metric_spec *metric = spec->metrics;
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
	EXPECT_INT(spec->webhook_count, 2);
	const struct webhook_spec *hook = spec->webhooks;
	EXPECT_INT(hook[0].type, WEBHOOK_ROLLOUT);
	EXPECT_INT(hook[0].timeout_us, 10 * DURATION_SECOND);
	EXPECT_INT(hook[0].retries, 0);
	EXPECT_TEXT(json_string(hook[0].metadata, "cmd"), "hey");
	EXPECT_INT(hook[1].type, WEBHOOK_CONFIRM_ROLLOUT);
	EXPECT_TEXT(hook[1].url, "https://gate/ok");
	EXPECT_INT(hook[1].timeout_us, 90 * DURATION_SECOND);
	EXPECT_INT(hook[1].retries, 3);
	EXPECT(hook[1].disable_tls && hook[1].mute_alert && hook[1].metadata == NULL);
	forget();
}

SPEC("canary spec: a template without a namespace is in the canary's")
{
	parse((struct given){.analysis = SOUND
			     "    metrics: [{name: m, templateRef: {name: t}, threshold: 1}]\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(spec->metrics[0].template_namespace, "test");
	forget();
}

SPEC("canary spec: the fields select the strategy")
{
	parse((struct given){.analysis = "    {interval: 1m, threshold: 5, iterations: 3}\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(strategy_name(spec->strategy), "blue-green");
	parse((struct given){.analysis = "    interval: 1m\n    threshold: 5\n    iterations: 3\n"
					 "    match: [{headers: {x-canary: {exact: insider}}}]\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(strategy_name(spec->strategy), "ab-testing");
	EXPECT_INT(cJSON_GetArraySize(spec->match), 1);
	parse((struct given){.analysis = "    {interval: 1m, threshold: 5, iterations: 0,\n"
					 "     stepWeights: [1, 10, 50]}\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(strategy_name(spec->strategy), "canary");
	EXPECT_INT(cJSON_GetArraySize(spec->step_weights), 3);
	forget();
}

SPEC("canary spec: plain Kubernetes means blue/green with ten iterations, said as the reference "
     "does")
{
	parse((struct given){.top = "  provider: kubernetes\n",
			     .analysis = SOUND
			     "    match: [{headers: {x-canary: {exact: insider}}}]\n"});
	EXPECT_TOLD("warning: spec.analysis.match: A/B testing is not supported when using the "
		    "kubernetes provider\n"
		    "warning: spec.analysis: Progressive traffic is not supported when using the "
		    "kubernetes provider\n"
		    "warning: spec.analysis.iterations: Setting canaryAnalysis.iterations: 10\n");
	EXPECT_INT(spec->strategy, STRATEGY_BLUE_GREEN);
	EXPECT_INT(spec->iterations, 10);
	EXPECT(spec->match == NULL && json_get(spec->analysis, "match") == NULL);
	EXPECT_INT(json_int(spec->analysis, "iterations", 0), 10);
	parse((struct given){.top = "  provider: kubernetes\n",
			     .analysis = "    {interval: 1m, threshold: 5, iterations: 2}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(spec->iterations, 2);
	forget();
}

SPEC("canary spec: the default provider is used when the canary names none")
{
	parse((struct given){.top = "  suspend: true\n",
			     .options = {.default_provider = "appmesh:v1beta2"}});
	EXPECT_TOLD("");
	EXPECT_TEXT(spec->provider, "appmesh:v1beta2");
	EXPECT(spec->suspend);
	parse((struct given){.top = "  skipAnalysis: true\n"});
	EXPECT_TEXT(spec->provider, "istio");
	forget();
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
		parse((struct given){.top = top,
				     .service = "{port: 80, gatewayRefs: [{name: gateway}]}"});
		EXPECT_TOLD("");
		EXPECT_TEXT(spec->provider, known[i]);
	}
	parse((struct given){.top = "  provider: appmseh\n"});
	EXPECT_TOLD_OF("spec.provider: is \"appmseh\"; did you mean appmesh? It must be one of "
		       "apisix, appmesh,");
	parse((struct given){.top = "  provider: 'istio:'\n"});
	EXPECT_TOLD_OF("spec.provider: is \"istio:\"; did you mean istio?");
	parse((struct given){.top = "  provider: ''\n"});
	EXPECT_TOLD_OF("spec.provider: must not be empty");
	forget();
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
		parse((struct given){.analysis = analysis});
		EXPECT(spec == NULL);
		EXPECT_TOLD_OF(cases[i].wanted);
	}
	parse((struct given){.service = "{port: 80.5}"});
	EXPECT_TOLD("spec.service.port: must be a whole number from 1 to 65535, is 80.5\n");
	parse((struct given){.top = "  progressDeadlineSeconds: 0.5\n"});
	EXPECT_TOLD("spec.progressDeadlineSeconds: must be a whole number from 0 up, is 0.5\n");
	forget();
}

SPEC("canary spec: every wrong field is told at once, not just the first")
{
	parse((struct given){.top = "  suspend: 1\n",
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
	forget();
}

SPEC("canary spec: an unknown field is a warning, with what was probably meant")
{
	parse((struct given){.top = "  progresDeadlineSeconds: 60\n",
			     .analysis = "    interval: 1m\n    stepweight: 10\n    stepWeight: 5\n"
					 "    wibble: 3\n"});
	EXPECT_TOLD("warning: spec.progresDeadlineSeconds: is not a field that is known, and has "
		    "no effect; did you mean progressDeadlineSeconds?\n"
		    "warning: spec.analysis.stepweight: is not a field that is known, and has no "
		    "effect; did you mean stepWeight?\n"
		    "warning: spec.analysis.wibble: is not a field that is known, and has no "
		    "effect\n");
	EXPECT(spec != NULL);
	forget();
}

SPEC("canary spec: null is as good as nothing")
{
	parse((struct given){.top = "  provider: null\n  autoscalerRef: ~\n",
			     .analysis = "    interval: ~\n    stepWeight: 5\n    match: null\n"
					 "    metrics: null\n    policy: null\n"});
	EXPECT_TOLD("");
	EXPECT(spec->match == NULL && spec->scaler_name == NULL);
	EXPECT_INT(spec->interval_us, DURATION_MINUTE);
	forget();
}

SPEC("canary spec: only what this version can roll out is taken")
{
	parse((struct given){.target = "{apiVersion: apps/v1, kind: ReplicaSet, name: agent}"});
	EXPECT_TOLD("spec.targetRef.kind: must be one of Deployment, DaemonSet, Service, "
		    "StatefulSet, is "
		    "\"ReplicaSet\"\n");
	parse((struct given){.target = "{apiVersion: apps/v1, kind: Deployment}"});
	EXPECT_TOLD("spec.targetRef.name: is required\n");
	parse((struct given){.top = "  autoscalerRef: {apiVersion: v1, kind: Scaler, name: s}\n"});
	EXPECT_TOLD("spec.autoscalerRef.kind: must be one of HorizontalPodAutoscaler, "
		    "ScaledObject, is \"Scaler\"\n");
	parse((struct given){
		.top = "  autoscalerRef: {apiVersion: keda.sh/v1alpha1, "
		       "kind: ScaledObject, name: s, primaryScalerQueries: {a: b}}\n"});
	EXPECT_TOLD("");
	forget();
}

SPEC("canary spec: what does not scale has no autoscaler, and no scale of its own")
{
	parse((struct given){
		.target = "{apiVersion: apps/v1, kind: DaemonSet, name: agent}",
		.top = "  autoscalerRef: {apiVersion: autoscaling/v2, "
		       "kind: HorizontalPodAutoscaler, name: agent}\n",
		.analysis = "    interval: 1m\n    stepWeight: 5\n    canaryReplicas: 2\n"});
	EXPECT_TOLD_OF("warning: spec.autoscalerRef: has no effect on a DaemonSet\n");
	EXPECT_TOLD_OF("warning: spec.analysis.canaryReplicas: has no effect on a DaemonSet\n");
	EXPECT(spec->scaler_name == NULL && spec->canary_replicas == 0);
	forget();
}

SPEC("canary spec: a Service does not know its pods: the mesh must, and its queries")
{
	static const char target[] = "{apiVersion: v1, kind: Service, name: shop}";
	static const char analysis[] =
		"    interval: 1m\n    stepWeight: 5\n    metrics:\n"
		"      - {name: request-success-rate, thresholdRange: {min: 99}}\n";
	parse((struct given){.target = target, .top = "  provider: istio\n", .analysis = analysis});
	EXPECT_TOLD("");
	EXPECT_TEXT(spec->primary_target, "shop-primary");
	parse((struct given){
		.target = target, .top = "  provider: linkerd\n", .analysis = analysis});
	EXPECT_TOLD_OF("spec.analysis.metrics[0]: the built-in query of linkerd selects pods by "
		       "the name of their workload, which a Service does not know: use a "
		       "templateRef\n");
	parse((struct given){
		.target = target, .top = "  provider: appmesh:v1beta2\n", .analysis = analysis});
	EXPECT_TOLD_OF("spec.provider: App Mesh finds pods by their labels, which a Service does "
		       "not have\n");
	forget();
}

SPEC("canary spec: a StatefulSet has a split of its own, and no Services")
{
	static const char target[] = "{apiVersion: apps/v1, kind: StatefulSet, name: db}";
	parse((struct given){
		.target = target,
		.service = "~",
		.top = "  provider: linkerd\n",
		.analysis = "    interval: 1m\n    stepWeight: 25\n    metrics:\n"
			    "      - {name: request-success-rate, thresholdRange: {min: 99}}\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(spec->provider, "partition");
	EXPECT_TEXT(spec->metrics_provider, "linkerd");
	EXPECT_TEXT(spec->primary_target, "db");
	parse((struct given){
		.target = target,
		.top = "  provider: nginx\n",
		.analysis = "    interval: 1m\n    iterations: 5\n    metrics:\n"
			    "      - {name: request-duration, thresholdRange: {max: 1}}\n"});
	EXPECT_TOLD_OF("spec.analysis.iterations: cannot be of a StatefulSet, whose new pods have "
		       "traffic as soon as they are ready: use stepWeight or stepWeights\n");
	EXPECT_TOLD_OF("spec.analysis.metrics[0]: the built-in query of nginx cannot tell one pod "
		       "of a StatefulSet from another: use a templateRef\n");
	forget();
}

SPEC("canary spec: a Knative Service and the provider knative need each other")
{
	static const char target[] = "{apiVersion: serving.knative.dev/v1, kind: Service, name: a}";
	parse((struct given){.target = target, .service = "~", .top = "  provider: knative\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(spec->provider, "knative");
	EXPECT_TEXT(spec->metrics_provider, "knative");
	parse((struct given){.target = target, .top = "  provider: istio\n"});
	EXPECT_TOLD("spec.provider: can't use istio provider with Knative Service as target\n");
	parse((struct given){.top = "  provider: knative\n"});
	EXPECT_TOLD("spec.targetRef: can't use apps/v1/Deployment as target if provider is set to "
		    "knative\n");
	parse((struct given){.target = target,
			     .top = "  autoscalerRef: {apiVersion: autoscaling/v2, kind: "
				    "HorizontalPodAutoscaler, name: a}\n"});
	EXPECT_TOLD("spec.autoscalerRef: can't use autoscaler with Knative Service\n");
	parse((struct given){.target = target,
			     .service = "{port: 80, hosts: [a.example.com]}",
			     .analysis = "    interval: 1m\n    stepWeight: 5\n"
					 "    primaryReadyThreshold: 50\n"});
	EXPECT_TOLD_OF("warning: spec.service.hosts: has no effect on a Knative Service, whose "
		       "routes are Knative's\n");
	EXPECT_TOLD_OF("warning: spec.analysis.primaryReadyThreshold: has no effect on a Knative "
		       "Service, whose pods are Knative's\n");
	forget();
}

SPEC("canary spec: a Knative Service needs no provider, whatever the default is")
{
	static const char target[] = "{apiVersion: serving.knative.dev/v1, kind: Service, name: a}";
	static const char *const defaults[] = {"knative", "istio", "kubernetes", NULL};
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		parse((struct given){.target = target,
				     .service = "~",
				     .top = "",
				     .options = {.default_provider = defaults[i]}});
		EXPECT_TOLD("");
		EXPECT_TEXT(spec->provider, "knative");
		EXPECT_TEXT(spec->metrics_provider, "knative");
	}
	parse((struct given){.top = "", .options = {.default_provider = "knative"}});
	EXPECT_TOLD("spec.provider: is required: the default (--mesh-provider) is knative, which "
		    "can't have apps/v1/Deployment as target\n");
	forget();
}

SPEC("canary spec: another kind of object is not a Canary")
{
	parse_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n",
		   &(struct spec_options){0});
	EXPECT_TOLD_OF("apiVersion: must be flagger.app/v1beta1, is \"apps/v1\"\n");
	EXPECT_TOLD_OF("kind: must be Canary, is \"Deployment\"\n");
	EXPECT_TOLD_OF("spec.targetRef: is required\n");
	EXPECT_TOLD_OF("spec.analysis: is required\n");
	parse_object(NULL, &(struct spec_options){0});
	EXPECT_TOLD(": must be an object\n");
	forget();
}

SPEC("canary spec: names of Services must fit, also with their suffixes")
{
	parse((struct given){.service = "{port: 80, name: front}"});
	EXPECT_TOLD("");
	EXPECT_TEXT(spec->apex, "front");
	EXPECT_TEXT(spec->primary, "front-primary");
	EXPECT_TEXT(spec->primary_target, "podinfo-primary");
	parse((struct given){.service = "{port: 80, name: Front}"});
	EXPECT_TOLD_OF("spec.service.name: must be a name of at most 63 lower case letters");
	parse((struct given){.service =
				     "{port: 80, name: "
				     "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdef}"});
	EXPECT_TOLD("spec.service.name: must have at most 55 characters, as the Service "
		    "NAME-primary must be named in 63, has 56\n");
	parse((struct given){.target = "{apiVersion: apps/v1, kind: Deployment, name: a.b}"});
	EXPECT_TOLD("spec.targetRef.name: cannot be the name of a Service; set "
		    "spec.service.name\n");
	parse((struct given){.target = "{apiVersion: apps/v1, kind: Deployment, name: a..b}"});
	EXPECT_TOLD_OF("spec.targetRef.name: must be a name of lower case letters, digits, '-' "
		       "and '.', is \"a..b\"\n");
	forget();
}

SPEC("canary spec: a target port of 0 is the port, a number in quotes is a mistake")
{
	parse((struct given){.service = "{port: 80, targetPort: 0, portName: grpc}"});
	EXPECT_TOLD("");
	EXPECT(spec->target_port == NULL);
	EXPECT_TEXT(spec->port_name, "grpc");
	parse((struct given){.service = "{port: 80, targetPort: '0'}"});
	EXPECT(spec->target_port == NULL);
	parse((struct given){.service = "{port: 80, targetPort: web}"});
	EXPECT_TEXT(spec->target_port->valuestring, "web");
	parse((struct given){.service = "{port: 80, targetPort: 9898}"});
	EXPECT_INT(spec->target_port->valuedouble, 9898);
	parse((struct given){.service = "{port: 80, targetPort: '9898'}"});
	EXPECT_TOLD("spec.service.targetPort: \"9898\" in quotes is the name of a port; write the "
		    "number without\n");
	parse((struct given){.service = "{port: 80, targetPort: 70000}"});
	EXPECT_TOLD("spec.service.targetPort: must be a whole number from 0 to 65535, "
		    "is 70000\n");
	forget();
}

SPEC("canary spec: without a Service there is nothing to route by")
{
	parse((struct given){.service = "~"});
	EXPECT_TOLD("spec.service: is required: Services route to podinfo and its primary\n");
	parse((struct given){.service = "{name: a}"});
	EXPECT_TOLD("spec.service.port: is required\n");
	parse((struct given){.service = "[80]"});
	EXPECT_TOLD("spec.service: must be an object, is a list\n");
	forget();
}

SPEC("canary spec: an interval that cannot be used is replaced, and that is said")
{
	parse((struct given){.analysis = "    {interval: 1mfoo, stepWeight: 5}\n"});
	EXPECT_TOLD("warning: spec.analysis.interval: is not a duration: \"1mfoo\"; 60s is used "
		    "instead\n");
	EXPECT_INT(spec->interval_us, 60 * DURATION_SECOND);
	parse((struct given){.analysis = "    {interval: 500ms, stepWeight: 5}\n"});
	EXPECT_TOLD("warning: spec.analysis.interval: is shorter than 10s, which is used "
		    "instead\n");
	EXPECT_INT(spec->interval_us, 10 * DURATION_SECOND);
	parse((struct given){.analysis = "    {interval: 2s, stepWeight: 5}\n",
			     .options = {.min_interval_us = DURATION_SECOND}});
	EXPECT_TOLD("");
	EXPECT_INT(spec->interval_us, 2 * DURATION_SECOND);
	parse((struct given){.analysis = "    {threshold: 0, stepWeight: 5}\n"});
	EXPECT_TOLD("warning: spec.analysis.threshold: is 0; 1 is used instead\n");
	EXPECT_INT(spec->threshold, 1);
	forget();
}

SPEC("canary spec: an analysis needs a way forward, unless it is skipped or a policy decides")
{
	static const char no_way[] = "spec.analysis: says no way forward: it needs one of "
				     "stepWeight, stepWeights, iterations and policy\n";
	parse((struct given){.analysis = "    {interval: 1m, threshold: 5}\n"});
	EXPECT_TOLD(no_way);
	parse((struct given){.analysis = "    {stepWeight: 0, stepWeights: []}\n"});
	EXPECT_TOLD(no_way);
	parse((struct given){.top = "  skipAnalysis: true\n", .analysis = "    {}\n"});
	EXPECT_TOLD("");
	parse((struct given){.analysis = "    {policy: {name: evidence}}\n"});
	EXPECT_TOLD("");
	forget();
}

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
		parse((struct given){.top = top, .analysis = analysis});
		EXPECT_TOLD(cases[i].wanted);
		EXPECT(spec != NULL && !spec->mirror);
		EXPECT(json_get(spec->analysis, "sessionAffinity") == NULL);
	}
	forget();
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
		parse((struct given){.analysis = analysis});
		EXPECT_TOLD_OF(cases[i].wanted);
		EXPECT(spec == NULL);
	}
	SCOPED(text) char *query = xasprintf(", threshold: 1, query: \"up%04000d\"}", 0);
	SCOPED(text)
	char *analysis = list_of("stepWeight: 5\n    metrics:", 17, "{name: m", query);
	parse((struct given){.analysis = analysis});
	EXPECT_TOLD_OF("spec.analysis.metrics: have ");
	EXPECT_TOLD_OF(" bytes together, 65536 are allowed\n");
	forget();
}

SPEC("canary spec: stepWeight wins over stepWeights, so that only one of them is read")
{
	parse((struct given){.analysis = "    {stepWeight: 5, stepWeights: [1, 2]}\n"});
	EXPECT_INT(spec->step_weight, 5);
	EXPECT(spec->step_weights == NULL);
	forget();
}

SPEC("canary spec: A/B on a provider that sees no requests would move all traffic, so it is "
     "refused")
{
	parse((struct given){.top = "  provider: linkerd\n",
			     .analysis = "    iterations: 5\n"
					 "    match: [{headers: {a: {exact: b}}}]\n"});
	EXPECT_TOLD("spec.analysis.match: the provider linkerd cannot tell requests apart: all "
		    "traffic would go to the canary\n");
	parse((struct given){.analysis = "    iterations: 5\n"
					 "    match: [{headers: {a: {exact: b, regex: c}}}]\n"});
	EXPECT_TOLD("spec.analysis.match[0].headers.a: must have one of exact, prefix, suffix and "
		    "regex\n");
	parse((struct given){.analysis = "    iterations: 5\n    match: [{headers: {a: {}}}]\n"});
	EXPECT_TOLD_OF("spec.analysis.match[0].headers.a: must have one of");
	static const char *const nothing[] = {"{}", "{headers: {}}", "{uri: {prefix: /a}}"};
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
		SCOPED(text)
		char *analysis = xasprintf(
			"    iterations: 5\n    match: [{headers: {a: {exact: b}}}, %s]\n",
			nothing[i]);
		parse((struct given){.analysis = analysis});
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
		parse((struct given){
			.top = top,
			.analysis = "    iterations: 5\n    match: [{headers: {a: {exact: b}}, "
				    "sourceLabels: {c: d}}]\n"});
		EXPECT_TOLD_OF("spec.analysis.match");
		EXPECT_TOLD_OF("requests apart by");
	}
	forget();
}

SPEC("canary spec: hooks that may take longer than the interval are told")
{
	parse((struct given){.analysis = "    interval: 15s\n    stepWeight: 5\n    webhooks:\n"
					 "    - {name: a, url: 'http://a'}\n"
					 "    - {name: b, url: 'http://b', timeout: 6s,"
					 " type: rollback}\n"
					 "    - {name: c, url: 'http://b', timeout: 50s,"
					 " type: event}\n"});
	EXPECT_TOLD("warning: spec.analysis.webhooks: may take 16s in one step, longer than the "
		    "interval of 15s\n");
	forget();
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
		parse((struct given){.analysis = analysis});
		EXPECT_TOLD_OF(cases[i].wanted);
	}
	forget();
}

SPEC("canary spec: a metric without bounds passes at 0 and no higher, unless a policy judges it")
{
	static const char metrics[] = "    metrics: [{name: errors, query: up}]\n";
	SCOPED(text) char *plain = xasprintf(SOUND "%s", metrics);
	parse((struct given){.analysis = plain});
	EXPECT(spec->metrics[0].has_threshold && spec->metrics[0].threshold == 0);
	EXPECT(json_number(json_at(spec->analysis, "metrics"), "[0].threshold", -1) == 0);
	SCOPED(text)
	char *judged = xasprintf(SOUND "    policy: {inline: 'return {}'}\n%s", metrics);
	parse((struct given){.analysis = judged});
	EXPECT(!spec->metrics[0].has_threshold);
	EXPECT_TOLD_OF("so every value passes\n");
	forget();
}

SPEC("canary spec: both cookies must not have one name")
{
	parse((struct given){.analysis = SOUND "    sessionAffinity: {cookieName: a, "
					       "primaryCookieName: a}\n"});
	EXPECT_TOLD("spec.analysis.sessionAffinity: can't use the same cookie name for both "
		    "primary and cookie name; please update them to be different\n");
	forget();
}

SPEC("canary spec: references to other namespaces are refused where they are blocked")
{
	static const char analysis[] =
		SOUND "    metrics: [{name: m, threshold: 1, templateRef: {name: t, "
		      "namespace: other}}]\n"
		      "    alerts: [{name: a, providerRef: {name: p, namespace: other}}]\n";
	static const char top[] = "  provider: gloo\n  upstreamRef: {apiVersion: v1, "
				  "kind: Upstream, name: u, namespace: other}\n";
	parse((struct given){.top = top, .analysis = analysis});
	EXPECT_TOLD("");
	parse((struct given){
		.top = top, .analysis = analysis, .options = {.no_cross_namespace_refs = true}});
	EXPECT_TOLD("spec.analysis.metrics[0].templateRef: can't access metric template t.other, "
		    "cross-namespace references are blocked\n"
		    "spec.upstreamRef: can't access gloo upstream u.other, cross-namespace "
		    "references are blocked\n"
		    "spec.analysis.alerts[0].providerRef: can't access alert provider p.other, "
		    "cross-namespace references are blocked\n");
	parse((struct given){.analysis = SOUND "    metrics: [{name: m, threshold: 1, "
					       "templateRef: {name: t, namespace: test}}]\n",
			     .options = {.no_cross_namespace_refs = true}});
	EXPECT_TOLD("");
	forget();
}

SPEC("canary spec: a policy has a name, stands in a ConfigMap, or in the object")
{
	parse((struct given){.analysis = "    policy: {name: evidence, params: {a: [1]},\n"
					 "      onPolicyChange: NextRollout}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(spec->policy.source, POLICY_NAMED);
	EXPECT_TEXT(spec->policy.name, "evidence");
	EXPECT_INT(json_int(spec->policy.params, "a[0]", 0), 1);
	EXPECT(spec->policy.at_next_rollout);
	parse((struct given){.analysis = "    policy: {configMap: {name: curves}}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(spec->policy.source, POLICY_CONFIG_MAP);
	EXPECT_TEXT(spec->policy.name, "curves");
	EXPECT_TEXT(spec->policy.key, "policy.lua");
	EXPECT(spec->policy.params == NULL && !spec->policy.at_next_rollout);
	parse((struct given){.analysis = "    policy: {configMap: {name: curves, key: a.lua}}\n"});
	EXPECT_TEXT(spec->policy.key, "a.lua");
	parse((struct given){.analysis = "    policy:\n      inline: |\n        return {}\n"});
	EXPECT_TOLD("");
	EXPECT_INT(spec->policy.source, POLICY_INLINE);
	EXPECT_TEXT(spec->policy.text, "return {}\n");
	forget();
}

SPEC("canary spec: below policy, what is not known is an error")
{
	parse((struct given){.analysis = "    policy: {name: a, parms: {}}\n"});
	EXPECT_TOLD("spec.analysis.policy.parms: is not a field that is known; did you mean "
		    "params?\n");
	parse((struct given){.analysis = "    policy: {configMap: {name: a, kee: b}}\n"});
	EXPECT_TOLD("spec.analysis.policy.configMap.kee: is not a field that is known; did you "
		    "mean key?\n");
	parse((struct given){.analysis = "    policy: {name: a, inline: 'return {}'}\n"});
	EXPECT_TOLD("spec.analysis.policy: must have only one of name, configMap and inline\n");
	parse((struct given){.analysis = "    policy: {params: {}}\n"});
	EXPECT_TOLD_OF("spec.analysis.policy: must have one of name, configMap and inline\n");
	parse((struct given){.analysis = "    policy: {name: a, onPolicyChange: Never}\n"});
	EXPECT_TOLD("spec.analysis.policy.onPolicyChange: must be one of NextTick, NextRollout, "
		    "is \"Never\"\n");
	parse((struct given){.analysis = "    policy: evidence\n"});
	EXPECT_TOLD_OF("spec.analysis.policy: must be an object, is \"evidence\"\n");
	forget();
}

SPEC("canary spec: each field of Sluice has an annotation twin")
{
	parse((struct given){.annotations = "{sluice.dev/policy: evidence, "
					    "sluice.dev/policy-params: 'cap: 20', "
					    "sluice.dev/on-policy-change: NextRollout, "
					    "sluice.dev/on-no-data: hold, "
					    "sluice.dev/on-error: fail}",
			     .analysis = "    metrics:\n"
					 "    - {name: request-duration, threshold: 500}\n"
					 "    - {name: a, query: up, threshold: 1, onNoData: fail}"
					 "\n"});
	EXPECT_TOLD("");
	EXPECT_INT(spec->policy.source, POLICY_NAMED);
	EXPECT_TEXT(spec->policy.name, "evidence");
	EXPECT_INT(json_int(spec->policy.params, "cap", 0), 20);
	EXPECT(spec->policy.at_next_rollout);
	EXPECT_TEXT(json_string(spec->metrics[0].json, "onNoData"), "hold");
	EXPECT_TEXT(json_string(spec->metrics[0].json, "onError"), "fail");
	EXPECT_TEXT(json_string(spec->metrics[1].json, "onNoData"), "fail");

	parse((struct given){.annotations = "{sluice.dev/step-intervals: '1m, 2m', "
					    "sluice.dev/watch: 10m, "
					    "sluice.dev/hold-timeout: 1h30m, "
					    "sluice.dev/scale-down-delay: 5m, "
					    "sluice.dev/canary-replicas: '50%', "
					    "sluice.dev/on-good-revision: Promote, "
					    "sluice.dev/failure-limits: 'a=2'}",
			     .analysis = "    stepWeight: 5\n    metrics:\n"
					 "    - {name: a, query: up, threshold: 1}\n"});
	EXPECT_TOLD_OF("canaryReplicas: is the scale with which the canary carries all traffic");
	EXPECT_TEXT(json_string(spec->step_intervals, "[1]"), "2m");
	EXPECT_INT(spec->watch_us, 10 * DURATION_MINUTE);
	EXPECT_INT(spec->hold_timeout_us, 90 * DURATION_MINUTE);
	EXPECT_INT(spec->scale_down_delay_us, 5 * DURATION_MINUTE);
	EXPECT_INT(spec->canary_percent, 50);
	EXPECT_TEXT(json_string(spec->analysis, "onGoodRevision"), "Promote");
	EXPECT_INT(json_int(spec->metrics[0].json, "failureLimit", 0), 2);
	parse((struct given){.annotations = "{sluice.dev/step-intervals: '1m, soon', "
					    "sluice.dev/failure-limits: 'b=2, a'}"});
	EXPECT_TOLD_OF("sluice.dev/step-intervals\"]: must be a duration");
	EXPECT_TOLD_OF("there is no metric \"b\"");
	EXPECT_TOLD_OF("must be \"METRIC=N, …\" with N from 1 to 1000, has \"a\"");

	parse((struct given){.annotations = "{sluice.dev/policy: configmap/curves, "
					    "sluice.dev/policy-params: '{\"a\": {\"b\": 1}}'}"});
	EXPECT_TOLD("");
	EXPECT_INT(spec->policy.source, POLICY_CONFIG_MAP);
	EXPECT_TEXT(spec->policy.name, "curves");
	EXPECT_TEXT(spec->policy.key, "policy.lua");
	EXPECT_INT(json_int(spec->policy.params, "a.b", 0), 1);

	parse((struct given){.annotations = "{sluice.dev/policy: configmap/curves/slow.lua}"});
	EXPECT_TEXT(spec->policy.key, "slow.lua");
	parse((struct given){.annotations = "{sluice.dev/policy: 'return {}'}"});
	EXPECT_TOLD("");
	EXPECT_INT(spec->policy.source, POLICY_INLINE);
	EXPECT_TEXT(spec->policy.text, "return {}");
	forget();
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
		parse((struct given){.annotations = cases[i].annotations});
		EXPECT_TOLD_OF(cases[i].wanted);
	}
	parse((struct given){.annotations = "{sluice.dev/policy: b, sluice.dev/other-thing: c}",
			     .analysis = "    policy: {name: a}\n"});
	EXPECT_TOLD("warning: metadata.annotations[\"sluice.dev/policy\"]: has no effect, because "
		    "spec.analysis.policy.name is set\n");
	EXPECT_TEXT(spec->policy.name, "a");
	forget();
}

SPEC("canary spec: problems are one text, errors only when there are some, cut where it ends")
{
	parse((struct given){.top = "  suspend: 1\n  skipAnalysis: 2\n  wibble: 1\n"});
	struct buf text;
	buf_init(&text, 4096);
	spec_problems_text(&problems, &text);
	EXPECT_TEXT(text.text, "spec.suspend: must be true or false, is 1; spec.skipAnalysis: "
			       "must be true or false, is 2");
	buf_fini(&text);
	buf_init(&text, 90);
	spec_problems_text(&problems, &text);
	EXPECT_TEXT(text.text, "spec.suspend: must be true or false, is 1 (and 1 more)");
	buf_fini(&text);
	buf_init(&text, 40);
	spec_problems_text(&problems, &text);
	EXPECT_TEXT(text.text, "(2 problems)");
	buf_fini(&text);
	parse((struct given){.top = "  wibble: 1\n"});
	buf_init(&text, 4096);
	spec_problems_text(&problems, &text);
	EXPECT_CONTAINS(text.text, "spec.wibble: is not a field that is known");
	buf_fini(&text);
	forget();
}

SPEC("canary spec: a thousand mistakes are counted, and 64 kept, errors first")
{
	struct buf top;
	buf_init(&top, MIB);
	for (int i = 0; i < 500; i++)
		buf_printf(&top, "  wibble%d: 1\n", i);
	buf_puts(&top, "  skipAnalysis: 1\n");
	SCOPED(text) char *text = buf_take(&top);
	parse((struct given){.top = text});
	EXPECT_INT(problems.count, 64);
	EXPECT_INT(problems.errors, 1);
	EXPECT(!problems.items[63].warning);
	EXPECT_TEXT(problems.items[63].path, "spec.skipAnalysis");
	forget();
}
