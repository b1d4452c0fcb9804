/*
 * target_spec.c - what the kinds of targets say of themselves, and releases of each.
 */
#include "canary/target.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static cJSON *parsed(const char *text)
{
	struct error err = {0};
	cJSON *json = json_parse(text, strlen(text), &err);
	if (json == NULL)
		spec_fail(__FILE__, __LINE__, "%s", err.text);
	return json;
}

/* ---- DaemonSets ---- */

static const char agent[] = "/apis/apps/v1/namespaces/test/daemonsets/agent";
static const char agent_primary[] = "/apis/apps/v1/namespaces/test/daemonsets/agent-primary";
static const char agent_canary[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/agent";
#define STOPPED "spec.template.spec.nodeSelector[\"flagger.app/scale-to-zero\"]"

static const char agent_text[] =
	"{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"agent\","
	"\"namespace\":\"test\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"agent\"}},"
	"\"template\":{\"metadata\":{\"labels\":{\"app\":\"agent\"}},\"spec\":{\"containers\":[{"
	"\"name\":\"agent\",\"image\":\"agent:1\"}]}}}}";

/* `patch` over the DaemonSet. */
static void put_agent(struct bed *bed, const char *patch)
{
	struct error err = {0};
	SCOPED(json) cJSON *object = parsed(agent_text);
	SCOPED(json) cJSON *over = parsed(patch);
	json_merge_patch(&object, over);
	EXPECT(cluster_apply(bed->cluster, object, &err));
	bed_put(bed, "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
		     "\"name\":\"agent\",\"namespace\":\"test\"},\"spec\":{\"provider\":"
		     "\"kubernetes\",\"targetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":"
		     "\"DaemonSet\",\"name\":\"agent\"},\"progressDeadlineSeconds\":60,"
		     "\"service\":{\"port\":80},\"analysis\":{\"interval\":\"10s\",\"threshold\":2,"
		     "\"iterations\":2}}}");
	bed_start_engine(bed);
}

static bool agent_reaches(struct bed *bed, const char *phase)
{
	for (int i = 0; i < 600; i++) {
		if (strcmp(bed_says(bed, agent_canary, "status.phase"), phase) == 0)
			return true;
		bed_run(bed, 1);
	}
	return false;
}

SPEC("target: a DaemonSet that is stopped is the same revision")
{
	char runs[HASH_TEXT_MAX], stopped[HASH_TEXT_MAX], other[HASH_TEXT_MAX];
	SCOPED(json) cJSON *object = parsed(agent_text);
	target_hash(&target_daemon_set, object, runs);
	SCOPED(json) cJSON *stop = target_daemon_set.scale(object, 0);
	json_merge_patch(&object, stop);
	EXPECT(target_daemon_set.is_stopped(object));
	EXPECT(target_daemon_set.scale(object, 0) == NULL);
	target_hash(&target_daemon_set, object, stopped);
	EXPECT_TEXT(stopped, runs);
	json_put_string(object, "spec.template.spec.nodeSelector.disk", "ssd");
	target_hash(&target_daemon_set, object, other);
	EXPECT(strcmp(other, runs) != 0);
	SCOPED(json) cJSON *start = target_daemon_set.scale(object, 1);
	json_merge_patch(&object, start);
	EXPECT(!target_daemon_set.is_stopped(object));
	EXPECT_TEXT(json_string_or(object, "spec.template.spec.nodeSelector.disk", ""), "ssd");
}

static enum readiness agent_ready(const char *status, int64_t waited_us, bool rests,
				  struct error *why)
{
	SCOPED(json) cJSON *object = parsed(agent_text);
	json_put_number(object, "metadata.generation", 2);
	json_put(object, "status", parsed(status));
	const struct ready_terms terms = {.threshold = 50,
					  .deadline_us = DURATION_MINUTE,
					  .since_us = 1,
					  .rests = rests,
					  .now_us = 1 + waited_us};
	return target_daemon_set.ready(object, &terms, why);
}

SPEC("target: a DaemonSet is ready when its new pods are on all nodes, and enough are available")
{
	struct error why = {0};
	EXPECT_INT(agent_ready("{\"observedGeneration\":1,\"desiredNumberScheduled\":4,"
			       "\"updatedNumberScheduled\":4,\"numberAvailable\":4}",
			       0, false, &why),
		   READY_NOT_YET);
	EXPECT_TEXT(why.text, "waiting for rollout to finish: observed daemonset generation less "
			      "than desired generation");
	EXPECT_INT(agent_ready("{\"observedGeneration\":2,\"desiredNumberScheduled\":4,"
			       "\"updatedNumberScheduled\":3,\"numberAvailable\":4}",
			       0, false, &why),
		   READY_NOT_YET);
	EXPECT_TEXT(why.text,
		    "waiting for rollout to finish: 3 out of 4 new pods have been updated");
	EXPECT_INT(agent_ready("{\"observedGeneration\":2,\"desiredNumberScheduled\":4,"
			       "\"updatedNumberScheduled\":4,\"numberAvailable\":1}",
			       0, false, &why),
		   READY_NOT_YET);
	EXPECT_TEXT(why.text, "waiting for rollout to finish: 1 of 4 (readyThreshold 50%) updated "
			      "pods are available");
	EXPECT_INT(agent_ready("{\"observedGeneration\":2,\"desiredNumberScheduled\":4,"
			       "\"updatedNumberScheduled\":4,\"numberAvailable\":2}",
			       0, false, &why),
		   READY);
}

SPEC("target: a DaemonSet fails when a release has waited too long; one at rest, when it serves "
     "nobody")
{
	static const char one[] = "{\"observedGeneration\":2,\"desiredNumberScheduled\":4,"
				  "\"updatedNumberScheduled\":4,\"numberAvailable\":1}";
	static const char none[] = "{\"observedGeneration\":2,\"desiredNumberScheduled\":4,"
				   "\"updatedNumberScheduled\":4,\"numberAvailable\":0}";
	struct error why = {0};
	EXPECT_INT(agent_ready(one, DURATION_MINUTE, false, &why), READY_NOT_YET);
	EXPECT_INT(agent_ready(one, DURATION_MINUTE + 1, false, &why), READY_NEVER);
	EXPECT_INT(agent_ready(one, DURATION_HOUR, true, &why), READY_NOT_YET);
	EXPECT_INT(agent_ready(none, DURATION_HOUR, true, &why), READY_NEVER);
}

static enum readiness web_ready(const char *conditions, bool rests)
{
	SCOPED(json)
	cJSON *object = parsed("{\"metadata\":{\"generation\":2},\"spec\":{\"replicas\":2},"
			       "\"status\":{\"observedGeneration\":2,\"replicas\":3,"
			       "\"updatedReplicas\":1,\"availableReplicas\":2}}");
	struct error why = {0};
	int64_t now_us;
	EXPECT(time_parse("2026-01-01T12:05:01Z", &now_us, &why));
	json_put(object, "status.conditions", parsed(conditions));
	const struct ready_terms terms = {.threshold = 100,
					  .deadline_us = 5 * DURATION_MINUTE,
					  .rests = rests,
					  .now_us = now_us};
	return target_deployment.ready(object, &terms, &why);
}

SPEC("target: a Deployment's rolling update that comes no further fails, though old pods serve")
{
	static const char stuck[] =
		"[{\"type\":\"Available\",\"status\":\"True\",\"reason\":"
		"\"MinimumReplicasAvailable\","
		"\"lastUpdateTime\":\"2026-01-01T09:00:00Z\"},"
		"{\"type\":\"Progressing\",\"status\":\"True\",\"reason\":\"ReplicaSetUpdated\","
		"\"lastUpdateTime\":\"2026-01-01T12:00:00Z\"}]";
	static const char moving[] =
		"[{\"type\":\"Available\",\"status\":\"True\",\"reason\":"
		"\"MinimumReplicasAvailable\","
		"\"lastUpdateTime\":\"2026-01-01T09:00:00Z\"},"
		"{\"type\":\"Progressing\",\"status\":\"True\",\"reason\":\"ReplicaSetUpdated\","
		"\"lastUpdateTime\":\"2026-01-01T12:00:02Z\"}]";
	EXPECT_INT(web_ready(stuck, false), READY_NEVER);
	EXPECT_INT(web_ready(stuck, true), READY_NOT_YET); /* no release waits for it */
	EXPECT_INT(web_ready(moving, false), READY_NOT_YET);
}

SPEC("target: a DaemonSet is stopped when its primary runs, started for a release, and stopped "
     "again")
{
	struct bed bed;
	bed_begin(&bed);
	put_agent(&bed, "{}");
	EXPECT(agent_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, agent, STOPPED), "true");
	EXPECT_TEXT(bed_says(&bed, agent_primary, STOPPED), "");
	EXPECT_TEXT(bed_says(&bed, agent_primary, "status.numberAvailable"), "3");
	bed_merge(&bed, agent,
		  "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"agent\","
		  "\"image\":\"agent:2\"}]}}}}");
	EXPECT(agent_reaches(&bed, "Progressing"));
	bed_run(&bed, 3);
	EXPECT_TEXT(bed_says(&bed, agent, STOPPED), "");
	EXPECT(agent_reaches(&bed, "Succeeded"));
	bed_run(&bed, 3);
	EXPECT_TEXT(bed_says(&bed, agent, STOPPED), "true");
	EXPECT_TEXT(bed_says(&bed, agent_primary, STOPPED), "");
	EXPECT_TEXT(bed_says(&bed, agent_primary, "spec.template.spec.containers[0].image"),
		    "agent:2");
	bed_end(&bed);
}

SPEC("target: the primary of a DaemonSet that was left stopped is not stopped")
{
	struct bed bed;
	bed_begin(&bed);
	put_agent(&bed, "{\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{"
			"\"flagger.app/scale-to-zero\":\"true\"}}}}}");
	EXPECT(agent_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, agent_primary, STOPPED), "");
	EXPECT_TEXT(bed_says(&bed, agent_primary, "status.numberAvailable"), "3");
	bed_end(&bed);
}

SPEC("target: a DaemonSet whose pods are replaced by hand is not taken")
{
	struct bed bed;
	bed_begin(&bed);
	put_agent(&bed, "{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\"}}}");
	bed_run(&bed, 5);
	EXPECT_INT(bed_events(&bed, "daemonset agent.test must have RollingUpdate strategy but "
				    "have OnDelete"),
		   1);
	EXPECT(cluster_get(bed.cluster, agent_primary) == NULL);
	bed_end(&bed);
}

SPEC("target: a DaemonSet whose Canary reverts it runs again when that goes")
{
	struct bed bed;
	bed_begin(&bed);
	put_agent(&bed, "{}");
	bed_merge(&bed, agent_canary, "{\"spec\":{\"revertOnDeletion\":true}}");
	EXPECT(agent_reaches(&bed, "Initialized"));
	bed_run(&bed, 2);
	EXPECT_TEXT(bed_says(&bed, agent, STOPPED), "true");
	bed_delete(&bed, agent_canary);
	bed_run(&bed, 20);
	EXPECT(cluster_get(bed.cluster, agent_canary) == NULL);
	EXPECT_TEXT(bed_says(&bed, agent, STOPPED), "");
	bed_end(&bed);
}

/* ---- Services ---- */

static const char shop[] = "/api/v1/namespaces/test/services/shop";
static const char shop_primary[] = "/api/v1/namespaces/test/services/shop-primary";
static const char shop_next[] = "/api/v1/namespaces/test/services/shop-canary";
static const char shop_canary[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/shop";

static void put_shop(struct bed *bed)
{
	bed_put(bed, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"shop\","
		     "\"namespace\":\"test\",\"annotations\":{\"kubectl.kubernetes.io/"
		     "last-applied-configuration\":\"{}\",\"team\":\"shop\"}},\"spec\":{\"type\":"
		     "\"LoadBalancer\",\"externalTrafficPolicy\":\"Local\",\"clusterIP\":"
		     "\"10.0.0.7\",\"clusterIPs\":[\"10.0.0.7\"],\"ports\":[{\"name\":\"http\","
		     "\"port\":80,\"nodePort\":30080}],\"selector\":{\"app\":\"shop\",\"version\":"
		     "\"v1\"}}}");
	bed_put(bed, "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
		     "\"name\":\"shop\",\"namespace\":\"test\"},\"spec\":{\"provider\":\"istio\","
		     "\"targetRef\":{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"name\":\"shop\"},"
		     "\"service\":{\"port\":80},\"analysis\":{\"interval\":\"10s\",\"threshold\":2,"
		     "\"stepWeight\":50,\"maxWeight\":50}}}");
	bed_start_engine(bed);
}

static bool shop_reaches(struct bed *bed, const char *path, const char *value)
{
	for (int i = 0; i < 600; i++) {
		if (strcmp(bed_says(bed, shop_canary, path), value) == 0)
			return true;
		bed_run(bed, 1);
	}
	return false;
}

SPEC("target: a Service is copied without what the cluster gave to it alone, and stays as it is")
{
	struct bed bed;
	bed_begin(&bed);
	put_shop(&bed);
	EXPECT(shop_reaches(&bed, "status.phase", "Initialized"));
	static const char *const copies[] = {shop_primary, shop_next};
	for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
		EXPECT_TEXT(bed_says(&bed, copies[i], "spec.type"), "ClusterIP");
		EXPECT_TEXT(bed_says(&bed, copies[i], "spec.clusterIP"), "");
		EXPECT_TEXT(bed_says(&bed, copies[i], "spec.externalTrafficPolicy"), "");
		EXPECT_TEXT(bed_says(&bed, copies[i], "spec.ports[0].nodePort"), "");
		EXPECT_TEXT(bed_says(&bed, copies[i], "spec.selector.version"), "v1");
		EXPECT_TEXT(bed_says(&bed, copies[i], "metadata.annotations.team"), "shop");
		EXPECT(strstr(bed_says(&bed, copies[i], "metadata.annotations"), "last-applied") ==
		       NULL);
		EXPECT_TEXT(bed_says(&bed, copies[i], "metadata.ownerReferences[0].kind"),
			    "Canary");
	}
	EXPECT_TEXT(bed_says(&bed, shop, "metadata.ownerReferences[0].kind"), "");
	EXPECT_TEXT(bed_says(&bed, shop, "spec.type"), "LoadBalancer");
	bed_end(&bed);
}

SPEC("target: the canary of a Service follows it when a release begins, the primary when it is "
     "promoted")
{
	struct bed bed;
	bed_begin(&bed);
	put_shop(&bed);
	EXPECT(shop_reaches(&bed, "status.phase", "Initialized"));
	bed_merge(&bed, shop, "{\"spec\":{\"selector\":{\"version\":\"v2\",\"app\":null}}}");
	EXPECT(shop_reaches(&bed, "status.canaryWeight", "50"));
	EXPECT_TEXT(bed_says(&bed, shop_next, "spec.selector.version"), "v2");
	EXPECT_TEXT(bed_says(&bed, shop_next, "spec.selector.app"), "");
	EXPECT_TEXT(bed_says(&bed, shop_primary, "spec.selector.version"), "v1");
	EXPECT(shop_reaches(&bed, "status.phase", "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, shop_primary, "spec.selector.version"), "v2");
	EXPECT_TEXT(bed_says(&bed, shop_primary, "spec.selector.app"), "");
	EXPECT_TEXT(bed_says(&bed, shop_primary, "metadata.ownerReferences[0].kind"), "Canary");
	bed_end(&bed);
}

SPEC("target: what the cluster gives to a Service is no revision")
{
	struct bed bed;
	bed_begin(&bed);
	put_shop(&bed);
	EXPECT(shop_reaches(&bed, "status.phase", "Initialized"));
	bed_merge(&bed, shop,
		  "{\"spec\":{\"healthCheckNodePort\":31000,\"loadBalancerIP\":\"192.0.2.1\"}}");
	bed_run(&bed, 30);
	EXPECT_TEXT(bed_says(&bed, shop_canary, "status.phase"), "Initialized");
	bed_end(&bed);
}

/* ---- StatefulSets ---- */

static const char db[] = "/apis/apps/v1/namespaces/test/statefulsets/db";
static const char db_canary[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/db";
#define PARTITION "spec.updateStrategy.rollingUpdate.partition"
#define REST "2147483647"

static void put_db(struct bed *bed, int replicas)
{
	SCOPED(text)
	char *set = xasprintf(
		"{\"apiVersion\":\"apps/"
		"v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"db\","
		"\"namespace\":\"test\"},\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{"
		"\"app\":\"db\"}},\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":"
		"{"
		"\"maxUnavailable\":1}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"db\"}},"
		"\"spec\":{\"containers\":[{\"name\":\"db\",\"image\":\"db:1\"}]}}}}",
		replicas);
	bed_put(bed, set);
	bed_put(bed,
		"{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
		"\"name\":\"db\",\"namespace\":\"test\"},\"spec\":{\"provider\":\"istio\","
		"\"targetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"name\":"
		"\"db\"},\"progressDeadlineSeconds\":60,\"analysis\":{\"interval\":\"10s\","
		"\"threshold\":2,\"stepWeights\":[25,60,100],\"metrics\":[{\"name\":\"rate\","
		"\"query\":\"up{{ pods }}{{ revision }}\",\"thresholdRange\":{\"min\":99}}]}}}");
	bed_start_engine(bed);
}

static void release_db(struct bed *bed, const char *image)
{
	SCOPED(text)
	char *patch =
		xasprintf("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"db\","
			  "\"image\":\"%s\"}]}}}}",
			  image);
	bed_merge(bed, db, patch);
}

static bool db_reaches(struct bed *bed, const char *path, const char *value)
{
	for (int i = 0; i < 600; i++) {
		if (strcmp(bed_says(bed, db_canary, path), value) == 0)
			return true;
		bed_run(bed, 1);
	}
	return false;
}

static void expect_images(const struct bed *bed, const char *images)
{
	char all[200] = "";
	for (int i = 0; i < 8; i++) {
		SCOPED(text) char *path = xasprintf("/api/v1/namespaces/test/pods/db-%d", i);
		const cJSON *pod = cluster_get(bed->cluster, path);
		size_t len = strlen(all);
		if (pod != NULL)
			snprintf(all + len, sizeof(all) - len, "%s%s", len == 0 ? "" : " ",
				 json_string_or(pod, "spec.containers[0].image", "?") + 3);
	}
	EXPECT_TEXT(all, images);
}

SPEC("target: at rest no pod of a StatefulSet follows its template")
{
	struct bed bed;
	bed_begin(&bed);
	put_db(&bed, 4);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), REST);
	EXPECT_TEXT(bed_says(&bed, db, "spec.updateStrategy.rollingUpdate.maxUnavailable"), "1");
	bed_merge(&bed, db,
		  "{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0}}}}");
	bed_run(&bed, 15);
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), REST);
	bed_end(&bed);
}

SPEC("target: a weight is so many pods of a StatefulSet, rounded down, but one, and never all")
{
	struct bed bed;
	bed_begin(&bed);
	put_db(&bed, 5);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	release_db(&bed, "db:2");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "25"));
	bed_run(&bed, 5);
	expect_images(&bed, "1 1 1 1 2");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "60"));
	bed_run(&bed, 8);
	expect_images(&bed, "1 1 2 2 2");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "100"));
	bed_run(&bed, 5);
	expect_images(&bed, "1 2 2 2 2");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	expect_images(&bed, "2 2 2 2 2");
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), REST);
	bed_end(&bed);
}

static void expect_sides(const char *status, long of_canary, long of_primary)
{
	SCOPED(json) cJSON *set = parsed("{\"spec\":{\"replicas\":5}}");
	json_put(set, "status", parsed(status));
	EXPECT_INT(target_stateful_set.side_pods(set, true).available, of_canary);
	EXPECT_INT(target_stateful_set.side_pods(set, false).available, of_primary);
}

SPEC("target: pods of a StatefulSet are counted by their revision")
{
	expect_sides("{\"currentRevision\":\"a\",\"updateRevision\":\"a\",\"updatedReplicas\":5,"
		     "\"availableReplicas\":5}",
		     0, 5);
	expect_sides("{\"currentRevision\":\"a\",\"updateRevision\":\"b\",\"updatedReplicas\":0,"
		     "\"availableReplicas\":5}",
		     0, 5);
	expect_sides("{\"currentRevision\":\"a\",\"updateRevision\":\"b\",\"updatedReplicas\":2,"
		     "\"availableReplicas\":5}",
		     2, 3);
	expect_sides("{\"currentRevision\":\"a\",\"updateRevision\":\"b\",\"updatedReplicas\":2,"
		     "\"availableReplicas\":4}",
		     1, 3);
	expect_sides("{\"currentRevision\":\"a\",\"updateRevision\":\"b\",\"updatedReplicas\":2,"
		     "\"availableReplicas\":1}",
		     0, 1);
}

SPEC("target: a policy is told how many pods of each revision of a StatefulSet are ready")
{
	struct bed bed;
	bed_begin(&bed);
	put_db(&bed, 4);
	bed_merge(&bed, db_canary,
		  "{\"spec\":{\"analysis\":{\"policy\":{\"inline\":\"return { step = "
		  "function(rollout) "
		  "return { action = 'route', weight = 50, message = 'ready ' .. "
		  "rollout.ready.canary .. "
		  "' and ' .. rollout.ready.primary } end }\"}}}}");
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	release_db(&bed, "db:2");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 30);
	EXPECT_INT(bed_events(&bed, "ready 0 and 4"), 1);
	EXPECT(bed_events(&bed, "ready 2 and 2") > 0);
	bed_end(&bed);
}

SPEC("target: a StatefulSet that failed runs the stable revision again, and keeps its template")
{
	struct bed bed;
	bed_begin(&bed);
	put_db(&bed, 4);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	release_db(&bed, "db:2");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "60"));
	bed_run(&bed, 5);
	bed.success = 0;
	EXPECT(db_reaches(&bed, "status.phase", "Failed"));
	bed_run(&bed, 30);
	expect_images(&bed, "1 1 1 1");
	EXPECT_TEXT(bed_says(&bed, db, "status.readyReplicas"), "4");
	EXPECT_TEXT(bed_says(&bed, db, "spec.template.spec.containers[0].image"), "db:2");
	EXPECT_TEXT(bed_says(&bed, db_canary, "status.phase"), "Failed");
	bed.success = 100;
	release_db(&bed, "db:3");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	expect_images(&bed, "3 3 3 3");
	bed_end(&bed);
}

SPEC("target: a promotion of a StatefulSet that gets stuck goes back")
{
	struct bed bed;
	bed_begin(&bed);
	put_db(&bed, 4);
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	release_db(&bed, "db:2");
	EXPECT(db_reaches(&bed, "status.canaryWeight", "100"));
	bed_run(&bed, 5);
	EXPECT(db_reaches(&bed, "status.phase", "Promoting"));
	bed_merge(&bed, db,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/never-ready\":\"true\"}}}");
	EXPECT(db_reaches(&bed, "status.phase", "Failed"));
	bed_run(&bed, 60);
	expect_images(&bed, "1 1 1 1");
	bed_end(&bed);
}

SPEC("target: a StatefulSet of one pod has none to spare")
{
	struct bed bed;
	bed_begin(&bed);
	put_db(&bed, 1);
	bed_run(&bed, 10);
	EXPECT_INT(bed_events(&bed,
			      "statefulset db.test must have two replicas, so that one can be "
			      "the canary, but has 1"),
		   1);
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), "");
	bed_end(&bed);
}

SPEC("target: without an analysis a StatefulSet rolls out as it would by itself")
{
	struct bed bed;
	bed_begin(&bed);
	put_db(&bed, 3);
	bed_merge(&bed, db_canary, "{\"spec\":{\"skipAnalysis\":true}}");
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	release_db(&bed, "db:2");
	EXPECT(db_reaches(&bed, "status.phase", "Succeeded"));
	bed_run(&bed, 30);
	expect_images(&bed, "2 2 2");
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), REST);
	bed_end(&bed);
}

SPEC("target: a StatefulSet whose Canary reverts it follows its template again when that goes")
{
	struct bed bed;
	bed_begin(&bed);
	put_db(&bed, 3);
	bed_merge(&bed, db_canary, "{\"spec\":{\"revertOnDeletion\":true}}");
	EXPECT(db_reaches(&bed, "status.phase", "Initialized"));
	bed_run(&bed, 2);
	bed_delete(&bed, db_canary);
	bed_run(&bed, 20);
	EXPECT(cluster_get(bed.cluster, db_canary) == NULL);
	EXPECT_TEXT(bed_says(&bed, db, PARTITION), "0");
	bed_end(&bed);
}
