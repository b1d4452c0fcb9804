/*
 * canary_target_spec.c - of what a Canary can be about, and by which Service and port it is
 * reached.
 */
#include "base/mem.h"
#include "given.h"
#include "spec.h"

SPEC("canary spec: only what this version can roll out is taken")
{
	given((struct given){.target = "{apiVersion: apps/v1, kind: ReplicaSet, name: agent}"});
	EXPECT_TOLD("spec.targetRef.kind: must be one of Deployment, DaemonSet, Service, "
		    "StatefulSet, is "
		    "\"ReplicaSet\"\n");
	given((struct given){.target = "{apiVersion: apps/v1, kind: Deployment}"});
	EXPECT_TOLD("spec.targetRef.name: is required\n");
	given((struct given){.top = "  autoscalerRef: {apiVersion: v1, kind: Scaler, name: s}\n"});
	EXPECT_TOLD("spec.autoscalerRef.kind: must be one of HorizontalPodAutoscaler, "
		    "ScaledObject, is \"Scaler\"\n");
	given((struct given){
		.top = "  autoscalerRef: {apiVersion: keda.sh/v1alpha1, "
		       "kind: ScaledObject, name: s, primaryScalerQueries: {a: b}}\n"});
	EXPECT_TOLD("");
	given_forget();
}

SPEC("canary spec: what does not scale has no autoscaler, and no scale of its own")
{
	given((struct given){
		.target = "{apiVersion: apps/v1, kind: DaemonSet, name: agent}",
		.top = "  autoscalerRef: {apiVersion: autoscaling/v2, "
		       "kind: HorizontalPodAutoscaler, name: agent}\n",
		.analysis = "    interval: 1m\n    stepWeight: 5\n    canaryReplicas: 2\n"});
	EXPECT_TOLD_OF("warning: spec.autoscalerRef: has no effect on a DaemonSet\n");
	EXPECT_TOLD_OF("warning: spec.analysis.canaryReplicas: has no effect on a DaemonSet\n");
	EXPECT(given_spec->scaler_name == NULL && given_spec->canary_replicas == 0);
	given_forget();
}

SPEC("canary spec: a Service does not know its pods: the mesh must, and its queries")
{
	static const char target[] = "{apiVersion: v1, kind: Service, name: shop}";
	static const char analysis[] =
		"    interval: 1m\n    stepWeight: 5\n    metrics:\n"
		"      - {name: request-success-rate, thresholdRange: {min: 99}}\n";
	given((struct given){.target = target, .top = "  provider: istio\n", .analysis = analysis});
	EXPECT_TOLD("");
	EXPECT_TEXT(given_spec->primary_target, "shop-primary");
	given((struct given){
		.target = target, .top = "  provider: linkerd\n", .analysis = analysis});
	EXPECT_TOLD_OF("spec.analysis.metrics[0]: the built-in query of linkerd selects pods by "
		       "the name of their workload, which a Service does not know: use a "
		       "templateRef\n");
	given((struct given){
		.target = target, .top = "  provider: appmesh:v1beta2\n", .analysis = analysis});
	EXPECT_TOLD_OF("spec.provider: App Mesh finds pods by their labels, which a Service does "
		       "not have\n");
	given_forget();
}

SPEC("canary spec: a StatefulSet has a split of its own, and no Services")
{
	static const char target[] = "{apiVersion: apps/v1, kind: StatefulSet, name: db}";
	given((struct given){
		.target = target,
		.service = "~",
		.top = "  provider: linkerd\n",
		.analysis = "    interval: 1m\n    stepWeight: 25\n    metrics:\n"
			    "      - {name: request-success-rate, thresholdRange: {min: 99}}\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(given_spec->provider, "partition");
	EXPECT_TEXT(given_spec->metrics_provider, "linkerd");
	EXPECT_TEXT(given_spec->primary_target, "db");
	given((struct given){
		.target = target,
		.top = "  provider: nginx\n",
		.analysis = "    interval: 1m\n    iterations: 5\n    metrics:\n"
			    "      - {name: request-duration, thresholdRange: {max: 1}}\n"});
	EXPECT_TOLD_OF("spec.analysis.iterations: cannot be of a StatefulSet, whose new pods have "
		       "traffic as soon as they are ready: use stepWeight or stepWeights\n");
	EXPECT_TOLD_OF("spec.analysis.metrics[0]: the built-in query of nginx cannot tell one pod "
		       "of a StatefulSet from another: use a templateRef\n");
	given_forget();
}

SPEC("canary spec: a Knative Service and the provider knative need each other")
{
	static const char target[] = "{apiVersion: serving.knative.dev/v1, kind: Service, name: a}";
	given((struct given){.target = target, .service = "~", .top = "  provider: knative\n"});
	EXPECT_TOLD("");
	EXPECT_TEXT(given_spec->provider, "knative");
	EXPECT_TEXT(given_spec->metrics_provider, "knative");
	given((struct given){.target = target, .top = "  provider: istio\n"});
	EXPECT_TOLD("spec.provider: can't use istio provider with Knative Service as target\n");
	given((struct given){.top = "  provider: knative\n"});
	EXPECT_TOLD("spec.targetRef: can't use apps/v1/Deployment as target if provider is set to "
		    "knative\n");
	given((struct given){.target = target,
			     .top = "  autoscalerRef: {apiVersion: autoscaling/v2, kind: "
				    "HorizontalPodAutoscaler, name: a}\n"});
	EXPECT_TOLD("spec.autoscalerRef: can't use autoscaler with Knative Service\n");
	given((struct given){.target = target,
			     .service = "{port: 80, hosts: [a.example.com]}",
			     .analysis = "    interval: 1m\n    stepWeight: 5\n"
					 "    primaryReadyThreshold: 50\n"});
	EXPECT_TOLD_OF("warning: spec.service.hosts: has no effect on a Knative Service, whose "
		       "routes are Knative's\n");
	EXPECT_TOLD_OF("warning: spec.analysis.primaryReadyThreshold: has no effect on a Knative "
		       "Service, whose pods are Knative's\n");
	given_forget();
}

SPEC("canary spec: a Knative Service needs no provider, whatever the default is")
{
	static const char target[] = "{apiVersion: serving.knative.dev/v1, kind: Service, name: a}";
	static const char *const defaults[] = {"knative", "istio", "kubernetes", NULL};
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		given((struct given){.target = target,
				     .service = "~",
				     .top = "",
				     .options = {.default_provider = defaults[i]}});
		EXPECT_TOLD("");
		EXPECT_TEXT(given_spec->provider, "knative");
		EXPECT_TEXT(given_spec->metrics_provider, "knative");
	}
	given((struct given){.top = "", .options = {.default_provider = "knative"}});
	EXPECT_TOLD("spec.provider: is required: the default (--mesh-provider) is knative, which "
		    "can't have apps/v1/Deployment as target\n");
	given_forget();
}

SPEC("canary spec: another kind of object is not a Canary")
{
	given_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n",
		   &(struct spec_options){0});
	EXPECT_TOLD_OF("apiVersion: must be flagger.app/v1beta1, is \"apps/v1\"\n");
	EXPECT_TOLD_OF("kind: must be Canary, is \"Deployment\"\n");
	EXPECT_TOLD_OF("spec.targetRef: is required\n");
	EXPECT_TOLD_OF("spec.analysis: is required\n");
	given_object(NULL, &(struct spec_options){0});
	EXPECT_TOLD(": must be an object\n");
	given_forget();
}

SPEC("canary spec: names of Services must fit, also with their suffixes")
{
	given((struct given){.service = "{port: 80, name: front}"});
	EXPECT_TOLD("");
	EXPECT_TEXT(given_spec->apex, "front");
	EXPECT_TEXT(given_spec->primary, "front-primary");
	EXPECT_TEXT(given_spec->primary_target, "podinfo-primary");
	given((struct given){.service = "{port: 80, name: Front}"});
	EXPECT_TOLD_OF("spec.service.name: must be a name of at most 63 lower case letters");
	given((struct given){.service =
				     "{port: 80, name: "
				     "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdef}"});
	EXPECT_TOLD("spec.service.name: must have at most 55 characters, as the Service "
		    "NAME-primary must be named in 63, has 56\n");
	given((struct given){.target = "{apiVersion: apps/v1, kind: Deployment, name: a.b}"});
	EXPECT_TOLD("spec.targetRef.name: cannot be the name of a Service; set "
		    "spec.service.name\n");
	given((struct given){.target = "{apiVersion: apps/v1, kind: Deployment, name: a..b}"});
	EXPECT_TOLD_OF("spec.targetRef.name: must be a name of lower case letters, digits, '-' "
		       "and '.', is \"a..b\"\n");
	given_forget();
}

SPEC("canary spec: a target port of 0 is the port, a number in quotes is a mistake")
{
	given((struct given){.service = "{port: 80, targetPort: 0, portName: grpc}"});
	EXPECT_TOLD("");
	EXPECT(given_spec->target_port == NULL);
	EXPECT_TEXT(given_spec->port_name, "grpc");
	given((struct given){.service = "{port: 80, targetPort: '0'}"});
	EXPECT(given_spec->target_port == NULL);
	given((struct given){.service = "{port: 80, targetPort: web}"});
	EXPECT_TEXT(given_spec->target_port->valuestring, "web");
	given((struct given){.service = "{port: 80, targetPort: 9898}"});
	EXPECT_INT(given_spec->target_port->valuedouble, 9898);
	given((struct given){.service = "{port: 80, targetPort: '9898'}"});
	EXPECT_TOLD("spec.service.targetPort: \"9898\" in quotes is the name of a port; write the "
		    "number without\n");
	given((struct given){.service = "{port: 80, targetPort: 70000}"});
	EXPECT_TOLD("spec.service.targetPort: must be a whole number from 0 to 65535, "
		    "is 70000\n");
	given_forget();
}

SPEC("canary spec: without a Service there is nothing to route by")
{
	given((struct given){.service = "~"});
	EXPECT_TOLD("spec.service: is required: Services route to podinfo and its primary\n");
	given((struct given){.service = "{name: a}"});
	EXPECT_TOLD("spec.service.port: is required\n");
	given((struct given){.service = "[80]"});
	EXPECT_TOLD("spec.service: must be an object, is a list\n");
	given_forget();
}
