#include "net/http_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/url.h"
#include "net/server_time.h"

enum {
	LONGEST_RETRY_AFTER_S = 3600, /* whoever says more means "not today", or is broken */
	CA_CACHE_S = 60,
	SMALL_READ = 4096, /* bytes; libcurl's own would be 16 KiB for each that is under way */
};

/* Whoever cancels a request that has waited for so long without an answer does it for that. */
static const int64_t patience_us = DURATION_SECOND;

/* The connections of a while. Many requests share one connection of HTTP/2, and libcurl takes it
 * for good as long as TCP does: so once a request got no answer in time, new ones go to a new pool,
 * and this one is freed when what is under way on it has ended. */
struct pool {
	struct net_http *http;
	CURLM *multi;
	uint64_t timer;
	size_t transfers;
	struct pool *next;
};

struct transfer {
	uint64_t id;
	struct net_http *http;
	struct pool *pool; /* NULL: it waits in line, or never left it */
	CURL *easy;
	struct curl_slist *headers;
	struct buf body;
	char *place; /* the URL without what could be secret, for messages */
	size_t reply_max;
	http_piece *piece;
	http_done *done;
	void *owner;
	uint64_t token;
	int64_t began_us, timeout_us;
	bool shares; /* may be one of many on its connection */
	bool cuts;   /* what is too long */
	bool over, stopped, too_long;
	CURLcode result;
	struct transfer *next;
};

static void pool_free(struct pool *pool)
{
	curl_multi_cleanup(pool->multi);
	loop_cancel(pool->http->loop, pool->timer);
	free(pool);
}

static void leave_pool(struct pool *pool)
{
	pool->http->under_way--;
	pool->transfers--;
	if (pool->transfers > 0 || pool == pool->http->pools)
		return;
	struct pool **at = &pool->http->pools;
	while (*at != pool)
		at = &(*at)->next;
	*at = pool->next;
	pool_free(pool);
}

static void start_next(struct net_http *http);

static void transfer_free(struct transfer *transfer)
{
	struct net_http *http = transfer->http;
	struct pool *pool = transfer->pool;
	if (pool != NULL)
		curl_multi_remove_handle(pool->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	buf_fini(&transfer->body);
	free(transfer->place);
	free(transfer);
	if (pool != NULL)
		leave_pool(pool);
	start_next(http);
}

static struct transfer *take(struct net_http *http, uint64_t id)
{
	for (struct transfer **at = &http->transfers; *at != NULL; at = &(*at)->next) {
		if ((*at)->id != id)
			continue;
		struct transfer *taken = *at;
		*at = taken->next;
		return taken;
	}
	return NULL;
}

/* ---- answers ---- */

static void explain(const struct transfer *transfer, struct error *err)
{
	const char *why = curl_easy_strerror(transfer->result);
	if (transfer->stopped)
		error_set(err, ERROR_CANCELLED, "%s: ended by its reader", transfer->place);
	else if (transfer->too_long)
		error_set(err, ERROR_INVALID, "%s: the answer is longer than %zu bytes",
			  transfer->place, transfer->reply_max);
	else if (transfer->result == CURLE_OPERATION_TIMEDOUT)
		error_set(err, ERROR_TIMEOUT, "%s: no answer in time", transfer->place);
	else if (transfer->result == CURLE_UNSUPPORTED_PROTOCOL ||
		 transfer->result == CURLE_URL_MALFORMAT)
		error_set(err, ERROR_INVALID, "%s: is no http or https URL", transfer->place);
	else
		error_set(err, ERROR_UNAVAILABLE, "%s: %s", transfer->place, why);
}

static void pool_new(struct net_http *http);

/* In plain HTTP a connection is one request's, and libcurl closes it. */
static void leave_connections(const struct transfer *transfer)
{
	if (transfer->pool != NULL && transfer->shares && transfer->pool == transfer->http->pools)
		pool_new(transfer->http);
}

static void finish(void *owner, uint64_t id)
{
	struct transfer *transfer = take(owner, id);
	if (transfer == NULL)
		return;
	long status = 0;
	curl_off_t retry_after = 0;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
	struct http_reply reply = {
		.status = (int)status,
		.body = transfer->body.text,
		.body_len = transfer->body.len,
		.retry_after_us = retry_after <= 0 ? -1
				  : retry_after < LONGEST_RETRY_AFTER_S
					  ? retry_after * DURATION_SECOND
					  : LONGEST_RETRY_AFTER_S * DURATION_SECOND,
	};
	char *location = NULL;
	curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &location);
	reply.location = location;
	reply.server_us = server_time_us(transfer->easy);
	if (transfer->result != CURLE_OK)
		explain(transfer, &reply.error);
	if (transfer->result == CURLE_OPERATION_TIMEDOUT)
		leave_connections(transfer);
	transfer->done(transfer->owner, transfer->token, &reply);
	transfer_free(transfer);
}

/* The time that it waited in line is of its own. */
static void start(struct transfer *transfer)
{
	struct net_http *http = transfer->http;
	if (transfer->timeout_us > 0 &&
	    loop_now(http->loop) - transfer->began_us >= transfer->timeout_us) {
		transfer->result = CURLE_OPERATION_TIMEDOUT;
		transfer->over = true;
		loop_ready(http->loop, finish, http, transfer->id);
		return;
	}
	transfer->pool = http->pools;
	transfer->pool->transfers++;
	http->under_way++;
	curl_multi_add_handle(transfer->pool->multi, transfer->easy);
}

/* O(n) of those that wait: of metrics, hundreds. */
static void start_next(struct net_http *http)
{
	while (http->most > 0 && !http->ending && http->under_way < http->most) {
		struct transfer *oldest = NULL;
		for (struct transfer *each = http->transfers; each != NULL; each = each->next)
			if (each->pool == NULL && !each->over)
				oldest = each;
		if (oldest == NULL)
			return;
		start(oldest);
	}
}

static void collect(struct pool *pool)
{
	struct net_http *http = pool->http;
	int left;
	CURLMsg *message;
	while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
		struct transfer *transfer;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		transfer->result = message->data.result;
		if (!transfer->over)
			loop_ready(http->loop, finish, http, transfer->id);
		transfer->over = true;
	}
}

/* ---- curl and the loop ---- */

static void act(struct pool *pool, curl_socket_t fd, int events)
{
	int running;
	curl_multi_socket_action(pool->multi, fd, events, &running);
	collect(pool);
}

static void fd_ready(void *owner, int fd, unsigned events)
{
	int mask = 0;
	if ((events & (unsigned)(EPOLLIN | EPOLLHUP | EPOLLRDHUP)) != 0)
		mask |= CURL_CSELECT_IN;
	if ((events & (unsigned)EPOLLOUT) != 0)
		mask |= CURL_CSELECT_OUT;
	if ((events & (unsigned)EPOLLERR) != 0)
		mask |= CURL_CSELECT_ERR;
	act(owner, fd, mask);
}

static int watch_fd(CURL *easy, curl_socket_t fd, int what, void *owner, void *unused)
{
	struct pool *pool = owner;
	(void)easy;
	(void)unused;
	unsigned events = 0;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= (unsigned)EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= (unsigned)EPOLLOUT;
	loop_fd(pool->http->loop, fd, events, fd_ready, pool);
	return 0;
}

static void time_is_up(void *owner, uint64_t token)
{
	struct pool *pool = owner;
	(void)token;
	pool->timer = 0;
	act(pool, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *owner)
{
	struct pool *pool = owner;
	struct loop *loop = pool->http->loop;
	(void)multi;
	loop_cancel(loop, pool->timer);
	pool->timer = timeout_ms < 0 ? 0
				     : loop_at(loop, loop_now(loop) + timeout_ms * DURATION_MS,
					       time_is_up, pool, 0);
	return 0;
}

static void pool_new(struct net_http *http)
{
	struct pool *pool = xcalloc(1, sizeof(*pool));
	pool->http = http;
	pool->multi = curl_multi_init();
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, watch_fd);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	pool->next = http->pools;
	http->pools = pool;
}

static size_t receive(char *bytes, size_t size, size_t count, void *owner)
{
	struct transfer *transfer = owner;
	size_t len = size * count;
	long status = 0;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->piece != NULL && status < 400) {
		if (transfer->piece(transfer->owner, transfer->token, bytes, len))
			return len;
		transfer->stopped = true;
		return CURL_WRITEFUNC_ERROR;
	}
	const struct buf *body = &transfer->body;
	size_t kept = transfer->cuts && len > body->cap - body->len ? body->cap - body->len : len;
	if (buf_add(&transfer->body, bytes, kept))
		return len;
	transfer->too_long = true;
	return CURL_WRITEFUNC_ERROR;
}

/* ---- requests ---- */

static void set_headers(struct transfer *transfer, const struct http_request *request)
{
	for (size_t i = 0; i < request->header_count; i++) {
		SCOPED(text)
		char *line =
			xasprintf("%s: %s", request->headers[i].name, request->headers[i].value);
		/* A line break in a value would be a header of somebody else's choice. */
		if (strpbrk(line, "\r\n") == NULL)
			transfer->headers = curl_slist_append(transfer->headers, line);
		memset(line, 0, strlen(line));
	}
	transfer->headers = curl_slist_append(transfer->headers, "Expect:");
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static uint64_t send_request(struct http *port, const struct http_request *request,
			     http_piece *piece, http_done *done, void *owner, uint64_t token)
{
	struct net_http *http = (struct net_http *)port;
	struct transfer *transfer = xcalloc(1, sizeof(*transfer));
	SCOPED(text)
	char *url = xasprintf("%s%s", http->base == NULL ? "" : http->base, request->url);
	transfer->id = ++http->ids;
	transfer->http = http;
	transfer->timeout_us = request->timeout_us;
	transfer->began_us = loop_now(http->loop);
	transfer->shares = text_starts(url, "https:");
	transfer->easy = curl_easy_init();
	transfer->place = url_place(url, request->secret_url);
	transfer->reply_max = request->reply_max == 0 ? HTTP_BODY_MAX : request->reply_max;
	transfer->piece = piece;
	transfer->done = done;
	transfer->owner = owner;
	transfer->token = token;
	transfer->cuts = request->cut_reply;
	buf_init(&transfer->body, transfer->reply_max);
	transfer->next = http->transfers;
	http->transfers = transfer;
	CURL *easy = transfer->easy;
	http_set_connection(http, easy, request);
	set_headers(transfer, request);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	if (request->body != NULL) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
	}
	if (strcmp(request->method, "GET") != 0 || request->body != NULL)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (http->most > 0)
		curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)SMALL_READ);
	if (http->most == 0 || http->under_way < http->most)
		start(transfer);
	return transfer->id;
}

static void cancel(struct http *port, uint64_t id)
{
	struct net_http *http = (struct net_http *)port;
	struct transfer *transfer = take(http, id);
	if (transfer == NULL)
		return;
	long status = 0;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 0 && loop_now(http->loop) - transfer->began_us >= patience_us)
		leave_connections(transfer);
	transfer_free(transfer);
}

static void http_free(struct http *port)
{
	struct net_http *http = (struct net_http *)port;
	http->ending = true;
	while (http->transfers != NULL)
		transfer_free(take(http, http->transfers->id));
	for (struct pool *pool = http->pools, *next; pool != NULL; pool = next) {
		next = pool->next;
		pool_free(pool);
	}
	loop_drop(http->loop, http);
	free(http->ca_file);
	free(http->cert_file);
	free(http->key_file);
	free(http->base);
	free(http->agent);
	free(http->proxy);
	free(http->ca_pem);
	free(http->cert_pem);
	secret_free(http->key_pem);
	curl_slist_free_all(http->connect_to);
	free(http);
}

static const struct http_ops ops = {send_request, cancel, http_free};

struct http *net_http_new(struct loop *loop, const struct net_http_options *options)
{
	struct net_http *http = xcalloc(1, sizeof(*http));
	curl_global_init(CURL_GLOBAL_DEFAULT);
	http->http.ops = &ops;
	http->loop = loop;
	/* As Go's programs have it: whoever set this for Flagger finds it here. */
	const char *system_cas = getenv("SSL_CERT_FILE");
	http->own_cas = options->ca_file != NULL || options->ca_pem != NULL;
	http->ca_file = xstrdup(http->own_cas ? options->ca_file : system_cas);
	http->cert_file = xstrdup(options->cert_file);
	http->key_file = xstrdup(options->key_file);
	http->base = xstrdup(options->base);
	http->proxy = xstrdup(options->proxy);
	http->ca_pem = xstrdup(options->ca_pem);
	http->cert_pem = xstrdup(options->cert_pem);
	http->key_pem = xstrdup(options->key_pem);
	http->agent = options->agent == NULL
			      ? xstrdup("sluice/" SLUICE_VERSION)
			      : xasprintf("sluice/" SLUICE_VERSION " (%s)", options->agent);
	http->insecure = options->insecure;
	http->most = options->most;
	http->ca_cache_s = options->ca_cache_s == 0 ? CA_CACHE_S : options->ca_cache_s;
	if (options->connect_to != NULL) {
		SCOPED(text) char *rule = xasprintf("::%s", options->connect_to);
		http->connect_to = curl_slist_append(NULL, rule);
	}
	pool_new(http);
	return &http->http;
}

void net_http_identity(struct http *port, const char *cert_pem, const char *key_pem)
{
	struct net_http *http = (struct net_http *)port;
	free(http->cert_pem);
	secret_free(http->key_pem);
	http->cert_pem = xstrdup(cert_pem);
	http->key_pem = xstrdup(key_pem);
}
