#include "net/http.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "spec.h"

/* A server of libmicrohttpd in a thread of its own. */
static enum MHD_Result serve(void *owner, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *upload,
			     size_t *upload_len, void **state)
{
	static int begun;
	(void)owner;
	(void)version;
	(void)upload;
	if (*state == NULL) {
		*state = &begun;
		return MHD_YES;
	}
	if (*upload_len > 0) {
		*upload_len = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/slow") == 0)
		usleep(300000);
	char body[200];
	const char *token = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Token");
	snprintf(body, sizeof(body), "%s %s %s", method, url, token == NULL ? "" : token);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_COPY);
	if (strcmp(url, "/busy") == 0)
		MHD_add_response_header(response, "Retry-After", "7");
	if (strcmp(url, "/never") == 0)
		MHD_add_response_header(response, "Retry-After", "9223372036854775807");
	if (strcmp(url, "/cached") == 0) {
		MHD_add_response_header(response, "Date", "Sun, 06 Nov 1994 08:49:37 GMT");
		MHD_add_response_header(response, "Age", "120");
	}
	enum MHD_Result queued =
		MHD_queue_response(connection, strcmp(url, "/busy") == 0 ? 429 : 200, response);
	MHD_destroy_response(response);
	return queued;
}

struct kept {
	int status, answers;
	struct error error;
	int64_t retry_after_us, server_us;
	char body[200];
	struct loop *loop;
};

static void keep(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct kept *kept = owner;
	(void)token;
	kept->answers++;
	kept->status = reply->status;
	kept->error = reply->error;
	kept->retry_after_us = reply->retry_after_us;
	kept->server_us = reply->server_us;
	text_copy(kept->body, sizeof(kept->body), reply->body);
	loop_stop(kept->loop);
}

static void give_up(void *owner, uint64_t token)
{
	(void)token;
	loop_stop(((struct kept *)owner)->loop);
}

static struct kept get_by(const char *proxy, int port, const char *path,
			  struct http_request request)
{
	struct loop *loop = loop_new();
	struct kept kept = {.loop = loop};
	struct http *http = net_http_new(loop, &(struct net_http_options){.proxy = proxy});
	SCOPED(text)
	char *url =
		port == 0 ? xstrdup(path) : xasprintf("http://u:secret@127.0.0.1:%d%s", port, path);
	request.url = url;
	if (request.method == NULL)
		request.method = "GET";
	http_send(http, &request, keep, &kept, 1);
	uint64_t timer = loop_at(loop, loop_now(loop) + 5 * DURATION_SECOND, give_up, &kept, 0);
	loop_run(loop, 0);
	loop_cancel(loop, timer);
	http->ops->free(http);
	loop_free(loop);
	return kept;
}

static struct kept get(int port, const char *path, struct http_request request)
{
	return get_by(NULL, port, path, request);
}

SPEC("http: requests, headers, refusals, caps, timeouts")
{
	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL,
				 serve, NULL, MHD_OPTION_END);
	EXPECT(daemon != NULL);
	int port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;

	const struct http_header token = {"X-Token", "t"};
	struct kept kept =
		get(port, "/a", (struct http_request){.headers = &token, .header_count = 1});
	EXPECT_TEXT(kept.error.text, "");
	EXPECT_INT(kept.status, 200);
	EXPECT_TEXT(kept.body, "GET /a t");

	kept = get(port, "/p", (struct http_request){.method = "POST", .body = "x", .body_len = 1});
	EXPECT_TEXT(kept.body, "POST /p ");

	kept = get(port, "/busy", (struct http_request){0});
	EXPECT_INT(kept.status, 429);
	EXPECT_INT(kept.retry_after_us, 7 * DURATION_SECOND);

	kept = get(port, "/never", (struct http_request){0});
	EXPECT_INT(kept.retry_after_us, DURATION_HOUR);

	/* RFC 9110's own example of a date, and two minutes in a cache. */
	kept = get(port, "/cached", (struct http_request){0});
	EXPECT_INT(kept.server_us / DURATION_SECOND, 784111777 + 120);

	/* A proxy that was named is asked, whatever the environment excludes. */
	SCOPED(text) char *proxy = xasprintf("http://127.0.0.1:%d", port);
	setenv("NO_PROXY", "*", 1);
	kept = get_by(proxy, 0, "http://nowhere.invalid/by-proxy", (struct http_request){0});
	unsetenv("NO_PROXY");
	EXPECT_TEXT(kept.error.text, "");
	EXPECT_CONTAINS(kept.body, "GET ");
	EXPECT_CONTAINS(kept.body, "/by-proxy");

	kept = get(port, "/long?token=hidden", (struct http_request){.reply_max = 3});
	EXPECT_INT(kept.error.kind, ERROR_INVALID);
	EXPECT_CONTAINS(kept.error.text, "/long: the answer is longer than 3 bytes");
	EXPECT(strstr(kept.error.text, "secret") == NULL &&
	       strstr(kept.error.text, "hidden") == NULL);

	kept = get(port, "/long", (struct http_request){.reply_max = 3, .cut_reply = true});
	EXPECT_TEXT(kept.error.text, "");
	EXPECT_INT(kept.status, 200);
	EXPECT_TEXT(kept.body, "GET");

	kept = get(port, "/slow", (struct http_request){.timeout_us = 50000});
	EXPECT_INT(kept.error.kind, ERROR_TIMEOUT);
	MHD_stop_daemon(daemon);

	kept = get(port, "/a", (struct http_request){0});
	EXPECT_INT(kept.error.kind, ERROR_UNAVAILABLE);
	kept = get(0, "ftp://127.0.0.1/", (struct http_request){0});
	EXPECT_INT(kept.error.kind, ERROR_INVALID);
	EXPECT_INT(kept.answers, 1);
}
