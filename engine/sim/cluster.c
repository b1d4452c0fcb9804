#include "sim/cluster.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sim/server.h"

/* ---- the port ---- */

static enum cluster_fault fault_of(struct cluster *cluster, const struct exchange *exchange)
{
	if (cluster->fault == NULL)
		return FAULT_NONE;
	const struct http_request request = {
		.method = exchange->method,
		.url = exchange->url,
		.body = exchange->body,
		.body_len = exchange->body == NULL ? 0 : strlen(exchange->body),
		.json = exchange->json,
	};
	return cluster->fault(cluster->fault_owner, &request);
}

static bool answer_fault(struct cluster *cluster, uint64_t id, enum cluster_fault fault)
{
	static const struct {
		int code;
		const char *reason;
	} codes[] = {
		[FAULT_403] = {403, "Forbidden"},     [FAULT_409] = {409, "Conflict"},
		[FAULT_410] = {410, "Expired"},	      [FAULT_429] = {429, "TooManyRequests"},
		[FAULT_500] = {500, "InternalError"}, [FAULT_503] = {503, "ServiceUnavailable"},
	};
	struct error err;
	switch (fault) {
	case FAULT_NONE:
	case FAULT_AFTER:
		return false;
	case FAULT_BEFORE:
		error_set(&err, ERROR_UNAVAILABLE, "connection reset by peer");
		exchange_answer(cluster, id, 0, "", &err);
		return true;
	case FAULT_TIMEOUT:
		error_set(&err, ERROR_TIMEOUT, "no answer in time");
		exchange_answer(cluster, id, 0, "", &err);
		return true;
	case FAULT_403:
	case FAULT_409:
	case FAULT_410:
	case FAULT_429:
	case FAULT_500:
	case FAULT_503: {
		SCOPED(json)
		cJSON *status = refusal(codes[fault].code, codes[fault].reason, "injected");
		SCOPED(text) char *text = json_text(status);
		exchange_answer(cluster, id, codes[fault].code, text, NULL);
		return true;
	}
	}
	return false;
}

static void handle(void *owner, uint64_t id)
{
	struct cluster *cluster = owner;
	size_t i = exchange_index(cluster, id);
	if (i == SIZE_MAX)
		return;
	struct exchange *exchange = cluster->exchanges[i];
	exchange->timer = 0;
	enum cluster_fault fault = fault_of(cluster, exchange);
	if (answer_fault(cluster, id, fault))
		return;
	struct kube_ref ref;
	if (!kube_path_parse(exchange->url, &ref)) {
		exchange_answer(cluster, id, 404, "404 page not found", NULL);
		return;
	}
	SCOPED(text) char *watch = request_parameter(exchange->url, "watch");
	if (exchange->piece != NULL && watch != NULL &&
	    (strcmp(watch, "true") == 0 || strcmp(watch, "1") == 0)) {
		watch_begin(cluster, exchange, &ref);
		return;
	}
	int code;
	cJSON *object = verb_serve(cluster, exchange, &ref, &code);
	if (fault == FAULT_AFTER) {
		struct error err;
		json_free(object);
		error_set(&err, ERROR_UNAVAILABLE, "connection reset by peer");
		exchange_answer(cluster, id, 0, "", &err);
		return;
	}
	exchange_answer_object(cluster, id, code, object);
}

static const char *header_of(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

static uint64_t port_send(struct http *http, const struct http_request *request, http_piece *piece,
			  http_done *done, void *owner, uint64_t token)
{
	struct cluster *cluster = (struct cluster *)http;
	struct exchange *exchange = xcalloc(1, sizeof(*exchange));
	exchange->id = ++cluster->ids;
	exchange->method = xstrdup(request->method);
	exchange->url = xstrdup(request->url);
	exchange->body = request->body == NULL ? NULL : xstrndup(request->body, request->body_len);
	exchange->content_type = xstrdup(header_of(request, "Content-Type"));
	exchange->accept = xstrdup(header_of(request, "Accept"));
	exchange->json = request->json == NULL ? NULL : tree_hold(request->json);
	exchange->piece = piece;
	exchange->event = request->event;
	exchange->done = done;
	exchange->owner = owner;
	exchange->token = token;
	exchange->takes_json = request->takes_json;
	if (cluster->exchange_count == cluster->exchange_room) {
		cluster->exchange_room =
			cluster->exchange_room == 0 ? 16 : cluster->exchange_room * 2;
		cluster->exchanges = xrealloc(cluster->exchanges,
					      cluster->exchange_room * sizeof(struct exchange *));
	}
	cluster->exchanges[cluster->exchange_count++] = exchange;
	int64_t delay_us =
		(int64_t)(chance_unit(&cluster->chance) * (double)cluster->options.reply_us);
	exchange->timer = loop_at(cluster->loop, loop_now(cluster->loop) + delay_us, handle,
				  cluster, exchange->id);
	return exchange->id;
}

static void port_cancel(struct http *http, uint64_t id)
{
	exchange_end((struct cluster *)http, id);
}

static void port_free(struct http *http)
{
	(void)http; /* owned by the cluster */
}

static const struct http_ops port_ops = {port_send, port_cancel, port_free};

/* ---- the cluster ---- */

struct cluster *cluster_new(struct loop *loop, const struct cluster_options *options)
{
	struct cluster *cluster = xcalloc(1, sizeof(*cluster));
	cluster->port.ops = &port_ops;
	cluster->port.takes_trees = true;
	cluster->loop = loop;
	cluster->options = *options;
	chance_seed(&cluster->chance, options->seed);
	store_init(&cluster->store, options->seed, options->watch_window);
	return cluster;
}

void cluster_free(struct cluster *cluster)
{
	if (cluster == NULL)
		return;
	while (cluster->exchange_count > 0)
		exchange_end(cluster, cluster->exchanges[0]->id);
	loop_drop(cluster->loop, cluster);
	store_fini(&cluster->store);
	for (size_t i = 0; i < cluster->rolling_room; i++)
		free(cluster->rolling[i]);
	free(cluster->rolling);
	slices_fini(cluster);
	for (size_t i = 0; i < cluster->gone_count; i++)
		free(cluster->gone[i]);
	free(cluster->gone);
	free(cluster->exchanges);
	free(cluster);
}

struct http *cluster_port(struct cluster *cluster)
{
	return &cluster->port;
}

static const struct writer user = {.manager = "kubectl"};

static bool failed(const cJSON *answered, int code, struct error *err)
{
	if (code < 400)
		return false;
	error_set(err,
		  code == 404	? ERROR_NOT_FOUND
		  : code == 409 ? ERROR_CONFLICT
				: ERROR_INVALID,
		  "%s", json_string_or(answered, "message", "refused"));
	return true;
}

/* The plural of a kind: as the API has it for all that are used here. */
static void plural_of(const char *kind, char plural[64])
{
	size_t len = 0;
	for (; kind[len] != '\0' && len < 60; len++)
		plural[len] = (char)tolower((unsigned char)kind[len]);
	plural[len] = '\0';
	if (text_ends(plural, "y"))
		snprintf(plural + len - 1, 64 - len, "ies");
	else
		snprintf(plural + len, 64 - len, "%s", text_ends(plural, "s") ? "es" : "s");
}

static bool ref_of(const cJSON *object, struct kube_ref *ref)
{
	const char *kind = json_string(object, "kind");
	const char *name = json_string(object, "metadata.name");
	*ref = (struct kube_ref){0};
	if (kind == NULL || name == NULL)
		return false;
	text_copy(ref->api_version, sizeof(ref->api_version),
		  json_string_or(object, "apiVersion", "v1"));
	plural_of(kind, ref->plural);
	text_copy(ref->namespace, sizeof(ref->namespace),
		  strcmp(kind, "Namespace") == 0
			  ? ""
			  : json_string_or(object, "metadata.namespace", "default"));
	text_copy(ref->name, sizeof(ref->name), name);
	return true;
}

static bool path_of(const struct kube_ref *ref, char path[KUBE_PATH_MAX])
{
	const struct kube_kind kind = {ref->api_version, "", ref->plural, false};
	return kube_path(path, &kind, ref->namespace[0] == '\0' ? NULL : ref->namespace, ref->name);
}

bool cluster_path(const cJSON *object, char path[KUBE_PATH_MAX])
{
	struct kube_ref ref;
	return ref_of(object, &ref) && path_of(&ref, path);
}

bool cluster_apply(struct cluster *cluster, const cJSON *object, struct error *err)
{
	struct kube_ref ref;
	char path[KUBE_PATH_MAX];
	if (!ref_of(object, &ref) || !path_of(&ref, path))
		return error_set(err, ERROR_INVALID, "an object needs a kind and metadata.name");
	struct stored *stored = store_find(&cluster->store, path);
	int code;
	cJSON *copy = json_copy(object);
	SCOPED(json)
	cJSON *answered = stored == NULL ? verb_create(cluster, &ref, copy, &user, &code)
					 : verb_replace(cluster, stored, copy, false, &user, &code);
	return !failed(answered, code, err);
}

bool cluster_merge(struct cluster *cluster, const char *path, const cJSON *merged,
		   struct error *err)
{
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s not found", path);
	const cJSON *status = json_get(merged, "status");
	bool only_status = status != NULL && merged->child == status && status->next == NULL;
	cJSON *next = json_copy(stored->object);
	json_merge_patch(&next, merged);
	int code;
	SCOPED(json)
	cJSON *answered = verb_replace(cluster, stored, next, only_status, &user, &code);
	return !failed(answered, code, err);
}

bool cluster_delete(struct cluster *cluster, const char *path, struct error *err)
{
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s not found", path);
	verb_delete(cluster, stored);
	return true;
}

const cJSON *cluster_get(const struct cluster *cluster, const char *path)
{
	const struct stored *stored = store_find(&cluster->store, path);
	return stored == NULL ? NULL : stored->object;
}

cJSON *cluster_list(const struct cluster *cluster, const char *path)
{
	struct kube_ref ref;
	cJSON *objects = cJSON_CreateArray();
	if (!kube_path_parse(path, &ref))
		return objects;
	const struct exchange all = {.url = (char *)(uintptr_t) ""};
	for (size_t i = 0; i < cluster->store.count; i++)
		if (request_wants(&all, &ref, &cluster->store.items[i]->ref,
				  cluster->store.items[i]->object))
			cJSON_AddItemToArray(objects, json_copy(cluster->store.items[i]->object));
	return objects;
}

void cluster_on_write(struct cluster *cluster, cluster_call *call, void *owner)
{
	cluster->on_write = call;
	cluster->on_write_owner = owner;
}

void cluster_faults(struct cluster *cluster, cluster_fault_call *call, void *owner)
{
	cluster->fault = call;
	cluster->fault_owner = owner;
}

/* In their order, and without those that begin anew meanwhile. */
void cluster_cut_watches(struct cluster *cluster)
{
	uint64_t last = cluster->ids;
	for (size_t i = 0; i < cluster->exchange_count;) {
		struct exchange *exchange = cluster->exchanges[i];
		if (!exchange->watching || exchange->id > last) {
			i++;
			continue;
		}
		struct error err;
		error_set(&err, ERROR_UNAVAILABLE, "connection reset by peer");
		exchange_answer(cluster, exchange->id, 0, "", &err);
		i = 0;
	}
}
