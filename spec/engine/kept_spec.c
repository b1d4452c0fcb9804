/*
 * kept_spec.c - what is known of objects between ticks, against a cluster whose watches lag.
 */
#include "canary/kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "sim/cluster.h"
#include "spec.h"

static const char service[] = "/api/v1/namespaces/test/services/podinfo";
static const char deployment[] = "/apis/apps/v1/namespaces/test/deployments/podinfo";

struct bed {
	struct loop *loop;
	struct cluster *cluster;
	struct chance chance;
	struct kube *kube;
	struct kept *kept;
	struct keeping keeping;
	int changes, matters;
};

static void count_change(void *owner, uint64_t id, const struct kube_kind *kind, bool matters)
{
	struct bed *bed = owner;
	EXPECT_INT(id, 7);
	(void)kind;
	bed->changes++;
	bed->matters += matters;
}

static void settle(struct bed *bed)
{
	loop_run(bed->loop, loop_now(bed->loop) + DURATION_SECOND);
}

static void begin(struct bed *bed, const char *namespace)
{
	const struct cluster_options cluster_options = {
		.seed = 3, .watch_lag_us = 50000, .ready_us = 200000};
	const struct kube_options kube_options = {0};
	*bed = (struct bed){.keeping = {.id = 7, .warmth = WARMTH_PACKED}};
	chance_seed(&bed->chance, 1);
	bed->loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	bed->cluster = cluster_new(bed->loop, &cluster_options);
	bed->kube = kube_new(bed->loop, cluster_port(bed->cluster), &bed->chance, &kube_options);
	bed->kept = kept_new(bed->kube, namespace, count_change, bed);
}

static void end(struct bed *bed)
{
	kept_forget(bed->kept, &bed->keeping);
	kept_free(bed->kept);
	kube_free(bed->kube);
	cluster_free(bed->cluster);
	loop_free(bed->loop);
}

static void put(struct bed *bed, const char *text)
{
	struct error err = {0};
	SCOPED(json) cJSON *object = json_parse(text, strlen(text), &err);
	EXPECT(object != NULL && cluster_apply(bed->cluster, object, &err));
}

static void put_service(struct bed *bed, const char *selector)
{
	SCOPED(text)
	char *text = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
			       "\"podinfo\",\"namespace\":\"test\"},\"spec\":{\"selector\":"
			       "{\"app\":\"%s\"}}}",
			       selector);
	put(bed, text);
}

static void put_deployment(struct bed *bed, const char *image, int replicas)
{
	SCOPED(text)
	char *text =
		xasprintf("{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":"
			  "{\"name\":\"podinfo\",\"namespace\":\"test\"},\"spec\":{\"replicas\":"
			  "%d,\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\","
			  "\"image\":\"%s\"}]}}}}",
			  replicas, image);
	put(bed, text);
}

/* What the API server answers now. */
static void know(struct bed *bed, const char *path)
{
	const cJSON *object = cluster_get(bed->cluster, path);
	struct tree *tree = object == NULL ? NULL : tree_new(json_copy(object));
	kept_know(bed->kept, &bed->keeping, path, tree);
	tree_drop(tree);
}

/* As a tick does it: asked for, and answered by the API server. */
static void read_it(struct bed *bed, const char *path)
{
	kept_expect(bed->kept, &bed->keeping, path);
	know(bed, path);
	settle(bed);
}

static bool knows(struct bed *bed, const char *path)
{
	struct tree *tree;
	bool known = kept_find(bed->kept, &bed->keeping, path, &tree);
	tree_drop(tree);
	return known;
}

SPEC("kept: trees are what texts are, and go with them")
{
	struct bed bed;
	struct tree *first, *second;
	begin(&bed, NULL);
	kept_warm(bed.kept, &bed.keeping, WARMTH_TREE);
	put_deployment(&bed, "x:1", 1);
	read_it(&bed, deployment);
	EXPECT(kept_find(bed.kept, &bed.keeping, deployment, &first));
	EXPECT(kept_find(bed.kept, &bed.keeping, deployment, &second));
	EXPECT(first == second);
	tree_drop(second);
	put_deployment(&bed, "x:2", 1);
	settle(&bed);
	EXPECT(kept_find(bed.kept, &bed.keeping, deployment, &second));
	EXPECT_TEXT(json_string(first->json, "spec.template.spec.containers[0].image"), "x:1");
	EXPECT_TEXT(json_string(second->json, "spec.template.spec.containers[0].image"), "x:2");
	tree_drop(first);
	kept_warm(bed.kept, &bed.keeping, WARMTH_NONE);
	EXPECT(!knows(&bed, deployment));
	EXPECT_TEXT(json_string(second->json, "kind"), "Deployment");
	tree_drop(second);
	end(&bed);
}

SPEC("kept: an object is known until its watch tells of a newer version")
{
	struct bed bed;
	begin(&bed, NULL);
	put_service(&bed, "a");
	read_it(&bed, service);
	EXPECT(knows(&bed, service));
	EXPECT_INT(bed.changes, 0);
	put_service(&bed, "b");
	EXPECT(knows(&bed, service)); /* the watch lags */
	settle(&bed);
	EXPECT(!knows(&bed, service));
	EXPECT_INT(bed.matters, 1);
	end(&bed);
}

SPEC("kept: a watch that lags behind our own write says nothing new")
{
	struct bed bed;
	begin(&bed, NULL);
	put_deployment(&bed, "x:1", 1);
	read_it(&bed, deployment);
	settle(&bed);
	bed.changes = 0;
	put_deployment(&bed, "x:2", 1); /* its event is on the way */
	put_deployment(&bed, "x:3", 1); /* this one was ours */
	know(&bed, deployment);
	loop_run(bed.loop, loop_now(bed.loop) + 100 * DURATION_MS); /* before pods are ready */
	EXPECT_INT(bed.changes, 0);
	struct tree *tree;
	EXPECT(kept_find(bed.kept, &bed.keeping, deployment, &tree));
	EXPECT_TEXT(json_string(tree->json, "spec.template.spec.containers[0].image"), "x:3");
	tree_drop(tree);
	end(&bed);
}

SPEC("kept: an answer that is older than what the watch told is not kept")
{
	struct bed bed;
	begin(&bed, NULL);
	put_service(&bed, "a");
	read_it(&bed, service);
	cJSON *old = cJSON_Duplicate(cluster_get(bed.cluster, service), true);
	put_service(&bed, "b");
	settle(&bed);
	kept_expect(bed.kept, &bed.keeping, service);
	struct tree *before = tree_new(old);
	kept_know(bed.kept, &bed.keeping, service, before);
	tree_drop(before);
	EXPECT(!knows(&bed, service));
	end(&bed);
}

SPEC("kept: what was not there and came to be while it was asked for is not taken as absent")
{
	struct bed bed;
	begin(&bed, NULL);
	read_it(&bed, service);
	EXPECT(knows(&bed, service)); /* that there is none */
	kept_expect(bed.kept, &bed.keeping, service);
	put_service(&bed, "a");
	settle(&bed);
	kept_know(bed.kept, &bed.keeping, service, NULL); /* an answer from before */
	EXPECT(!knows(&bed, service));
	end(&bed);
}

SPEC("kept: of a Deployment the whole object comes with the watch, and scaling it is no matter")
{
	struct bed bed;
	begin(&bed, NULL);
	put_deployment(&bed, "x:1", 1);
	read_it(&bed, deployment);
	settle(&bed);
	bed.changes = bed.matters = 0;
	put_deployment(&bed, "x:1", 3);
	settle(&bed);
	EXPECT(bed.changes > 0);
	EXPECT_INT(bed.matters, 0);
	struct tree *tree;
	EXPECT(kept_find(bed.kept, &bed.keeping, deployment, &tree));
	EXPECT_INT(json_int(tree->json, "status.availableReplicas", 0), 3);
	tree_drop(tree);
	put_deployment(&bed, "x:2", 3);
	settle(&bed);
	EXPECT_INT(bed.matters, 1);
	end(&bed);
}

SPEC("kept: what was deleted is known not to be there")
{
	struct bed bed;
	struct error err = {0};
	begin(&bed, NULL);
	put_deployment(&bed, "x:1", 1);
	read_it(&bed, deployment);
	EXPECT(cluster_delete(bed.cluster, deployment, &err));
	settle(&bed);
	struct tree *tree;
	/* The last word of the in-memory server on it has the version that it had: it is read. */
	EXPECT(!kept_find(bed.kept, &bed.keeping, deployment, &tree) || tree == NULL);
	tree_drop(tree);
	end(&bed);
}

SPEC("kept: cold, it holds no texts; a note outlasts that, and falls with the next change")
{
	struct bed bed;
	char version[24];
	begin(&bed, NULL);
	put_service(&bed, "a");
	read_it(&bed, service);
	kept_note(bed.kept, &bed.keeping, service, 42);
	kept_warm(bed.kept, &bed.keeping, WARMTH_NONE);
	EXPECT(!knows(&bed, service));
	EXPECT(kept_says(bed.kept, &bed.keeping, service, 42, version));
	EXPECT(!kept_says(bed.kept, &bed.keeping, service, 43, version));
	EXPECT_TEXT(version,
		    json_string(cluster_get(bed.cluster, service), "metadata.resourceVersion"));
	put_service(&bed, "b");
	settle(&bed);
	EXPECT(!kept_says(bed.kept, &bed.keeping, service, 42, version));
	EXPECT_TEXT(version, "");
	end(&bed);
}

SPEC("kept: a namespace that is not watched is never known")
{
	struct bed bed;
	begin(&bed, "elsewhere");
	put_service(&bed, "a");
	read_it(&bed, service);
	EXPECT(!knows(&bed, service));
	end(&bed);
}

SPEC("kept: nothing is known of a kind before it was listed")
{
	struct bed bed;
	begin(&bed, NULL);
	put_service(&bed, "a");
	kept_expect(bed.kept, &bed.keeping, service);
	know(&bed, service);
	EXPECT(!knows(&bed, service)); /* not listed yet */
	settle(&bed);
	EXPECT(knows(&bed, service));
	end(&bed);
}

static enum cluster_fault no_lists(void *owner, const struct http_request *request)
{
	(void)owner;
	return strchr(request->url, '?') != NULL ? FAULT_503 : FAULT_NONE;
}

SPEC("kept: what a new list lacks is gone, and nothing is known while there is no list")
{
	struct bed bed;
	struct error err = {0};
	begin(&bed, NULL);
	put_service(&bed, "a");
	read_it(&bed, service);
	cluster_faults(bed.cluster, no_lists, NULL);
	loop_run(bed.loop, loop_now(bed.loop) + 10 * DURATION_MINUTE);
	EXPECT(!knows(&bed, service));
	EXPECT_INT(bed.changes, 0);
	EXPECT(cluster_delete(bed.cluster, service, &err));
	cluster_faults(bed.cluster, NULL, NULL);
	loop_run(bed.loop, loop_now(bed.loop) + DURATION_MINUTE);
	EXPECT_INT(bed.matters, 1);
	EXPECT(!knows(&bed, service));
	end(&bed);
}
