#include "sim/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

/* ---- requests under way ---- */

size_t exchange_index(const struct cluster *cluster, uint64_t id)
{
	for (size_t i = 0; i < cluster->exchange_count; i++)
		if (cluster->exchanges[i]->id == id)
			return i;
	return SIZE_MAX;
}

void exchange_end(struct cluster *cluster, uint64_t id)
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
	tree_drop(exchange->json);
	free(exchange->content_type);
	free(exchange->accept);
	free(exchange);
}

static void answer(struct cluster *cluster, uint64_t id, struct http_reply *reply)
{
	size_t i = exchange_index(cluster, id);
	if (i == SIZE_MAX)
		return;
	http_done *done = cluster->exchanges[i]->done;
	void *owner = cluster->exchanges[i]->owner;
	uint64_t token = cluster->exchanges[i]->token;
	exchange_end(cluster, id);
	reply->retry_after_us = reply->status == 429 ? DURATION_SECOND : -1;
	done(owner, token, reply);
}

void exchange_answer(struct cluster *cluster, uint64_t id, int status, const char *text,
		     const struct error *err)
{
	struct http_reply reply = {.status = status, .body = text, .body_len = strlen(text)};
	if (err != NULL)
		reply.error = *err;
	answer(cluster, id, &reply);
}

void exchange_answer_object(struct cluster *cluster, uint64_t id, int status, cJSON *owned_object)
{
	size_t i = exchange_index(cluster, id);
	SCOPED(json) cJSON *object = owned_object;
	struct http_reply reply = {.status = status, .body = "", .json = &object};
	if (i != SIZE_MAX && cluster->exchanges[i]->takes_json) {
		answer(cluster, id, &reply);
		return;
	}
	SCOPED(text) char *text = json_text(object);
	exchange_answer(cluster, id, status, text, NULL);
}

static void watch_over(void *owner, uint64_t id)
{
	exchange_answer(owner, id, 200, "", NULL);
}

/* ---- watches ---- */

/* What a watch is told of: False when it is over. */
static bool say(const struct exchange *watch, const char *type, cJSON *owned_object)
{
	if (watch->event != NULL)
		return watch->event(watch->owner, watch->token, type, owned_object);
	SCOPED(json) cJSON *object = owned_object;
	SCOPED(buf) struct buf line;
	buf_init(&line, SIZE_MAX);
	buf_printf(&line, "{\"type\":\"%s\",\"object\":", type);
	json_write(&line, object);
	buf_puts(&line, "}\n");
	return watch->piece(watch->owner, watch->token, line.text, line.len);
}

/* False when the watch is gone. */
static bool tell(struct cluster *cluster, uint64_t id, const char *type, const cJSON *object,
		 const char *managed)
{
	size_t i = exchange_index(cluster, id);
	if (i == SIZE_MAX)
		return false;
	const struct exchange *watch = cluster->exchanges[i];
	if (say(watch, type, request_view(watch, object, managed)))
		return exchange_index(cluster, id) != SIZE_MAX;
	struct error err;
	error_set(&err, ERROR_CANCELLED, "ended by its reader");
	exchange_answer(cluster, id, 200, "", &err);
	return false;
}

static const struct change *first_after(const struct store *store, uint64_t version)
{
	size_t low = 0, high = store->change_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (store->changes[middle].version <= version)
			low = middle + 1;
		else
			high = middle;
	}
	return low < store->change_count ? &store->changes[low] : NULL;
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
		const struct change *next = first_after(&cluster->store, watch->cursor);
		if (next == NULL)
			return;
		watch->cursor = next->version;
		if (!request_is_of(&watch->ref, &next->ref))
			continue;
		/* The log may be packed meanwhile. */
		const char *type = next->type;
		SCOPED(text) char *managed = xstrdup(next->managed);
		struct tree *object = change_object(next);
		bool wanted = !request_selects(watch) ||
			      request_wants(watch, &watch->ref, &next->ref, object->json);
		bool goes_on = !wanted || tell(cluster, id, type, object->json, managed);
		tree_drop(object);
		if (!goes_on)
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

/* Who names no version is told what there is, first. False when the watch is gone. */
static bool tell_all(struct cluster *cluster, const struct exchange *watch)
{
	uint64_t id = watch->id;
	for (size_t i = 0; i < cluster->store.count; i++) {
		const struct stored *stored = cluster->store.items[i];
		if (!request_wants(watch, &watch->ref, &stored->ref, stored->object))
			continue;
		if (!tell(cluster, id, "ADDED", stored->object, stored->managed))
			return false;
	}
	return true;
}

void watch_begin(struct cluster *cluster, struct exchange *exchange, const struct kube_ref *ref)
{
	SCOPED(text) char *version = request_parameter(exchange->url, "resourceVersion");
	SCOPED(text) char *timeout = request_parameter(exchange->url, "timeoutSeconds");
	exchange->watching = true;
	exchange->ref = *ref;
	exchange->cursor = version == NULL || strcmp(version, "0") == 0
				   ? cluster->store.version
				   : strtoull(version, NULL, 10);
	if (exchange->cursor < cluster->store.forgotten) {
		SCOPED(json)
		cJSON *gone =
			refusal(410, "Expired", "too old resource version: see the list again");
		SCOPED(text) char *text = json_text(gone);
		exchange_answer(cluster, exchange->id, 410, text, NULL);
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
	if (version == NULL || strcmp(version, "0") == 0) {
		if (!tell_all(cluster, exchange))
			return;
	}
	tell_soon(cluster, exchange);
}

void watches_tell(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->exchange_count; i++)
		if (cluster->exchanges[i]->watching)
			tell_soon(cluster, cluster->exchanges[i]);
}
