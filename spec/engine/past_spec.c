#include "metric/past.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "net/serve.h"
#include "spec.h"

/* A fake Prometheus in a process of its own: asked about a time, that time is its answer. */
struct fake {
	pid_t process;
	char address[64];
};

static struct serve *serve;

static void on_request(void *owner, const struct serve_request *request)
{
	char answer[300];
	const char *time = strstr(request->url, "&time=");
	(void)owner;
	int len = snprintf(answer, sizeof(answer),
			   "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
			   "\"result\":[{\"metric\":{},\"value\":[0,\"%.30s\"]}]}}",
			   time == NULL ? "-1" : time + 6);
	serve_reply(serve, request->id, 200, "application/json", answer, (size_t)len);
}

static void fake_start(struct fake *fake)
{
	int ends[2], port = 0;
	EXPECT(pipe(ends) == 0);
	fake->process = fork();
	if (fake->process == 0) {
		struct error err = {0};
		struct loop *loop = loop_new();
		const struct serve_options options = {.address = "127.0.0.1"};
		serve = serve_new(loop, &options, on_request, NULL, &err);
		port = serve == NULL ? 0 : serve_port(serve);
		if (write(ends[1], &port, sizeof(port)) == sizeof(port) && serve != NULL)
			loop_run(loop, loop_now(loop) + 30 * DURATION_SECOND);
		_exit(0);
	}
	EXPECT(read(ends[0], &port, sizeof(port)) == sizeof(port));
	close(ends[0]);
	close(ends[1]);
	snprintf(fake->address, sizeof(fake->address), "http://127.0.0.1:%d", port);
}

static void fake_end(const struct fake *fake)
{
	kill(fake->process, SIGKILL);
	waitpid(fake->process, NULL, 0);
}

static void keep(void *owner, uint64_t token, const struct sample *sample)
{
	(void)token;
	*(struct sample *)owner = *sample;
}

SPEC("past: a Prometheus is asked about the time that the simulation is at")
{
	struct fake fake;
	fake_start(&fake);
	int64_t start_us = 0;
	struct sample sample = {.kind = SAMPLE_ERROR};
	struct loop *loop = loop_new_virtual(5000 * DURATION_SECOND);
	struct metrics *past =
		past_metrics(loop, fake.address, &start_us, 1000000 * DURATION_SECOND);
	/* The address of a template is somewhere in a cluster. */
	const struct metric_query query = {.metric = "request-duration",
					   .provider = "prometheus",
					   .address = "http://prometheus.nowhere:9090",
					   .query = "up"};
	past->ops->query(past, &query, keep, &sample, 0);
	EXPECT_INT(sample.kind, SAMPLE_ERROR); /* not from inside the question */
	loop_run(loop, 0);
	EXPECT_INT(sample.kind, SAMPLE_OK);
	EXPECT_INT(sample.value, 1000000);

	start_us = loop_now(loop);
	loop_run(loop, start_us + 90 * DURATION_SECOND);
	past->ops->query(past, &query, keep, &sample, 0);
	loop_run(loop, 0);
	EXPECT_INT(sample.value, 1000090);

	sample.value = 0;
	uint64_t id = past->ops->query(past, &query, keep, &sample, 0);
	past->ops->cancel(past, id);
	loop_run(loop, 0);
	EXPECT_INT(sample.value, 0);

	fake_end(&fake);
	past->ops->query(past, &query, keep, &sample, 0);
	loop_run(loop, 0);
	EXPECT_INT(sample.kind, SAMPLE_ERROR);
	past->ops->free(past);
	loop_free(loop);
}
