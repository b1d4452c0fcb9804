#include "sim/front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/path.h"
#include "sim/fake_metrics.h"
#include "sim/kinds.h"
#include "sim/server.h"
#include "sim/table.h"

struct front {
	struct loop *loop;
	struct cluster *cluster;
	struct serve *serve;
	struct chance chance;
	struct asked {
		uint64_t id; /* of net/serve */
		uint64_t request;
		bool watches, wants_table;
		char plural[64];
		struct asked *next;
	} * asked;
};

/* ---- what is under way ---- */

static struct asked *find(struct front *front, uint64_t id)
{
	for (struct asked *asked = front->asked; asked != NULL; asked = asked->next)
		if (asked->id == id)
			return asked;
	return NULL;
}

static void forget(struct front *front, uint64_t id)
{
	for (struct asked **at = &front->asked; *at != NULL; at = &(*at)->next) {
		if ((*at)->id == id) {
			struct asked *gone = *at;
			*at = gone->next;
			free(gone);
			return;
		}
	}
}

static void reply_json(struct front *front, uint64_t id, int status, const cJSON *json)
{
	SCOPED(text) char *text = json_text(json);
	serve_reply(front->serve, id, status, "application/json", text, strlen(text));
}

static void reply_refusal(struct front *front, uint64_t id, int code, const char *reason,
			  const char *message)
{
	SCOPED(json) cJSON *status = refusal(code, reason, message);
	reply_json(front, id, code, status);
}

/* ---- the cluster's answers ---- */

static bool as_table(const struct front *front, const struct asked *asked, cJSON **object)
{
	if (!asked->wants_table || text_equal(json_string(*object, "kind"), "Status"))
		return false;
	cJSON *table = table_of(*object, asked->plural, loop_now(front->loop));
	json_free(*object);
	*object = table;
	return true;
}

/* A list says of what it is; the store does not know the kinds. */
static void name_list(struct front *front, const struct asked *asked, cJSON *object)
{
	struct sim_kind kind;
	if (!text_equal(json_string(object, "kind"), "List") ||
	    !kinds_find(front->cluster, json_string_or(object, "apiVersion", ""), asked->plural,
			&kind))
		return;
	SCOPED(text) char *name = xasprintf("%sList", kind.kind);
	json_put_string(object, "kind", name);
}

static void answered(void *owner, uint64_t id, const struct http_reply *reply)
{
	struct front *front = owner;
	struct asked *asked = find(front, id);
	if (asked == NULL)
		return;
	asked->request = 0;
	if (asked->watches) {
		if (reply->status >= 400) { /* as a server says it whose watch has begun */
			SCOPED(text)
			char *line = xasprintf("{\"type\":\"ERROR\",\"object\":%s}\n", reply->body);
			serve_piece(front->serve, id, line, strlen(line));
		}
		serve_end(front->serve, id);
	} else {
		cJSON *object = cJSON_ParseWithLength(reply->body, reply->body_len);
		if (object == NULL) {
			reply_refusal(front, id, reply->status < 400 ? 500 : reply->status,
				      "NotFound",
				      "the server could not find the requested resource");
		} else {
			name_list(front, asked, object);
			as_table(front, asked, &object);
			reply_json(front, id, reply->status, object);
		}
		json_free(object);
	}
	forget(front, id);
}

static bool told(void *owner, uint64_t id, const char *bytes, size_t len)
{
	struct front *front = owner;
	struct asked *asked = find(front, id);
	if (asked == NULL)
		return false;
	if (!asked->wants_table)
		return serve_piece(front->serve, id, bytes, len);
	SCOPED(json) cJSON *event = cJSON_ParseWithLength(bytes, len); /* a whole line */
	cJSON *object = cJSON_DetachItemFromObjectCaseSensitive(event, "object");
	if (object == NULL)
		return true;
	as_table(front, asked, &object);
	cJSON_AddItemToObject(event, "object", object);
	SCOPED(text) char *text = json_text(event);
	SCOPED(text) char *line = xasprintf("%s\n", text);
	return serve_piece(front->serve, id, line, strlen(line));
}

/* ---- requests ---- */

static bool is_true(const char *url, const char *name)
{
	SCOPED(text) char *value = request_parameter(url, name);
	return value != NULL && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

static void pass_on(struct front *front, const struct serve_request *request)
{
	struct kube_ref ref;
	struct asked *asked = xcalloc(1, sizeof(*asked));
	asked->id = request->id;
	asked->watches = strcmp(request->method, "GET") == 0 && is_true(request->url, "watch");
	asked->wants_table = strstr(request->accept, "as=Table") != NULL;
	if (kube_path_parse(request->url, &ref))
		text_copy(asked->plural, sizeof(asked->plural), ref.plural);
	asked->next = front->asked;
	front->asked = asked;
	const struct http_header headers[] = {
		{"Content-Type", request->content_type},
		{"Accept", request->accept},
	};
	const struct http_request passed = {
		.method = request->method,
		.url = request->url,
		.headers = headers,
		.header_count = ARRAY_LEN(headers),
		.body = request->body,
		.body_len = request->body_len,
	};
	if (asked->watches)
		serve_begin(front->serve, request->id, 200, "application/json");
	struct http *port = cluster_port(front->cluster);
	asked->request = port->ops->send(port, &passed, asked->watches ? told : NULL, answered,
					 front, request->id);
}

/* The query is in the URL or, form-encoded, in the body. */
static void answer_metrics(struct front *front, const struct serve_request *request)
{
	SCOPED(text) char *form = xasprintf("?%s", request->body);
	SCOPED(text) char *query = request_parameter(request->url, "query");
	if (query == NULL)
		query = request_parameter(form, "query");
	SCOPED(text)
	char *text = fake_metrics_answer(front->cluster, query == NULL ? "" : query,
					 loop_now(front->loop), &front->chance);
	serve_reply(front->serve, request->id, 200, "application/json", text, strlen(text));
}

static void on_request(void *owner, const struct serve_request *request)
{
	struct front *front = owner;
	static const char *const probes[] = {"/healthz", "/livez", "/readyz",
					     "/prometheus/-/healthy"};
	SCOPED(text) char *path = xstrndup(request->url, strcspn(request->url, "?"));
	log_debug(NULL, "%s %s", request->method, request->url);
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		if (strcmp(path, probes[i]) == 0) {
			serve_reply(front->serve, request->id, 200, "text/plain", "ok", 2);
			return;
		}
	}
	if (strcmp(path, "/prometheus/api/v1/query") == 0) {
		answer_metrics(front, request);
		return;
	}
	SCOPED(json) cJSON *found = kinds_discover(front->cluster, path);
	if (found != NULL)
		reply_json(front, request->id, 200, found);
	else if (is_true(request->url, "sendInitialEvents")) /* clients list instead */
		reply_refusal(front, request->id, 422, "Invalid",
			      "sendInitialEvents: is not known to the in-memory API server");
	else if (strstr(request->url, "dryRun=") != NULL)
		reply_refusal(front, request->id, 400, "BadRequest",
			      "the in-memory API server has no dry run");
	else if (strstr(request->content_type, "protobuf") != NULL)
		reply_refusal(
			front, request->id, 415, "UnsupportedMediaType",
			"the in-memory API server takes JSON and YAML: kubectl apply sends them");
	else
		pass_on(front, request);
}

struct front *front_new(struct loop *loop, struct cluster *cluster,
			const struct serve_options *options, struct error *err)
{
	struct front *front = xcalloc(1, sizeof(*front));
	front->loop = loop;
	front->cluster = cluster;
	chance_seed(&front->chance, 1);
	front->serve = serve_new(loop, options, on_request, front, err);
	if (front->serve != NULL)
		return front;
	free(front);
	return NULL;
}

void front_free(struct front *front)
{
	if (front == NULL)
		return;
	struct http *port = cluster_port(front->cluster);
	while (front->asked != NULL) {
		port->ops->cancel(port, front->asked->request);
		forget(front, front->asked->id);
	}
	serve_free(front->serve);
	free(front);
}

int front_port(const struct front *front)
{
	return serve_port(front->serve);
}
