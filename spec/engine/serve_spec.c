#include "net/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "net/http.h"
#include "spec.h"

enum { BIG = 16 * 1024 * 1024 }; /* more than the kernel takes for a client that does not read */

/* Client and server share one loop. */
struct desk {
	struct loop *loop;
	struct serve *serve;
	uint64_t streaming;
	int pieces, status;
	char heard[400], seen[400];
	bool over;
};

static void on_request(void *owner, const struct serve_request *request)
{
	struct desk *desk = owner;
	snprintf(desk->seen, sizeof(desk->seen), "%s %s [%s] %s", request->method, request->url,
		 request->content_type, request->body);
	if (strcmp(request->url, "/big") == 0) {
		char *body = xcalloc(1, BIG);
		serve_reply(desk->serve, request->id, 200, "text/plain", body, BIG);
		free(body);
		return;
	}
	if (strncmp(request->url, "/watch", 6) == 0) {
		desk->streaming = request->id;
		serve_begin(desk->serve, request->id, 200, "application/json");
		serve_piece(desk->serve, request->id, "one\n", 4);
		return;
	}
	serve_reply(desk->serve, request->id, 201, "text/plain", "good", 4);
}

static void ended(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct desk *desk = owner;
	(void)token;
	desk->over = true;
	desk->status = reply->status;
	if (reply->body_len > 0)
		text_copy(desk->heard, sizeof(desk->heard), reply->body);
	loop_stop(desk->loop);
}

/* Each piece that arrives calls for the next one. */
static bool piece(void *owner, uint64_t token, const char *bytes, size_t len)
{
	struct desk *desk = owner;
	(void)token;
	strncat(desk->heard, bytes, len);
	if (++desk->pieces < 3)
		serve_piece(desk->serve, desk->streaming, "more\n", 5);
	else
		serve_end(desk->serve, desk->streaming);
	return true;
}

static void give_up(void *owner, uint64_t token)
{
	(void)token;
	loop_stop(((struct desk *)owner)->loop);
}

static void talk(struct desk *desk, struct http *http, const char *method, const char *path,
		 const char *body, http_piece *piece_call)
{
	static const struct http_header type = {"Content-Type", "application/json"};
	SCOPED(text)
	char *url = xasprintf("http://127.0.0.1:%d%s", serve_port(desk->serve), path);
	const struct http_request request = {
		.method = method,
		.url = url,
		.headers = &type,
		.header_count = 1,
		.body = body,
		.body_len = body == NULL ? 0 : strlen(body),
	};
	desk->over = false;
	desk->heard[0] = '\0';
	http->ops->send(http, &request, piece_call, ended, desk, 0);
	uint64_t timer =
		loop_at(desk->loop, loop_now(desk->loop) + 5 * DURATION_SECOND, give_up, desk, 0);
	loop_run(desk->loop, 0);
	loop_cancel(desk->loop, timer);
	EXPECT(desk->over);
}

SPEC("serve: answers by id, takes bodies, streams piece by piece, refuses what is too long")
{
	struct desk desk = {.loop = loop_new()};
	struct error err = {0};
	const struct serve_options options = {.address = "127.0.0.1", .body_max = 1000};
	desk.serve = serve_new(desk.loop, &options, on_request, &desk, &err);
	EXPECT(desk.serve != NULL);
	struct http *http = net_http_new(desk.loop, &(struct net_http_options){0});

	talk(&desk, http, "GET", "/a?b=c%20d", NULL, NULL);
	EXPECT_INT(desk.status, 201);
	EXPECT_TEXT(desk.heard, "good");
	EXPECT_TEXT(desk.seen, "GET /a?b=c%20d [application/json] ");
	talk(&desk, http, "PATCH", "/a", "{}", NULL);
	EXPECT_TEXT(desk.seen, "PATCH /a [application/json] {}");
	talk(&desk, http, "GET", "/watch", NULL, piece);
	EXPECT_TEXT(desk.heard, "one\nmore\nmore\n");
	EXPECT_INT(desk.pieces, 3);
	char *long_body = xcalloc(1, 2001);
	memset(long_body, 'x', 2000);
	talk(&desk, http, "POST", "/a", long_body, NULL);
	EXPECT_INT(desk.status, 413);
	free(long_body);

	const struct serve_options taken = {.address = "127.0.0.1", .port = serve_port(desk.serve)};
	EXPECT(serve_new(desk.loop, &taken, on_request, &desk, &err) == NULL);
	EXPECT_CONTAINS(err.text, "cannot listen on port");
	http->ops->free(http);
	serve_free(desk.serve);
	loop_free(desk.loop);
}

/* ---- streams that stay ---- */

static bool first_piece(void *owner, uint64_t token, const char *bytes, size_t len)
{
	struct desk *desk = owner;
	(void)token;
	(void)bytes;
	(void)len;
	if (++desk->pieces == 3)
		loop_stop(desk->loop);
	return true;
}

SPEC("serve: a stream that stays holds up no other of the same client")
{
	struct desk desk = {.loop = loop_new()};
	struct error err = {0};
	const struct serve_options options = {.address = "127.0.0.1"};
	desk.serve = serve_new(desk.loop, &options, on_request, &desk, &err);
	EXPECT(desk.serve != NULL);
	struct http *http = net_http_new(desk.loop, &(struct net_http_options){0});
	SCOPED(text) char *url = xasprintf("http://127.0.0.1:%d/watch", serve_port(desk.serve));
	const struct http_request request = {.method = "GET", .url = url};
	for (int i = 0; i < 3; i++)
		http->ops->send(http, &request, first_piece, ended, &desk, 0);
	loop_at(desk.loop, loop_now(desk.loop) + 5 * DURATION_SECOND, give_up, &desk, 0);
	loop_run(desk.loop, 0);
	EXPECT_INT(desk.pieces, 3);
	http->ops->free(http);
	serve_free(desk.serve);
	loop_free(desk.loop);
}

/* ---- clients that mean no good ---- */

/* A connection from 127.0.0.`host` that asks once and then does nothing; "" asks for nothing. */
static int call_from(struct desk *desk, int host, const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr =
					      htonl(INADDR_LOOPBACK + (unsigned)host - 1)};
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(bind(client, (const struct sockaddr *)&address, sizeof(address)) == 0);
	address = (struct sockaddr_in){.sin_family = AF_INET,
				       .sin_port = htons((uint16_t)serve_port(desk->serve)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	EXPECT(connect(client, (const struct sockaddr *)&address, sizeof(address)) == 0);
	(void)!send(client, text, strlen(text), MSG_NOSIGNAL);
	loop_run(desk->loop, loop_now(desk->loop) + 50 * DURATION_MS);
	return client;
}

/* The first bytes that came, "" when it was closed, "-" when nothing came. */
static const char *heard(struct desk *desk, int client)
{
	memset(desk->heard, 0, sizeof(desk->heard));
	if (recv(client, desk->heard, 12, MSG_DONTWAIT) < 0)
		text_copy(desk->heard, sizeof(desk->heard), errno == EAGAIN ? "-" : "");
	return desk->heard;
}

/* The same, of what may come late on a busy machine. */
static const char *heard_soon(struct desk *desk, int client)
{
	for (int i = 0; i < 60 && strcmp(heard(desk, client), "-") == 0; i++)
		loop_run(desk->loop, loop_now(desk->loop) + 50 * DURATION_MS);
	return desk->heard;
}

SPEC("serve: who asks and does not read costs a bounded part of the memory")
{
	static const char big[] = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
	struct desk desk = {.loop = loop_new()};
	struct error err = {0};
	const struct serve_options options = {.address = "127.0.0.1", .unread_max = BIG + BIG / 2};
	desk.serve = serve_new(desk.loop, &options, on_request, &desk, &err);
	EXPECT(desk.serve != NULL);
	int slow = call_from(&desk, 1, big);
	int next = call_from(&desk, 1, big);
	EXPECT_TEXT(heard_soon(&desk, next), "HTTP/1.1 503");
	close(next);
	close(slow);
	loop_run(desk.loop, loop_now(desk.loop) + 500 * DURATION_MS);
	next = call_from(&desk, 1, big);
	EXPECT_TEXT(heard_soon(&desk, next), "HTTP/1.1 200");
	close(next);
	serve_free(desk.serve);
	loop_free(desk.loop);
}

SPEC("serve: whoever takes all connections that one may have does not keep out the others")
{
	static const char probe[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
	struct desk desk = {.loop = loop_new()};
	struct error err = {0};
	const struct serve_options options = {
		.address = "127.0.0.1", .per_peer = 2, .idle_seconds = 1};
	desk.serve = serve_new(desk.loop, &options, on_request, &desk, &err);
	EXPECT(desk.serve != NULL);
	int first = call_from(&desk, 1, ""), second = call_from(&desk, 1, "GET");
	int third = call_from(&desk, 1, probe), other = call_from(&desk, 2, probe);
	EXPECT_TEXT(heard_soon(&desk, third), "");
	EXPECT_TEXT(heard_soon(&desk, other), "HTTP/1.1 201");
	EXPECT_TEXT(heard(&desk, first), "-");
	loop_run(desk.loop, loop_now(desk.loop) + 2500 * DURATION_MS);
	EXPECT_TEXT(heard(&desk, first), "");
	close(third);
	third = call_from(&desk, 1, probe);
	EXPECT_TEXT(heard_soon(&desk, third), "HTTP/1.1 201");
	close(first);
	close(second);
	close(third);
	close(other);
	serve_free(desk.serve);
	loop_free(desk.loop);
}

SPEC("serve: all of the machine is IPv4 and, where there is, IPv6")
{
	struct desk desk = {.loop = loop_new()};
	struct error err = {0};
	desk.serve = serve_new(desk.loop, &(struct serve_options){0}, on_request, &desk, &err);
	EXPECT(desk.serve != NULL);
	int four = call_from(&desk, 1, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
	EXPECT_TEXT(heard(&desk, four), "HTTP/1.1 201");
	close(four);
	const struct sockaddr_in6 address = {.sin6_family = AF_INET6,
					     .sin6_port = htons((uint16_t)serve_port(desk.serve)),
					     .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool there = six >= 0 &&
		     bind(six,
			  (const struct sockaddr *)&(struct sockaddr_in6){
				  .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT},
			  sizeof(address)) == 0;
	EXPECT(!there || connect(six, (const struct sockaddr *)&address, sizeof(address)) == 0);
	if (six >= 0)
		close(six);
	serve_free(desk.serve);
	loop_free(desk.loop);
}

SPEC("serve: ends while a request is on its way in")
{
	struct desk desk = {.loop = loop_new()};
	struct error err = {0};
	const struct serve_options options = {.address = "127.0.0.1"};
	desk.serve = serve_new(desk.loop, &options, on_request, &desk, &err);
	EXPECT(desk.serve != NULL);
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)serve_port(desk.serve)),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static const char text[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(connect(client, (const struct sockaddr *)&address, sizeof(address)) == 0);
	loop_run(desk.loop, loop_now(desk.loop) + 20 * DURATION_MS); /* accepts */
	EXPECT(send(client, text, sizeof(text) - 1, 0) == sizeof(text) - 1);
	serve_free(desk.serve);
	EXPECT(recv(client, desk.heard, sizeof(desk.heard), 0) <= 0); /* closed, not answered */
	close(client);
	loop_free(desk.loop);
}
