/*
 * pace_spec.c - how long a release may take for what: steps of different lengths, the watch over
 * all traffic, failures that a metric may have of its own, holds that end.
 */
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

/* `analysis` is what spec.analysis has beside the example's. */
static void begin(struct bed *bed, const char *analysis)
{
	SCOPED(text) char *patch = xasprintf("{\"spec\":{\"analysis\":{%s}}}", analysis);
	bed_begin(bed);
	bed_put_canary(bed, NULL);
	bed_merge(bed, bed_canary, patch);
	bed_start_engine(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
	bed_release(bed, "podinfo:2");
}

static long seconds(const struct bed *bed)
{
	return (long)(loop_now(bed->loop) / DURATION_SECOND);
}

/* How long the mesh stays at a weight. */
static long lasts(struct bed *bed, int weight)
{
	EXPECT(bed_reaches_weight(bed, weight));
	long since = seconds(bed);
	for (int i = 0; i < 3600 && bed_weight(bed) == weight; i++)
		bed_run(bed, 1);
	return seconds(bed) - since;
}

static bool about(long took, long wanted)
{
	return took >= wanted - 1 && took <= wanted + 2;
}

SPEC("pace: each step lasts as stepIntervals say, and is checked meanwhile")
{
	struct bed bed;
	begin(&bed,
	      "\"stepWeight\":20,\"maxWeight\":60,\"stepIntervals\":[\"10s\",\"45s\",\"25s\"]");
	EXPECT(about(lasts(&bed, 20), 10));
	EXPECT(bed_reaches_weight(&bed, 40));
	bed.success = 90;
	bed_run(&bed, 12);
	bed.success = 100;
	EXPECT_INT(bed_events(&bed, "success rate 90.00% < 99%"), 1);
	bed_run(&bed, 26);
	EXPECT_INT(bed_weight(&bed), 40);
	EXPECT(about(lasts(&bed, 60), 25));
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_INT(bed_events(&bed, "Advance podinfo.test canary weight"), 3);
	bed_end(&bed);
}

SPEC("pace: a killed engine does not begin a step anew")
{
	struct bed bed;
	begin(&bed, "\"stepWeight\":20,\"maxWeight\":40,\"stepIntervals\":[\"60s\"]");
	EXPECT(bed_reaches_weight(&bed, 20));
	bed_run(&bed, 33);
	bed_stop_engine(&bed);
	bed_start_engine(&bed);
	long left = lasts(&bed, 20);
	EXPECT(left >= 24 && left <= 30);
	bed_end(&bed);
}

SPEC("pace: `pace` of a policy is asked after each check that passes")
{
	struct bed bed;
	begin(&bed,
	      "\"stepWeight\":20,\"maxWeight\":40,\"policy\":{\"inline\":"
	      "\"return { pace = function(r) return { seconds = r.weight + r.steps } end }\"}");
	EXPECT(about(lasts(&bed, 20), 21));
	EXPECT(about(lasts(&bed, 40), 42));
	bed_end(&bed);
}

SPEC("pace: all traffic is watched before it is promoted, and goes back in one step")
{
	struct bed bed;
	begin(&bed, "\"stepWeight\":25,\"watch\":\"2m\",\"threshold\":1");
	EXPECT(about(lasts(&bed, 100), 120));
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_release(&bed, "podinfo:3");
	EXPECT(bed_reaches_weight(&bed, 100));
	bed_run(&bed, 60);
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"),
		    "podinfo:2");
	bed.success = 50;
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(bed_weight(&bed), 0);
	EXPECT_TEXT(bed_says(&bed, bed_primary, "spec.template.spec.containers[0].image"),
		    "podinfo:2");
	bed_end(&bed);
}

static const char limits[] =
	"\"threshold\":2,\"metrics\":["
	"{\"name\":\"request-success-rate\",\"thresholdRange\":{\"min\":99},\"failureLimit\":%d},"
	"{\"name\":\"request-duration\",\"thresholdRange\":{\"max\":%d}}]";

SPEC("pace: a metric with a limit of its own fails apart from the threshold")
{
	struct bed bed;
	SCOPED(text) char *four = xasprintf(limits, 4, 500);
	begin(&bed, four);
	EXPECT(bed_reaches_weight(&bed, 5));
	bed.success = 90;
	bed_run(&bed, 31);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	EXPECT_TEXT(bed_says(&bed, bed_canary, "status.failedChecks"), "0");
	bed_stop_engine(&bed); /* the counts are in the status */
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(bed_events(&bed, "Rolling back podinfo.test request-success-rate failed 4 "
				    "times, its limit is 4"),
		   1);
	bed_end(&bed);

	/* Another metric fails beside it: that is the threshold's. */
	SCOPED(text) char *both = xasprintf(limits, 9, 50);
	begin(&bed, both);
	EXPECT(bed_reaches_weight(&bed, 0));
	bed.success = 90;
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(bed_events(&bed, "failed checks threshold reached 2"), 1);
	bed_end(&bed);
}

SPEC("pace: a hold ends at holdTimeout, or after a day, and the sentence says so")
{
	struct bed bed;
	begin(&bed, "\"holdTimeout\":\"2m\"");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed.kind = SAMPLE_ERROR;
	bed_run(&bed, 100);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	EXPECT_INT(bed_weight(&bed), 10);
	bed.kind = SAMPLE_OK; /* what passes in between ends the hold */
	EXPECT(bed_reaches_weight(&bed, 20));
	bed.kind = SAMPLE_STALE;
	bed_run(&bed, 110);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(bed_events(&bed, "Rolling back podinfo.test held for 2m0s: Halt podinfo.test "
				    "advancement metric request-success-rate not measured"),
		   1);
	EXPECT_INT(bed_weight(&bed), 0);
	bed_end(&bed);

	begin(&bed, "\"interval\":\"30m\"");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed.kind = SAMPLE_ERROR;
	bed_run(&bed, 23 * 3600);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	bed_run(&bed, 2 * 3600);
	EXPECT_TEXT(bed_phase(&bed), "Failed");
	EXPECT_INT(bed_events(&bed, "held for 24h0m0s"), 1);
	bed_end(&bed);
}

SPEC("pace: what a store has no data of, because it was down or stale, is no failed check, "
     "whatever "
     "the metric is called")
{
	static const enum sample_kind kinds[] = {SAMPLE_ERROR, SAMPLE_STALE};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct bed bed;
		begin(&bed,
		      "\"metrics\":[{\"name\":\"the-share-of-all-requests-of-all-users-of-the-"
		      "whole-shop-that-were-answered-as-they-should-have-been-by-podinfo\","
		      "\"query\":\"up\",\"interval\":\"1m\",\"thresholdRange\":{\"min\":99}}]");
		EXPECT(bed_reaches_weight(&bed, 10));
		bed.kind = kinds[i];
		bed_run(&bed, 35);
		bed.kind = SAMPLE_NO_DATA;
		bed_run(&bed, 20);
		EXPECT_TEXT(bed_phase(&bed), "Progressing");
		EXPECT_TEXT(bed_says(&bed, bed_canary, "status.failedChecks"), "0");
		EXPECT_INT(bed_weight(&bed), 10);
		bed_run(&bed, 120); /* no data is no data after that */
		EXPECT_TEXT(bed_phase(&bed), "Failed");
		bed_end(&bed);
	}
}

SPEC("pace: a policy that holds for too long is rolled back when the time is over, not later")
{
	struct bed bed;
	begin(&bed,
	      "\"holdTimeout\":\"3m\",\"policy\":{\"inline\":\"return { step = function(r)\\n"
	      "  if r.weight == 20 then return { action = 'hold', reason = 'by hand', seconds = "
	      "90000 } end\\n"
	      "  return nil end }\"}");
	EXPECT(bed_reaches_weight(&bed, 20));
	EXPECT(about(lasts(&bed, 20), 190));
	EXPECT(bed_reaches(&bed, "Failed"));
	EXPECT_INT(bed_events(&bed, "Rolling back podinfo.test held for 3m0s: by hand"), 1);
	bed_end(&bed);
}
