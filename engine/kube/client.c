#include "kube/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "kube/refusal.h"

enum { BUCKETS = 128 }; /* of calls by id: a few hundred are under way at most */

static const int64_t default_timeout = 30 * DURATION_SECOND;
static const int64_t first_backoff = 100 * DURATION_MS, longest_backoff = 5 * DURATION_SECOND;

struct call {
	struct call *next_in_bucket, *next_in_queue;
	uint64_t id;
	enum kube_verb verb;
	bool is_lease, text_only, is_queued;
	char *path;
	const char *accept;
	char *body;
	struct tree *json; /* instead, where the transport takes it */
	kube_done *done;
	void *owner;
	uint64_t token;
	int64_t deadline; /* 0: it never left yet */
	int64_t backoff;
	uint64_t exchange;  /* under way at the transport, or 0 */
	uint64_t timer;	    /* until the next attempt, or 0 */
	struct error error; /* of a call that ends without an answer */
};

struct kube {
	struct loop *loop;
	struct http *transport;
	struct chance *chance;
	struct kube_options options;
	double tokens;
	int64_t filled_at;
	struct call *first, **last; /* those that wait for a token */
	uint64_t timer;
	struct call *buckets[BUCKETS];
	size_t pending;
	uint64_t last_id, requests;
	kube_may_write *may_write;
	void *fence_owner;
};

static const char *method_of(enum kube_verb verb)
{
	switch (verb) {
	case KUBE_GET:
		return "GET";
	case KUBE_CREATE:
		return "POST";
	case KUBE_UPDATE:
		return "PUT";
	case KUBE_APPLY:
	case KUBE_MERGE:
	case KUBE_JSON_PATCH:
		return "PATCH";
	case KUBE_DELETE:
		return "DELETE";
	}
	return "GET";
}

static const char *content_type_of(enum kube_verb verb)
{
	switch (verb) {
	case KUBE_APPLY:
		return "application/apply-patch+yaml";
	case KUBE_MERGE:
		return "application/merge-patch+json";
	case KUBE_JSON_PATCH:
		return "application/json-patch+json";
	case KUBE_GET:
	case KUBE_CREATE:
	case KUBE_UPDATE:
	case KUBE_DELETE:
		return "application/json";
	}
	return "application/json";
}

static const char *query_of(enum kube_verb verb)
{
	switch (verb) {
	case KUBE_APPLY:
		return "fieldManager=sluice&force=true";
	case KUBE_CREATE:
	case KUBE_UPDATE:
	case KUBE_MERGE:
	case KUBE_JSON_PATCH:
		return "fieldManager=sluice";
	case KUBE_GET:
	case KUBE_DELETE:
		return NULL;
	}
	return NULL;
}

/* ---- calls by id ---- */

static struct call **find_slot(struct kube *kube, uint64_t id)
{
	struct call **slot = &kube->buckets[id % BUCKETS];
	while (*slot != NULL && (*slot)->id != id)
		slot = &(*slot)->next_in_bucket;
	return slot;
}

static void unlink_call(struct kube *kube, struct call *call)
{
	*find_slot(kube, call->id) = call->next_in_bucket;
	kube->pending--;
}

static void call_free(struct call *call)
{
	free(call->path);
	free(call->body);
	tree_drop(call->json);
	free(call);
}

static void answer(struct kube *kube, struct call *call, const struct kube_reply *reply)
{
	unlink_call(kube, call);
	if (call->done != NULL)
		call->done(call->owner, call->token, reply);
	call_free(call);
}

static void give_up(void *owner, uint64_t id)
{
	struct kube *kube = owner;
	struct call *call = *find_slot(kube, id);
	if (call == NULL)
		return;
	const struct kube_reply reply = {.error = call->error, .text = ""};
	answer(kube, call, &reply);
}

/* ---- an attempt ---- */

static void on_reply(void *owner, uint64_t id, const struct http_reply *reply);

static void attempt(struct kube *kube, struct call *call)
{
	if (call->verb != KUBE_GET && !call->is_lease && kube->may_write != NULL &&
	    !kube->may_write(kube->fence_owner, call->path)) {
		error_set(&call->error, ERROR_CANCELLED, "%s %s: not sent, the lease is not held",
			  method_of(call->verb), call->path);
		loop_ready(kube->loop, give_up, kube, call->id);
		return;
	}
	int64_t now = loop_now(kube->loop);
	if (call->deadline == 0)
		call->deadline = now + kube->options.timeout_us;
	const struct http_header headers[] = {
		{"Accept", call->accept},
		{"Content-Type", content_type_of(call->verb)},
	};
	const struct http_request request = {
		.method = method_of(call->verb),
		.url = call->path,
		.headers = headers,
		.header_count = call->body != NULL || call->json != NULL ? 2 : 1,
		.body = call->body,
		.body_len = call->body != NULL ? strlen(call->body) : 0,
		.json = call->json,
		.timeout_us = call->deadline > now ? call->deadline - now : 1,
		.no_redirect = true,
		.takes_json = !call->text_only,
	};
	kube->requests++;
	call->exchange = http_send(kube->transport, &request, on_reply, kube, call->id);
}

/* ---- the token bucket ---- */

static void push(struct kube *kube, struct call *call)
{
	call->is_queued = true;
	call->next_in_queue = NULL;
	*kube->last = call;
	kube->last = &call->next_in_queue;
}

static void remove_from_queue(struct kube *kube, struct call *call)
{
	struct call **slot = &kube->first;
	while (*slot != call)
		slot = &(*slot)->next_in_queue;
	*slot = call->next_in_queue;
	if (kube->last == &call->next_in_queue)
		kube->last = slot;
	call->is_queued = false;
}

static void refill(struct kube *kube)
{
	int64_t now = loop_now(kube->loop);
	kube->tokens += (double)(now - kube->filled_at) * kube->options.qps / 1e6;
	if (kube->tokens > kube->options.burst)
		kube->tokens = kube->options.burst;
	kube->filled_at = now;
}

static void pump(void *owner, uint64_t token)
{
	(void)token;
	struct kube *kube = owner;
	loop_cancel(kube->loop, kube->timer);
	kube->timer = 0;
	refill(kube);
	/* A hair less than a whole token counts, or rounding would wait for it a second time. */
	while (kube->first != NULL && kube->tokens > 1 - 1e-6) {
		struct call *call = kube->first;
		remove_from_queue(kube, call);
		kube->tokens -= 1;
		attempt(kube, call);
	}
	if (kube->first == NULL)
		return;
	int64_t wait = (int64_t)((1 - kube->tokens) / kube->options.qps * 1e6) + 1;
	kube->timer = loop_at(kube->loop, kube->filled_at + wait, pump, kube, 0);
}

static void submit(struct kube *kube, struct call *call)
{
	if (call->is_lease || kube->options.qps <= 0) {
		attempt(kube, call);
		return;
	}
	push(kube, call);
	pump(kube, 0);
}

/* ---- what came back ---- */

static bool is_safe_to_repeat(const struct call *call, const struct http_reply *reply)
{
	if (call->verb != KUBE_GET)
		return reply->error.kind == ERROR_NONE &&
		       (reply->status == 429 || reply->status == 503) && reply->retry_after_us >= 0;
	switch (reply->error.kind) {
	case ERROR_NONE:
		return reply->status == 429 || reply->status >= 500;
	case ERROR_UNAVAILABLE:
	case ERROR_TIMEOUT:
		return true;
	case ERROR_INVALID:
	case ERROR_NOT_FOUND:
	case ERROR_CONFLICT:
	case ERROR_EXISTS:
	case ERROR_GONE:
	case ERROR_DENIED:
	case ERROR_THROTTLED:
	case ERROR_CANCELLED:
	case ERROR_SCRIPT:
	case ERROR_BUG:
		return false;
	}
	return false;
}

static void again(void *owner, uint64_t id)
{
	struct kube *kube = owner;
	struct call *call = *find_slot(kube, id);
	call->timer = 0;
	submit(kube, call);
}

/* Between a half and the whole of the backoff, on top of what the server asks for: clients that
 * failed together do not come back together. False when there is no time left for that. */
static bool try_again(struct kube *kube, struct call *call, const struct http_reply *reply)
{
	double share = 0.5 + chance_unit(kube->chance) / 2;
	int64_t wait = (int64_t)((double)call->backoff * share);
	if (reply->retry_after_us > 0)
		wait += reply->retry_after_us;
	int64_t when = loop_now(kube->loop) + wait;
	if (when >= call->deadline)
		return false;
	call->backoff = call->backoff * 2 < longest_backoff ? call->backoff * 2 : longest_backoff;
	call->timer = loop_at(kube->loop, when, again, kube, call->id);
	return true;
}

static void on_reply(void *owner, uint64_t id, const struct http_reply *reply)
{
	struct kube *kube = owner;
	struct call *call = *find_slot(kube, id);
	call->exchange = 0;
	if (is_safe_to_repeat(call, reply) && try_again(kube, call, reply))
		return;

	struct kube_reply result = {
		.error = reply->error,
		.status = reply->status,
		.text = reply->body,
		.text_len = reply->body_len,
	};
	if (reply->error.kind != ERROR_NONE) {
		error_wrap(&result.error, "%s %s", method_of(call->verb), call->path);
		answer(kube, call, &result);
		return;
	}
	bool is_good = reply->status >= 200 && reply->status < 300;
	SCOPED(json) cJSON *parsed = NULL;
	cJSON **slot = reply->json != NULL ? reply->json : &parsed;
	if (*slot == NULL && (!is_good || !call->text_only)) {
		struct error why;
		parsed = json_parse(reply->body, reply->body_len, &why);
		slot = &parsed;
		if (parsed == NULL && is_good)
			error_set(&result.error, ERROR_UNAVAILABLE,
				  "%s %s: the answer is not JSON: %s", method_of(call->verb),
				  call->path, why.text);
	}
	if (!is_good)
		refusal_error(*slot, reply->status, &result.error);
	result.object = *slot;
	result.slot = slot;
	answer(kube, call, &result);
}

/* ---- the public face ---- */

cJSON *kube_reply_take(const struct kube_reply *reply)
{
	cJSON *object = *reply->slot;
	*reply->slot = NULL;
	return object;
}

struct kube *kube_new(struct loop *loop, struct http *transport, struct chance *chance,
		      const struct kube_options *options)
{
	struct kube *kube = xcalloc(1, sizeof(*kube));
	*kube = (struct kube){
		.loop = loop,
		.transport = transport,
		.chance = chance,
		.options = *options,
		.filled_at = loop_now(loop),
	};
	if (kube->options.timeout_us <= 0)
		kube->options.timeout_us = default_timeout;
	if (kube->options.burst < 1)
		kube->options.burst = 1;
	kube->tokens = kube->options.burst;
	kube->last = &kube->first;
	return kube;
}

void kube_free(struct kube *kube)
{
	if (kube == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (kube->buckets[i] != NULL)
			kube_cancel(kube, kube->buckets[i]->id);
	loop_cancel(kube->loop, kube->timer);
	loop_drop(kube->loop, kube);
	free(kube);
}

struct loop *kube_loop(struct kube *kube)
{
	return kube->loop;
}

struct http *kube_transport(struct kube *kube)
{
	return kube->transport;
}

struct chance *kube_chance(struct kube *kube)
{
	return kube->chance;
}

void kube_fence(struct kube *kube, kube_may_write *may_write, void *owner)
{
	kube->may_write = may_write;
	kube->fence_owner = owner;
}

static struct call *call_new(struct kube *kube, enum kube_verb verb, const char *path,
			     kube_done *done, void *owner, uint64_t token)
{
	struct call *call = xcalloc(1, sizeof(*call));
	const char *query = query_of(verb);
	*call = (struct call){
		.id = ++kube->last_id,
		.verb = verb,
		.is_lease = text_starts(path, "/apis/coordination.k8s.io/"),
		.path = query == NULL
				? xstrdup(path)
				: xasprintf("%s%c%s", path, strchr(path, '?') ? '&' : '?', query),
		.accept = "application/json",
		.done = done,
		.owner = owner,
		.token = token,
		.backoff = first_backoff,
	};
	*find_slot(kube, call->id) = call;
	kube->pending++;
	return call;
}

uint64_t kube_send(struct kube *kube, enum kube_verb verb, const char *path, const cJSON *body,
		   kube_done *done, void *owner, uint64_t token)
{
	struct call *call = call_new(kube, verb, path, done, owner, token);
	if (body != NULL && kube->transport->takes_trees)
		call->json = tree_new(json_copy(body));
	else if (body != NULL)
		call->body = json_text(body);
	uint64_t id = call->id;
	submit(kube, call);
	return id;
}

uint64_t kube_get_text(struct kube *kube, const char *path, const char *accept, kube_done *done,
		       void *owner, uint64_t token)
{
	struct call *call = call_new(kube, KUBE_GET, path, done, owner, token);
	call->text_only = true;
	call->accept = accept;
	uint64_t id = call->id;
	submit(kube, call);
	return id;
}

uint64_t kube_stream(struct kube *kube, const char *path, const char *accept, int64_t timeout_us,
		     http_piece *piece, http_event *event, http_done *done, void *owner,
		     uint64_t token)
{
	const struct http_header header = {"Accept", accept};
	const struct http_request request = {
		.method = "GET",
		.url = path,
		.headers = &header,
		.header_count = 1,
		.timeout_us = timeout_us,
		.no_redirect = true,
		.event = event,
	};
	kube->requests++;
	return kube->transport->ops->send(kube->transport, &request, piece, done, owner, token);
}

void kube_cancel(struct kube *kube, uint64_t id)
{
	struct call *call = *find_slot(kube, id);
	if (call == NULL)
		return;
	if (call->exchange != 0)
		kube->transport->ops->cancel(kube->transport, call->exchange);
	loop_cancel(kube->loop, call->timer);
	if (call->is_queued)
		remove_from_queue(kube, call);
	unlink_call(kube, call);
	call_free(call);
}

size_t kube_pending(const struct kube *kube)
{
	return kube->pending;
}

uint64_t kube_requests(const struct kube *kube)
{
	return kube->requests;
}
