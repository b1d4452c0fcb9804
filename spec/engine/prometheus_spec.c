#include "metric/prometheus.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"
#include "fake_http.h"
#include "spec.h"

static struct sample read_answer(int status, const char *body)
{
	struct sample sample;
	prometheus_read(status, body, strlen(body), &sample);
	return sample;
}

SPEC("prometheus: one series is a number, none is no data, several are ambiguous")
{
	EXPECT(read_answer(200, "{\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1,"
				"\"99.5\"]}]}}")
		       .value == 99.5);
	EXPECT_INT(read_answer(200, "{\"data\":{\"result\":[]}}").kind, SAMPLE_NO_DATA);
	EXPECT_INT(read_answer(200, "{\"data\":{\"result\":[{\"value\":[1,\"NaN\"]}]}}").kind,
		   SAMPLE_NAN);
	EXPECT_INT(read_answer(200, "{\"data\":{\"result\":[{\"value\":[1,\"1\"]},{\"value\":[1,"
				    "\"2\"]}]}}")
			   .kind,
		   SAMPLE_AMBIGUOUS);
	EXPECT_INT(read_answer(200, "{\"data\":{\"result\":[{\"values\":[[1,\"1\"]]}]}}").kind,
		   SAMPLE_AMBIGUOUS);
	EXPECT(read_answer(200, "{\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"7\"]}}")
		       .value == 7);
}

#define COUNT_OF(count) "{\"metric\":{\"sluice_sample\":\"count\"},\"value\":[1,\"" count "\"]}"

SPEC("prometheus: a series labelled as the count is no second value")
{
	static const char one[] = "{\"metric\":{},\"value\":[1,\"99.5\"]}";
	static const struct {
		const char *before, *after;
		enum sample_kind kind;
		double count; /* below 0: none */
	} cases[] = {
		{one, "," COUNT_OF("311.666"), SAMPLE_OK, 312}, /* extrapolated */
		{COUNT_OF("250") ",", one, SAMPLE_OK, 250},
		{COUNT_OF("0"), "", SAMPLE_NO_DATA, 0},
		{one, "", SAMPLE_OK, -1},
		{one, "," COUNT_OF("NaN"), SAMPLE_OK, -1},
		{one, "," COUNT_OF("-3"), SAMPLE_OK, -1},
		{one, "," COUNT_OF("1") "," COUNT_OF("2"), SAMPLE_AMBIGUOUS, 1},
		{one, ",{\"metric\":{},\"value\":[1,\"1\"]}," COUNT_OF("7"), SAMPLE_AMBIGUOUS, 7},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED(text)
		char *body = xasprintf("{\"data\":{\"result\":[%s%s]}}", cases[i].before,
				       cases[i].after);
		struct sample sample = read_answer(200, body);
		EXPECT_INT(sample.kind, cases[i].kind);
		EXPECT(sample.has_count == (cases[i].count >= 0));
		if (sample.has_count)
			EXPECT_INT(sample.count, cases[i].count);
	}
}

SPEC("prometheus: garbage and refusals are errors with a sentence")
{
	struct sample sample = read_answer(503, "down");
	EXPECT_INT(sample.kind, SAMPLE_ERROR);
	EXPECT_TEXT(sample.text, "error response: Status 503: down");
	EXPECT_INT(read_answer(302, "{\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"7\"]}}")
			   .kind,
		   SAMPLE_ERROR);
	EXPECT_TEXT(read_answer(500, "a\xFF\x1B[2J").text, "error response: Status 500: a??[2J");
	EXPECT_INT(read_answer(200, "<html>").kind, SAMPLE_ERROR);
	EXPECT_INT(read_answer(200, "").kind, SAMPLE_ERROR);
	EXPECT_INT(read_answer(200, "{\"data\":{\"result\":[{\"value\":7}]}}").kind, SAMPLE_ERROR);
	EXPECT_INT(read_answer(200, "{\"data\":{\"result\":[{\"value\":[1,\"x\"]}]}}").kind,
		   SAMPLE_ERROR);
}

static void keep(void *owner, uint64_t token, const struct sample *sample)
{
	(void)token;
	*(struct sample *)owner = *sample;
}

SPEC("prometheus: asks below the path of the address, with the query encoded")
{
	struct loop *loop = loop_new_virtual(1);
	struct fake_http fake;
	struct sample sample = {.kind = SAMPLE_ERROR};
	fake_http_init(&fake, loop);
	struct metrics *metrics = prometheus_new(loop, &fake.http);
	const struct metric_query query = {.provider = "prometheus",
					   .address = "http://p:9090/prom/",
					   .query = "a{b=\"c\"} + 1"};
	metrics->ops->query(metrics, &query, keep, &sample, 0);
	EXPECT_TEXT(fake_last(&fake)->url,
		    "http://p:9090/prom/api/v1/query?query=a%7Bb%3D%22c%22%7D%20%2B%201");
	fake_reply(&fake, fake_last(&fake), 200,
		   "{\"data\":{\"result\":[{\"value\":[1,\"42\"]}]}}");
	loop_run(loop, 0);
	EXPECT_INT(sample.kind, SAMPLE_OK);
	EXPECT_INT(sample.value, 42);

	struct metric_query then = query;
	then.at_us = 1769860800250000;
	metrics->ops->query(metrics, &then, keep, &sample, 0);
	EXPECT(text_ends(fake_last(&fake)->url, "%20%2B%201&time=1769860800.250"));
	fake_fail(&fake, fake_last(&fake), ERROR_TIMEOUT, "no answer within 5s");
	loop_run(loop, 0);
	EXPECT_INT(sample.kind, SAMPLE_ERROR);
	EXPECT_TEXT(sample.text, "no answer within 5s");

	const struct metric_query none = {
		.provider = "prometheus", .address = "p:9090", .query = "a"};
	metrics->ops->query(metrics, &none, keep, &sample, 0);
	loop_run(loop, 0);
	EXPECT_CONTAINS(sample.text, "is not a valid URL");

	uint64_t id = metrics->ops->query(metrics, &query, keep, &sample, 0);
	const struct fake_request *last = fake_last(&fake);
	metrics->ops->cancel(metrics, id);
	EXPECT(last->cancelled);
	metrics->ops->query(metrics, &query, keep, &sample, 0);
	metrics->ops->free(metrics);
	EXPECT_INT(fake_open(&fake), 0);
	fake_http_fini(&fake);
	loop_free(loop);
}

/* The time of an answer, what was asked of it, and what the store's clock shows (0: not said). */
static struct sample answer_by(int64_t server_us, double seconds, int64_t asked_at_us,
			       const char *result)
{
	struct loop *loop = loop_new_virtual(5000 * DURATION_SECOND);
	struct fake_http fake;
	struct sample sample = {.kind = SAMPLE_ERROR};
	fake_http_init(&fake, loop);
	struct metrics *metrics = prometheus_new(loop, &fake.http);
	const struct metric_query query = {.provider = "prometheus",
					   .address = "http://p:9090",
					   .query = "up",
					   .interval_us = 2 * DURATION_MINUTE,
					   .at_us = asked_at_us};
	metrics->ops->query(metrics, &query, keep, &sample, 0);
	SCOPED(text)
	char *body = xasprintf("{\"data\":{\"resultType\":\"%s\",\"result\":%s%.3f,\"%s}}",
			       result[0] == 's' ? "scalar" : "vector",
			       result[0] == 's' ? "[" : "[{\"value\":[", seconds, result + 1);
	fake_last(&fake)->server_us = server_us;
	fake_reply(&fake, fake_last(&fake), 200, body);
	loop_run(loop, 0);
	metrics->ops->free(metrics);
	fake_http_fini(&fake);
	loop_free(loop);
	return sample;
}

static struct sample answer_of(double seconds, int64_t asked_at_us, const char *result)
{
	return answer_by(0, seconds, asked_at_us, result);
}

SPEC("prometheus: the store's clock says how old its answer is, however wrong ours is")
{
	/* Ours is at 5000 s, half an hour ahead; and half an hour behind, before a cache. */
	EXPECT_INT(answer_by(3200 * DURATION_SECOND, 3200, 0, "v42\"]}]").kind, SAMPLE_OK);
	EXPECT_INT(answer_by(6800 * DURATION_SECOND, 6679, 0, "v42\"]}]").kind, SAMPLE_STALE);
}

SPEC("prometheus: an answer from before the metric's interval is stale, whatever it says")
{
	struct sample sample = answer_of(4879, 0, "v42\"]}]");
	EXPECT_INT(sample.kind, SAMPLE_STALE);
	EXPECT_INT(sample.value, 42);
	EXPECT_TEXT(sample.text, "the newest value is 121 seconds old");
	EXPECT_INT(answer_of(4880, 0, "v42\"]}]").kind, SAMPLE_OK);
	EXPECT_INT(answer_of(5000, 0, "v42\"]}]").kind, SAMPLE_OK);
	EXPECT_INT(answer_of(5100, 0, "v42\"]}]").kind, SAMPLE_OK); /* its clock is ahead */
	EXPECT_INT(answer_of(4879, 0, "s42\"]").kind, SAMPLE_STALE);
	EXPECT_INT(answer_of(4879, 0, "vNaN\"]}]").kind, SAMPLE_NAN);
	/* Asked about the past, it answers of the past. */
	EXPECT_INT(answer_of(100, 100 * DURATION_SECOND, "v42\"]}]").kind, SAMPLE_OK);
	EXPECT_INT(answer_of(100, 300 * DURATION_SECOND, "v42\"]}]").kind, SAMPLE_STALE);
}
