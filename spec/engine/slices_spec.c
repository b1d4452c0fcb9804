/*
 * slices_spec.c - EndpointSlices of the in-memory cluster follow Services and Deployments.
 */
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "sim/cluster.h"
#include "spec.h"

static const char deployment_path[] = "/apis/apps/v1/namespaces/test/deployments/web";
static const char slice_path[] =
	"/apis/discovery.k8s.io/v1/namespaces/test/endpointslices/web-slice";

static void put(struct cluster *cluster, const char *text)
{
	struct error err = {0};
	SCOPED(json) cJSON *object = json_parse(text, strlen(text), &err);
	if (object == NULL || !cluster_apply(cluster, object, &err))
		spec_fail(__FILE__, __LINE__, "%s", err.text);
}

static void pass(struct loop *loop)
{
	loop_run(loop, loop_now(loop) + DURATION_SECOND);
}

static int endpoints(struct cluster *cluster)
{
	return cJSON_GetArraySize(json_at(cluster_get(cluster, slice_path), "endpoints"));
}

SPEC("slices: a Service has the pods of its Deployment, and none once that is gone")
{
	struct error err = {0};
	struct loop *loop = loop_new_virtual(1000 * DURATION_SECOND);
	const struct cluster_options options = {.slices = true};
	struct cluster *cluster = cluster_new(loop, &options);
	put(cluster, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\","
		     "\"namespace\":\"test\"},\"spec\":{\"selector\":{\"app\":\"web\"}}}");
	pass(loop);
	EXPECT(cluster_get(cluster, slice_path) != NULL);
	EXPECT_INT(endpoints(cluster), 0);
	put(cluster,
	    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
	    "\"namespace\":\"test\"},\"spec\":{\"replicas\":2,\"template\":{\"metadata\":"
	    "{\"labels\":{\"app\":\"web\"}}}}}");
	pass(loop);
	EXPECT_INT(endpoints(cluster), 2);
	put(cluster, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\","
		     "\"namespace\":\"test\"},\"spec\":{\"selector\":{\"app\":\"other\"}}}");
	pass(loop);
	EXPECT_INT(endpoints(cluster), 0);
	put(cluster, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\","
		     "\"namespace\":\"test\"},\"spec\":{\"selector\":{\"app\":\"web\"}}}");
	pass(loop);
	EXPECT_INT(endpoints(cluster), 2);
	EXPECT(cluster_delete(cluster, deployment_path, &err));
	pass(loop);
	EXPECT_INT(endpoints(cluster), 0);
	cluster_free(cluster);
	loop_free(loop);
}
