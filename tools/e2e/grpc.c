#include "grpc.h"

#include <nghttp2/nghttp2.h>

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { CONNECTIONS_MAX = 64, SPLIT_TEXT_MAX = 160, CALLS_MAX = 1000, READ_MAX = 65536 };

struct server {
	int listener;
	grpc_call *called;
	void *owner;
	struct connection {
		int fd;
		nghttp2_session *session;
	} connections[CONNECTIONS_MAX];
	size_t count;
	struct call *late; /* have come, and are answered later */
};

struct call {
	char split[SPLIT_TEXT_MAX];
	size_t sent;
	nghttp2_session *session;
	int32_t stream;
	bool fails;
	int64_t due_ms;
	struct call *next; /* of those that are late */
};

/* Uncompressed, two bytes long: {status: SERVING}. */
static const uint8_t serving[] = {0, 0, 0, 0, 2, 0x08, 0x01};

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			    strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* ---- a call ---- */

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *into, size_t room,
			   uint32_t *flags, nghttp2_data_source *source, void *server)
{
	struct call *call = source->ptr;
	size_t left = sizeof(serving) - call->sent, len = left < room ? left : room;
	(void)server;
	memcpy(into, serving + call->sent, len);
	call->sent += len;
	if (call->sent == sizeof(serving)) {
		const nghttp2_nv trailer = header("grpc-status", "0");
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, stream, &trailer, 1);
	}
	return (ssize_t)len;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void answer(struct call *call)
{
	const nghttp2_nv headers[] = {header(":status", "200"),
				      header("content-type", "application/grpc"),
				      header("grpc-status", "13")};
	const nghttp2_data_provider data = {.source.ptr = call, .read_callback = read_answer};
	if (call->fails)
		nghttp2_submit_response(call->session, call->stream, headers, 3, NULL);
	else
		nghttp2_submit_response(call->session, call->stream, headers, 2, &data);
}

static void take(struct server *server, struct call *call)
{
	const char *split = call->split[0] == '\0' ? "-" : call->split;
	const struct grpc_answer wanted = server->called(server->owner, split);
	call->fails = wanted.fails;
	if (wanted.delay_ms <= 0) {
		answer(call);
		return;
	}
	call->due_ms = now_ms() + wanted.delay_ms;
	call->next = server->late;
	server->late = call;
}

/* It is answered now, or its caller has gone. */
static bool forget(struct server *server, const struct call *call)
{
	struct call **at = &server->late;
	while (*at != NULL && *at != call)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	*at = call->next;
	return true;
}

/* -1: none is late. */
static int next_due_ms(const struct server *server)
{
	int64_t now = now_ms(), least = INT_MAX;
	for (const struct call *call = server->late; call != NULL; call = call->next)
		if (call->due_ms - now < least)
			least = call->due_ms - now;
	return server->late == NULL ? -1 : least < 0 ? 0 : (int)least;
}

static void answer_due(struct server *server)
{
	int64_t now = now_ms();
	for (struct call *call = server->late, *next; call != NULL; call = next) {
		next = call->next;
		if (call->due_ms <= now && forget(server, call))
			answer(call);
	}
}

static int stream_began(nghttp2_session *session, const nghttp2_frame *frame, void *server)
{
	(void)server;
	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	struct call *call = xcalloc(1, sizeof(*call));
	call->session = session;
	call->stream = frame->hd.stream_id;
	nghttp2_session_set_stream_user_data(session, call->stream, call);
	return 0;
}

static int header_came(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		       size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		       void *server)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	static const char wanted[] = "x-split";
	(void)flags;
	(void)server;
	if (call != NULL && name_len == strlen(wanted) && memcmp(name, wanted, name_len) == 0 &&
	    value_len < sizeof(call->split)) {
		memcpy(call->split, value, value_len);
		call->split[value_len] = '\0';
	}
	return 0;
}

static int frame_came(nghttp2_session *session, const nghttp2_frame *frame, void *server)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (call != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
		take(server, call);
	return 0;
}

static int stream_closed(nghttp2_session *session, int32_t stream, uint32_t why, void *server)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, stream);
	(void)why;
	(void)forget(server, call);
	free(call);
	nghttp2_session_set_stream_user_data(session, stream, NULL);
	return 0;
}

/* ---- a connection ---- */

static bool begin(struct server *server, int fd)
{
	nghttp2_session_callbacks *callbacks;
	const nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
						 CALLS_MAX};
	struct connection *connection = &server->connections[server->count];
	if (server->count == CONNECTIONS_MAX || nghttp2_session_callbacks_new(&callbacks) != 0)
		return false;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, stream_began);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, header_came);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_came);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
	bool good = nghttp2_session_server_new(&connection->session, callbacks, server) == 0;
	nghttp2_session_callbacks_del(callbacks);
	if (!good)
		return false;
	connection->fd = fd;
	server->count++;
	return nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, &settings, 1) == 0;
}

/* The library does not say which streams end with a session. */
static void end(struct server *server, size_t i)
{
	nghttp2_session *session = server->connections[i].session;
	for (struct call *call = server->late, *next; call != NULL; call = next) {
		next = call->next;
		if (call->session == session && forget(server, call))
			free(call);
	}
	nghttp2_session_del(session);
	close(server->connections[i].fd);
	server->connections[i] = server->connections[--server->count];
}

static bool receive(const struct connection *connection)
{
	uint8_t bytes[READ_MAX];
	ssize_t len = recv(connection->fd, bytes, sizeof(bytes), 0);
	return len > 0 && nghttp2_session_mem_recv(connection->session, bytes, (size_t)len) == len;
}

/* What is sent is little, and who asked reads it: it may wait. */
static bool send_all(const struct connection *connection)
{
	for (;;) {
		const uint8_t *bytes;
		ssize_t len = nghttp2_session_mem_send(connection->session, &bytes);
		if (len <= 0)
			return len == 0;
		while (len > 0) {
			ssize_t sent = send(connection->fd, bytes, (size_t)len, MSG_NOSIGNAL);
			if (sent < 0)
				return false;
			bytes += sent;
			len -= sent;
		}
	}
}

static void *serve(void *owner)
{
	const int yes = 1;
	struct server *server = owner;
	for (;;) {
		struct pollfd ready[CONNECTIONS_MAX + 1];
		size_t count = server->count;
		for (size_t i = 0; i < count; i++)
			ready[i] =
				(struct pollfd){.fd = server->connections[i].fd, .events = POLLIN};
		ready[count] = (struct pollfd){.fd = server->listener, .events = POLLIN};
		if (poll(ready, (nfds_t)(count + 1), next_due_ms(server)) < 0 && errno != EINTR)
			return NULL;
		answer_due(server);
		for (size_t i = count; i-- > 0;)
			if ((ready[i].revents != 0 && !receive(&server->connections[i])) ||
			    !send_all(&server->connections[i]))
				end(server, i);
		int fd = ready[count].revents != 0 ? accept(server->listener, NULL, NULL) : -1;
		if (fd >= 0) /* frames of an answer are sent one by one */
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		if (fd >= 0 && !begin(server, fd))
			close(fd);
		else if (fd >= 0 && !send_all(&server->connections[server->count - 1]))
			end(server, server->count - 1);
	}
}

bool grpc_serve(const struct sockaddr_in *address, grpc_call *called, void *owner)
{
	const int yes = 1;
	pthread_t thread;
	struct server *server = xcalloc(1, sizeof(*server));
	server->called = called;
	server->owner = owner;
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (server->listener >= 0 &&
	    bind(server->listener, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
	    listen(server->listener, SOMAXCONN) == 0 &&
	    pthread_create(&thread, NULL, serve, server) == 0)
		return true;
	if (server->listener >= 0)
		close(server->listener);
	free(server);
	return false;
}
