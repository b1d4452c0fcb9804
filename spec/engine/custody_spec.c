/*
 * custody_spec.c - canaries that are somebody else's are left alone.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "canary/custody.h"
#include "spec.h"

static void begin(struct bed *bed)
{
	bed_begin(bed);
	bed_put_canary(bed, NULL);
	bed_start_engine(bed);
	bed_reaches(bed, "Initialized");
}

SPEC("custody: a canary that gets another class in mid-run is let go of at once, and taken again")
{
	struct bed bed;
	begin(&bed);
	bed_release(&bed, "podinfo:2");
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_merge(&bed, bed_canary,
		  "{\"metadata\":{\"annotations\":{\"sluice.dev/class\":\"other\"}}}");
	bed_run(&bed, 600);
	EXPECT_INT(bed_weight(&bed), 10);
	EXPECT_INT(engine_canaries(bed.engine), 0);
	bed_merge(&bed, bed_canary, "{\"metadata\":{\"annotations\":{\"sluice.dev/class\":null}}}");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

SPEC("custody: an engine with a class has those canaries, and no other")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed, NULL);
	const struct engine_options options = {.spec = {.default_provider = "kubernetes"},
					       .class = "blue"};
	bed.engine = engine_new(&bed.world, &options);
	engine_own(bed.engine, true);
	bed_run(&bed, 60);
	EXPECT_TEXT(bed_phase(&bed), "");
	bed_merge(&bed, bed_canary,
		  "{\"metadata\":{\"annotations\":{\"sluice.dev/class\":\"blue\"}}}");
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_end(&bed);
}

static cJSON *written_by(const char *manager, const char *time)
{
	SCOPED(text)
	char *text =
		xasprintf("{\"metadata\":{\"managedFields\":[{\"manager\":\"%s\",\"subresource\":"
			  "\"status\",\"time\":\"%s\"}]}}",
			  manager, time);
	return json_parse(text, strlen(text), NULL);
}

SPEC("custody: what another controller wrote before we came is taken over, what it writes then is "
     "left to it until it is quiet")
{
	struct custody custody = {0};
	SCOPED(json) cJSON *before = written_by("flagger", "2026-01-01T00:00:01Z");
	SCOPED(json) cJSON *ours = written_by("sluice", "2026-01-01T00:00:02Z");
	SCOPED(json) cJSON *after = written_by("flagger", "2026-01-01T00:00:03Z");
	EXPECT(!custody_look(&custody, before, true, 1000));
	EXPECT(!custody_look(&custody, before, false, 2000));
	EXPECT(!custody_look(&custody, ours, false, 3000));
	EXPECT_INT(custody_left_until(&custody, DURATION_SECOND, 4000), 0);
	EXPECT(custody_look(&custody, after, false, 5000));
	EXPECT(!custody_look(&custody, after, false, 6000));
	EXPECT_TEXT(custody.other.manager, "flagger");
	EXPECT_INT(custody_left_until(&custody, DURATION_SECOND, 6000), 5000 + 3 * DURATION_MINUTE);
	EXPECT_INT(custody_left_until(&custody, 5 * DURATION_MINUTE, 6000),
		   5000 + 15 * DURATION_MINUTE);
	EXPECT_INT(custody_left_until(&custody, DURATION_SECOND, 5000 + 3 * DURATION_MINUTE), 0);
}

SPEC("custody: of several writers the last one counts, ours never, specs neither")
{
	struct custody_writer writer;
	static const char text[] =
		"{\"metadata\":{\"managedFields\":[{\"manager\":\"a\",\"subresource\":\"status\","
		"\"time\":\"2026-01-01T00:00:01Z\"},{\"manager\":\"b\",\"subresource\":\"status\","
		"\"time\":\"2026-01-01T00:00:02Z\"},{\"manager\":\"sluice\",\"subresource\":"
		"\"status\",\"time\":\"2026-01-01T00:00:03Z\"},{\"manager\":\"kubectl\",\"time\":"
		"\"2026-01-01T00:00:04Z\"}]}}";
	SCOPED(json) cJSON *canary = json_parse(text, strlen(text), NULL);
	custody_other_writer(canary, &writer);
	EXPECT_TEXT(writer.manager, "b");
	custody_other_writer(NULL, &writer);
	EXPECT_TEXT(writer.manager, "");
}
