/*
 * scale_spec.c - how many pods a canary has and for how long, and releases that need no analysis.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static void begin(struct bed *bed, const char *analysis)
{
	SCOPED(text) char *patch = xasprintf("{\"spec\":{\"analysis\":{%s}}}", analysis);
	bed_begin(bed);
	bed_merge(bed, bed_target, "{\"spec\":{\"replicas\":4}}");
	bed_put_canary(bed, NULL);
	bed_merge(bed, bed_canary, patch);
	bed_start_engine(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
}

static int replicas(const struct bed *bed, const char *path)
{
	return (int)json_int(cluster_get(bed->cluster, path), "spec.replicas", -1);
}

static bool runs(const struct bed *bed, const char *image)
{
	return strcmp(bed_says(bed, bed_primary, "spec.template.spec.containers[0].image"),
		      image) == 0;
}

SPEC("scale: the canary has as many pods as canaryReplicas say, and the primary keeps its own")
{
	struct bed bed;
	begin(&bed, "\"canaryReplicas\":2");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 20));
	EXPECT_INT(replicas(&bed, bed_target), 2);
	bed_merge(&bed, bed_target, "{\"spec\":{\"replicas\":1}}");
	bed_run(&bed, 15);
	EXPECT_INT(replicas(&bed, bed_target), 2);
	bed_merge(&bed, bed_target,
		  "{\"spec\":{\"replicas\":7}}"); /* it serves: nothing is taken */
	bed_run(&bed, 15);
	EXPECT_INT(replicas(&bed, bed_target), 7);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(replicas(&bed, bed_target), 0);
	EXPECT_INT(replicas(&bed, bed_primary), 4);
	bed_end(&bed);
}

SPEC("scale: percent of the primary's pods are rounded up, and follow them")
{
	struct bed bed;
	begin(&bed, "\"canaryReplicas\":\"30%\"");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	EXPECT_INT(replicas(&bed, bed_target), 2);
	bed_merge(&bed, bed_primary, "{\"spec\":{\"replicas\":8}}");
	bed_run(&bed, 15);
	EXPECT_INT(replicas(&bed, bed_target), 3);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(replicas(&bed, bed_primary), 8);
	bed_end(&bed);
}

SPEC("scale: the target keeps its pods for scaleDownDelay, over a restart of the engine")
{
	struct bed bed;
	begin(&bed, "\"scaleDownDelay\":\"10m\"");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_events(&bed, "Promotion completed! Scaling down podinfo.test in 10m0s"), 1);
	EXPECT_INT(bed_weight(&bed), 0);
	bed_run(&bed, 400);
	EXPECT_INT(replicas(&bed, bed_target), 4);
	bed_stop_engine(&bed);
	bed_start_engine(&bed);
	bed_run(&bed, 180);
	EXPECT_INT(replicas(&bed, bed_target), 4);
	bed_run(&bed, 30);
	EXPECT_INT(replicas(&bed, bed_target), 0);
	bed_end(&bed);
}

SPEC("scale: a rollback keeps the failed pods as long, and the next release does not wait")
{
	struct bed bed;
	begin(&bed, "\"scaleDownDelay\":\"10m\",\"threshold\":1");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed.success = 0;
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(bed_events(&bed, "Canary failed! Scaling down podinfo.test in 10m0s"), 1);
	EXPECT_INT(replicas(&bed, bed_target), 4);
	bed.success = 100;
	bed_run(&bed, 300);
	bed_merge(&bed, bed_canary, "{\"spec\":{\"analysis\":{\"interval\":\"600s\"}}}");
	bed_release(&bed, "podinfo:3");
	EXPECT(bed_reaches_weight(&bed, 5));
	bed_run(&bed, 600); /* the time of the pods that failed is over: these are others */
	EXPECT_INT(replicas(&bed, bed_target), 4);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	bed_end(&bed);
}

SPEC("scale: a release that is not begun keeps the pods no longer")
{
	struct bed bed;
	begin(&bed,
	      "\"scaleDownDelay\":\"2m\",\"policy\":{\"inline\":"
	      "\"return { start = function(r) if r.good == false and r.now > 1700001000 then\\n"
	      "  return { action = 'hold', reason = 'frozen' } end end }\"}");
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_run(&bed, 10);
	while (loop_now(bed.loop) < INT64_C(1700001010000000))
		bed_run(&bed, 10);
	bed_release(&bed, "podinfo:3");
	bed_run(&bed, 130);
	EXPECT_TEXT(bed_phase(&bed), "Succeeded");
	EXPECT_INT(replicas(&bed, bed_target), 0);
	EXPECT_INT(bed_events(&bed, "Halt podinfo.test advancement frozen"), 1);
	bed_end(&bed);
}

SPEC("scale: a revision that was promoted before is promoted at once, when the Canary says so")
{
	struct bed bed;
	begin(&bed, "\"onGoodRevision\":\"Promote\"");
	SCOPED(text)
	char *good = xstrdup(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"));
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT(runs(&bed, "podinfo:2"));
	bed_release(&bed, good);
	bed_run(&bed, 5);
	EXPECT(runs(&bed, good));
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_events(&bed, "Promoting podinfo.test without an analysis: this revision was "
				    "promoted before"),
		   1);
	EXPECT_INT(replicas(&bed, bed_target), 0);
	/* One that is new is analysed. */
	bed_release(&bed, "podinfo:3");
	bed_run(&bed, 5);
	EXPECT(runs(&bed, good));
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_end(&bed);
}

SPEC("scale: a good revision whose pods do not come up is not promoted")
{
	struct bed bed;
	begin(&bed, "\"onGoodRevision\":\"Promote\"");
	SCOPED(text)
	char *good = xstrdup(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"));
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_merge(&bed, bed_target,
		  "{\"metadata\":{\"annotations\":{\"sim.sluice.dev/never-ready\":\"true\"}}}");
	bed_release(&bed, good);
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT(runs(&bed, "podinfo:2"));
	bed_end(&bed);
}
