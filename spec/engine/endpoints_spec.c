/*
 * endpoints_spec.c - what EndpointSlices say, and traffic that waits for them.
 */
#include "canary/endpoints.h"

#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "canary/target.h"
#include "spec.h"

static long count(const char *items, const char *prefix)
{
	SCOPED(text) char *text = xasprintf("{\"items\":[%s]}", items);
	SCOPED(json) cJSON *list = json_parse(text, strlen(text), NULL);
	EXPECT(list != NULL);
	return endpoints_count(list, prefix);
}

SPEC("endpoints: those count that are ready and stay, each once, of one address family")
{
	EXPECT_INT(count("", ""), 0);
	EXPECT_INT(count("{\"addressType\":\"IPv4\",\"endpoints\":null}", ""), 0);
	EXPECT_INT(count("{\"addressType\":\"IPv4\",\"endpoints\":["
			 "{\"addresses\":[\"10.0.0.1\"]},"
			 "{\"addresses\":[\"10.0.0.2\"],\"conditions\":{\"ready\":true}},"
			 "{\"addresses\":[\"10.0.0.3\"],\"conditions\":{\"ready\":false}},"
			 "{\"addresses\":[\"10.0.0.4\"],"
			 "\"conditions\":{\"ready\":true,\"terminating\":true}}]},"
			 "{\"addressType\":\"IPv4\",\"endpoints\":["
			 "{\"addresses\":[\"10.0.0.2\"]},{\"addresses\":[\"10.0.0.5\"]}]},"
			 "{\"addressType\":\"IPv6\",\"endpoints\":["
			 "{\"addresses\":[\"fd00::1\"]},{\"addresses\":[\"fd00::2\"]}]}",
			 ""),
		   3);
}

SPEC("endpoints: pods of an earlier rollout do not count, and what is no pod does")
{
	static const char items[] = "{\"addressType\":\"IPv4\",\"endpoints\":["
				    "{\"addresses\":[\"10.0.0.1\"],"
				    "\"targetRef\":{\"kind\":\"Pod\",\"name\":\"web-6f-x\"}},"
				    "{\"addresses\":[\"10.0.0.2\"],"
				    "\"targetRef\":{\"kind\":\"Pod\",\"name\":\"web-7c-x\"}},"
				    "{\"addresses\":[\"10.0.0.3\"]}]}";
	EXPECT_INT(count(items, "web-7c-"), 2);
	EXPECT_INT(count(items, ""), 3);
}

/* The controller leaves a condition alone whose status and reason stay. */
SPEC("endpoints: a condition of the second in which the release began may be of the rollout before")
{
	static const char progressing[] =
		"{\"metadata\":{\"name\":\"web\"},\"status\":{\"conditions\":[{\"type\":"
		"\"Progressing\","
		"\"status\":\"True\",\"reason\":\"NewReplicaSetAvailable\",\"lastUpdateTime\":"
		"\"1970-01-01T00:01:40Z\",\"message\":\"ReplicaSet \\\"web-5d8f7\\\" has "
		"successfully "
		"progressed.\"}]}}";
	SCOPED(json) cJSON *deployment = cJSON_Parse(progressing);
	char prefix[KUBE_NAME_MAX];
	target_deployment.new_pods(deployment, 100 * DURATION_SECOND, prefix);
	EXPECT_TEXT(prefix, "web-5d8f7-");
	target_deployment.new_pods(deployment, 100 * DURATION_SECOND + 1, prefix);
	EXPECT_TEXT(prefix, "");
}

static void put_slice(struct bed *bed, const char *service, const char *endpoints)
{
	SCOPED(text)
	char *slice = xasprintf(
		"{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{"
		"\"name\":\"%s\",\"namespace\":\"test\",\"labels\":{\"kubernetes.io/service-name\":"
		"\"%s\"}},\"addressType\":\"IPv4\",\"endpoints\":[%s]}",
		service, service, endpoints);
	bed_put(bed, slice);
}

static const char two[] = "{\"addresses\":[\"10.0.0.1\"]},{\"addresses\":[\"10.0.0.2\"]}";

static void begin(struct bed *bed)
{
	bed_begin(bed);
	bed_put_canary(bed, NULL);
	bed_merge(bed, bed_target, "{\"spec\":{\"replicas\":2}}");
	bed_start_engine(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
}

SPEC("endpoints: the first primary gets no traffic, and the target keeps its pods, until it can be "
     "reached")
{
	struct bed bed;
	bed_begin(&bed);
	put_slice(&bed, "podinfo-primary", "");
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	bed_run(&bed, 20);
	EXPECT_TEXT(bed_phase(&bed), "Initializing");
	EXPECT_TEXT(bed_says(&bed, bed_target, "spec.replicas"), "2");
	put_slice(&bed, "podinfo-primary", two);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_end(&bed);
}

SPEC("endpoints: a canary gets its traffic when its endpoints are there, and waiting is told once")
{
	struct bed bed;
	begin(&bed);
	put_slice(&bed, "podinfo-canary", "{\"addresses\":[\"10.0.0.1\"]}");
	bed_release(&bed, "podinfo:2");
	bed_run(&bed, 12);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	EXPECT_INT(bed_weight(&bed), 0);
	EXPECT_INT(bed_events(&bed, "waiting for 2 endpoints of podinfo-canary.test"), 1);
	put_slice(&bed, "podinfo-canary", two);
	bed_run(&bed, 6); /* half as long again */
	EXPECT(bed_weight(&bed) > 0);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("endpoints: those that come within two seconds get their traffic within one")
{
	struct bed bed;
	begin(&bed);
	put_slice(&bed, "podinfo-canary", "");
	bed_release(&bed, "podinfo:2");
	bed_run(&bed, 3);
	EXPECT_INT(bed_weight(&bed), 0);
	put_slice(&bed, "podinfo-canary", two);
	bed_run(&bed, 1);
	EXPECT(bed_weight(&bed) > 0);
	bed_end(&bed);
}

/* All traffic to the primary, by hand. */
static void edit_route(struct bed *bed)
{
	SCOPED(json) cJSON *router = json_copy(cluster_get(bed->cluster, bed_router));
	struct error err;
	cJSON *target;
	cJSON_ArrayForEach(target,
			   json_at(router, "spec.routes[0].httpRoute.action.weightedTargets"))
	{
		bool canary = strstr(json_string_or(target, "virtualNodeRef.name", ""), "canary");
		json_put_number(target, "weight", canary ? 0 : 100);
	}
	EXPECT(cluster_merge(bed->cluster, bed_router, router, &err));
}

SPEC("endpoints: a split is put back once the side that it sends traffic to can be reached")
{
	struct bed bed;
	begin(&bed);
	put_slice(&bed, "podinfo-canary", two);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	put_slice(&bed, "podinfo-canary", "");
	edit_route(&bed);
	bed_run(&bed, 3);
	EXPECT_INT(bed_weight(&bed), 0);
	put_slice(&bed, "podinfo-canary", two);
	bed_run(&bed, 10);
	EXPECT(bed_weight(&bed) > 0);
	bed_end(&bed);
}

static enum cluster_fault deny_slices(void *owner, const struct http_request *request)
{
	(void)owner;
	return strstr(request->url, "/endpointslices") != NULL ? FAULT_403 : FAULT_NONE;
}

static enum cluster_fault count_slices(void *owner, const struct http_request *request)
{
	if (strstr(request->url, "/endpointslices") != NULL)
		++*(int *)owner;
	return FAULT_NONE;
}

SPEC("endpoints: who may not list slices does not wait for them")
{
	struct bed bed;
	begin(&bed);
	put_slice(&bed, "podinfo-canary", "");
	cluster_faults(bed.cluster, deny_slices, NULL);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_events(&bed, "endpoints of podinfo-canary"), 0);
	bed_end(&bed);
}

SPEC("endpoints: a release lists them twice, for the canary's pods and for the primary's")
{
	struct bed bed;
	int lists = 0;
	begin(&bed);
	cluster_faults(bed.cluster, count_slices, &lists);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_run(&bed, 60);
	EXPECT_INT(lists, 2);
	bed_end(&bed);
}
