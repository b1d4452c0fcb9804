/*
 * mesh_spec.c - a mesh in another cluster: routes are there, all else is here, and whose the routes
 * are is known without an owner that nobody there has heard of.
 */
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "kube/split.h"
#include "spec.h"

struct apart {
	struct bed bed;
	struct cluster *mesh;
};

static const char service[] =
	"/apis/networking.istio.io/v1beta1/namespaces/test/virtualservices/podinfo";
static const char rule[] =
	"/apis/networking.istio.io/v1beta1/namespaces/test/destinationrules/podinfo-primary";

static void begin(struct apart *apart, const char *spec)
{
	const struct kube_options kube = {0};
	const struct cluster_options options = {.seed = 2, .watch_lag_us = 50000};
	struct bed *bed = &apart->bed;
	bed_begin(bed);
	apart->mesh = cluster_new(bed->loop, &options);
	kube_free(bed->kube);
	bed->kube = kube_new(bed->loop,
			     split_new(cluster_port(bed->cluster), cluster_port(apart->mesh)),
			     &bed->chance, &kube);
	bed->world.asks.kube = bed->kube;
	bed->world.asks.mesh_apart = true;
	SCOPED(text) char *patch = xasprintf("{\"spec\":{%s}}", spec);
	bed_put_canary(bed, patch);
}

static void start(struct apart *apart)
{
	bed_start_engine(&apart->bed);
	EXPECT(bed_reaches(&apart->bed, "Initialized"));
}

static void end(struct apart *apart)
{
	struct bed *bed = &apart->bed;
	struct http *port = kube_transport(bed->kube);
	engine_free(bed->engine);
	bed->engine = NULL;
	kube_free(bed->kube);
	port->ops->free(port);
	bed->kube = kube_new(bed->loop, cluster_port(bed->cluster), &bed->chance,
			     &(struct kube_options){0});
	cluster_free(apart->mesh);
	bed_end(bed);
}

static const char *says(const struct apart *apart, const char *object, const char *path)
{
	static char text[256];
	const cJSON *value = json_at(cluster_get(apart->mesh, object), path);
	text_copy(text, sizeof(text), cJSON_IsString(value) ? value->valuestring : "");
	return text;
}

/* Of the canary in Istio's VirtualService. */
static int weight(const struct apart *apart)
{
	return (int)json_int(cluster_get(apart->mesh, service), "spec.http[0].route[1].weight", -1);
}

static bool reaches_weight(struct apart *apart, int wanted)
{
	for (int i = 0; i < 600 && weight(apart) != wanted; i++)
		bed_run(&apart->bed, 1);
	return weight(apart) == wanted;
}

static int count(const struct cluster *cluster, const char *path)
{
	SCOPED(json) cJSON *list = cluster_list(cluster, path);
	return cJSON_GetArraySize(list);
}

SPEC("mesh: a path says by its API group in which cluster it is")
{
	static const struct {
		const char *path;
		bool mesh;
	} paths[] = {
		{"/api/v1/namespaces/test/services/podinfo", false},
		{"/apis/apps/v1/namespaces/test/deployments/podinfo", false},
		{"/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers/x", false},
		{"/apis/keda.sh/v1alpha1/namespaces/test/scaledobjects/x", false},
		{"/apis/flagger.app/v1beta1/canaries?watch=true", false},
		{"/apis/networking.k8s.io/v1/namespaces/test/ingresses/x", false},
		{"/apis/coordination.k8s.io/v1/namespaces/test/leases/x", false},
		{"/apis/external.metrics.k8s.io/v1beta1/x", false},
		{"/apis/serving.knative.dev/v1/namespaces/test/services/x", false},
		{"/version", false},
		{"/apis/networking.istio.io/v1beta1/namespaces/test/virtualservices/x", true},
		{"/apis/gateway.networking.k8s.io/v1/namespaces/test/httproutes/x", true},
		{"/apis/appmesh.k8s.aws/v1beta2/namespaces/test/virtualrouters/x", true},
		{"/apis/split.smi-spec.io/v1alpha2/namespaces/test/trafficsplits/x", true},
		{"/apis/projectcontour.io/v1/httpproxies?watch=true", true},
		{"/apis/kuma.io/v1alpha1/trafficroutes/x", true},
		{"/apis/traefik.io/v1alpha1/namespaces/test/traefikservices/x", true},
		{"/apis/gateway.solo.io/v1/namespaces/test/routetables/x", true},
		{"/apis/apisix.apache.org/v2/namespaces/test/apisixroutes/x", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		EXPECT_INT(split_is_mesh(paths[i].path), paths[i].mesh);
}

SPEC("mesh: a release is routed in the mesh's cluster and rolled out in the other")
{
	struct apart apart;
	begin(&apart, "\"provider\":\"istio\"");
	start(&apart);
	EXPECT_INT(weight(&apart), 0);
	bed_release(&apart.bed, "podinfo:2");
	EXPECT(reaches_weight(&apart, 10));
	EXPECT(bed_reaches(&apart.bed, "Succeeded"));
	EXPECT_INT(weight(&apart), 0);
	EXPECT_TEXT(bed_says(&apart.bed, bed_primary, "spec.template.spec.containers[0].image"),
		    "podinfo:2");
	EXPECT_INT(count(apart.bed.cluster, "/apis/networking.istio.io/v1beta1/virtualservices"),
		   0);
	EXPECT_INT(count(apart.bed.cluster, "/api/v1/namespaces/test/services"), 3);
	EXPECT_INT(count(apart.mesh, "/api/v1/namespaces/test/services"), 0);
	EXPECT_INT(count(apart.mesh, "/api/v1/namespaces/test/events"), 0);
	EXPECT_INT(count(apart.mesh, "/apis/apps/v1/namespaces/test/deployments"), 0);
	end(&apart);
}

SPEC("mesh: what is ours there has no owner that is not there, and says whose it is")
{
	struct apart apart;
	begin(&apart, "\"provider\":\"istio\"");
	start(&apart);
	const char *of[] = {service, rule};
	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		SCOPED(text)
		char *whose =
			xasprintf("podinfo/%s", bed_says(&apart.bed, bed_canary, "metadata.uid"));
		EXPECT(cluster_get(apart.mesh, of[i]) != NULL);
		EXPECT(json_at(cluster_get(apart.mesh, of[i]), "metadata.ownerReferences") == NULL);
		EXPECT_TEXT(says(&apart, of[i], "metadata.annotations[\"sluice.dev/canary\"]"),
			    whose);
	}
	/* What is ours is not taken for the team's, which would be kept to be given back. */
	EXPECT_TEXT(says(&apart, service,
			 "metadata.annotations[\"flagger.kubernetes.io/original-configuration\"]"),
		    "");
	bed_merge(&apart.bed, bed_canary, "{\"spec\":{\"service\":{\"timeout\":\"3s\"}}}");
	bed_run(&apart.bed, 5);
	EXPECT_TEXT(says(&apart, service, "spec.http[0].timeout"), "3s");
	bed_merge(&apart.bed, bed_canary, "{\"spec\":{\"service\":{\"timeout\":null}}}");
	bed_run(&apart.bed, 5);
	EXPECT_TEXT(says(&apart, service, "spec.http[0].timeout"), "");
	end(&apart);
}

SPEC("mesh: at rest both clusters are watched, and neither is asked for anything")
{
	struct apart apart;
	struct error err = {0};
	begin(&apart, "\"provider\":\"istio\"");
	start(&apart);
	bed_run(&apart.bed, 30);
	uint64_t before = kube_requests(apart.bed.kube);
	bed_run(&apart.bed, 100);
	EXPECT_INT(kube_requests(apart.bed.kube) - before, 0);
	EXPECT(cluster_delete(apart.mesh, service, &err));
	bed_run(&apart.bed, 2);
	EXPECT_INT(weight(&apart), 0);
	bed_merge(&apart.bed, bed_apex, "{\"spec\":{\"selector\":{\"app\":\"podinfo\"}}}");
	bed_run(&apart.bed, 2);
	EXPECT_TEXT(bed_says(&apart.bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	end(&apart);
}

SPEC("mesh: what the team has there is edited, and given back")
{
	struct apart apart;
	struct error err = {0};
	static const char teams[] = "{\"apiVersion\":\"networking.istio.io/"
				    "v1beta1\",\"kind\":\"VirtualService\",\"metadata\":"
				    "{\"name\":\"podinfo\",\"namespace\":\"test\"},\"spec\":{"
				    "\"hosts\":[\"podinfo\"],\"http\":"
				    "[{\"route\":[{\"destination\":{\"host\":\"podinfo\"}}]}]}}";
	begin(&apart, "\"provider\":\"istio\",\"revertOnDeletion\":true");
	SCOPED(json) cJSON *object = json_parse(teams, strlen(teams), &err);
	EXPECT(cluster_apply(apart.mesh, object, &err));
	start(&apart);
	EXPECT_INT(weight(&apart), 0);
	EXPECT_TEXT(says(&apart, service, "metadata.annotations[\"sluice.dev/canary\"]"), "");
	bed_delete(&apart.bed, bed_canary);
	bed_run(&apart.bed, 30);
	EXPECT(cluster_get(apart.bed.cluster, bed_canary) == NULL);
	EXPECT_TEXT(says(&apart, service, "spec.http[0].route[0].destination.host"), "podinfo");
	EXPECT(cluster_get(apart.mesh, rule) == NULL);
	end(&apart);
}

SPEC("mesh: what Flagger left there in mid-run is taken over with its weights, and goes with the "
     "Canary")
{
	static const char path[] = "metadata.annotations[\"sluice.dev/canary\"]";
	struct apart apart;
	struct error err = {0};
	begin(&apart, "\"provider\":\"istio\",\"revertOnDeletion\":true");
	start(&apart);
	bed_release(&apart.bed, "podinfo:2");
	EXPECT(reaches_weight(&apart, 20));
	bed_leave_to_flagger(&apart.bed);
	bed_merge(&apart.bed, bed_canary,
		  "{\"status\":{\"phase\":\"Progressing\",\"canaryWeight\":20}}");
	SCOPED(json) cJSON *left = json_copy(cluster_get(apart.mesh, service));
	json_remove(left, "metadata.annotations[\"sluice.dev/canary\"]");
	json_remove(left, "metadata.resourceVersion");
	EXPECT(cluster_apply(apart.mesh, left, &err));
	EXPECT_TEXT(says(&apart, service, path), "");
	EXPECT_INT(weight(&apart), 20);
	bed_start_engine(&apart.bed);
	bed_run(&apart.bed, 3);
	EXPECT_INT(weight(&apart), 20);
	EXPECT_CONTAINS(says(&apart, service, path), "podinfo/");
	EXPECT(reaches_weight(&apart, 30));
	EXPECT(bed_reaches(&apart.bed, "Succeeded"));
	bed_delete(&apart.bed, bed_canary);
	bed_run(&apart.bed, 30);
	EXPECT(cluster_get(apart.mesh, service) == NULL);
	end(&apart);
}

SPEC("mesh: revertOnDeletion takes away there what nothing else would")
{
	struct apart apart;
	begin(&apart, "\"provider\":\"appmesh:v1beta2\",\"revertOnDeletion\":true");
	start(&apart);
	EXPECT_INT(count(apart.mesh, "/apis/appmesh.k8s.aws/v1beta2/virtualrouters"), 2);
	EXPECT_INT(count(apart.mesh, "/apis/appmesh.k8s.aws/v1beta2/virtualnodes"), 2);
	bed_delete(&apart.bed, bed_canary);
	bed_run(&apart.bed, 30);
	EXPECT(cluster_get(apart.bed.cluster, bed_canary) == NULL);
	EXPECT_INT(count(apart.mesh, "/apis/appmesh.k8s.aws/v1beta2/virtualrouters"), 0);
	EXPECT_INT(count(apart.mesh, "/apis/appmesh.k8s.aws/v1beta2/virtualnodes"), 0);
	EXPECT_INT(count(apart.mesh, "/apis/appmesh.k8s.aws/v1beta2/virtualservices"), 0);
	end(&apart);
}

static enum cluster_fault down(void *owner, const struct http_request *request)
{
	(void)request;
	return *(bool *)owner ? FAULT_BEFORE : FAULT_NONE;
}

SPEC("mesh: while its cluster is down a release waits, and goes on once it is back")
{
	struct apart apart;
	bool is_down = false;
	begin(&apart, "\"provider\":\"istio\"");
	start(&apart);
	bed_release(&apart.bed, "podinfo:2");
	EXPECT(reaches_weight(&apart, 10));
	cluster_faults(apart.mesh, down, &is_down);
	is_down = true;
	cluster_cut_watches(apart.mesh);
	bed_run(&apart.bed, 120);
	EXPECT_TEXT(bed_phase(&apart.bed), "Progressing");
	is_down = false;
	EXPECT(bed_reaches(&apart.bed, "Succeeded"));
	EXPECT_INT(weight(&apart), 0);
	end(&apart);
}

static enum cluster_fault deny_deletion(void *owner, const struct http_request *request)
{
	(void)owner;
	return strcmp(request->method, "DELETE") == 0 ? FAULT_403 : FAULT_NONE;
}

SPEC("mesh: what may not be deleted there stays, and the Canary goes")
{
	struct apart apart;
	begin(&apart, "\"provider\":\"istio\",\"revertOnDeletion\":true");
	start(&apart);
	cluster_faults(apart.mesh, deny_deletion, NULL);
	bed_delete(&apart.bed, bed_canary);
	bed_run(&apart.bed, 30);
	EXPECT(cluster_get(apart.bed.cluster, bed_canary) == NULL);
	EXPECT(cluster_get(apart.mesh, service) != NULL);
	end(&apart);
}
