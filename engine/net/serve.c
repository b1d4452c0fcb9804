#include "net/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/mem.h"

enum { CONNECTIONS_MAX = 1000, IDLE_SECONDS = 600 };

struct exchange {
	uint64_t id;
	struct serve *serve;
	struct MHD_Connection *connection;
	char *url, *method;
	struct buf body;
	bool headers_came, asked, suspended;
	struct MHD_Response *response; /* to be queued once MHD asks again */
	int status;
	size_t unread; /* length of the answer, until it was taken */
	bool streams, ended;
	struct buf out; /* of a stream: not yet taken by the client */
	struct exchange *next;
};

struct serve {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	int fd;
	uint64_t timer, ids;
	size_t body_max, unread, unread_max;
	serve_call *call;
	void *owner;
	bool run_soon, over;
	struct exchange *exchanges;
};

static struct exchange *find(const struct serve *serve, uint64_t id)
{
	for (struct exchange *exchange = serve->exchanges; exchange != NULL;
	     exchange = exchange->next)
		if (exchange->id == id)
			return exchange;
	return NULL;
}

/* ---- MHD and the loop ---- */

static void run(struct serve *serve);

static void time_is_up(void *owner, uint64_t token)
{
	struct serve *serve = owner;
	(void)token;
	serve->timer = 0;
	run(serve);
}

static void run(struct serve *serve)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	MHD_run(serve->daemon);
	loop_cancel(serve->loop, serve->timer);
	serve->timer = 0;
	if (MHD_get_timeout(serve->daemon, &wait_ms) == MHD_YES)
		serve->timer =
			loop_at(serve->loop, loop_now(serve->loop) + (int64_t)wait_ms * DURATION_MS,
				time_is_up, serve, 0);
}

static void readable(void *owner, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	run(owner);
}

static void run_now(void *owner, uint64_t token)
{
	struct serve *serve = owner;
	(void)token;
	serve->run_soon = false;
	run(serve);
}

static void resume(struct exchange *exchange)
{
	struct serve *serve = exchange->serve;
	if (exchange->suspended) {
		exchange->suspended = false;
		MHD_resume_connection(exchange->connection);
	}
	if (!serve->run_soon) {
		serve->run_soon = true;
		loop_ready(serve->loop, run_now, serve, 0);
	}
}

/* ---- requests ---- */

static void *begin(void *owner, const char *uri, struct MHD_Connection *connection)
{
	struct serve *serve = owner;
	struct exchange *exchange = xcalloc(1, sizeof(*exchange));
	exchange->id = ++serve->ids;
	exchange->serve = serve;
	exchange->connection = connection;
	exchange->url = xstrdup(uri);
	buf_init(&exchange->body, serve->body_max);
	buf_init(&exchange->out, (size_t)WATCH_LINE_MAX * 4);
	exchange->next = serve->exchanges;
	serve->exchanges = exchange;
	return exchange;
}

static const char *header(struct exchange *exchange, const char *name)
{
	const char *value =
		MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
	return value == NULL ? "" : value;
}

static void ask(void *owner, uint64_t id)
{
	struct serve *serve = owner;
	struct exchange *exchange = find(serve, id);
	if (exchange == NULL)
		return;
	if (exchange->body.full) {
		static const char text[] = "the request is too long\n";
		serve_reply(serve, id, 413, "text/plain", text, sizeof(text) - 1);
		return;
	}
	const struct serve_request request = {
		.id = id,
		.method = exchange->method,
		.url = exchange->url,
		.content_type = header(exchange, "Content-Type"),
		.accept = header(exchange, "Accept"),
		.authorization = header(exchange, "Authorization"),
		.body = exchange->body.text,
		.body_len = exchange->body.len,
	};
	serve->call(serve->owner, &request);
}

static enum MHD_Result handle(void *owner, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	struct serve *serve = owner;
	struct exchange *exchange = *state;
	(void)url;
	(void)version;
	if (exchange->response != NULL) {
		enum MHD_Result queued = MHD_queue_response(connection, (unsigned)exchange->status,
							    exchange->response);
		MHD_destroy_response(exchange->response);
		exchange->response = NULL;
		return queued;
	}
	if (*upload_len > 0) {
		(void)buf_add(&exchange->body, upload, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	}
	if (exchange->asked)
		return MHD_YES;
	if (serve->over)
		return MHD_NO; /* it would be suspended, and MHD could not stop */
	if (!exchange->headers_came) {
		/* MHD calls once for the headers, and once more when the body is complete. */
		exchange->headers_came = true;
		return MHD_YES;
	}
	exchange->asked = true;
	exchange->method = xstrdup(method);
	exchange->suspended = true;
	MHD_suspend_connection(connection);
	loop_ready(serve->loop, ask, serve, exchange->id);
	return MHD_YES;
}

static void completed(void *owner, struct MHD_Connection *connection, void **state,
		      enum MHD_RequestTerminationCode code)
{
	struct serve *serve = owner;
	struct exchange *exchange = *state;
	(void)connection;
	(void)code;
	if (exchange == NULL)
		return;
	for (struct exchange **at = &serve->exchanges; *at != NULL; at = &(*at)->next) {
		if (*at == exchange) {
			*at = exchange->next;
			break;
		}
	}
	if (exchange->response != NULL)
		MHD_destroy_response(exchange->response);
	serve->unread -= exchange->unread;
	free(exchange->url);
	free(exchange->method);
	buf_fini(&exchange->body);
	buf_fini(&exchange->out);
	free(exchange);
	*state = NULL;
}

/* ---- answers ---- */

static void answer(struct exchange *exchange, int status, const char *content_type,
		   struct MHD_Response *owned_response)
{
	if (content_type != NULL)
		MHD_add_response_header(owned_response, "Content-Type", content_type);
	exchange->status = status;
	exchange->response = owned_response;
	resume(exchange);
}

void serve_reply(struct serve *serve, uint64_t id, int status, const char *content_type,
		 const char *body, size_t len)
{
	struct exchange *exchange = find(serve, id);
	if (exchange == NULL || exchange->response != NULL)
		return;
	if (len > serve->unread_max - serve->unread) {
		status = 503;
		len = 0;
	}
	exchange->unread = len;
	serve->unread += len;
	answer(exchange, status, content_type,
	       MHD_create_response_from_buffer(len, (void *)(uintptr_t)body,
					       MHD_RESPMEM_MUST_COPY));
}

static ssize_t next_bytes(void *owner, uint64_t position, char *bytes, size_t room)
{
	struct exchange *exchange = owner;
	(void)position;
	size_t len = exchange->out.len < room ? exchange->out.len : room;
	if (len > 0) {
		memcpy(bytes, exchange->out.text, len);
		buf_drop(&exchange->out, len);
		return (ssize_t)len;
	}
	if (exchange->ended || exchange->serve->over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	exchange->suspended = true;
	MHD_suspend_connection(exchange->connection);
	return 0;
}

void serve_begin(struct serve *serve, uint64_t id, int status, const char *content_type)
{
	struct exchange *exchange = find(serve, id);
	if (exchange == NULL || exchange->response != NULL)
		return;
	exchange->streams = true;
	answer(exchange, status, content_type,
	       MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, next_bytes, exchange,
						 NULL));
}

bool serve_piece(struct serve *serve, uint64_t id, const char *bytes, size_t len)
{
	struct exchange *exchange = find(serve, id);
	if (exchange == NULL || !exchange->streams || !buf_add(&exchange->out, bytes, len))
		return false;
	resume(exchange);
	return true;
}

void serve_end(struct serve *serve, uint64_t id)
{
	struct exchange *exchange = find(serve, id);
	if (exchange == NULL)
		return;
	exchange->ended = true;
	resume(exchange);
}

bool serve_is_open(const struct serve *serve, uint64_t id)
{
	return find(serve, id) != NULL;
}

/* ---- the server ---- */

static bool address_of(const struct serve_options *options, struct sockaddr_in *v4,
		       struct sockaddr_in6 *v6, const struct sockaddr **address, struct error *err)
{
	*v4 = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)options->port)};
	*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)options->port)};
	if (options->address == NULL || inet_pton(AF_INET, options->address, &v4->sin_addr) == 1)
		*address = (const struct sockaddr *)v4;
	else if (inet_pton(AF_INET6, options->address, &v6->sin6_addr) == 1)
		*address = (const struct sockaddr *)v6;
	else
		return error_set(err, ERROR_INVALID, "\"%s\" is no IP address", options->address);
	return true;
}

static struct MHD_Daemon *listen_at(struct serve *serve, const struct serve_options *options,
				    unsigned flags, const struct sockaddr *address)
{
	unsigned connections = options->connections == 0 ? CONNECTIONS_MAX : options->connections;
	unsigned idle_s = options->idle_seconds == 0 ? IDLE_SECONDS : options->idle_seconds;
	return MHD_start_daemon(
		flags | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, (uint16_t)options->port, NULL,
		NULL, handle, serve, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_URI_LOG_CALLBACK,
		begin, serve, MHD_OPTION_NOTIFY_COMPLETED, completed, serve,
		MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		options->per_peer, MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_END);
}

struct serve *serve_new(struct loop *loop, const struct serve_options *options, serve_call *call,
			void *owner, struct error *err)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	const struct sockaddr *address = (const struct sockaddr *)&v4;
	if (!address_of(options, &v4, &v6, &address, err))
		return NULL;
	struct serve *serve = xcalloc(1, sizeof(*serve));
	serve->loop = loop;
	serve->call = call;
	serve->owner = owner;
	serve->body_max = options->body_max == 0 ? (size_t)MIB : options->body_max;
	serve->unread_max =
		options->unread_max == 0 ? (size_t)SERVE_UNREAD_MAX : options->unread_max;
	errno = 0;
	if (options->address == NULL)
		serve->daemon =
			listen_at(serve, options, MHD_USE_DUAL_STACK, (const struct sockaddr *)&v6);
	/* Or a kernel without IPv6. */
	if (serve->daemon == NULL)
		serve->daemon = listen_at(
			serve, options, address->sa_family == AF_INET6 ? MHD_USE_IPv6 : 0, address);
	if (serve->daemon == NULL) {
		error_set(err, ERROR_UNAVAILABLE, "cannot listen on port %d: %s", options->port,
			  errno == 0 ? "unknown error" : strerror(errno));
		free(serve);
		return NULL;
	}
	serve->fd = MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	loop_fd(loop, serve->fd, EPOLLIN, readable, serve);
	return serve;
}

void serve_free(struct serve *serve)
{
	if (serve == NULL)
		return;
	serve->over = true;
	/* MHD cannot stop while a connection is suspended. */
	for (struct exchange *exchange = serve->exchanges; exchange != NULL;
	     exchange = exchange->next) {
		if (exchange->suspended) {
			exchange->suspended = false;
			MHD_resume_connection(exchange->connection);
		}
	}
	MHD_run(serve->daemon);
	loop_fd(serve->loop, serve->fd, 0, NULL, NULL);
	loop_cancel(serve->loop, serve->timer);
	loop_drop(serve->loop, serve);
	MHD_stop_daemon(serve->daemon);
	free(serve);
}

int serve_port(const struct serve *serve)
{
	return MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}
