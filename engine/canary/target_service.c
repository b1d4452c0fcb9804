/*
 * target_service.c - a Service as a target: a revision is what it says, and nothing is scaled.
 *
 * Its own object is the team's, and routes do not lead to it: they lead to two copies, of which
 * the canary's follows the target when a release begins, and the primary's when it is promoted.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"
#include "canary/workload_meta.h"

/* What the cluster gave to this very Service, and what leads to it from outside: a copy is for a
 * mesh, and needs no address of its own there. */
static const char *const not_copied[] = {
	"clusterIP",
	"clusterIPs",
	"healthCheckNodePort",
	"externalIPs",
	"loadBalancerIP",
	"loadBalancerClass",
	"loadBalancerSourceRanges",
	"externalTrafficPolicy",
	"allocateLoadBalancerNodePorts",
};

static cJSON *template(const cJSON *service)
{
	cJSON *copy = json_copy(json_get(service, "spec")), *port;
	const char *type = json_string_or(copy, "type", "ClusterIP");
	bool headless = text_equal(json_string(copy, "clusterIP"), "None");
	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(not_copied); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(copy, not_copied[i]);
	cJSON_ArrayForEach(port, json_get(copy, "ports"))
		cJSON_DeleteItemFromObjectCaseSensitive(port, "nodePort");
	if (headless)
		json_put_string(copy, "clusterIP", "None");
	if (strcmp(type, "ExternalName") != 0)
		json_put_string(copy, "type", "ClusterIP");
	return copy;
}

static cJSON *copy(const struct canary_spec *spec, const cJSON *service, const char *name)
{
	cJSON *made = meta_object(spec, "v1", "Service", name);
	cJSON *labels = meta_without_toolkit(json_at(service, "metadata.labels"));
	cJSON *annotations = meta_without_toolkit(json_at(service, "metadata.annotations"));
	cJSON_DeleteItemFromObjectCaseSensitive(annotations,
						"kubectl.kubernetes.io/last-applied-configuration");
	json_put(made, "metadata.labels", labels);
	json_put(made, "metadata.annotations", annotations);
	meta_unmanaged(made);
	json_put(made, "spec", template(service));
	return made;
}

static bool same(const cJSON *service, const cJSON *primary)
{
	SCOPED(json) cJSON *wanted = template(service);
	SCOPED(json) cJSON *live = template(primary);
	return json_equal(wanted, live);
}

/* Its slices say more (endpoints.h), where it has any. */
static struct pod_counts pods(const cJSON *service)
{
	const cJSON *selector = json_at(service, "spec.selector");
	long some = selector != NULL && selector->child != NULL;
	return (struct pod_counts){.wanted = some, .updated = some, .available = service != NULL};
}

static enum readiness ready(const cJSON *service, const struct ready_terms *terms,
			    struct error *why)
{
	(void)terms;
	if (service != NULL)
		return READY;
	error_set(why, ERROR_NOT_FOUND, "the service is not there yet");
	return READY_NOT_YET;
}

const struct target_kind target_service = {
	.kube = {"v1", "Service", "services", false},
	.noun = "service",
	.counted = COUNTED_BY_SERVICE,
	.template = template,
	.copy = copy,
	.same = same,
	.pods = pods,
	.ready = ready,
};
