/*
 * contest_spec.c - who else writes what a canary needs is named, once, until the next release.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "canary/contest.h"
#include "spec.h"

static const char live_text[] =
	"{\"spec\":{\"http\":[1],\"hosts\":[\"a\"]},\"metadata\":{\"managedFields\":["
	"{\"manager\":\"sluice\",\"operation\":\"Apply\",\"time\":\"2026-01-01T00:00:05Z\","
	"\"fieldsV1\":{\"f:spec\":{\"f:http\":{}}}},"
	"{\"manager\":\"kubectl\",\"operation\":\"Update\",\"time\":\"2026-01-01T00:00:01Z\","
	"\"fieldsV1\":{\"f:spec\":{\"f:http\":{}}}},"
	"{\"manager\":\"argocd-controller\",\"operation\":\"Apply\",\"time\":"
	"\"2026-01-01T00:00:07Z\",\"fieldsV1\":{\"f:spec\":{\"f:http\":{},\"f:hosts\":{}}}},"
	"{\"manager\":\"istiod\",\"operation\":\"Update\",\"subresource\":\"status\",\"time\":"
	"\"2026-01-01T00:00:09Z\",\"fieldsV1\":{\"f:spec\":{\"f:http\":{}}}}]}}";

SPEC("contest: of those who wrote a field after us the last is named, with the field")
{
	char field[CONTEST_FIELD_MAX];
	SCOPED(json) cJSON *live = json_parse(live_text, strlen(live_text), NULL);
	static const char other[] = "{\"spec\":{\"http\":[2],\"hosts\":[\"a\"]}}";
	static const char same[] = "{\"spec\":{\"http\":[1],\"hosts\":[\"a\"]}}";
	SCOPED(json) cJSON *differs = json_parse(other, strlen(other), NULL);
	SCOPED(json) cJSON *covered = json_parse(same, strlen(same), NULL);
	EXPECT_TEXT(contest_owner(live, differs, false, field), "argocd-controller");
	EXPECT_TEXT(field, "spec.http");
	EXPECT(contest_owner(live, covered, false, field) == NULL);
	/* Before the first write of ours nobody takes anything away. */
	json_remove(live, "metadata.managedFields[0]");
	EXPECT(contest_owner(live, differs, false, field) == NULL);
	EXPECT_TEXT(contest_owner(live, differs, true, field), "argocd-controller");
	/* A route of the team's own, of which only weights are ours. */
	EXPECT_TEXT(contest_owner(live, NULL, true, field), "argocd-controller");
	EXPECT_TEXT(field, "spec");
	EXPECT(contest_owner(NULL, differs, false, field) == NULL);
}

/* The message of the condition; "" without it. */
static const char *contested(const struct bed *bed)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition,
			   json_at(cluster_get(bed->cluster, bed_canary), "status.conditions"))
	{
		if (text_equal(json_string(condition, "type"), "Contested"))
			return json_string_or(condition, "message", "");
	}
	return "";
}

static void edit_weights(struct bed *bed)
{
	bed_merge(bed, bed_router,
		  "{\"spec\":{\"routes\":[{\"name\":\"podinfo\",\"priority\":10,\"httpRoute\":{"
		  "\"action\":{\"weightedTargets\":[{\"virtualNodeRef\":{\"name\":\"podinfo-"
		  "primary\"},\"weight\":1},{\"virtualNodeRef\":{\"name\":\"podinfo-canary\"},"
		  "\"weight\":99}]},\"match\":{\"prefix\":\"/\"}}}]}}");
}

static void begin_release(struct bed *bed)
{
	bed_begin(bed);
	bed_put_canary(bed, NULL);
	bed_start_engine(bed);
	EXPECT(bed_reaches(bed, "Initialized"));
	bed_release(bed, "podinfo:2");
}

SPEC("contest: weights that somebody edits again and again are put back, and a condition says who")
{
	struct bed bed;
	begin_release(&bed);
	EXPECT(bed_reaches_weight(&bed, 10));
	bed_run(&bed, 3);
	EXPECT_TEXT(contested(&bed), "");
	for (int i = 0; i < 3; i++) {
		edit_weights(&bed);
		bed_run(&bed, 3);
		EXPECT(bed_weight(&bed) >= 10 && bed_weight(&bed) <= 15);
	}
	EXPECT_TEXT(contested(&bed),
		    "spec.routes of VirtualRouter podinfo is written by \"kubectl\" too");
	EXPECT_INT(bed_events(&bed, "is written by \"kubectl\" too: put back"), 1);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT(contested(&bed)[0] != '\0');
	bed_release(&bed, "podinfo:3");
	EXPECT(bed_reaches_weight(&bed, 5));
	EXPECT_TEXT(contested(&bed), "");
	bed_end(&bed);
}

SPEC("contest: whoever gives the target its pods back after a release is named, and has its way")
{
	struct bed bed;
	begin_release(&bed);
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_run(&bed, 30);
	EXPECT_TEXT(contested(&bed), "");
	bed_merge(&bed, bed_target, "{\"spec\":{\"replicas\":2}}");
	bed_run(&bed, 30);
	EXPECT_TEXT(contested(&bed),
		    "spec.replicas of Deployment podinfo is written by \"kubectl\" too");
	EXPECT_TEXT(bed_says(&bed, bed_target, "spec.replicas"), "2");
	EXPECT_INT(bed_events(&bed, "is written by"), 1);
	bed_run(&bed, 600);
	EXPECT_INT(bed_events(&bed, "is written by"), 1);
	bed_end(&bed);
}

SPEC("contest: a daemon that was killed between a commit and its routes accuses nobody")
{
	struct bed bed;
	begin_release(&bed);
	EXPECT(bed_reaches_weight(&bed, 10));
	for (int i = 0; i < 60; i++) {
		bed_stop_engine(&bed);
		bed_start_engine(&bed);
		bed_run(&bed, 1);
	}
	EXPECT(bed_reaches(&bed, "Succeeded"));
	EXPECT_TEXT(contested(&bed), "");
	EXPECT_INT(bed_events(&bed, "is written by"), 0);
	bed_end(&bed);
}
