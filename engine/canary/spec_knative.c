/*
 * spec_knative.c - what of a Canary goes with a Knative Service as its target, and what does not.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/spec_parts.h"
#include "canary/target.h"

/* Fields of spec about routes of a mesh: Knative has its own. */
static const char *const of_meshes[] = {
	"service.appProtocol", "service.backends", "service.corsPolicy", "service.delegation",
	"service.gatewayRefs", "service.gateways", "service.headers",	 "service.hosts",
	"service.match",       "service.meshName", "service.mirror",	 "service.portDiscovery",
	"service.retries",     "service.rewrite",  "service.timeout",	 "service.trafficPolicy",
	"ingressRef",	       "upstreamRef",
};

/* Pods come and go with the requests. */
static const char *const of_pods[] = {"analysis.primaryReadyThreshold",
				      "analysis.canaryReadyThreshold"};

static void warn(const struct canary_spec *spec, const char *field, const char *why,
		 struct spec_problems *problems)
{
	const cJSON *value = json_at(spec->json, field);
	if (value == NULL || cJSON_IsNull(value))
		return;
	SCOPED(text) char *path = xasprintf("spec.%s", field);
	problem_warning(problems, path, "has no effect on a Knative Service, %s", why);
}

static void check_target(struct canary_spec *spec, struct spec_problems *problems)
{
	if (spec->scaler_name != NULL) {
		problem_error(problems, "spec.autoscalerRef",
			      "can't use autoscaler with Knative Service");
		spec->scaler = NULL;
		spec->scaler_kind = spec->scaler_name = NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(of_meshes); i++)
		warn(spec, of_meshes[i], "whose routes are Knative's", problems);
	for (size_t i = 0; i < ARRAY_LEN(of_pods); i++)
		warn(spec, of_pods[i], "whose pods are Knative's", problems);
}

void spec_check_knative(struct canary_spec *spec, struct spec_problems *problems)
{
	const char *said = json_string_or(spec->json, "provider", "");
	bool is_target = spec->target == &target_knative;
	bool is_provider = strcmp(spec->provider, "knative") == 0;
	if (is_target && said[0] != '\0' && !is_provider)
		problem_error(problems, "spec.provider",
			      "can't use %.40s provider with Knative Service as target", said);
	else if (!is_target && is_provider && said[0] != '\0')
		problem_error(problems, "spec.targetRef",
			      "can't use %.80s/%.80s as target if provider is set to knative",
			      spec->target_api_version, spec->target_kind);
	else if (!is_target && is_provider)
		problem_error(problems, "spec.provider",
			      "is required: the default (--mesh-provider) is knative, which can't "
			      "have %.80s/%.80s as target",
			      spec->target_api_version, spec->target_kind);
	if (!is_target)
		return;
	spec->metrics_provider = "knative";
	check_target(spec, problems);
}
