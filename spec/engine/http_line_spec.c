/*
 * http_line_spec.c - requests that wait in line, as no more than `most` are under way.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"
#include "net/http.h"
#include "net/serve.h"
#include "spec.h"

enum { ASKED = 9, MOST = 2 };

struct store {
	struct loop *loop;
	struct serve *serve;
	struct http *http;
	uint64_t held[ASKED];
	size_t came, open, most;
	bool silent;
	size_t answers, timeouts;
	uint64_t order[ASKED];
};

static void reply(void *owner, uint64_t i)
{
	struct store *store = owner;
	store->open--;
	serve_reply(store->serve, store->held[i], 200, "text/plain", "ok", 2);
}

static void asked(void *owner, const struct serve_request *request)
{
	struct store *store = owner;
	store->held[store->came] = request->id;
	store->open++;
	store->most = store->open > store->most ? store->open : store->most;
	if (!store->silent)
		loop_at(store->loop, loop_now(store->loop) + 5 * DURATION_MS, reply, store,
			store->came);
	store->came++;
}

static void answered(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct store *store = owner;
	store->timeouts += reply->error.kind == ERROR_TIMEOUT;
	store->order[store->answers++] = token;
}

static void begin(struct store *store, bool silent)
{
	struct error err = {0};
	const struct serve_options options = {.address = "127.0.0.1"};
	*store = (struct store){.loop = loop_new(), .silent = silent};
	store->serve = serve_new(store->loop, &options, asked, store, &err);
	store->http = net_http_new(store->loop, &(struct net_http_options){.most = MOST});
}

static uint64_t send(struct store *store, uint64_t token)
{
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", serve_port(store->serve));
	const struct http_request request = {
		.method = "GET", .url = url, .timeout_us = 300 * DURATION_MS};
	return http_send(store->http, &request, answered, store, token);
}

/* For two seconds at most. */
static void await(struct store *store, size_t answers)
{
	for (int i = 0; i < 200 && store->answers < answers; i++)
		loop_run(store->loop, loop_clock(store->loop) + 10 * DURATION_MS);
}

static void end(struct store *store)
{
	store->http->ops->free(store->http);
	serve_free(store->serve);
	loop_free(store->loop);
}

SPEC("http: of many requests only so many are under way, and the others follow in their order")
{
	struct store store;
	begin(&store, false);
	for (uint64_t i = 0; i < ASKED; i++)
		send(&store, i);
	await(&store, ASKED);
	EXPECT_INT(store.answers, ASKED);
	EXPECT_INT(store.timeouts, 0);
	EXPECT_INT(store.most, MOST);
	EXPECT(store.order[0] < MOST && store.order[ASKED - 1] >= ASKED - MOST);
	end(&store);
}

SPEC("http: one that is cancelled, in line or under way, makes room")
{
	struct store store;
	uint64_t ids[5];
	begin(&store, true);
	for (uint64_t i = 0; i < 5; i++)
		ids[i] = send(&store, i);
	loop_run(store.loop, loop_clock(store.loop) + 50 * DURATION_MS);
	EXPECT_INT(store.came, 2);
	store.http->ops->cancel(store.http, ids[2]); /* in line */
	store.http->ops->cancel(store.http, ids[0]); /* under way */
	loop_run(store.loop, loop_clock(store.loop) + 50 * DURATION_MS);
	EXPECT_INT(store.came, 3);
	EXPECT_INT(store.answers, 0);
	end(&store);
}

SPEC("http: a server that hangs keeps nobody in line for longer than a request may take")
{
	struct store store;
	begin(&store, true);
	int64_t began_us = loop_clock(store.loop);
	for (uint64_t i = 0; i < ASKED; i++)
		send(&store, i);
	await(&store, ASKED);
	EXPECT_INT(store.answers, ASKED);
	EXPECT_INT(store.timeouts, ASKED);
	EXPECT(loop_clock(store.loop) - began_us < DURATION_SECOND);
	end(&store);
}
