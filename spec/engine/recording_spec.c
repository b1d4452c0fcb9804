#include "metric/recording.h"

#include <string.h>

#include "base/duration.h"
#include "base/mem.h"
#include "spec.h"

static void keep(void *owner, uint64_t token, const struct sample *sample)
{
	(void)token;
	*(struct sample *)owner = *sample;
}

/* What is measured `second` seconds after the start; NaN when there is no data. */
static struct sample at(const char *text, const char *metric, int64_t second)
{
	struct error err = {0};
	struct sample sample = {.kind = SAMPLE_ERROR};
	struct recording *recording = recording_parse("r.yaml", text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	int64_t start_us = 1000 * DURATION_SECOND;
	struct loop *loop = loop_new_virtual(start_us + second * DURATION_SECOND);
	struct metrics *metrics = recording_metrics(loop, recording, &start_us);
	const struct metric_query query = {.metric = metric, .canary = "podinfo"};
	metrics->ops->query(metrics, &query, keep, &sample, 0);
	loop_run(loop, 0);
	metrics->ops->free(metrics);
	loop_free(loop);
	recording_free(recording);
	return sample;
}

SPEC("recording: promtool's notation")
{
	static const char text[] = "interval: 1m\n"
				   "series:\n"
				   "  - metric: m\n"
				   "    values: 1 2x1 _ 10+5x2 _x2 7\n";
	static const struct {
		int64_t second;
		double value; /* below 0: no data */
	} cases[] = {{0, 1},	{59, 1},   {60, 2},   {120, 2}, {180, -1}, {240, 10}, {300, 15},
		     {360, 20}, {420, -1}, {480, -1}, {540, 7}, {599, 7},  {600, -1}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sample sample = at(text, "m", cases[i].second);
		EXPECT_INT(sample.kind, cases[i].value < 0 ? SAMPLE_NO_DATA : SAMPLE_OK);
		if (cases[i].value >= 0)
			EXPECT_INT(sample.value, cases[i].value);
	}
	EXPECT_INT(at(text, "other", 0).kind, SAMPLE_NO_DATA);
	EXPECT_INT(at(text, "online", 0).kind, SAMPLE_OK);
}

SPEC("recording: \"0x3\" is four times nothing, not a hexadecimal number")
{
	static const char text[] = "interval: 1m\n"
				   "series:\n"
				   "  - metric: m\n"
				   "    values: 0x3 5+0x1 10-0x1 7\n";
	static const int64_t values[] = {0, 0, 0, 0, 5, 5, 10, 10, 7};
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		EXPECT_INT(at(text, "m", (int64_t)i * 60).value, values[i]);
}

SPEC("recording: NaN is told from a number, and from no data")
{
	static const char text[] = "interval: 1m\n"
				   "series:\n"
				   "  - metric: m\n"
				   "    values: NaN +Inf _\n";
	EXPECT_INT(at(text, "m", 0).kind, SAMPLE_NAN);
	EXPECT_INT(at(text, "m", 60).kind, SAMPLE_OK);
	EXPECT_INT(at(text, "m", 120).kind, SAMPLE_NO_DATA);
}

SPEC("recording: a store that answers with what is old, with several series, or not at all")
{
	static const char text[] = "interval: 1m\n"
				   "series:\n"
				   "  - metric: m\n"
				   "    values: 7 8 stalex2 several error 9\n";
	struct sample stale = at(text, "m", 200);
	EXPECT_INT(stale.kind, SAMPLE_STALE);
	EXPECT_INT(stale.value, 8);
	EXPECT_TEXT(stale.text, "the newest value is 140 seconds old");
	EXPECT_INT(at(text, "m", 240).kind, SAMPLE_AMBIGUOUS);
	struct sample down = at(text, "m", 300);
	EXPECT_INT(down.kind, SAMPLE_ERROR);
	EXPECT_INT(down.error, ERROR_UNAVAILABLE);
	EXPECT_INT(at(text, "m", 360).value, 9);
}

SPEC("recording: the answer of Prometheus to a range query")
{
	static const char text[] =
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{"
		"\"metric\":"
		"{\"__name__\":\"m\"},\"values\":[[1700000000,\"3\"],[1700000060,\"NaN\"],"
		"[1700000120,\"4.5\"]]}]}}";
	EXPECT_INT(at(text, "m", 0).value, 3);
	EXPECT_INT(at(text, "m", 60).kind, SAMPLE_NO_DATA);
	EXPECT(at(text, "m", 120).value == 4.5);
}

SPEC("recording: of how many requests a value is made, in the notation and in Prometheus' answer")
{
	static const char notation[] = "series:\n"
				       "  - metric: m\n"
				       "    values: 99.5 _ 99\n"
				       "    requests: 250 0 _\n";
	static const char answer[] = "{\"data\":{\"result\":["
				     "{\"metric\":{\"__name__\":\"m\",\"sluice_sample\":\"count\"},"
				     "\"values\":[[1700000000,\"250\"],[1700000060,\"0\"]]},"
				     "{\"metric\":{\"__name__\":\"m\"},"
				     "\"values\":[[1700000000,\"99.5\"],[1700000120,\"99\"]]}]}}";
	static const char *const texts[] = {notation, answer};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct sample first = at(texts[i], "m", 0);
		EXPECT(first.kind == SAMPLE_OK && first.value == 99.5);
		EXPECT(first.has_count && first.count == 250);
	}
	struct sample idle = at(notation, "m", 60);
	EXPECT(idle.kind == SAMPLE_NO_DATA && idle.has_count && idle.count == 0);
	EXPECT(!at(notation, "m", 120).has_count);
}

SPEC("recording: what is wrong is told with file and line")
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{"series:\n  - metric: m\n    values: 1 2y3\n", "r.yaml:3: series[0].values"},
		{"series:\n  - metric: m\n", "needs a metric and values"},
		{"interval: soon\nseries: []\n", "r.yaml:1: interval"},
		{"a: 1\n", "holds no series"},
		{"", "is empty"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error err = {0};
		EXPECT(recording_parse("r.yaml", cases[i].text, strlen(cases[i].text), &err) ==
		       NULL);
		EXPECT_CONTAINS(err.text, cases[i].part);
	}
}
