/*
 * fake.c - metric stores and receivers of alerts that speak the protocols of the real ones, over
 * TLS: `fake-stores CERTIFICATE KEY`.
 *
 * An URL begins with who it stands for and how it behaves: https://127.0.0.1:PORT/graphite/429 is a
 * Graphite that asks to slow down. Whoever behaves well looks at what it was asked first, and says
 * what of it is not the protocol. The ports, of https and of http, are the first line of output;
 * then comes a line for each alert that was taken.
 */
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "stores.h"

enum { BODY_MAX = 1 << 20, WORD_MAX = 40 };

static int port, plain_port;

/* ---- how the ill-behaved answer ---- */

static ssize_t half(void *owner, uint64_t at, char *into, size_t most)
{
	static const char text[] = "[{\"target\":";
	(void)owner;
	if (at > 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	size_t len = sizeof(text) - 1 < most ? sizeof(text) - 1 : most;
	memcpy(into, text, len);
	return (ssize_t)len;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *body,
			      const char *header, const char *value)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
	if (header != NULL)
		MHD_add_response_header(response, header, value);
	enum MHD_Result queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result answer_half(struct MHD_Connection *connection)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(1000, 1000, half, NULL, NULL);
	enum MHD_Result queued = MHD_queue_response(connection, 200, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result move(struct MHD_Connection *connection, const struct asked *asked,
			    const char *host)
{
	SCOPED(text)
	char *to = xasprintf("https://%s:%d/%s/ok%s%s", host, port, asked->who, asked->path,
			     asked->query);
	return answer(connection, 302, "", "Location", to);
}

static enum MHD_Result behave(struct MHD_Connection *connection, const struct asked *asked)
{
	char said[300];
	const struct store *store = store_named(asked->who);
	const char *manner = asked->manner;
	if (store == NULL)
		return answer(connection, 404, "nobody is here", NULL, NULL);
	if (strcmp(manner, "slow") == 0)
		sleep(25);
	if (strcmp(manner, "half") == 0)
		return answer_half(connection);
	if (strcmp(manner, "moved") == 0)
		return move(connection, asked, "127.0.0.1");
	if (strcmp(manner, "away") == 0)
		return move(connection, asked, "localhost");
	if (strcmp(manner, "expired") == 0)
		return answer(connection, 400,
			      "{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\","
			      "\"message\":\"The security token included is expired\"}",
			      NULL, NULL);
	long status = strtol(manner, NULL, 10);
	store_refusal(store, asked, said, sizeof(said));
	if (status != 0)
		return answer(connection, (unsigned)status, said, "Retry-After",
			      status == 429 ? "1" : NULL);
	if (!store->understands(asked, said, sizeof(said)))
		return answer(connection, 400, said, NULL, NULL);
	const char *body = store_answer(store, asked);
	if (store->is_receiver && strcmp(manner, "ok") == 0) {
		printf("%s %s\n", asked->who, asked->body);
		fflush(stdout);
	}
	return answer(connection, 200, body, NULL, NULL);
}

/* ---- what was asked ---- */

static enum MHD_Result add_argument(void *owner, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	(void)kind;
	cJSON_AddStringToObject(owner, name, value == NULL ? "" : value);
	return MHD_YES;
}

static enum MHD_Result add_header(void *owner, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	char lower[WORD_MAX];
	(void)kind;
	size_t i = 0;
	for (; name[i] != '\0' && i < sizeof(lower) - 1; i++)
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	lower[i] = '\0';
	cJSON_AddStringToObject(owner, lower, value);
	return MHD_YES;
}

static void read_credentials(struct asked *asked)
{
	static const char *const names[] = {"authorization", "dd-api-key", "x-query-key",
					    "x-sf-token"};
	asked->credentials = "";
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (json_string(asked->headers, names[i]) != NULL)
			asked->credentials = json_string(asked->headers, names[i]);
}

static enum MHD_Result serve(struct MHD_Connection *connection, const char *url, const char *method,
			     struct buf *body)
{
	struct asked asked = {.method = method, .body = body->text, .path = "", .query = ""};
	SCOPED(json) cJSON *headers = cJSON_CreateObject();
	SCOPED(json) cJSON *arguments = cJSON_CreateObject();
	char who[WORD_MAX] = "", manner[WORD_MAX] = "";
	int used = 0;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, headers);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, arguments);
	if (sscanf(url, "/%39[^/]/%39[^/]%n", who, manner, &used) == 2)
		asked.path = url + used;
	SCOPED(buf) struct buf query = {0};
	buf_init(&query, BODY_MAX);
	const cJSON *argument;
	cJSON_ArrayForEach(argument, arguments)
	{
		buf_printf(&query, "%s%s=", query.len == 0 ? "?" : "&", argument->string);
		for (const char *c = argument->valuestring; *c != '\0'; c++)
			buf_printf(&query, "%%%02X", (unsigned)(unsigned char)*c);
	}
	asked.query = query.text;
	asked.who = who;
	asked.manner = manner;
	asked.headers = headers;
	asked.arguments = arguments;
	read_credentials(&asked);
	return behave(connection, &asked);
}

static enum MHD_Result take(void *owner, struct MHD_Connection *connection, const char *url,
			    const char *method, const char *version, const char *bytes, size_t *len,
			    void **state)
{
	struct buf *body = *state;
	(void)owner;
	(void)version;
	if (body == NULL) {
		body = xcalloc(1, sizeof(*body));
		buf_init(body, BODY_MAX);
		*state = body;
		return MHD_YES;
	}
	if (*len > 0) {
		(void)!buf_add(body, bytes, *len);
		*len = 0;
		return MHD_YES;
	}
	return serve(connection, url, method, body);
}

static void done(void *owner, struct MHD_Connection *connection, void **state,
		 enum MHD_RequestTerminationCode code)
{
	struct buf *body = *state;
	(void)owner;
	(void)connection;
	(void)code;
	if (body != NULL)
		buf_fini(body);
	free(body);
}

/* ---- the servers ---- */

static int listen_on(unsigned flags, const char *certificate, const char *key)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct MHD_Daemon *daemon = MHD_start_daemon(
		flags | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL,
		NULL, take, NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, done,
		NULL, certificate == NULL ? MHD_OPTION_END : MHD_OPTION_HTTPS_MEM_CERT, certificate,
		MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
	if (daemon == NULL) {
		fprintf(stderr, "fake-stores: cannot serve\n");
		exit(1);
	}
	return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

int main(int count, char **arguments)
{
	struct buf certificate, key;
	struct error err = {0};
	buf_init(&certificate, BODY_MAX);
	buf_init(&key, BODY_MAX);
	if (count != 3 || !file_read(arguments[1], &certificate, &err) ||
	    !file_read(arguments[2], &key, &err)) {
		fprintf(stderr, "usage: fake-stores CERTIFICATE KEY %s\n", err.text);
		return 1;
	}
	port = listen_on(MHD_USE_TLS, certificate.text, key.text);
	plain_port = listen_on(0, NULL, NULL);
	printf("%d %d\n", port, plain_port);
	fflush(stdout);
	for (;;)
		pause();
}
