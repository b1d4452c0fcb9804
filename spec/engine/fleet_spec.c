/*
 * fleet_spec.c - what canaries have to do with each other: slots that few may hold at a time, and
 * peers that a policy looks at.
 */
#include "canary/fleet.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static const char *path_of(const char *kind, const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "/apis/%s/namespaces/test/%s/%s",
		 strcmp(kind, "canaries") == 0 ? "flagger.app/v1beta1" : "apps/v1", kind, name);
	return path;
}

static void put(struct bed *bed, const char *name, const char *policy)
{
	SCOPED(text)
	char *target = xasprintf(
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"%s\","
		"\"namespace\":\"test\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{"
		"\"app\":\"%s\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"%s\"}},"
		"\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"app:1\"}]}}}}",
		name, name, name);
	bed_put(bed, target);
	SCOPED(text)
	char *canary = xasprintf(
		"{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
		"\"name\":\"%s\",\"namespace\":\"test\"},\"spec\":{\"provider\":\"appmesh:"
		"v1beta2\","
		"\"targetRef\":{\"apiVersion\":\"apps/"
		"v1\",\"kind\":\"Deployment\",\"name\":\"%s\"},"
		"\"service\":{\"port\":80},\"analysis\":{\"interval\":\"10s\",\"threshold\":2,"
		"\"maxWeight\":50,\"stepWeight\":10,\"metrics\":[{\"name\":\"request-success-"
		"rate\","
		"\"thresholdRange\":{\"min\":99}}],\"policy\":{\"inline\":%s}}}}",
		name, name, policy);
	bed_put(bed, canary);
}

static void release(struct bed *bed, const char *name, const char *image)
{
	SCOPED(text)
	char *patch = xasprintf("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"
				"\"app\",\"image\":\"%s\"}]}}}}",
				image);
	bed_merge(bed, path_of("deployments", name), patch);
}

static const char *phase(const struct bed *bed, const char *name)
{
	return json_string_or(cluster_get(bed->cluster, path_of("canaries", name)), "status.phase",
			      "");
}

static bool progresses(const struct bed *bed, const char *name)
{
	const char *now = phase(bed, name);
	return strcmp(now, "Progressing") == 0 || strcmp(now, "Promoting") == 0 ||
	       strcmp(now, "Finalising") == 0;
}

static bool done(const struct bed *bed, const char *name)
{
	return strcmp(phase(bed, name), "Succeeded") == 0;
}

static const char one_at_a_time[] = "\"return { start = function(r) return { action = 'slot', name "
				    "= 'shop', limit = 1 } end }\"";
static const char two_at_a_time[] =
	"\"return { start = function(r) return { action = 'slot', name = 'shop', limit = 2,\\n"
	"  reason = 'busy' } end }\"";

static void begin(struct bed *bed, const char *policy)
{
	bed_begin(bed);
	put(bed, "a", policy);
	put(bed, "b", policy);
	put(bed, "c", policy);
	bed_start_engine(bed);
	bed_run(bed, 60);
	EXPECT_TEXT(phase(bed, "c"), "Initialized");
}

/* Never more than `limit` at once; the order in which they begin, as text. */
static void run_all(struct bed *bed, int limit, bool restarts, char order[8])
{
	static const char *const names[] = {"a", "b", "c"};
	bool begun[3] = {false};
	size_t at = 0;
	for (int second = 0; second < 1000; second++) {
		int running = 0, finished = 0;
		for (size_t i = 0; i < 3; i++) {
			bool on = progresses(bed, names[i]);
			running += on;
			finished += done(bed, names[i]);
			if (on && !begun[i])
				order[at++] = names[i][0];
			begun[i] |= on;
		}
		EXPECT(running <= limit);
		if (finished == 3)
			break;
		if (restarts && second % 37 == 20) {
			bed_stop_engine(bed);
			bed_start_engine(bed);
		}
		bed_run(bed, 1);
	}
	order[at] = '\0';
}

SPEC("slots: as many releases at once as the limit says, in the order in which they asked")
{
	for (int restarts = 0; restarts < 2; restarts++) {
		struct bed bed;
		char order[8];
		begin(&bed, one_at_a_time);
		release(&bed, "c", "app:2");
		bed_run(&bed, 2);
		release(&bed, "b", "app:2");
		bed_run(&bed, 2);
		release(&bed, "a", "app:2");
		run_all(&bed, 1, restarts, order);
		EXPECT_TEXT(order, "cba");
		EXPECT_INT(bed_events(&bed, "Halt b.test advancement waits for slot shop, 1 of 1 "
					    "taken by test/c"),
			   1);
		EXPECT(done(&bed, "a") && done(&bed, "b") && done(&bed, "c"));
		bed_end(&bed);
	}
}

SPEC("slots: of several that begin in the same moment no more than the limit do")
{
	struct bed bed;
	char order[8];
	begin(&bed, two_at_a_time);
	release(&bed, "a", "app:2");
	release(&bed, "b", "app:2");
	release(&bed, "c", "app:2");
	run_all(&bed, 2, false, order);
	EXPECT_INT(strlen(order), 3);
	EXPECT_INT(bed_events(&bed, "advancement busy: waits for slot shop, 2 of 2 taken by test/"),
		   1);
	bed_end(&bed);
}

SPEC("slots: a release that fails, or is taken back while it waits, lets the next one go")
{
	struct bed bed;
	begin(&bed, one_at_a_time);
	release(&bed, "a", "app:2");
	bed_run(&bed, 2);
	release(&bed, "b", "app:2");
	bed_run(&bed, 2);
	release(&bed, "c", "app:2");
	bed_run(&bed, 12);
	EXPECT(progresses(&bed, "a") && !progresses(&bed, "b") && !progresses(&bed, "c"));
	release(&bed, "b", "app:1"); /* it was the next */
	bed.success = 0;
	for (int i = 0; i < 100 && strcmp(phase(&bed, "a"), "Failed") != 0; i++)
		bed_run(&bed, 1);
	bed.success = 100;
	bed_run(&bed, 20);
	EXPECT(progresses(&bed, "c"));
	EXPECT_TEXT(phase(&bed, "b"), "Initialized");
	bed_end(&bed);
}

SPEC("slots: one that is suspended while it waits keeps nobody waiting")
{
	struct bed bed;
	begin(&bed, one_at_a_time);
	release(&bed, "a", "app:2");
	bed_run(&bed, 2);
	release(&bed, "b", "app:2");
	bed_run(&bed, 2);
	bed_merge(&bed, path_of("canaries", "b"), "{\"spec\":{\"suspend\":true}}");
	release(&bed, "c", "app:2");
	for (int i = 0; i < 400 && !done(&bed, "a"); i++)
		bed_run(&bed, 1);
	bed_run(&bed, 150);
	EXPECT(progresses(&bed, "c") || done(&bed, "c"));
	EXPECT_TEXT(phase(&bed, "b"), "Initialized");
	bed_end(&bed);
}

SPEC("slots: who waited longer comes first, whoever asks first")
{
	const struct claim old = {.since_us = 5, .until_us = 100};
	const struct claim taken = {.holds = true, .since_us = 1};
	const struct claim asleep = {.since_us = 2, .until_us = 20};
	const struct claimant others[] = {{"t/old", old}, {"t/taken", taken}, {"t/lost", asleep}};
	SCOPED(buf) struct buf why = {0};
	buf_init(&why, 400);
	EXPECT(!slot_is_free(others, 3, "t/new", 7, 2, 50, &why));
	EXPECT_TEXT(why.text, "1 of 2 taken by t/taken, before it t/old");
	EXPECT(slot_is_free(others, 3, "t/new", 4, 2, 50, &why));
	EXPECT(slot_is_free(others, 3, "t/new", 5, 2, 50, &why)); /* by name */
	EXPECT(slot_is_free(others, 3, "t/new", 7, 3, 50, &why));
	EXPECT(!slot_is_free(others, 3, "t/zzz", 5, 2, 10, &why));
}

SPEC("slots: a release held for one that is taken back does not keep its engine busy")
{
	struct bed bed;
	begin(&bed,
	      "\"return { start = function(r) return { action = 'hold', reason = 'no' } end }\"");
	release(&bed, "a", "app:2");
	bed_run(&bed, 3);
	EXPECT_INT(bed_events(&bed, "Halt a.test advancement no"), 1);
	release(&bed, "a", "app:1");
	bed_run(&bed, 60);
	EXPECT_INT(engine_running(bed.engine), 0);
	const cJSON *canary = cluster_get(bed.cluster, path_of("canaries", "a"));
	EXPECT_TEXT(json_string(canary, "status.conditions[1].reason"), "AtRest");
	bed_end(&bed);
}

SPEC("peers: a policy sees the canaries that its params name, those that there are")
{
	struct bed bed;
	begin(&bed, one_at_a_time);
	bed_merge(&bed, path_of("canaries", "a"),
		  "{\"spec\":{\"analysis\":{\"policy\":{\"params\":{\"peers\":[\"b\",\"test/c\","
		  "\"nobody\"]},\"inline\":\"return { start = function(r)\\n"
		  "  local b, c = r.peers.b, r.peers['test/c']\\n"
		  "  if r.peers.nobody then return { action = 'go' } end\\n"
		  "  return { action = 'hold', reason = b.phase .. ' ' .. b.weight .. ' ' .. "
		  "c.namespace .. ' ' .. c.name .. ' ' .. c.phase } end }\"}}}}");
	release(&bed, "b", "app:2");
	for (int i = 0; i < 100 && json_int(cluster_get(bed.cluster, path_of("canaries", "b")),
					    "status.canaryWeight", 0) != 20;
	     i++)
		bed_run(&bed, 1);
	release(&bed, "a", "app:2");
	bed_run(&bed, 2);
	EXPECT_INT(bed_events(&bed, "Halt a.test advancement Progressing 20 test c Initialized"),
		   1);
	bed_end(&bed);
}

SPEC("freeze: no release begins while the clocks of its zone say so, and it begins right after")
{
	struct bed bed;
	bed_begin(&bed); /* on Tuesday at 22:13:20 UTC: 23:13:20 in Berlin */
	bed_put_canary(&bed, NULL);
	bed_merge(
		&bed, bed_canary,
		"{\"spec\":{\"analysis\":{\"policy\":{\"name\":\"freeze\",\"params\":{"
		"\"zone\":\"Europe/Berlin\",\"slot\":{\"name\":\"shop\",\"limit\":3},\"windows\":[{"
		"\"days\":[\"Tue\"],\"from\":\"23:00\",\"to\":\"23:30\",\"reason\":\"stocktaking\"}"
		"]}}}}}");
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	bed_release(&bed, "podinfo:2");
	bed_run(&bed, 900);
	EXPECT_TEXT(bed_phase(&bed), "Initialized");
	EXPECT_INT(bed_events(&bed, "Halt podinfo.test advancement frozen: stocktaking"), 1);
	bed_run(&bed, 120);
	EXPECT_TEXT(bed_phase(&bed), "Progressing");
	const cJSON *canary = cluster_get(bed.cluster, bed_canary);
	EXPECT_CONTAINS(json_string(canary, "status.conditions[1].message"), "\"slot\":\"shop\"");
	EXPECT(bed_reaches(&bed, "Succeeded"));
	bed_end(&bed);
}

/* Runs until so many seconds since 1970. */
static void run_to(struct bed *bed, int64_t when)
{
	bed_run(bed, (int)(when - loop_now(bed->loop) / DURATION_SECOND));
}

SPEC("freeze: in the night in which clocks change a window goes by them, and nothing begins early")
{
	enum { SPRING = 1711843200, AUTUMN = 1729987200, MINUTES = 60 }; /* 2024, midnight UTC */
	static const struct {
		int64_t midnight, released, still, gone;
	} nights[] = {
		/* 01:30 to 03:30 in Berlin, where 03:00 came after 01:59:59: an hour */
		{SPRING, 45, 89, 151},
		/* and where 02:00 came after 02:59:59: three hours */
		{AUTUMN, 10, 149, 151},
	};
	for (size_t i = 0; i < ARRAY_LEN(nights); i++) {
		struct bed bed;
		bed_begin(&bed);
		bed_put_canary(&bed, NULL);
		bed_merge(&bed, bed_canary,
			  "{\"spec\":{\"analysis\":{\"policy\":{\"name\":\"freeze\",\"params\":{"
			  "\"zone\":\"Europe/Berlin\",\"windows\":[{\"days\":[\"Sun\"],\"from\":"
			  "\"01:30\",\"to\":\"03:30\"}]}}}}}");
		bed_start_engine(&bed);
		EXPECT(bed_reaches(&bed, "Initialized"));
		run_to(&bed, nights[i].midnight + nights[i].released * MINUTES);
		bed_release(&bed, "podinfo:2");
		run_to(&bed, nights[i].midnight + nights[i].still * MINUTES);
		EXPECT_TEXT(bed_phase(&bed), "Initialized");
		run_to(&bed, nights[i].midnight + nights[i].gone * MINUTES);
		EXPECT(strcmp(bed_phase(&bed), "Initialized") != 0);
		bed_end(&bed);
	}
}
