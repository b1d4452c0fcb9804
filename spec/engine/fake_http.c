#include "fake_http.h"

#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "spec.h"

static const char *header_of(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

static char *all_headers(const struct http_request *request)
{
	struct buf text;
	buf_init(&text, 64 * 1024);
	for (size_t i = 0; i < request->header_count; i++)
		buf_printf(&text, "%s: %s\n", request->headers[i].name, request->headers[i].value);
	char *taken = buf_take(&text);
	buf_fini(&text);
	return taken;
}

static uint64_t fake_send(struct http *http, const struct http_request *request, http_piece *piece,
			  http_done *done, void *owner, uint64_t token)
{
	struct fake_http *fake = container_of(http, struct fake_http, http);
	EXPECT(fake->count < FAKE_REQUESTS_MAX);
	struct fake_request *kept = &fake->requests[fake->count++];
	*kept = (struct fake_request){
		.id = fake->count,
		.method = xstrdup(request->method),
		.url = xstrdup(request->url),
		.body = request->body_len > 0 ? xstrndup(request->body, request->body_len) : NULL,
		.accept = xstrdup(header_of(request, "Accept")),
		.content_type = xstrdup(header_of(request, "Content-Type")),
		.headers = all_headers(request),
		.timeout_us = request->timeout_us,
		.at_us = loop_now(fake->loop),
		.piece = piece,
		.done = done,
		.owner = owner,
		.token = token,
		.open = true,
	};
	return kept->id;
}

static void fake_cancel(struct http *http, uint64_t id)
{
	struct fake_http *fake = container_of(http, struct fake_http, http);
	if (id == 0 || id > fake->count)
		return;
	fake->requests[id - 1].open = false;
	fake->requests[id - 1].cancelled = true;
}

static void fake_free(struct http *http)
{
	(void)http;
}

void fake_http_init(struct fake_http *fake, struct loop *loop)
{
	static const struct http_ops ops = {fake_send, fake_cancel, fake_free};
	fake->http.ops = &ops;
	fake->loop = loop;
	fake->count = 0;
}

void fake_http_fini(struct fake_http *fake)
{
	for (size_t i = 0; i < fake->count; i++) {
		struct fake_request *request = &fake->requests[i];
		free(request->method);
		free(request->url);
		free(request->body);
		free(request->accept);
		free(request->content_type);
		free(request->headers);
		free(request->reply);
		free(request->location);
	}
}

struct fake_request *fake_last(struct fake_http *fake)
{
	EXPECT(fake->count > 0);
	struct fake_request *request = &fake->requests[fake->count - 1];
	EXPECT(request->open);
	return request;
}

size_t fake_open(const struct fake_http *fake)
{
	size_t open = 0;
	for (size_t i = 0; i < fake->count; i++)
		open += fake->requests[i].open;
	return open;
}

static void deliver(void *owner, uint64_t id)
{
	struct fake_http *fake = owner;
	struct fake_request *request = &fake->requests[id - 1];
	if (request->cancelled)
		return;
	const char *body = request->reply != NULL ? request->reply : "";
	const struct http_reply reply = {
		.status = request->status,
		.error = request->error,
		.body = body,
		.body_len = strlen(body),
		.retry_after_us = request->retry_after_us,
		.server_us = request->server_us,
		.location = request->location,
	};
	request->done(request->owner, request->token, &reply);
}

static void answer(struct fake_http *fake, struct fake_request *request)
{
	EXPECT(request->open);
	request->open = false;
	loop_ready(fake->loop, deliver, fake, request->id);
}

void fake_reply_later(struct fake_http *fake, struct fake_request *request, int status,
		      const char *body, int64_t retry_after_us)
{
	request->status = status;
	request->reply = xstrdup(body);
	request->retry_after_us = retry_after_us;
	answer(fake, request);
}

void fake_reply(struct fake_http *fake, struct fake_request *request, int status, const char *body)
{
	fake_reply_later(fake, request, status, body, -1);
}

void fake_redirect(struct fake_http *fake, struct fake_request *request, int status, const char *to)
{
	request->location = xstrdup(to);
	fake_reply(fake, request, status, "");
}

void fake_fail(struct fake_http *fake, struct fake_request *request, enum error_kind kind,
	       const char *text)
{
	error_set(&request->error, kind, "%s", text);
	request->retry_after_us = -1;
	answer(fake, request);
}

void fake_piece(struct fake_http *fake, struct fake_request *request, const char *text)
{
	EXPECT(request->open && request->piece != NULL);
	request->status = 200;
	if (request->piece(request->owner, request->token, text, strlen(text)) ||
	    request->cancelled)
		return;
	fake_fail(fake, request, ERROR_CANCELLED, "ended by its reader");
}
