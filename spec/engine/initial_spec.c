/*
 * initial_spec.c - what must not be lost before a canary has anything to go back to.
 */
#include <string.h>

#include "bed.h"
#include "spec.h"

static const char never_ready[] =
	"{\"metadata\":{\"annotations\":{\"sim.sluice.dev/never-ready\":\"true\"}}}";
static const char ready_soon[] =
	"{\"metadata\":{\"annotations\":{\"sim.sluice.dev/never-ready\":null}}}";
static const char image[] = "spec.template.spec.containers[0].image";

SPEC("initial: a primary that never gets ready costs the target no pod, however long it takes")
{
	struct bed bed;
	bed_begin(&bed);
	bed_merge(&bed, bed_target, never_ready);
	bed_put_canary(&bed,
		       "{\"spec\":{\"provider\":\"kubernetes\",\"progressDeadlineSeconds\":30}}");
	bed_start_engine(&bed);
	bed_run(&bed, 3600);
	EXPECT_TEXT(bed_phase(&bed), "Initializing");
	EXPECT_TEXT(bed_says(&bed, bed_target, "spec.replicas"), "2");
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "");
	bed_merge(&bed, bed_target, ready_soon);
	bed_merge(&bed, bed_primary, ready_soon);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_end(&bed);
}

SPEC("initial: a revision that comes meanwhile is what the primary begins with")
{
	struct bed bed;
	bed_begin(&bed);
	bed_merge(&bed, bed_target,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/ready-after\":\"50s\"}}}");
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	bed_run(&bed, 20);
	EXPECT_TEXT(bed_says(&bed, bed_primary, image), "ghcr.io/stefanprodan/podinfo:6.0.0");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, bed_primary, image), "podinfo:2");
	bed_run(&bed, 60);
	EXPECT_INT(bed_events(&bed, "New revision detected!"), 0);
	bed_end(&bed);
}

SPEC("initial: a fix that comes while the primary is not ready is released once it is")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed.success = 10;
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Failed"));
	bed.success = 100;
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":\"true\"}}}");
	bed_run(&bed, 2);
	bed_release(&bed, "podinfo:3");
	bed_run(&bed, 15);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	bed_merge(&bed, bed_primary,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/down\":null}}}");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(bed_says(&bed, bed_primary, image), "podinfo:3");
	bed_end(&bed);
}

SPEC("initial: a Canary that is given another target leads to its primary once that is ready")
{
	static const char other[] = "/apis/apps/v1/namespaces/test/deployments/other";
	static const char service[] = "/api/v1/namespaces/test/services/podinfo-primary";
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed, NULL);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_put(&bed,
		"{\"apiVersion\":\"apps/"
		"v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"other\","
		"\"namespace\":\"test\",\"annotations\":{\"sim.sluice.dev/ready-after\":\"60s\"}},"
		"\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"app\":\"other\"}},"
		"\"template\":{\"metadata\":{\"labels\":{\"app\":\"other\"}},\"spec\":{"
		"\"containers\":[{"
		"\"name\":\"podinfod\",\"image\":\"podinfo:9\"}]}}}}");
	bed_run(&bed, 90);
	bed_merge(&bed, bed_canary,
		  "{\"spec\":{\"targetRef\":{\"name\":\"other\"},\"service\":{\"name\":\"podinfo\"}"
		  "}}");
	bed_run(&bed, 30);
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "podinfo-primary");
	EXPECT_TEXT(bed_says(&bed, service, "spec.selector.app"), "podinfo-primary");
	bed_run(&bed, 60);
	EXPECT_TEXT(bed_says(&bed, bed_apex, "spec.selector.app"), "other-primary");
	EXPECT_TEXT(bed_says(&bed, service, "spec.selector.app"), "other-primary");
	EXPECT_INT(bed_events(&bed, "New revision detected!"), 0);
	bed_merge(&bed, other,
		  "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}}}");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}
