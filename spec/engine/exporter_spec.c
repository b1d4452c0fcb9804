#include "canary/exporter.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "spec.h"

static cJSON *canary(const char *phase, int weight)
{
	cJSON *object = cJSON_CreateObject();
	json_put_string(object, "metadata.name", "shop");
	json_put_string(object, "metadata.namespace", "test");
	json_put_string(object, "spec.targetRef.name", "podinfo");
	json_put_string(object, "status.phase", phase);
	json_put_number(object, "status.canaryWeight", weight);
	return object;
}

static char *scrape(const struct exporter *exporter)
{
	struct buf text;
	buf_init(&text, 65536);
	exporter_write(exporter, &text);
	char *taken = buf_take(&text);
	buf_fini(&text);
	return taken;
}

SPEC("exporter: the series of the reference")
{
	struct exporter *exporter = exporter_new("appmesh");
	struct canary_spec spec = {.name = "shop", .namespace = "test", .target_name = "podinfo"};
	exporter_own(exporter, true);
	SCOPED(json) cJSON *progressing = canary("Progressing", 15);
	exporter_see(exporter, progressing);
	exporter_sample(exporter, &spec, "request-duration", 250);
	exporter_sample(exporter, &spec, "a \"b\"", 1.5);
	exporter_commit(exporter, &spec, PHASE_PROGRESSING, PHASE_PROGRESSING, 20000);
	exporter_commit(exporter, &spec, PHASE_PROGRESSING, PHASE_FAILED, 2000000);
	exporter_set(exporter, "sluice_leader", 1);
	SCOPED(text) char *text = scrape(exporter);
	EXPECT_CONTAINS(text, "flagger_info{mesh_provider=\"appmesh\",version=\"");
	EXPECT_CONTAINS(text, "# TYPE flagger_canary_total gauge\n"
			      "flagger_canary_total{namespace=\"test\"} 1\n");
	EXPECT_CONTAINS(text, "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 0\n");
	EXPECT_CONTAINS(text,
			"flagger_canary_weight{namespace=\"test\",workload=\"podinfo\"} 15\n"
			"flagger_canary_weight{namespace=\"test\",workload=\"podinfo-primary\"} "
			"85\n");
	EXPECT_CONTAINS(text,
			"metric=\"request-duration\",name=\"podinfo\",namespace=\"test\"} 0.25\n");
	EXPECT_CONTAINS(text, "metric=\"a \\\"b\\\"\"");
	EXPECT_CONTAINS(text, "_bucket{name=\"podinfo\",namespace=\"test\",le=\"0.01\"} 0\n"
			      "flagger_canary_duration_seconds_bucket{name=\"podinfo\",namespace="
			      "\"test\",le=\"0.025\"} 1\n");
	EXPECT_CONTAINS(text, "le=\"10\"} 2\n");
	EXPECT_CONTAINS(text, "le=\"+Inf\"} 2\n");
	EXPECT_CONTAINS(text, "_sum{name=\"podinfo\",namespace=\"test\"} 2.02\n");
	EXPECT_CONTAINS(text,
			"flagger_canary_failures_total{analysis_status=\"completed\","
			"deployment_strategy=\"canary\",name=\"podinfo\",namespace=\"test\"} 1\n");
	EXPECT_CONTAINS(text, "sluice_leader 1\n");
	exporter_free(exporter);
}

SPEC("exporter: a deleted canary is not told of any more, and who does not act tells of none")
{
	struct exporter *exporter = exporter_new("appmesh");
	SCOPED(json) cJSON *failed = canary("Failed", 0);
	exporter_see(exporter, failed);
	SCOPED(text) char *other = scrape(exporter);
	EXPECT(strstr(other, "podinfo") == NULL);
	exporter_own(exporter, true);
	SCOPED(text) char *mine = scrape(exporter);
	EXPECT_CONTAINS(mine, "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 2\n");
	exporter_forget(exporter, "test/shop");
	SCOPED(text) char *gone = scrape(exporter);
	EXPECT(strstr(gone, "podinfo") == NULL);
	EXPECT_CONTAINS(gone, "flagger_canary_total{namespace=\"test\"} 0\n");
	exporter_free(exporter);
}

SPEC("exporter: a tick that is minutes late is told of, too")
{
	struct exporter *exporter = exporter_new("appmesh");
	exporter_late(exporter, 2000);
	exporter_late(exporter, 90 * 1000 * 1000);
	SCOPED(text) char *text = scrape(exporter);
	EXPECT_CONTAINS(text, "sluice_tick_lateness_seconds_bucket{le=\"0.005\"} 1\n");
	EXPECT_CONTAINS(text, "sluice_tick_lateness_seconds_bucket{le=\"60\"} 1\n"
			      "sluice_tick_lateness_seconds_bucket{le=\"120\"} 2\n");
	EXPECT_CONTAINS(text, "sluice_tick_lateness_seconds_bucket{le=\"+Inf\"} 2\n");
	EXPECT_CONTAINS(text, "sluice_tick_lateness_seconds_count 2\n");
	exporter_free(exporter);
}
