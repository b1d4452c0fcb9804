#include "metric/shared.h"

#include <string.h>

#include "base/duration.h"
#include "base/mem.h"
#include "fake_http.h"
#include "metric/prometheus.h"
#include "spec.h"

enum { ASKERS = 200 };

struct told {
	int count;
	struct sample last;
};

static void tell(void *owner, uint64_t token, const struct sample *sample)
{
	struct told *told = owner;
	(void)token;
	told->count++;
	told->last = *sample;
}

static uint64_t ask_for(struct metrics *metrics, const char *query, const char *token,
			struct told *told)
{
	const struct http_header header = {"Authorization", token};
	const struct metric_query asked = {.provider = "prometheus",
					   .address = "http://p",
					   .query = query,
					   .headers = &header,
					   .header_count = 1};
	return metrics->ops->query(metrics, &asked, tell, told, 0);
}

SPEC("shared: what 200 canaries ask in the same second goes out once")
{
	struct loop *loop = loop_new_virtual(1);
	struct fake_http fake;
	struct told told = {0};
	fake_http_init(&fake, loop);
	struct metrics *metrics = shared_metrics(loop, prometheus_new(loop, &fake.http));
	for (int i = 0; i < ASKERS; i++)
		ask_for(metrics, "up", "a", &told);
	ask_for(metrics, "up", "another token", &told);
	ask_for(metrics, "down", "a", &told);
	EXPECT_INT(fake.count, 3);
	for (size_t i = 0; i < 3; i++)
		fake_reply(&fake, &fake.requests[i], 200,
			   "{\"data\":{\"result\":[{\"value\":[1,\"42\"]}]}}");
	loop_run(loop, 0);
	EXPECT_INT(told.count, ASKERS + 2);
	EXPECT_INT(told.last.value, 42);
	/* Still the same second: answered without asking. */
	ask_for(metrics, "up", "a", &told);
	loop_run(loop, 0);
	EXPECT_INT(told.count, ASKERS + 3);
	EXPECT_INT(fake.count, 3);
	loop_run(loop, 1 + DURATION_SECOND);
	ask_for(metrics, "up", "a", &told);
	EXPECT_INT(fake.count, 4);
	metrics->ops->free(metrics);
	EXPECT_INT(fake_open(&fake), 0);
	fake_http_fini(&fake);
	loop_free(loop);
}

SPEC("shared: a question is given up when the last who waits gives up")
{
	struct loop *loop = loop_new_virtual(1);
	struct fake_http fake;
	struct told told = {0};
	fake_http_init(&fake, loop);
	struct metrics *metrics = shared_metrics(loop, prometheus_new(loop, &fake.http));
	uint64_t first = ask_for(metrics, "up", "a", &told),
		 second = ask_for(metrics, "up", "a", &told);
	metrics->ops->cancel(metrics, first);
	EXPECT_INT(fake_open(&fake), 1);
	metrics->ops->cancel(metrics, second);
	EXPECT_INT(fake_open(&fake), 0);
	/* One of two gives up when the answer is on its way. */
	first = ask_for(metrics, "up", "a", &told);
	ask_for(metrics, "up", "a", &told);
	fake_reply(&fake, fake_last(&fake), 503, "no");
	metrics->ops->cancel(metrics, first);
	loop_run(loop, 0);
	EXPECT_INT(told.count, 1);
	EXPECT_INT(told.last.kind, SAMPLE_ERROR);
	EXPECT_INT(told.last.error, ERROR_UNAVAILABLE);
	metrics->ops->free(metrics);
	fake_http_fini(&fake);
	loop_free(loop);
}
