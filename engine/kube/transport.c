#include "kube/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/exec.h"
#include "net/http.h"

/* client-go reads a token file again after a minute; kubelet renews it at 80% of its life. */
static const int64_t token_file_age_us = DURATION_MINUTE;
/* A credential that ends sooner than this is asked for anew. */
static const int64_t margin_us = 10 * DURATION_SECOND;

struct call {
	uint64_t id;
	struct transport *transport;
	struct http_request request; /* its texts are ours */
	http_piece *piece;
	http_done *done;
	void *owner;
	uint64_t token;
	uint64_t inner; /* id in the port below; 0: waits for a credential */
	bool again;	/* was sent once more after a 401 */
	struct call *next;
};

struct transport {
	struct http http; /* first */
	struct loop *loop;
	const struct kube_config *config;
	struct http *requests, *streams;
	struct call *calls;
	uint64_t ids;
	char *authorization; /* value of the header, or NULL */
	int64_t fresh_until_us;
	struct kube_exec *exec; /* under way */
};

/* ---- calls ---- */

static void call_free(struct call *call)
{
	struct http_header *headers = (struct http_header *)(uintptr_t)call->request.headers;
	for (size_t i = 0; i < call->request.header_count; i++) {
		free((char *)(uintptr_t)headers[i].name);
		secret_free((char *)(uintptr_t)headers[i].value);
	}
	free(headers);
	free((char *)(uintptr_t)call->request.method);
	free((char *)(uintptr_t)call->request.url);
	free((char *)(uintptr_t)call->request.body);
	free(call);
}

static void copy_request(struct http_request *into, const struct http_request *from)
{
	*into = *from;
	into->method = xstrdup(from->method);
	into->url = xstrdup(from->url);
	/* A body may hold zero bytes. */
	if (from->body != NULL) {
		char *body = xmalloc(from->body_len + 1);
		memcpy(body, from->body, from->body_len);
		body[from->body_len] = '\0';
		into->body = body;
	}
	struct http_header *headers = xcalloc(from->header_count + 1, sizeof(*headers));
	for (size_t i = 0; i < from->header_count; i++)
		headers[i] = (struct http_header){xstrdup(from->headers[i].name),
						  xstrdup(from->headers[i].value)};
	into->headers = headers;
}

static struct call *take(struct transport *transport, uint64_t id)
{
	for (struct call **at = &transport->calls; *at != NULL; at = &(*at)->next) {
		if ((*at)->id != id)
			continue;
		struct call *taken = *at;
		*at = taken->next;
		return taken;
	}
	return NULL;
}

static struct call *find(const struct transport *transport, uint64_t id)
{
	for (struct call *call = transport->calls; call != NULL; call = call->next)
		if (call->id == id)
			return call;
	return NULL;
}

/* ---- who we are ---- */

static void set_authorization(struct transport *transport, char *owned_value)
{
	secret_free(transport->authorization);
	transport->authorization = owned_value;
}

static void read_token_file(struct transport *transport)
{
	SCOPED(buf) struct buf token = {0};
	struct error err = {0};
	buf_init(&token, TOKEN_MAX);
	transport->fresh_until_us = loop_now(transport->loop) + token_file_age_us;
	if (!file_read(transport->config->token_file, &token, &err)) {
		log_warn(NULL, "token: %s", err.text); /* the old one may still be good */
		return;
	}
	size_t len = token.len;
	while (len > 0 && strchr(" \t\r\n", token.text[len - 1]) != NULL)
		len--;
	if (len == 0)
		log_warn(NULL, "token: %s is empty", transport->config->token_file);
	else
		set_authorization(transport, xasprintf("Bearer %.*s", (int)len, token.text));
	memset(token.text, 0, token.len);
}

static void basic(struct transport *transport)
{
	SCOPED(buf) struct buf coded = {0};
	const struct kube_config *config = transport->config;
	buf_init(&coded, 2 * (size_t)TOKEN_MAX);
	char *pair = xasprintf("%s:%s", config->username,
			       config->password == NULL ? "" : config->password);
	base64_encode(&coded, pair, strlen(pair));
	secret_free(pair);
	set_authorization(transport, xasprintf("Basic %s", coded.text));
	memset(coded.text, 0, coded.len);
}

static void start(struct call *call);

static struct call *next_waiting(const struct transport *transport, uint64_t after, uint64_t last)
{
	struct call *next = NULL;
	for (struct call *call = transport->calls; call != NULL; call = call->next)
		if (call->inner == 0 && call->id > after && call->id <= last &&
		    (next == NULL || call->id < next->id))
			next = call;
	return next;
}

/* Those that waited go out, or fail; O(n²) over what waits for its first credential. */
static void release_calls(struct transport *transport, const struct error *err)
{
	uint64_t last = transport->ids, after = 0;
	for (;;) {
		struct call *call = next_waiting(transport, after, last);
		if (call == NULL)
			return;
		after = call->id;
		if (err->kind == ERROR_NONE) {
			start(call);
			continue;
		}
		const struct http_reply reply = {.error = *err, .body = "", .retry_after_us = -1};
		take(transport, call->id);
		call->done(call->owner, call->token, &reply);
		call_free(call);
	}
}

static void exec_ended(void *owner, const struct exec_credential *credential,
		       const struct error *err)
{
	struct transport *transport = owner;
	transport->exec = NULL;
	if (credential == NULL) {
		struct error denied = *err;
		if (denied.kind == ERROR_NONE)
			denied.kind = ERROR_DENIED;
		log_error(NULL, "%s", err->text);
		release_calls(transport, &denied);
		return;
	}
	set_authorization(transport, credential->token == NULL
					     ? NULL
					     : xasprintf("Bearer %s", credential->token));
	if (credential->cert_pem != NULL) {
		net_http_identity(transport->requests, credential->cert_pem, credential->key_pem);
		net_http_identity(transport->streams, credential->cert_pem, credential->key_pem);
	}
	transport->fresh_until_us =
		credential->expires_us == 0 ? INT64_MAX : credential->expires_us - margin_us;
	/* One that is over already would be asked for in a circle. */
	int64_t soon_us = loop_now(transport->loop) + DURATION_SECOND;
	if (transport->fresh_until_us < soon_us)
		transport->fresh_until_us = soon_us;
	const struct error none = {0};
	release_calls(transport, &none);
}

/* False: it will be known later. */
static bool know_who(struct transport *transport)
{
	const struct kube_config *config = transport->config;
	if (loop_now(transport->loop) < transport->fresh_until_us)
		return true;
	if (config->exec != NULL) {
		if (transport->exec == NULL)
			transport->exec = kube_exec_new(transport->loop, config->exec,
							config->cluster, exec_ended, transport);
		return false;
	}
	transport->fresh_until_us = INT64_MAX;
	if (config->token_file != NULL)
		read_token_file(transport);
	else if (config->token != NULL)
		set_authorization(transport, xasprintf("Bearer %s", config->token));
	else if (config->username != NULL)
		basic(transport);
	return true;
}

/* ---- requests ---- */

/* A metric store that the API server stands for may want to know somebody else. */
static bool says_who(const struct http_request *request)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strcasecmp(request->headers[i].name, "Authorization") == 0)
			return true;
	return false;
}

static void answered(void *owner, uint64_t id, const struct http_reply *reply)
{
	struct transport *transport = owner;
	struct call *call = find(transport, id);
	if (call == NULL)
		return;
	const struct kube_config *config = transport->config;
	bool may_change = config->exec != NULL || config->token_file != NULL;
	if (reply->status == 401 && may_change && !call->again && !says_who(&call->request)) {
		call->again = true;
		call->inner = 0;
		transport->fresh_until_us = 0;
		start(call);
		return;
	}
	take(transport, id);
	call->done(call->owner, call->token, reply);
	call_free(call);
}

static bool piece_came(void *owner, uint64_t id, const char *bytes, size_t len)
{
	struct call *call = find(owner, id);
	return call != NULL && call->piece(call->owner, call->token, bytes, len);
}

static void start(struct call *call)
{
	struct transport *transport = call->transport;
	struct http *below = call->piece == NULL ? transport->requests : transport->streams;
	if (!know_who(transport))
		return;
	struct http_request request = call->request;
	struct http_header headers[64];
	size_t count = request.header_count < ARRAY_LEN(headers) - 1 ? request.header_count
								     : ARRAY_LEN(headers) - 1;
	if (count > 0)
		memcpy(headers, request.headers, count * sizeof(*headers));
	if (transport->authorization != NULL && !says_who(&request))
		headers[count++] = (struct http_header){"Authorization", transport->authorization};
	request.headers = headers;
	request.header_count = count;
	/* Never to another host with our credentials. */
	request.no_redirect = true;
	call->inner = below->ops->send(below, &request, call->piece == NULL ? NULL : piece_came,
				       answered, transport, call->id);
}

static uint64_t transport_send(struct http *http, const struct http_request *request,
			       http_piece *piece, http_done *done, void *owner, uint64_t token)
{
	struct transport *transport = (struct transport *)http;
	struct call *call = xcalloc(1, sizeof(*call));
	call->id = ++transport->ids;
	call->transport = transport;
	copy_request(&call->request, request);
	call->piece = piece;
	call->done = done;
	call->owner = owner;
	call->token = token;
	call->next = transport->calls;
	transport->calls = call;
	uint64_t id = call->id;
	start(call);
	return id;
}

static void transport_cancel(struct http *http, uint64_t id)
{
	struct transport *transport = (struct transport *)http;
	struct call *call = take(transport, id);
	if (call == NULL)
		return;
	struct http *below = call->piece == NULL ? transport->requests : transport->streams;
	if (call->inner != 0)
		below->ops->cancel(below, call->inner);
	call_free(call);
}

static void transport_free(struct http *http)
{
	struct transport *transport = (struct transport *)http;
	while (transport->calls != NULL)
		transport_cancel(http, transport->calls->id);
	kube_exec_free(transport->exec);
	transport->requests->ops->free(transport->requests);
	transport->streams->ops->free(transport->streams);
	secret_free(transport->authorization);
	free(transport);
}

static const struct http_ops ops = {transport_send, transport_cancel, transport_free};

/* The host and port of an URL; the usual port where it has none. */
static char *authority_of(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	size_t len = strcspn(host, "/?#");
	const char *end = memchr(host, ']', len);
	const char *from = end == NULL ? host : end;
	bool has_port = memchr(from, ':', len - (size_t)(from - host)) != NULL;
	const char *port = has_port ? "" : strncmp(url, "https", 5) == 0 ? ":443" : ":80";
	return xasprintf("%.*s%s", (int)len, host, port);
}

/* What comes after it: a server may be below a path. */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	return host + strcspn(host, "/?#");
}

struct http *kube_transport_new(struct loop *loop, const struct kube_config *config)
{
	struct transport *transport = xcalloc(1, sizeof(*transport));
	SCOPED(text) char *authority = authority_of(config->server);
	const char *port = strrchr(authority, ':');
	SCOPED(text)
	char *base = config->server_name == NULL ? xstrdup(config->server)
						 : xasprintf("https://%s%s%s", config->server_name,
							     port, path_of(config->server));
	const struct net_http_options options = {
		.base = base,
		.ca_file = config->ca_file,
		.ca_pem = config->ca_pem,
		.cert_file = config->cert_file,
		.key_file = config->key_file,
		.cert_pem = config->cert_pem,
		.key_pem = config->key_pem,
		.proxy = config->proxy,
		.connect_to = config->server_name == NULL ? NULL : authority,
		.insecure = config->insecure,
		.agent = config->agent,
	};
	transport->http.ops = &ops;
	transport->loop = loop;
	transport->config = config;
	transport->requests = net_http_new(loop, &options);
	transport->streams = net_http_new(loop, &options);
	return &transport->http;
}
