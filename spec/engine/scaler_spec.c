/*
 * scaler_spec.c - autoscalers: the primary's is made from the target's, and that of KEDA is paused
 * while the target has no pods. The in-memory cluster scales as KEDA does (sim/keda.c).
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static const char scaled[] = "/apis/keda.sh/v1alpha1/namespaces/test/scaledobjects/podinfo";
static const char scaled_primary[] =
	"/apis/keda.sh/v1alpha1/namespaces/test/scaledobjects/podinfo-primary";
static const char hpa[] = "/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers/podinfo";
static const char hpa_primary[] =
	"/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers/podinfo-primary";
static const char paused[] = "metadata.annotations[\"autoscaling.keda.sh/paused-replicas\"]";

static const char of_keda[] =
	"{\"apiVersion\":\"keda.sh/v1alpha1\",\"kind\":\"ScaledObject\",\"metadata\":{\"name\":"
	"\"podinfo\",\"namespace\":\"test\",\"labels\":{\"team\":\"a\","
	"\"kustomize.toolkit.fluxcd.io/name\":\"x\"},\"annotations\":{\"note\":\"n\","
	"\"kubectl.kubernetes.io/"
	"last-applied-configuration\":\"{}\"}},\"spec\":{\"scaleTargetRef\":"
	"{\"name\":\"podinfo\",\"envSourceContainerName\":\"podinfod\"},\"minReplicaCount\":2,"
	"\"maxReplicaCount\":4,\"cooldownPeriod\":60,\"advanced\":{"
	"\"horizontalPodAutoscalerConfig\":"
	"{\"name\":\"podinfo-hpa\"}},\"fallback\":{\"failureThreshold\":3,\"replicas\":2},"
	"\"triggers\":[{\"type\":\"prometheus\",\"name\":\"load\",\"metadata\":{\"serverAddress\":"
	"\"http://podinfo\",\"query\":\"sum(podinfo_requests{app=\\\"podinfo\\\"})\"}},"
	"{\"type\":\"cpu\",\"metadata\":{\"value\":\"60\"}}]}}";

static void put_scaled(struct bed *bed, const char *patch)
{
	struct error err = {0};
	cJSON *object = json_parse(of_keda, strlen(of_keda), &err);
	EXPECT(object != NULL);
	if (patch != NULL) {
		SCOPED(json) cJSON *merged = json_parse(patch, strlen(patch), &err);
		EXPECT(merged != NULL);
		json_merge_patch(&object, merged);
	}
	EXPECT(cluster_apply(bed->cluster, object, &err));
	json_free(object);
}

static void put_canary(struct bed *bed, const char *more)
{
	SCOPED(text)
	char *patch = xasprintf("{\"spec\":{\"autoscalerRef\":{\"apiVersion\":\"keda.sh/v1alpha1\","
				"\"kind\":\"ScaledObject\",\"name\":\"podinfo\"%s}}}",
				more);
	bed_put_canary(bed, patch);
}

static void begin(struct bed *bed, const char *more)
{
	bed_begin(bed);
	put_scaled(bed, NULL);
	put_canary(bed, more);
	bed_start_engine(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
}

static int replicas(const struct bed *bed, const char *path)
{
	return (int)json_int(cluster_get(bed->cluster, path), "spec.replicas", -1);
}

static const char *query_of(const struct bed *bed, int trigger)
{
	SCOPED(text) char *path = xasprintf("spec.triggers[%d].metadata.query", trigger);
	return bed_says(bed, scaled_primary, path);
}

/* ---- what the primary's is ---- */

SPEC("keda: the primary's ScaledObject is the target's, for the primary")
{
	struct bed bed;
	begin(&bed, "");
	static const char *const says[][2] = {
		{"spec.scaleTargetRef.name", "podinfo-primary"},
		{"spec.scaleTargetRef.envSourceContainerName", "podinfod"},
		{"spec.minReplicaCount", "2"},
		{"spec.maxReplicaCount", "4"},
		{"spec.cooldownPeriod", "60"},
		{"spec.fallback.replicas", "2"},
		{"spec.advanced.horizontalPodAutoscalerConfig.name", "podinfo-hpa-primary"},
		{"spec.triggers[1].metadata.value", "60"},
		{"spec.triggers[0].metadata.serverAddress", "http://podinfo"},
		{"metadata.labels.team", "a"},
		{"metadata.labels[\"kustomize.toolkit.fluxcd.io/name\"]", ""},
		{"metadata.annotations.note", "n"},
		{"metadata.annotations[\"kubectl.kubernetes.io/last-applied-configuration\"]", ""},
		{"metadata.ownerReferences[0].kind", "Canary"},
		{"metadata.ownerReferences[0].name", "podinfo"},
	};
	for (size_t i = 0; i < ARRAY_LEN(says); i++)
		EXPECT_TEXT(bed_says(&bed, scaled_primary, says[i][0]), says[i][1]);
	EXPECT_INT(replicas(&bed, bed_primary), 2);
	bed_end(&bed);
}

SPEC("keda: queries that count the target count the primary, and others stay")
{
	static const char *const queries[][2] = {
		{"sum(rate(requests{app='podinfo-canary'}[30s]))",
		 "sum(rate(requests{app='podinfo-primary'}[30s]))"},
		{"sum(podinfo_requests{pod=~\"podinfo-[0-9a-z]+\"})",
		 "sum(podinfo_requests{pod=~\"podinfo-primary-[0-9a-z]+\"})"},
		{"envoy{cluster=\"test_podinfo-canary_80\",by='podinfo_v2'}",
		 "envoy{cluster=\"test_podinfo-primary_80\",by='podinfo-primary_v2'}"},
		{"x{app=\"podinfo-primary\"}", "x{app=\"podinfo-primary\"}"},
		{"x{app=\"my-podinfo\",of=\"podinfo2\",and=\"podinfo-backend\"}",
		 "x{app=\"my-podinfo\",of=\"podinfo2\",and=\"podinfo-backend\"}"},
		{"avg:requests{service:podinfo} / podinfo",
		 "avg:requests{service:podinfo-primary} / "
		 "podinfo-primary"},
	};
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		struct bed bed;
		struct error err = {0};
		bed_begin(&bed);
		SCOPED(json) cJSON *object = json_parse(of_keda, strlen(of_keda), &err);
		json_put_string(object, "spec.triggers[0].metadata.query", queries[i][0]);
		EXPECT(cluster_apply(bed.cluster, object, &err));
		put_canary(&bed, "");
		bed_start_engine(&bed);
		EXPECT(bed_reaches(&bed, "Initialized"));
		EXPECT_TEXT(query_of(&bed, 0), queries[i][1]);
		bed_end(&bed);
	}
}

SPEC("keda: the Canary says the primary's least and most, and queries by a trigger's name")
{
	struct bed bed;
	begin(&bed, ",\"primaryScalerReplicas\":{\"minReplicas\":3,\"maxReplicas\":9},"
		    "\"primaryScalerQueries\":{\"load\":\"sum(mine)\"}");
	EXPECT_TEXT(bed_says(&bed, scaled_primary, "spec.minReplicaCount"), "3");
	EXPECT_TEXT(bed_says(&bed, scaled_primary, "spec.maxReplicaCount"), "9");
	EXPECT_TEXT(query_of(&bed, 0), "sum(mine)");
	EXPECT_TEXT(query_of(&bed, 1), "");
	EXPECT_INT(replicas(&bed, bed_primary), 3);
	bed_end(&bed);
}

SPEC("keda: a primary that serves traffic is not scaled to zero, one without a mesh may be")
{
	static const char *const providers[] = {"appmesh:v1beta2", "kubernetes"};
	for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
		struct bed bed;
		bed_begin(&bed);
		put_scaled(&bed, "{\"spec\":{\"minReplicaCount\":null,\"idleReplicaCount\":0}}");
		put_canary(&bed, "");
		SCOPED(text)
		char *patch = xasprintf("{\"spec\":{\"provider\":\"%s\"}}", providers[i]);
		bed_merge(&bed, bed_canary, patch);
		bed_start_engine(&bed);
		EXPECT(bed_reaches(&bed, "Initialized"));
		EXPECT_TEXT(bed_says(&bed, scaled_primary, "spec.minReplicaCount"),
			    i == 0 ? "1" : "");
		EXPECT_TEXT(bed_says(&bed, scaled_primary, "spec.idleReplicaCount"),
			    i == 0 ? "" : "0");
		bed_end(&bed);
	}
}

/* ---- paused and resumed ---- */

SPEC("keda: the target's is paused at rest, and resumed for the analysis")
{
	struct bed bed;
	begin(&bed, "");
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	bed_run(&bed, 60);
	EXPECT_INT(replicas(&bed, bed_target), 0);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "");
	EXPECT_INT(replicas(&bed, bed_target), 2);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	bed_run(&bed, 60);
	EXPECT_INT(replicas(&bed, bed_target), 0);
	EXPECT_TEXT(bed_says(&bed, scaled_primary, paused), "");
	bed_end(&bed);
}

SPEC("keda: a rollback pauses it")
{
	struct bed bed;
	begin(&bed, "");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed.success = 0;
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	bed_run(&bed, 60);
	EXPECT_INT(replicas(&bed, bed_target), 0);
	bed_end(&bed);
}

SPEC("keda: skipAnalysis resumes and pauses it too")
{
	struct bed bed;
	begin(&bed, "");
	bed_merge(&bed, bed_canary, "{\"spec\":{\"skipAnalysis\":true}}");
	bed_release(&bed, "podinfo:2");
	bed_run(&bed, 1);
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	EXPECT_INT(replicas(&bed, bed_target), 0);
	bed_end(&bed);
}

SPEC("keda: who takes the pause away at rest finds it put back")
{
	struct bed bed;
	begin(&bed, "");
	bed_merge(&bed, scaled,
		  "{\"metadata\":{\"annotations\":{\"autoscaling.keda.sh/paused-replicas\":null}},"
		  "\"spec\":{\"minReplicaCount\":0}}");
	bed_run(&bed, 2);
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	bed_end(&bed);
}

SPEC("keda: a pause in mid-run at another number is its author's, and stays")
{
	struct bed bed;
	begin(&bed, "");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_merge(
		&bed, scaled,
		"{\"metadata\":{\"annotations\":{\"autoscaling.keda.sh/paused-replicas\":\"3\"}}}");
	EXPECT(bed_reaches_weight(&bed, 20));
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "3");
	EXPECT_INT(replicas(&bed, bed_target), 3);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	EXPECT_TEXT(bed_says(&bed, scaled_primary, paused), "");
	bed_end(&bed);
}

SPEC("keda: a primary's that is deleted while the target rests is made anew, not paused")
{
	struct bed bed;
	begin(&bed, "");
	bed_delete(&bed, scaled_primary);
	bed_run(&bed, 5);
	EXPECT_TEXT(bed_says(&bed, scaled_primary, "spec.minReplicaCount"), "2");
	EXPECT_TEXT(bed_says(&bed, scaled_primary, paused), "");
	EXPECT_INT(replicas(&bed, bed_primary), 2);
	bed_end(&bed);
}

SPEC("keda: what is edited at the target's reaches the primary's with the next promotion")
{
	struct bed bed;
	begin(&bed, "");
	bed_merge(&bed, scaled, "{\"spec\":{\"maxReplicaCount\":7,\"cooldownPeriod\":null}}");
	bed_merge(&bed, scaled_primary, "{\"metadata\":{\"annotations\":{\"theirs\":\"1\"}}}");
	bed_run(&bed, 60);
	EXPECT_TEXT(bed_says(&bed, scaled_primary, "spec.maxReplicaCount"), "4");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, scaled_primary, "spec.maxReplicaCount"), "7");
	EXPECT_TEXT(bed_says(&bed, scaled_primary, "spec.cooldownPeriod"), "");
	EXPECT_TEXT(bed_says(&bed, scaled_primary, "metadata.annotations.theirs"), "1");
	EXPECT_TEXT(bed_says(&bed, scaled_primary, paused), "");
	bed_end(&bed);
}

SPEC("keda: revertOnDeletion resumes the target's, and the primary's goes with the Canary")
{
	struct bed bed;
	bed_begin(&bed);
	put_scaled(&bed, NULL);
	put_canary(&bed, "");
	bed_merge(&bed, bed_canary, "{\"spec\":{\"revertOnDeletion\":true}}");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_delete(&bed, bed_canary);
	bed_run(&bed, 15);
	EXPECT(cluster_get(bed.cluster, bed_canary) == NULL);
	EXPECT(cluster_get(bed.cluster, scaled_primary) == NULL);
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "");
	EXPECT_INT(replicas(&bed, bed_target), 2);
	bed_end(&bed);
}

SPEC("keda: without its ScaledObject a canary says so and waits; once it goes, none is missed")
{
	struct bed bed;
	bed_begin(&bed);
	put_canary(&bed, "");
	bed_start_engine(&bed);
	bed_run(&bed, 60);
	EXPECT_INT(bed_events(&bed, "Keda ScaledObject podinfo.test get query error: not found"),
		   1);
	EXPECT(cluster_get(bed.cluster, bed_primary) == NULL);
	put_scaled(&bed, NULL);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_delete(&bed, scaled);
	bed.success = 0;
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(replicas(&bed, bed_target), 0);
	bed_end(&bed);
}

SPEC("keda: a Canary that names its ScaledObject no more leaves it unpaused, at rest and in a "
     "release")
{
	static const char none[] = "{\"spec\":{\"autoscalerRef\":null}}";
	struct bed bed;
	begin(&bed, "");
	bed_run(&bed, 2);
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	bed_merge(&bed, bed_canary, none);
	bed_run(&bed, 3);
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "");
	EXPECT_INT(replicas(&bed, bed_target), 2);
	bed_merge(
		&bed, scaled,
		"{\"metadata\":{\"annotations\":{\"autoscaling.keda.sh/paused-replicas\":\"0\"}}}");
	bed_run(&bed, 30); /* that is not ours */
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	bed_end(&bed);

	begin(&bed, "");
	bed_merge(&bed, bed_canary,
		  "{\"spec\":{\"analysis\":{\"webhooks\":[{\"name\":\"gate\",\"type\":"
		  "\"confirm-rollout\",\"url\":\"http://gate\"}]}}}");
	bed.hook_status = 403;
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Waiting"));
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "0");
	bed_merge(&bed, bed_canary, none);
	bed_run(&bed, 3);
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "");
	bed_end(&bed);
}

SPEC("keda: a Canary that names another ScaledObject leaves the former unpaused")
{
	struct bed bed;
	begin(&bed, "");
	put_scaled(&bed, "{\"metadata\":{\"name\":\"other\"}}");
	bed_merge(&bed, bed_canary, "{\"spec\":{\"autoscalerRef\":{\"name\":\"other\"}}}");
	bed_run(&bed, 3);
	EXPECT_TEXT(bed_says(&bed, scaled, paused), "");
	bed_end(&bed);
}

SPEC("keda: one that Flagger left paused is taken over as it is")
{
	struct bed bed;
	begin(&bed, "");
	bed_leave_to_flagger(&bed);
	const cJSON *before = cluster_get(bed.cluster, scaled);
	SCOPED(text) char *version = xstrdup(json_string(before, "metadata.resourceVersion"));
	bed_start_engine(&bed);
	bed_run(&bed, 60);
	EXPECT_TEXT(bed_says(&bed, scaled, "metadata.resourceVersion"), version);
	EXPECT_INT(replicas(&bed, bed_target), 0);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("keda: in the in-memory cluster a ScaledObject scales a StatefulSet too, and no DaemonSet")
{
	static const char set[] = "/apis/apps/v1/namespaces/test/statefulsets/podinfo";
	static const char agent[] = "/apis/apps/v1/namespaces/test/daemonsets/podinfo";
	struct bed bed;
	bed_begin(&bed);
	put_scaled(&bed, "{\"spec\":{\"scaleTargetRef\":{\"kind\":\"StatefulSet\"}}}");
	bed_put(&bed, "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":"
		      "\"podinfo\",\"namespace\":\"test\"},\"spec\":{\"replicas\":1}}");
	bed_put(&bed, "{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":"
		      "\"podinfo\",\"namespace\":\"test\"},\"spec\":{}}");
	bed_run(&bed, 2);
	EXPECT_INT(replicas(&bed, set), 2);
	bed_merge(
		&bed, scaled,
		"{\"metadata\":{\"annotations\":{\"autoscaling.keda.sh/paused-replicas\":\"5\"}}}");
	bed_run(&bed, 2);
	EXPECT_INT(replicas(&bed, set), 5);
	put_scaled(&bed, "{\"spec\":{\"scaleTargetRef\":{\"kind\":\"DaemonSet\"}}}");
	bed_run(&bed, 2);
	EXPECT_INT(replicas(&bed, agent), -1);
	bed_end(&bed);
}

/* ---- HorizontalPodAutoscaler ---- */

SPEC("hpa: the primary's is made from the target's with the Canary's replicas, and follows it")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put(&bed,
		"{\"apiVersion\":\"autoscaling/v2\",\"kind\":\"HorizontalPodAutoscaler\","
		"\"metadata\":{\"name\":\"podinfo\",\"namespace\":\"test\",\"labels\":{\"team\":"
		"\"a\"}},"
		"\"spec\":{\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
		"\"name\":\"podinfo\"},\"minReplicas\":3,\"maxReplicas\":5,\"behavior\":{"
		"\"scaleUp\":"
		"{\"stabilizationWindowSeconds\":5}},\"metrics\":[{\"type\":\"Resource\"}]}}");
	bed_put_canary(
		&bed,
		"{\"spec\":{\"autoscalerRef\":{\"apiVersion\":\"autoscaling/v2beta2\",\"kind\":"
		"\"HorizontalPodAutoscaler\",\"name\":\"podinfo\",\"primaryScalerReplicas\":"
		"{\"maxReplicas\":8}}}}");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "spec.scaleTargetRef.name"), "podinfo-primary");
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "spec.minReplicas"), "3");
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "spec.maxReplicas"), "8");
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "spec.metrics[0].type"), "Resource");
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "spec.behavior.scaleUp.stabilizationWindowSeconds"),
		    "5");
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "metadata.labels.team"), "a");
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "metadata.ownerReferences[0].kind"), "Canary");
	bed_merge(&bed, hpa, "{\"spec\":{\"minReplicas\":4}}");
	bed_run(&bed, 30);
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "spec.minReplicas"), "3");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	EXPECT_INT(replicas(&bed, bed_target), 4); /* from zero: the least */
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, hpa_primary, "spec.minReplicas"), "4");
	bed_end(&bed);
}

SPEC("hpa: a canary whose HPA is missing says so and waits")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed,
		       "{\"spec\":{\"autoscalerRef\":{\"apiVersion\":\"autoscaling/v2\",\"kind\":"
		       "\"HorizontalPodAutoscaler\",\"name\":\"podinfo\"}}}");
	bed_start_engine(&bed);
	bed_run(&bed, 60);
	EXPECT_INT(
		bed_events(&bed, "HorizontalPodAutoscaler podinfo.test get query error: not found"),
		1);
	bed_end(&bed);
}
