#include "sim/cluster.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sim/controllers.h"
#include "sim/store.h"

struct exchange { /* a request under way, or a watch */
	uint64_t id;
	char *method, *url, *body, *content_type, *accept;
	http_piece *piece;
	http_done *done;
	void *owner;
	uint64_t token;
	uint64_t timer;
	/* a watch: */
	bool watching;
	bool told_soon;
	struct kube_ref ref;
	uint64_t cursor; /* changes up to this version were told */
	int64_t lag_us;
	uint64_t timeout_timer;
};

struct cluster {
	struct http port; /* first */
	struct loop *loop;
	struct cluster_options options;
	struct chance chance;
	struct store store;
	struct exchange **exchanges;
	size_t exchange_count, exchange_room;
	uint64_t ids;
	cluster_call *on_write;
	void *on_write_owner;
	cluster_fault_call *fault;
	void *fault_owner;
};

/* ---- what a request asks ---- */

/* The value of a query parameter, decoded; NULL when it is not there. The caller frees. */
static char *parameter(const char *url, const char *name)
{
	const char *query = strchr(url, '?');
	size_t len = strlen(name);
	for (const char *at = query == NULL ? NULL : query + 1; at != NULL && *at != '\0';) {
		size_t part = strcspn(at, "&");
		if (part > len && strncmp(at, name, len) == 0 && at[len] == '=') {
			char *value = xcalloc(1, part + 1);
			size_t out = 0;
			for (size_t i = len + 1; i < part; i++) {
				unsigned byte;
				if (at[i] == '%' && i + 2 < part &&
				    sscanf(at + i + 1, "%2x", &byte) == 1) {
					value[out++] = (char)byte;
					i += 2;
				} else {
					value[out++] = at[i] == '+' ? ' ' : at[i];
				}
			}
			return value;
		}
		at += part + (at[part] == '&');
	}
	return NULL;
}

static bool in_collection(const struct kube_ref *item, const struct kube_ref *collection)
{
	return strcmp(item->api_version, collection->api_version) == 0 &&
	       strcmp(item->plural, collection->plural) == 0 &&
	       (collection->namespace[0] == '\0' ||
		strcmp(item->namespace, collection->namespace) == 0) &&
	       (collection->name[0] == '\0' || strcmp(item->name, collection->name) == 0);
}

static bool wants_metadata(const struct exchange *exchange)
{
	return exchange->accept != NULL &&
	       strstr(exchange->accept, "PartialObjectMetadata") != NULL;
}

static cJSON *metadata_only(const cJSON *object)
{
	cJSON *partial = cJSON_CreateObject();
	json_put_string(partial, "apiVersion", "meta.k8s.io/v1");
	json_put_string(partial, "kind", "PartialObjectMetadata");
	cJSON_AddItemToObject(partial, "metadata",
			      cJSON_Duplicate(json_get(object, "metadata"), true));
	return partial;
}

/* "a=b,c=d" only. */
static bool selected(const cJSON *object, const char *selector)
{
	const cJSON *labels = json_at(object, "metadata.labels");
	while (selector != NULL && *selector != '\0') {
		size_t len = strcspn(selector, ","), key = strcspn(selector, "=");
		SCOPED(text) char *name = xstrndup(selector, key);
		SCOPED(text)
		char *value = key < len ? xstrndup(selector + key + 1, len - key - 1) : xstrdup("");
		if (!text_equal(cJSON_GetStringValue(json_get(labels, name)), value))
			return false;
		selector += len + (selector[len] == ',');
	}
	return true;
}

/* ---- answers ---- */

static cJSON *refusal(int code, const char *reason, const char *message)
{
	cJSON *status = cJSON_CreateObject();
	json_put_string(status, "kind", "Status");
	json_put_string(status, "apiVersion", "v1");
	json_put_string(status, "status", "Failure");
	json_put_string(status, "reason", reason);
	json_put_string(status, "message", message);
	json_put_number(status, "code", code);
	return status;
}

static cJSON *refuse_not_found(const struct kube_ref *ref, int *code)
{
	SCOPED(text) char *message = xasprintf("%s \"%s\" not found", ref->plural, ref->name);
	*code = 404;
	return refusal(404, "NotFound", message);
}

static cJSON *refuse_conflict(const struct kube_ref *ref, int *code)
{
	SCOPED(text)
	char *message = xasprintf(
		"Operation cannot be fulfilled on %s \"%s\": the object has been modified; please "
		"apply your changes to the latest version and try again",
		ref->plural, ref->name);
	*code = 409;
	return refusal(409, "Conflict", message);
}

/* ---- watches ---- */

static size_t exchange_index(const struct cluster *cluster, uint64_t id)
{
	for (size_t i = 0; i < cluster->exchange_count; i++)
		if (cluster->exchanges[i]->id == id)
			return i;
	return SIZE_MAX;
}

static void exchange_end(struct cluster *cluster, uint64_t id)
{
	size_t i = exchange_index(cluster, id);
	if (i == SIZE_MAX)
		return;
	struct exchange *exchange = cluster->exchanges[i];
	cluster->exchanges[i] = cluster->exchanges[--cluster->exchange_count];
	loop_cancel(cluster->loop, exchange->timer);
	loop_cancel(cluster->loop, exchange->timeout_timer);
	free(exchange->method);
	free(exchange->url);
	free(exchange->body);
	free(exchange->content_type);
	free(exchange->accept);
	free(exchange);
}

/* Answers and ends it. */
static void answer(struct cluster *cluster, uint64_t id, int status, const char *text,
		   const struct error *err)
{
	size_t i = exchange_index(cluster, id);
	if (i == SIZE_MAX)
		return;
	http_done *done = cluster->exchanges[i]->done;
	void *owner = cluster->exchanges[i]->owner;
	uint64_t token = cluster->exchanges[i]->token;
	exchange_end(cluster, id);
	struct http_reply reply = {
		.status = status, .body = text, .body_len = strlen(text), .retry_after_us = -1};
	if (err != NULL)
		reply.error = *err;
	if (status == 429)
		reply.retry_after_us = DURATION_SECOND;
	done(owner, token, &reply);
}

static void watch_over(void *owner, uint64_t id)
{
	answer(owner, id, 200, "", NULL);
}

/* False when the watch is gone. */
static bool tell_line(struct cluster *cluster, uint64_t id, const char *type, cJSON *owned_object)
{
	size_t i = exchange_index(cluster, id);
	SCOPED(json) cJSON *event = cJSON_CreateObject();
	cJSON_AddStringToObject(event, "type", type);
	cJSON_AddItemToObject(event, "object", owned_object);
	if (i == SIZE_MAX)
		return false;
	SCOPED(text) char *text = json_text(event);
	SCOPED(text) char *line = xasprintf("%s\n", text);
	const struct exchange *exchange = cluster->exchanges[i];
	if (exchange->piece(exchange->owner, exchange->token, line, strlen(line)))
		return exchange_index(cluster, id) != SIZE_MAX;
	struct error err;
	error_set(&err, ERROR_CANCELLED, "ended by its reader");
	answer(cluster, id, 200, "", &err);
	return false;
}

static void tell_changes(void *owner, uint64_t id)
{
	struct cluster *cluster = owner;
	for (;;) {
		size_t at = exchange_index(cluster, id);
		if (at == SIZE_MAX)
			return;
		struct exchange *watch = cluster->exchanges[at];
		watch->told_soon = false;
		watch->timer = 0;
		const struct change *next = NULL;
		for (size_t i = 0; i < cluster->store.change_count && next == NULL; i++) {
			const struct change *change = &cluster->store.changes[i];
			if (change->version > watch->cursor &&
			    in_collection(&change->ref, &watch->ref))
				next = change;
		}
		if (next == NULL)
			return;
		watch->cursor = next->version;
		cJSON *object = cJSON_Parse(next->text);
		SCOPED(text) char *selector = parameter(watch->url, "labelSelector");
		if (!selected(object, selector)) {
			cJSON_Delete(object);
			continue;
		}
		if (wants_metadata(watch)) {
			cJSON *partial = metadata_only(object);
			cJSON_Delete(object);
			object = partial;
		}
		if (!tell_line(cluster, id, next->type, object))
			return;
	}
}

static void tell_soon(struct cluster *cluster, struct exchange *watch)
{
	if (watch->told_soon)
		return;
	watch->told_soon = true;
	watch->timer = loop_at(cluster->loop, loop_now(cluster->loop) + watch->lag_us, tell_changes,
			       cluster, watch->id);
}

static void begin_watch(struct cluster *cluster, struct exchange *exchange,
			const struct kube_ref *ref)
{
	SCOPED(text) char *version = parameter(exchange->url, "resourceVersion");
	SCOPED(text) char *timeout = parameter(exchange->url, "timeoutSeconds");
	exchange->watching = true;
	exchange->ref = *ref;
	exchange->cursor = version == NULL ? cluster->store.version : strtoull(version, NULL, 10);
	if (exchange->cursor < cluster->store.forgotten) {
		SCOPED(json)
		cJSON *gone =
			refusal(410, "Expired", "too old resource version: see the list again");
		SCOPED(text) char *text = json_text(gone);
		answer(cluster, exchange->id, 410, text, NULL);
		return;
	}
	if (cluster->options.watch_lag_us > 0)
		exchange->lag_us = (int64_t)(chance_unit(&cluster->chance) *
					     (double)cluster->options.watch_lag_us);
	if (timeout != NULL)
		exchange->timeout_timer = loop_at(
			cluster->loop,
			loop_now(cluster->loop) + strtoll(timeout, NULL, 10) * DURATION_SECOND,
			watch_over, cluster, exchange->id);
	tell_soon(cluster, exchange);
}

/* ---- controllers ---- */

static void deployment_ready(void *owner, uint64_t version);

/* Something changed: watches, controllers and whoever listens are told. */
static void changed(struct cluster *cluster, const char *path, const cJSON *object)
{
	for (size_t i = 0; i < cluster->exchange_count; i++)
		if (cluster->exchanges[i]->watching)
			tell_soon(cluster, cluster->exchanges[i]);
	if (cluster->on_write != NULL)
		cluster->on_write(cluster->on_write_owner, path, object);
	if (object != NULL && text_equal(json_string(object, "kind"), "Deployment"))
		loop_at(cluster->loop,
			loop_now(cluster->loop) +
				deployment_ready_after(object, cluster->options.ready_us),
			deployment_ready, cluster, 0);
}

/* Any Deployment whose time has come: few, and they change seldom. */
static void deployment_ready(void *owner, uint64_t token)
{
	struct cluster *cluster = owner;
	(void)token;
	for (size_t i = 0; i < cluster->store.count; i++) {
		struct stored *stored = cluster->store.items[i];
		if (strcmp(stored->ref.plural, "deployments") != 0)
			continue;
		const cJSON *live = stored->object;
		bool observed = json_int(live, "status.observedGeneration", 0) ==
				json_int(live, "metadata.generation", 0);
		bool never = deployment_never_ready(live);
		if (observed && (never || json_int(live, "status.availableReplicas", 0) ==
						  json_int(live, "spec.replicas", 1)))
			continue;
		cJSON *next = cJSON_Duplicate(live, true);
		json_put(next, "status", deployment_status(live, !never, loop_now(cluster->loop)));
		if (store_replace(&cluster->store, stored, next))
			changed(cluster, stored->path, stored->object);
	}
}

/* ---- verbs ---- */

static bool version_differs(const cJSON *live, const cJSON *wanted)
{
	const char *version = json_string(wanted, "metadata.resourceVersion");
	return version != NULL && version[0] != '\0' &&
	       strcmp(version, json_string_or(live, "metadata.resourceVersion", "")) != 0;
}

static cJSON *create(struct cluster *cluster, struct kube_ref *ref, cJSON *owned_object, int *code)
{
	if (ref->name[0] == '\0') {
		const char *name = json_string(owned_object, "metadata.name");
		const char *generate = json_string_or(owned_object, "metadata.generateName", "");
		if (name != NULL)
			text_copy(ref->name, sizeof(ref->name), name);
		else
			snprintf(ref->name, sizeof(ref->name), "%.200s%05llx", generate,
				 (unsigned long long)(chance_next(&cluster->chance) & 0xfffff));
	}
	char path[KUBE_PATH_MAX];
	const struct kube_kind kind = {ref->api_version, "", ref->plural, false};
	kube_path(path, &kind, ref->namespace[0] == '\0' ? NULL : ref->namespace, ref->name);
	if (store_find(&cluster->store, path) != NULL) {
		SCOPED(text)
		char *message = xasprintf("%s \"%s\" already exists", ref->plural, ref->name);
		cJSON_Delete(owned_object);
		*code = 409;
		return refusal(409, "AlreadyExists", message);
	}
	struct stored *stored =
		store_add(&cluster->store, path, ref, owned_object, loop_now(cluster->loop));
	*code = 201;
	cJSON *copy = cJSON_Duplicate(stored->object, true);
	changed(cluster, stored->path, stored->object);
	return copy;
}

/* Replaces what is there, keeping the status (or all but the status). */
static cJSON *replace(struct cluster *cluster, struct stored *stored, cJSON *owned_next,
		      bool only_status, int *code)
{
	cJSON *next = owned_next;
	const cJSON *live = stored->object;
	if (version_differs(live, next)) {
		cJSON_Delete(next);
		return refuse_conflict(&stored->ref, code);
	}
	if (only_status) {
		cJSON *status = cJSON_Duplicate(json_get(next, "status"), true);
		cJSON_Delete(next);
		next = cJSON_Duplicate(live, true);
		cJSON_DeleteItemFromObjectCaseSensitive(next, "status");
		if (status != NULL)
			cJSON_AddItemToObject(next, "status", status);
	} else {
		cJSON_DeleteItemFromObjectCaseSensitive(next, "status");
		if (json_get(live, "status") != NULL)
			cJSON_AddItemToObject(next, "status",
					      cJSON_Duplicate(json_get(live, "status"), true));
	}
	*code = 200;
	bool wrote = store_replace(&cluster->store, stored, next);
	cJSON *copy = cJSON_Duplicate(stored->object, true);
	if (wrote)
		changed(cluster, stored->path, stored->object);
	return copy;
}

/* Takes out of `next` what the manager applied before and does not any more. */
static void remove_unapplied(cJSON *next, const cJSON *before, const cJSON *now)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, before)
	{
		const cJSON *wanted = json_get(now, member->string);
		if (wanted == NULL)
			cJSON_DeleteItemFromObjectCaseSensitive(next, member->string);
		else if (cJSON_IsObject(member) && cJSON_IsObject(wanted))
			remove_unapplied(json_get(next, member->string), member, wanted);
	}
}

static cJSON *apply(struct cluster *cluster, struct kube_ref *ref, const char *path, cJSON *body,
		    int *code)
{
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL) {
		cJSON *created = create(cluster, ref, cJSON_Duplicate(body, true), code);
		stored = store_find(&cluster->store, path);
		if (stored != NULL)
			stored->applied = cJSON_Duplicate(body, true);
		return created;
	}
	cJSON *next = cJSON_Duplicate(stored->object, true);
	if (version_differs(stored->object, body)) {
		cJSON_Delete(next);
		return refuse_conflict(ref, code);
	}
	remove_unapplied(next, stored->applied, body);
	json_merge_patch(&next, body);
	cJSON_Delete(stored->applied);
	stored->applied = cJSON_Duplicate(body, true);
	json_put_string(next, "metadata.resourceVersion",
			json_string(stored->object, "metadata.resourceVersion"));
	return replace(cluster, stored, next, false, code);
}

static cJSON *patch(struct cluster *cluster, const struct exchange *exchange, struct kube_ref *ref,
		    const char *path, cJSON *body, int *code)
{
	bool only_status = strcmp(ref->subresource, "status") == 0;
	const char *type = exchange->content_type == NULL ? "" : exchange->content_type;
	if (text_starts(type, "application/apply-patch"))
		return apply(cluster, ref, path, body, code);
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return refuse_not_found(ref, code);
	cJSON *next = cJSON_Duplicate(stored->object, true);
	if (text_starts(type, "application/json-patch")) {
		struct error err = {0};
		if (!json_patch(&next, body, &err)) {
			cJSON_Delete(next);
			*code = 422;
			return refusal(422, "Invalid", err.text);
		}
		return replace(cluster, stored, next, only_status, code);
	}
	json_merge_patch(&next, body);
	return replace(cluster, stored, next, only_status, code);
}

static bool depends_on(const cJSON *object, const char *uid)
{
	const cJSON *owner;
	cJSON_ArrayForEach(owner, json_at(object, "metadata.ownerReferences"))
	{
		if (text_equal(json_string(owner, "uid"), uid))
			return true;
	}
	return false;
}

static void remove_stored(struct cluster *cluster, struct stored *stored)
{
	SCOPED(text) char *path = xstrdup(stored->path);
	SCOPED(text) char *uid = xstrdup(json_string_or(stored->object, "metadata.uid", ""));
	store_remove(&cluster->store, stored);
	changed(cluster, path, NULL);
	for (size_t i = 0; i < cluster->store.count;) {
		if (depends_on(cluster->store.items[i]->object, uid)) {
			remove_stored(cluster, cluster->store.items[i]);
			i = 0;
		} else {
			i++;
		}
	}
}

static cJSON *list(struct cluster *cluster, const struct exchange *exchange,
		   const struct kube_ref *ref, int *code)
{
	SCOPED(text) char *limit_text = parameter(exchange->url, "limit");
	SCOPED(text) char *from = parameter(exchange->url, "continue");
	SCOPED(text) char *selector = parameter(exchange->url, "labelSelector");
	long limit = limit_text == NULL ? 0 : strtol(limit_text, NULL, 10);
	cJSON *answered = cJSON_CreateObject(), *items = cJSON_CreateArray();
	char version[24];
	snprintf(version, sizeof(version), "%llu", (unsigned long long)cluster->store.version);
	json_put_string(answered, "kind", "List");
	json_put_string(answered, "apiVersion", ref->api_version);
	json_put_string(answered, "metadata.resourceVersion", version);
	long taken = 0;
	for (size_t i = 0; i < cluster->store.count; i++) {
		const struct stored *stored = cluster->store.items[i];
		if (!in_collection(&stored->ref, ref) || !selected(stored->object, selector) ||
		    (from != NULL && strcmp(stored->path, from) <= 0))
			continue;
		if (limit > 0 && taken == limit) {
			const struct stored *last = cluster->store.items[i - 1];
			json_put_string(answered, "metadata.continue", last->path);
			break;
		}
		taken++;
		cJSON_AddItemToArray(items, wants_metadata(exchange)
						    ? metadata_only(stored->object)
						    : cJSON_Duplicate(stored->object, true));
	}
	cJSON_AddItemToObject(answered, "items", items);
	*code = 200;
	return answered;
}

static cJSON *serve(struct cluster *cluster, const struct exchange *exchange, struct kube_ref *ref,
		    int *code)
{
	char path[KUBE_PATH_MAX];
	const struct kube_kind kind = {ref->api_version, "", ref->plural, false};
	kube_path(path, &kind, ref->namespace[0] == '\0' ? NULL : ref->namespace,
		  ref->name[0] == '\0' ? NULL : ref->name);
	struct stored *stored = store_find(&cluster->store, path);
	if (strcmp(exchange->method, "GET") == 0) {
		if (ref->name[0] == '\0')
			return list(cluster, exchange, ref, code);
		if (stored == NULL)
			return refuse_not_found(ref, code);
		*code = 200;
		return cJSON_Duplicate(stored->object, true);
	}
	if (strcmp(exchange->method, "DELETE") == 0) {
		if (stored == NULL)
			return refuse_not_found(ref, code);
		cJSON *copy = cJSON_Duplicate(stored->object, true);
		remove_stored(cluster, stored);
		*code = 200;
		return copy;
	}
	struct error err = {0};
	SCOPED(json)
	cJSON *body = json_parse(exchange->body == NULL ? "" : exchange->body,
				 exchange->body == NULL ? 0 : strlen(exchange->body), &err);
	if (body == NULL) {
		*code = 400;
		return refusal(400, "BadRequest", err.text);
	}
	if (strcmp(exchange->method, "POST") == 0)
		return create(cluster, ref, cJSON_Duplicate(body, true), code);
	if (strcmp(exchange->method, "PATCH") == 0)
		return patch(cluster, exchange, ref, path, body, code);
	if (strcmp(exchange->method, "PUT") == 0) {
		if (stored == NULL)
			return refuse_not_found(ref, code);
		return replace(cluster, stored, cJSON_Duplicate(body, true),
			       strcmp(ref->subresource, "status") == 0, code);
	}
	*code = 405;
	return refusal(405, "MethodNotAllowed", "the server does not allow this method");
}

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
	};
	return cluster->fault(cluster->fault_owner, &request);
}

static bool answer_fault(struct cluster *cluster, uint64_t id, enum cluster_fault fault)
{
	static const struct {
		int code;
		const char *reason;
	} codes[] = {
		[FAULT_409] = {409, "Conflict"},	   [FAULT_410] = {410, "Expired"},
		[FAULT_429] = {429, "TooManyRequests"},	   [FAULT_500] = {500, "InternalError"},
		[FAULT_503] = {503, "ServiceUnavailable"},
	};
	struct error err;
	switch (fault) {
	case FAULT_NONE:
	case FAULT_AFTER:
		return false;
	case FAULT_BEFORE:
		error_set(&err, ERROR_UNAVAILABLE, "connection reset by peer");
		answer(cluster, id, 0, "", &err);
		return true;
	case FAULT_TIMEOUT:
		error_set(&err, ERROR_TIMEOUT, "no answer in time");
		answer(cluster, id, 0, "", &err);
		return true;
	case FAULT_409:
	case FAULT_410:
	case FAULT_429:
	case FAULT_500:
	case FAULT_503: {
		SCOPED(json)
		cJSON *status = refusal(codes[fault].code, codes[fault].reason, "injected");
		SCOPED(text) char *text = json_text(status);
		answer(cluster, id, codes[fault].code, text, NULL);
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
		answer(cluster, id, 404, "404 page not found", NULL);
		return;
	}
	SCOPED(text) char *watch = parameter(exchange->url, "watch");
	if (exchange->piece != NULL && watch != NULL &&
	    (strcmp(watch, "true") == 0 || strcmp(watch, "1") == 0)) {
		begin_watch(cluster, exchange, &ref);
		return;
	}
	int code;
	SCOPED(json) cJSON *object = serve(cluster, exchange, &ref, &code);
	if (fault == FAULT_AFTER) {
		struct error err;
		error_set(&err, ERROR_UNAVAILABLE, "connection reset by peer");
		answer(cluster, id, 0, "", &err);
		return;
	}
	SCOPED(text) char *text = json_text(object);
	answer(cluster, id, code, text, NULL);
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
	exchange->piece = piece;
	exchange->done = done;
	exchange->owner = owner;
	exchange->token = token;
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
	free(cluster->exchanges);
	free(cluster);
}

struct http *cluster_port(struct cluster *cluster)
{
	return &cluster->port;
}

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

bool cluster_apply(struct cluster *cluster, const cJSON *object, struct error *err)
{
	struct kube_ref ref = {0};
	char path[KUBE_PATH_MAX];
	const char *kind = json_string(object, "kind");
	if (kind == NULL || json_string(object, "metadata.name") == NULL)
		return error_set(err, ERROR_INVALID, "an object needs a kind and metadata.name");
	text_copy(ref.api_version, sizeof(ref.api_version),
		  json_string_or(object, "apiVersion", "v1"));
	plural_of(kind, ref.plural);
	text_copy(ref.namespace, sizeof(ref.namespace),
		  strcmp(kind, "Namespace") == 0
			  ? ""
			  : json_string_or(object, "metadata.namespace", "default"));
	text_copy(ref.name, sizeof(ref.name), json_string(object, "metadata.name"));
	const struct kube_kind named = {ref.api_version, "", ref.plural, false};
	kube_path(path, &named, ref.namespace[0] == '\0' ? NULL : ref.namespace, ref.name);
	struct stored *stored = store_find(&cluster->store, path);
	int code;
	SCOPED(json)
	cJSON *answered =
		stored == NULL
			? create(cluster, &ref, cJSON_Duplicate(object, true), &code)
			: replace(cluster, stored, cJSON_Duplicate(object, true), false, &code);
	return !failed(answered, code, err);
}

bool cluster_merge(struct cluster *cluster, const char *path, const cJSON *merged,
		   struct error *err)
{
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s not found", path);
	cJSON *next = cJSON_Duplicate(stored->object, true);
	json_merge_patch(&next, merged);
	int code;
	SCOPED(json) cJSON *answered = replace(cluster, stored, next, false, &code);
	return !failed(answered, code, err);
}

bool cluster_delete(struct cluster *cluster, const char *path, struct error *err)
{
	struct stored *stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s not found", path);
	remove_stored(cluster, stored);
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
	for (size_t i = 0; i < cluster->store.count; i++)
		if (in_collection(&cluster->store.items[i]->ref, &ref))
			cJSON_AddItemToArray(
				objects, cJSON_Duplicate(cluster->store.items[i]->object, true));
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
