/*
 * life_spec.c - what happens to a canary beside its releases: other hands on its objects, objects
 * that go, its own end.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static void begin(struct bed *bed)
{
	bed_begin(bed);
	bed_put_canary(bed, NULL);
	bed_start_engine(bed);
	bed_reaches(bed, "Initialized");
}

static void edit_weights(struct bed *bed, int primary, int canary)
{
	SCOPED(json) cJSON *router = cJSON_Duplicate(cluster_get(bed->cluster, bed_router), true);
	struct error err = {0};
	cJSON *target;
	cJSON_ArrayForEach(target,
			   json_at(router, "spec.routes[0].httpRoute.action.weightedTargets"))
	{
		bool is_canary =
			text_equal(json_string(target, "virtualNodeRef.name"), "podinfo-canary");
		json_put_number(target, "weight", is_canary ? canary : primary);
	}
	json_remove(router, "metadata.resourceVersion");
	EXPECT(cluster_merge(bed->cluster, bed_router, router, &err));
}

/* ---- other hands ---- */

SPEC("life: weights that somebody edits during a rollout are put back, and it goes on")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	edit_weights(&bed, 20, 80);
	bed_run(&bed, 1);
	EXPECT_INT(bed_weight(&bed), 10);
	EXPECT(bed_reaches_weight(&bed, 15));
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("life: at rest a route that is edited or deleted is put right at once")
{
	struct bed bed;
	begin(&bed);
	edit_weights(&bed, 20, 80);
	bed_run(&bed, 1);
	EXPECT_INT(bed_weight(&bed), 0);
	bed_delete(&bed, bed_router);
	bed_run(&bed, 1);
	EXPECT_INT(bed_weight(&bed), 0);
	EXPECT_TEXT(bed_phase(&bed), "Initialized");
	bed_end(&bed);
}

SPEC("life: at rest a Service is put right")
{
	struct bed bed;
	begin(&bed);
	bed_merge(&bed, bed_apex, "{\"spec\":{\"selector\":{\"app\":\"podinfo\"}}}");
	bed_run(&bed, 1);
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	bed_delete(&bed, bed_apex);
	bed_run(&bed, 1);
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	bed_end(&bed);
}

SPEC("life: a primary that is deleted is made again")
{
	struct bed bed;
	begin(&bed);
	bed_delete(&bed, bed_primary);
	bed_run(&bed, 3);
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.replicas"), "1");
	EXPECT_TEXT(bed_phase(&bed), "Initialized");
	bed_end(&bed);
}

SPEC("life: pods of the primary that come and go at rest cost no request")
{
	struct bed bed;
	begin(&bed);
	uint64_t before = kube_requests(bed.kube);
	bed_merge(&bed, bed_primary, "{\"spec\":{\"replicas\":5}}");
	bed_run(&bed, 5);
	bed_merge(&bed, bed_primary, "{\"spec\":{\"replicas\":2}}");
	bed_run(&bed, 5);
	EXPECT_INT(kube_requests(bed.kube) - before, 0);
	bed_end(&bed);
}

/* ---- what goes ---- */

SPEC("life: when the target goes in mid-run, traffic goes to the primary")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_delete(&bed, bed_target);
	bed_run(&bed, 3);
	EXPECT_INT(bed_weight(&bed), 0);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	EXPECT_INT(bed_events(&bed, "Rolling back podinfo.test the target is gone"), 1);
	EXPECT_INT(bed_events(&bed, "deployment podinfo.test get query error: not found"), 1);
	bed_end(&bed);
}

SPEC("life: a target that is made anew after it went in mid-run is released from the start")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	SCOPED(json) cJSON *target = json_copy(cluster_get(bed.cluster, bed_target));
	bed_delete(&bed, bed_target);
	EXPECT(bed_reaches(&bed, "Failed"));
	bed_run(&bed, 30);
	cJSON_DeleteItemFromObject(json_get(target, "metadata"), "uid");
	cJSON_DeleteItemFromObject(json_get(target, "metadata"), "resourceVersion");
	cJSON_DeleteItemFromObject(target, "status");
	SCOPED(text) char *text = json_text(target);
	bed_put(&bed, text);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_events(&bed, "New revision detected! Scaling up podinfo.test"), 2);
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"),
		    "podinfo:2");
	bed_end(&bed);
}

SPEC("life: a Canary that is deleted in mid-run takes its objects along and is not worked on")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_delete(&bed, bed_canary);
	bed_run(&bed, 60);
	EXPECT(cluster_get(bed.cluster, bed_primary) == NULL);
	EXPECT(cluster_get(bed.cluster, bed_router) == NULL);
	EXPECT_INT(engine_canaries(bed.engine), 0);
	EXPECT_INT(engine_running(bed.engine), 0);
	bed_end(&bed);
}

/* ---- its own end ---- */

static const char adopted_service[] =
	"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"podinfo\","
	"\"namespace\":\"test\"},\"spec\":{\"selector\":{\"app\":\"podinfo\"},\"ports\":"
	"[{\"name\":\"http\",\"port\":9898,\"targetPort\":9898}]}}";

SPEC("life: revertOnDeletion gives the target its pods and the Service its target back, then goes")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put(&bed, adopted_service);
	bed_put_canary(&bed, "{\"spec\":{\"revertOnDeletion\":true}}");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, bed_canary, "metadata.finalizers[0]"), "finalizer.flagger.app");
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	bed_merge(&bed, bed_primary, "{\"spec\":{\"replicas\":3}}");
	bed_run(&bed, 5);
	bed_delete(&bed, bed_canary);
	EXPECT(cluster_get(bed.cluster, bed_canary) != NULL);
	bed_run(&bed, 1); /* its pods take a second more */
	EXPECT_TEXT(bed_phase(&bed), "Terminating");
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	bed_run(&bed, 12);
	EXPECT(cluster_get(bed.cluster, bed_canary) == NULL);
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo");
	EXPECT_TEXT(bed_says(&bed, bed_target, "status.availableReplicas"), "3");
	EXPECT_INT(bed_events(&bed, "Terminating canary podinfo.test"), 1);
	EXPECT_INT(bed_events(&bed, "Terminated canary podinfo.test"), 1);
	bed_end(&bed);
}

SPEC("life: while the target's pods are not ready, a Canary that reverts stays, and its primary")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put(&bed, adopted_service);
	bed_put_canary(&bed, "{\"spec\":{\"revertOnDeletion\":true}}");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_merge(&bed, bed_target,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/never-ready\":\"true\"}}}");
	bed_delete(&bed, bed_canary);
	bed_run(&bed, 3600);
	EXPECT_TEXT(bed_phase(&bed), "Terminating");
	EXPECT(cluster_get(bed.cluster, bed_primary) != NULL);
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	/* The way out: not to revert. */
	bed_merge(&bed, bed_canary, "{\"spec\":{\"revertOnDeletion\":false}}");
	bed_run(&bed, 2);
	EXPECT(cluster_get(bed.cluster, bed_canary) == NULL);
	bed_end(&bed);
}

SPEC("life: revertOnDeletion taken back takes the finalizer off")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed, "{\"spec\":{\"revertOnDeletion\":true}}");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_merge(&bed, bed_canary, "{\"spec\":{\"revertOnDeletion\":false}}");
	bed_run(&bed, 2);
	EXPECT_TEXT(bed_says(&bed, bed_canary, "metadata.finalizers[0]"), "");
	EXPECT_TEXT(bed_phase(&bed), "Initialized");
	bed_end(&bed);
}

/* ---- its beginning ---- */

SPEC("life: a Service that was there leads to its pods until the primary is ready")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put(&bed, adopted_service);
	bed_merge(&bed, bed_target,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/ready-after\":\"20s\"}}}");
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	bed_run(&bed, 10);
	EXPECT(cluster_get(bed.cluster, bed_primary) != NULL);
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo");
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	bed_end(&bed);
}

/* ---- what it says of itself ---- */

static const char *valid(const struct bed *bed, const char *member)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition,
			   json_at(cluster_get(bed->cluster, bed_canary), "status.conditions"))
	{
		if (text_equal(json_string(condition, "type"), "Valid"))
			return json_string_or(condition, member, "");
	}
	return "";
}

SPEC("life: a wrong Canary says what is wrong, and takes it back once it is right")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed, "{\"spec\":{\"analysis\":{\"stepWeight\":2.5}}}");
	bed_start_engine(&bed);
	bed_run(&bed, 2);
	EXPECT_TEXT(valid(&bed, "status"), "False");
	EXPECT_CONTAINS(valid(&bed, "message"), "spec.analysis.stepWeight");
	EXPECT_INT(bed_events(&bed, "spec.analysis.stepWeight"), 1);
	EXPECT_TEXT(bed_phase(&bed), "");
	bed_merge(&bed, bed_canary, "{\"spec\":{\"analysis\":{\"stepWeight\":5}}}");
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(valid(&bed, "status"), "");
	bed_end(&bed);
}

SPEC("life: where references to other namespaces are blocked, an edit that makes one is refused")
{
	static const struct engine_options blocked = {
		.spec = {.default_provider = "kubernetes", .no_cross_namespace_refs = true}};
	static const char *const edits[] = {
		"\"alerts\":[{\"name\":\"a\",\"providerRef\":{\"name\":\"x\",\"namespace\":"
		"\"theirs\"}}]",
		"\"metrics\":[{\"name\":\"a\",\"templateRef\":{\"name\":\"x\",\"namespace\":"
		"\"theirs\"}}]",
	};
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		struct bed bed;
		bed_begin(&bed);
		bed_put_canary(&bed, NULL);
		bed.engine = engine_new(&bed.world, &blocked);
		engine_own(bed.engine, true);
		EXPECT(bed_reaches(&bed, "Initialized"));
		SCOPED(text) char *patch = xasprintf("{\"spec\":{\"analysis\":{%s}}}", edits[i]);
		bed_merge(&bed, bed_canary, patch);
		bed_release(&bed, "podinfo:2");
		bed_run(&bed, 60);
		EXPECT_TEXT(bed_phase(&bed), "Initialized");
		EXPECT_CONTAINS(valid(&bed, "message"), "cross-namespace references are blocked");
		bed_end(&bed);
	}
}

SPEC("life: a canary made wrong in mid-run stays where it is, and goes on once it is right")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_merge(&bed, bed_canary, "{\"spec\":{\"analysis\":{\"threshold\":\"many\"}}}");
	bed_run(&bed, 60);
	EXPECT_INT(bed_weight(&bed), 10);
	EXPECT_TEXT(valid(&bed, "status"), "False");
	bed_merge(&bed, bed_canary, "{\"spec\":{\"analysis\":{\"threshold\":5}}}");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

static bool warns(const struct bed *bed, const char *message)
{
	SCOPED(json)
	cJSON *events = cluster_list(bed->cluster, "/api/v1/namespaces/test/events");
	bool found = false;
	const cJSON *event;
	cJSON_ArrayForEach(event, events) found |=
		text_equal(json_string(event, "message"), message) &&
		text_equal(json_string(event, "type"), "Warning");
	return found;
}

SPEC("life: suspended it does nothing and says so once, which is no warning; resumed it goes on")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_merge(&bed, bed_canary, "{\"spec\":{\"suspend\":true}}");
	bed_run(&bed, 300);
	EXPECT_INT(bed_weight(&bed), 10);
	EXPECT_INT(bed_events(&bed, "skipping canary run as object is suspended"), 1);
	EXPECT(!warns(&bed, "skipping canary run as object is suspended"));
	bed_merge(&bed, bed_canary, "{\"spec\":{\"suspend\":false}}");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("life: nor does a receiver of events that is down keep that from being said")
{
	struct bed bed;
	bed_begin(&bed);
	bed.hook_status = HOOK_IS_DOWN;
	bed_put_canary(
		&bed,
		"{\"spec\":{\"analysis\":{\"webhooks\":["
		"{\"name\":\"events\",\"type\":\"event\",\"url\":\"http://a.test/\",\"retries\":5},"
		"{\"name\":\"tell\",\"type\":\"post-rollout\",\"url\":\"http://b.test/\"}]}}}");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_release(&bed, "podinfo:never-ready");
	EXPECT(bed_reaches(&bed, "Failed"));
	bed_merge(&bed, bed_canary, "{\"spec\":{\"suspend\":true}}");
	bed_run(&bed, 1);
	EXPECT_INT(bed_events(&bed, "skipping canary run as object is suspended"), 1);
	bed_end(&bed);
}

SPEC("life: of two canaries on one target the older has it, the other says so, and takes over")
{
	static const char other[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/another";
	struct bed bed;
	begin(&bed);
	bed_put_canary(&bed, "{\"metadata\":{\"name\":\"another\"}}");
	bed_run(&bed, 5);
	EXPECT_TEXT(bed_says(&bed, other, "status.phase"), "");
	EXPECT_CONTAINS(bed_says(&bed, other, "status.conditions[0].message"),
			"spec.targetRef: is the target of canary podinfo already");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_delete(&bed, bed_canary);
	bed_run(&bed, 20);
	EXPECT_TEXT(bed_says(&bed, other, "status.phase"), "Initialized");
	bed_end(&bed);
}

SPEC("life: of two canaries whose Services have one name the older has them, and the other waits")
{
	static const char other[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/another";
	struct bed bed;
	begin(&bed);
	bed_put(&bed, "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":"
		      "\"shop\",\"namespace\":\"test\"},\"spec\":{\"replicas\":1,\"selector\":{"
		      "\"matchLabels\":{\"app\":\"shop\"}},\"template\":{\"metadata\":{\"labels\":{"
		      "\"app\":\"shop\"}},\"spec\":{\"containers\":[{\"name\":\"shop\",\"image\":"
		      "\"shop:1\"}]}}}}");
	bed_put_canary(&bed,
		       "{\"metadata\":{\"name\":\"another\"},\"spec\":{\"targetRef\":{\"name\":"
		       "\"shop\"},\"service\":{\"name\":\"podinfo\"}}}");
	bed_run(&bed, 20);
	EXPECT_TEXT(bed_says(&bed, other, "status.phase"), "");
	EXPECT_CONTAINS(bed_says(&bed, other, "status.conditions[0].message"),
			"spec.service.name: podinfo is the Service of canary podinfo already");
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	bed_merge(&bed, bed_canary, "{\"spec\":{\"service\":{\"name\":\"elsewhere\"}}}");
	bed_run(&bed, 20);
	EXPECT_TEXT(bed_says(&bed, other, "status.phase"), "Initialized");
	bed_end(&bed);
}

/* ---- backends that are not ready ---- */

SPEC("life: traffic does not go back to a primary that is not ready while the canary is")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 20));
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":\"true\"}}}");
	bed_run(&bed, 3);
	bed_release(&bed, "ghcr.io/stefanprodan/podinfo:6.0.0"); /* what is promoted */
	bed_run(&bed, 20);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	EXPECT_INT(bed_weight(&bed), 100);
	EXPECT(json_int(cluster_get(bed.cluster, bed_target), "spec.replicas", 0) > 0);
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":null}}}");
	bed_run(&bed, 20);
	EXPECT_INT(bed_weight(&bed), 0);
	EXPECT_TEXT(bed_says(&bed, bed_target, "spec.replicas"), "0");
	bed_end(&bed);
}

static void put_target_down(struct bed *bed, bool down)
{
	bed_merge(bed, bed_target,
		  down ? "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":\"true\"}}}"
		       : "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":null}}}");
}

static const char *status_weight(const struct bed *bed)
{
	return bed_says(bed, bed_canary, "status.canaryWeight");
}

/* Its pods die, and are back 40 s later. */
static void dies_and_comes_back(struct bed *bed)
{
	SCOPED(text) char *weight = xstrdup(status_weight(bed));
	int routed = bed_weight(bed);
	EXPECT(routed > 0);
	put_target_down(bed, true);
	bed_run(bed, 3);
	EXPECT_INT(bed_weight(bed), 0);
	EXPECT_TEXT(status_weight(bed), weight);
	bed_run(bed, 37);
	EXPECT_INT(bed_weight(bed), 0);
	put_target_down(bed, false);
	bed_run(bed, 3);
	EXPECT_INT(bed_weight(bed), routed);
	EXPECT_TEXT(status_weight(bed), weight);
}

SPEC("life: while no pod of the canary is available the primary has all traffic, then the step "
     "lasts")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 20));
	dies_and_comes_back(&bed);
	bed_run(&bed, 5);
	EXPECT_INT(bed_weight(&bed), 20); /* a step of 10 s, of which 8 are over */
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("life: while no pod of the primary is available the canary that has a part has all traffic")
{
	static const char down[] =
		"{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":\"true\"}}}";
	static const char up[] = "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":null}}}";
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 20));
	bed_merge(&bed, bed_primary, down);
	bed_run(&bed, 3);
	EXPECT_INT(bed_weight(&bed), 100);
	EXPECT_TEXT(status_weight(&bed), "20");
	EXPECT_INT(bed_events(&bed, "; meanwhile all traffic goes to the canary"), 1);
	put_target_down(&bed, true); /* then nobody serves, and nobody is blamed */
	bed_run(&bed, 3);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	put_target_down(&bed, false);
	bed_merge(&bed, bed_primary, up);
	bed_run(&bed, 3);
	EXPECT_INT(bed_weight(&bed), 20);
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/ready-after\":\"30s\"}}}");
	EXPECT(bed_reaches(&bed, "Promoting"));
	bed_run(&bed, 1);
	bed_merge(&bed, bed_primary, down); /* as all old pods of a Recreate go first */
	bed_run(&bed, 35);
	EXPECT_INT(bed_weight(&bed), 100);
	bed_merge(&bed, bed_primary, up);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_weight(&bed), 0);
	bed_end(&bed);
}

SPEC("life: an A/B test goes back to the primary while no pod of the canary is available")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed, "{\"spec\":{\"analysis\":{\"stepWeight\":null,\"maxWeight\":null,"
			     "\"iterations\":5,\"match\":[{\"headers\":{\"x-canary\":"
			     "{\"exact\":\"insider\"}}}]}}}");
	bed_start_engine(&bed);
	bed_reaches(&bed, "Initialized");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 100));
	dies_and_comes_back(&bed);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("life: blue/green goes back to the primary while no pod of the canary is available")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed, "{\"spec\":{\"analysis\":{\"stepWeight\":null,\"maxWeight\":null,"
			     "\"iterations\":2}}}");
	bed_start_engine(&bed);
	bed_reaches(&bed, "Initialized");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 100));
	dies_and_comes_back(&bed);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

static void put_primary_down(struct bed *bed, bool down)
{
	bed_merge(bed, bed_primary,
		  down ? "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":\"true\"}}}"
		       : "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":null}}}");
}

SPEC("life: when the primary dies for good in mid-run the canary takes all, and a fix is analysed")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 20));
	put_primary_down(&bed, true);
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(bed_weight(&bed), 100);
	EXPECT(json_int(cluster_get(bed.cluster, bed_target), "spec.replicas", 0) > 0);
	bed_release(&bed, "podinfo:3");
	EXPECT(bed_reaches(&bed, "Promoting"));
	EXPECT_INT(bed_weight(&bed), 100);
	put_primary_down(&bed, false);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_weight(&bed), 0);
	bed_end(&bed);
}

SPEC("life: a canary that cannot be scaled down yet does not keep the next revision waiting")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:never-ready");
	bed_run(&bed, 5);
	put_primary_down(&bed, true);
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT(json_int(cluster_get(bed.cluster, bed_target), "spec.replicas", 0) > 0);
	bed_release(&bed, "podinfo:3");
	EXPECT(bed_reaches(&bed, "Progressing"));
	put_primary_down(&bed, false);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

/* ---- a route of the team's ---- */

static const char team_route[] =
	"/apis/networking.istio.io/v1beta1/namespaces/test/virtualservices/team";
static int edits_left;

/* The team edits its route when ours has just been sent. */
static enum cluster_fault edit_under_way(void *owner, const struct http_request *request)
{
	struct bed *bed = owner;
	bool ours = strcmp(request->method, "PATCH") == 0 &&
		    strstr(request->url, "/virtualservices/team") != NULL;
	if (ours && edits_left-- > 0)
		bed_merge(bed, team_route, "{\"metadata\":{\"labels\":{\"edited\":\"yes\"}}}");
	return FAULT_NONE;
}

SPEC("life: a team's route that moved under a patch is read again at once")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put(&bed, "{\"apiVersion\":\"networking.istio.io/v1beta1\",\"kind\":\"VirtualService\","
		      "\"metadata\":{\"name\":\"team\",\"namespace\":\"test\"},\"spec\":{\"hosts\":"
		      "[\"h\"],"
		      "\"http\":[{\"route\":[{\"destination\":{\"host\":\"podinfo-primary\"},"
		      "\"weight\":99},"
		      "{\"destination\":{\"host\":\"podinfo-canary\"},\"weight\":1}]}]}}");
	bed_put_canary(&bed, "{\"metadata\":{\"annotations\":{\"sluice.dev/route-ref\":"
			     "\"VirtualService/team\"}},\"spec\":{\"provider\":\"istio\"}}");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, team_route, "spec.http[0].route[1].weight"), "0");
	edits_left = 1;
	cluster_faults(bed.cluster, edit_under_way, &bed);
	bed_release(&bed, "podinfo:2");
	bed_run(&bed, 3); /* less than the pause after a halt */
	EXPECT_INT(edits_left < 1, 1);
	EXPECT_TEXT(bed_says(&bed, team_route, "metadata.labels.edited"), "yes");
	EXPECT_TEXT(bed_says(&bed, team_route, "spec.http[0].route[1].weight"), "5");
	EXPECT_INT(bed_events(&bed, "rejected our request"), 0);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}
