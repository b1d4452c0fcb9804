/*
 * knative_spec.c - releases of a Knative Service, beside the in-memory cluster's fake of Knative.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static const char hello[] = "/apis/serving.knative.dev/v1/namespaces/test/services/hello";
static const char hello_canary[] = "/apis/flagger.app/v1beta1/namespaces/test/canaries/hello";

static void put_hello(struct bed *bed)
{
	bed_put(bed,
		"{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{"
		"\"name\":\"hello\",\"namespace\":\"test\"},\"spec\":{\"template\":{\"spec\":{"
		"\"containers\":[{\"name\":\"hello\",\"image\":\"hello:1\"}]}}}}");
	bed_put(bed,
		"{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
		"\"name\":\"hello\",\"namespace\":\"test\"},\"spec\":{\"provider\":\"knative\","
		"\"targetRef\":{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\","
		"\"name\":\"hello\"},\"analysis\":{\"interval\":\"10s\",\"threshold\":2,"
		"\"stepWeight\":50,\"maxWeight\":50,\"metrics\":[{\"name\":\"rate\",\"query\":"
		"\"up{{ route }}\",\"thresholdRange\":{\"min\":99}}]}}}");
	bed_start_engine(bed);
}

static bool hello_reaches(struct bed *bed, const char *path, const char *value)
{
	for (int i = 0; i < 600; i++) {
		if (strcmp(bed_says(bed, hello_canary, path), value) == 0)
			return true;
		bed_run(bed, 1);
	}
	return false;
}

static void release_hello(struct bed *bed, const char *image)
{
	SCOPED(text)
	char *patch = xasprintf("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"
				"\"hello\",\"image\":\"%s\"}]}}}}",
				image);
	bed_merge(bed, hello, patch);
}

/* "REVISION PERCENT" of those that have traffic, in order. */
static void expect_traffic(const struct bed *bed, const char *shares)
{
	char all[200] = "";
	const cJSON *entry;
	cJSON_ArrayForEach(entry, json_at(cluster_get(bed->cluster, hello), "spec.traffic"))
	{
		size_t len = strlen(all);
		long percent = json_int(entry, "percent", 0);
		if (percent > 0)
			snprintf(all + len, sizeof(all) - len, "%s%s %ld", len == 0 ? "" : ", ",
				 json_string_or(entry, "revisionName", "latest"), percent);
	}
	EXPECT_TEXT(all, shares);
}

SPEC("target: a Knative Service splits between revisions by name, and promotes by annotation")
{
	static const char annotation[] = "metadata.annotations[\"flagger.app/primary-revision\"]";
	struct bed bed;
	bed_begin(&bed);
	put_hello(&bed);
	EXPECT(hello_reaches(&bed, "status.phase", "Initialized"));
	expect_traffic(&bed, "hello-00001 100");
	EXPECT_TEXT(bed_says(&bed, hello, annotation), "hello-00001");
	release_hello(&bed, "hello:2");
	EXPECT(hello_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 2);
	expect_traffic(&bed, "hello-00002 50, hello-00001 50");
	release_hello(&bed, "hello:3"); /* has nothing before it is analysed */
	bed_run(&bed, 3);
	EXPECT(hello_reaches(&bed, "status.phase", "Succeeded"));
	expect_traffic(&bed, "hello-00003 100");
	EXPECT_TEXT(bed_says(&bed, hello, annotation), "hello-00003");
	bed_end(&bed);
}

SPEC("target: a Knative revision that fails has no traffic any more")
{
	struct bed bed;
	bed_begin(&bed);
	put_hello(&bed);
	EXPECT(hello_reaches(&bed, "status.phase", "Initialized"));
	release_hello(&bed, "hello:2");
	EXPECT(hello_reaches(&bed, "status.canaryWeight", "50"));
	bed.success = 0;
	EXPECT(hello_reaches(&bed, "status.phase", "Failed"));
	bed_run(&bed, 3);
	expect_traffic(&bed, "hello-00001 100");
	bed_end(&bed);
}

SPEC("target: a Knative Service whose Canary reverts it leads to its latest revision again")
{
	struct bed bed;
	bed_begin(&bed);
	put_hello(&bed);
	bed_merge(&bed, hello_canary, "{\"spec\":{\"revertOnDeletion\":true}}");
	EXPECT(hello_reaches(&bed, "status.phase", "Initialized"));
	bed_run(&bed, 2);
	bed_delete(&bed, hello_canary);
	bed_run(&bed, 20);
	EXPECT(cluster_get(bed.cluster, hello_canary) == NULL);
	expect_traffic(&bed, "latest 100");
	bed_end(&bed);
}

static const char hello_2[] = "/apis/serving.knative.dev/v1/namespaces/test/revisions/hello-00002";

SPEC("target: a Knative revision that breaks in mid-run has no traffic until it is ready again")
{
	struct bed bed;
	bed_begin(&bed);
	put_hello(&bed);
	EXPECT(hello_reaches(&bed, "status.phase", "Initialized"));
	release_hello(&bed, "hello:2");
	EXPECT(hello_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 2);
	expect_traffic(&bed, "hello-00002 50, hello-00001 50");
	bed_merge(&bed, hello,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":\"true\"}}}");
	bed_run(&bed, 3);
	expect_traffic(&bed, "hello-00001 100");
	EXPECT_TEXT(bed_says(&bed, hello, "status.traffic[0].revisionName"), "hello-00001");
	EXPECT_TEXT(bed_says(&bed, hello_2, "status.conditions[0].status"), "False");
	bed_merge(&bed, hello, "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":null}}}");
	bed_run(&bed, 3);
	expect_traffic(&bed, "hello-00002 50, hello-00001 50");
	EXPECT(hello_reaches(&bed, "status.phase", "Succeeded"));
	bed_end(&bed);
}

SPEC("target: a Knative revision that stays broken is rolled back at the deadline, and blocks "
     "nothing")
{
	struct bed bed;
	bed_begin(&bed);
	put_hello(&bed);
	bed_merge(&bed, hello_canary, "{\"spec\":{\"progressDeadlineSeconds\":20}}");
	EXPECT(hello_reaches(&bed, "status.phase", "Initialized"));
	release_hello(&bed, "hello:2");
	EXPECT(hello_reaches(&bed, "status.canaryWeight", "50"));
	bed_merge(&bed, hello,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":\"true\"}}}");
	EXPECT(hello_reaches(&bed, "status.phase", "Failed"));
	bed_run(&bed, 3);
	EXPECT_TEXT(bed_says(&bed, hello, "status.traffic[0].revisionName"), "hello-00001");
	EXPECT_TEXT(bed_says(&bed, hello, "status.traffic[0].percent"), "100");
	EXPECT(bed_events(&bed, "Rolling back hello.test progress deadline exceeded waiting for "
				"revision hello-00002 to become ready: its pods are down"));
	bed_end(&bed);
}

SPEC("target: what a Knative Service leads to by a tag stays, and the primary is known without its "
     "annotation")
{
	struct bed bed;
	bed_begin(&bed);
	put_hello(&bed);
	EXPECT(hello_reaches(&bed, "status.phase", "Initialized"));
	bed_run(&bed, 2);
	bed_merge(&bed, hello,
		  "{\"metadata\":{\"annotations\":{\"flagger.app/primary-revision\":null}},"
		  "\"spec\":{\"traffic\":[{\"revisionName\":\"hello-00001\",\"percent\":100},"
		  "{\"tag\":\"next\",\"latestRevision\":true,\"percent\":0}]}}");
	release_hello(&bed, "hello:2");
	EXPECT(hello_reaches(&bed, "status.canaryWeight", "50"));
	bed_run(&bed, 2);
	expect_traffic(&bed, "hello-00002 50, hello-00001 50");
	EXPECT_TEXT(bed_says(&bed, hello, "spec.traffic[0].tag"), "next");
	bed_end(&bed);
}
