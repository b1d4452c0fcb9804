/*
 * slots_spec.c - many canaries whose metrics are answered in the same moment: what a tick holds
 * while it works is for ENGINE_SLOTS of them at a time.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

enum { CANARIES = 60 };

struct crowd {
	struct bed bed;
	size_t most; /* requests under way at a time */
};

static enum cluster_fault look(void *owner, const struct http_request *request)
{
	struct crowd *crowd = owner;
	size_t pending = kube_pending(crowd->bed.kube);
	if (strcmp(request->method, "PATCH") == 0 && strstr(request->url, "/status") != NULL)
		crowd->most = pending > crowd->most ? pending : crowd->most;
	return FAULT_NONE;
}

static void put(struct bed *bed, int i)
{
	SCOPED(text)
	char *target = xasprintf(
		"{\"apiVersion\":\"apps/"
		"v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"a%d\","
		"\"namespace\":\"test\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{"
		"\"app\":\"a%d\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"a%d\"}},"
		"\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"app:1\"}]}}}}",
		i, i, i);
	bed_put(bed, target);
	SCOPED(text)
	char *canary = xasprintf(
		"{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
		"\"name\":\"a%d\",\"namespace\":\"test\"},\"spec\":{\"provider\":"
		"\"appmesh:v1beta2\",\"targetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":"
		"\"Deployment\",\"name\":\"a%d\"},\"service\":{\"port\":80},\"analysis\":{"
		"\"interval\":\"10s\",\"threshold\":2,\"maxWeight\":50,\"stepWeight\":25,"
		"\"metrics\":"
		"[{\"name\":\"request-success-rate\",\"thresholdRange\":{\"min\":99}}]}}}",
		i, i);
	bed_put(bed, canary);
}

static int count(const struct bed *bed, const char *phase)
{
	SCOPED(json)
	cJSON *list =
		cluster_list(bed->cluster, "/apis/flagger.app/v1beta1/namespaces/test/canaries");
	int count = 0;
	const cJSON *canary;
	cJSON_ArrayForEach(canary, list) count +=
		text_equal(json_string(canary, "status.phase"), phase);
	return count;
}

SPEC("slots of ticks: answers that come to all at once are worked off a few at a time")
{
	struct crowd crowd = {0};
	struct bed *bed = &crowd.bed;
	bed_begin(bed);
	for (int i = 0; i < CANARIES; i++)
		put(bed, i);
	bed_start_engine(bed);
	bed_run(bed, 60);
	EXPECT_INT(count(bed, "Initialized"), CANARIES);
	cluster_faults(bed->cluster, look, &crowd);
	for (int i = 0; i < CANARIES; i++) {
		SCOPED(text)
		char *path = xasprintf("/apis/apps/v1/namespaces/test/deployments/a%d", i);
		bed_merge(bed, path,
			  "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\","
			  "\"image\":\"app:2\"}]}}}}");
	}
	bed_run(bed, 120);
	EXPECT_INT(count(bed, "Succeeded"), CANARIES);
	EXPECT(crowd.most > 0);
	if (crowd.most > ENGINE_SLOTS)
		spec_fail(__FILE__, __LINE__, "%zu write at a time", crowd.most);
	bed_end(bed);
}
