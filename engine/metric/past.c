#include "metric/past.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "metric/prometheus.h"
#include "net/http.h"

struct past {
	struct metrics metrics; /* first */
	struct loop *simulated, *real;
	struct http *http;
	struct metrics *prometheus;
	const char *address;
	const int64_t *start_us;
	int64_t at_us;
};

struct question {
	metric_done *done;
	void *owner;
	uint64_t token;
	struct sample sample;
	char *raw;
	bool here;
};

static void came(void *owner, uint64_t token, const struct sample *sample)
{
	struct question *question = owner;
	(void)token;
	question->sample = *sample;
	question->raw = sample->raw == NULL ? NULL : xstrdup(sample->raw);
	question->sample.raw = question->raw;
	question->here = true;
}

static void pass_on(void *owner, uint64_t token)
{
	struct question *question = owner;
	(void)token;
	question->done(question->owner, question->token, &question->sample);
	free(question->raw);
	free(question);
}

static uint64_t ask(struct metrics *metrics, const struct metric_query *query, metric_done *done,
		    void *owner, uint64_t token)
{
	struct past *past = (struct past *)metrics;
	struct question *question = xcalloc(1, sizeof(*question));
	struct metric_query then = *query;
	question->done = done;
	question->owner = owner;
	question->token = token;
	then.at_us = past->at_us;
	then.address = past->address;
	then.headers = NULL;
	then.header_count = 0;
	if (*past->start_us != 0)
		then.at_us += loop_now(past->simulated) - *past->start_us;
	(void)past->prometheus->ops->query(past->prometheus, &then, came, question, 0);
	while (!question->here)
		loop_turn(past->real);
	loop_ready(past->simulated, pass_on, question, 0);
	return (uint64_t)(uintptr_t)question;
}

static void cancel(struct metrics *metrics, uint64_t id)
{
	struct past *past = (struct past *)metrics;
	struct question *question = (struct question *)(uintptr_t)id;
	loop_drop(past->simulated, question);
	free(question->raw);
	free(question);
}

static void past_free(struct metrics *metrics)
{
	struct past *past = (struct past *)metrics;
	past->prometheus->ops->free(past->prometheus);
	past->http->ops->free(past->http);
	loop_free(past->real);
	free(past);
}

static const struct metrics_ops past_ops = {ask, cancel, past_free};

struct metrics *past_metrics(struct loop *simulated, const char *address, const int64_t *start_us,
			     int64_t at_us)
{
	struct past *past = xcalloc(1, sizeof(*past));
	past->metrics.ops = &past_ops;
	past->simulated = simulated;
	past->address = address;
	past->start_us = start_us;
	past->at_us = at_us;
	past->real = loop_new();
	past->http = net_http_new(past->real, &(struct net_http_options){0});
	past->prometheus = prometheus_new(past->real, past->http);
	return &past->metrics;
}
