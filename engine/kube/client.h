/*
 * client.h - requests to an API server: rate limited, retried where that is safe, answered with an
 * error kind.
 *
 * The transport is a port: a real server (kube/transport.h) or the in-memory one (sim/). Everything
 * above this line behaves the same on both.
 */
#ifndef SLUICE_KUBE_CLIENT_H
#define SLUICE_KUBE_CLIENT_H

#include <cjson/cJSON.h>

#include "loop/loop.h"
#include "ports.h"

struct kube;

enum kube_verb {
	KUBE_GET,
	KUBE_CREATE,	 /* POST to the collection */
	KUBE_UPDATE,	 /* PUT */
	KUBE_APPLY,	 /* server-side apply, field manager "sluice", forced */
	KUBE_MERGE,	 /* RFC 7396 */
	KUBE_JSON_PATCH, /* RFC 6902 */
	KUBE_DELETE,
};

struct kube_options {
	double qps; /* client-side rate limit; 0: none */
	double burst;
	int64_t timeout_us; /* of one request; 0 means 30 s */
};

/* The reply of one request. `error.kind` is ERROR_NONE for 2xx; else CONFLICT or EXISTS (409),
 * GONE (410), NOT_FOUND, DENIED (401, 403), INVALID (400, 422), THROTTLED, UNAVAILABLE, TIMEOUT;
 * the text is the server's own message. `object` is borrowed, but may be taken. */
struct kube_reply {
	struct error error;
	int status;
	const cJSON *object;
	cJSON **slot;	  /* private: where it is owned; NULL without an answer */
	const char *text; /* the object as it came, borrowed */
	size_t text_len;
};
/* The object, once: from then on the caller's, who frees. NULL when there is none. */
cJSON *kube_reply_take(const struct kube_reply *reply);
typedef void kube_done(void *owner, uint64_t token, const struct kube_reply *reply);

struct kube *kube_new(struct loop *loop, struct http *transport, struct chance *chance,
		      const struct kube_options *options);
void kube_free(struct kube *kube);
struct loop *kube_loop(struct kube *kube);
struct http *kube_transport(struct kube *kube);
struct chance *kube_chance(struct kube *kube);

/* Asked at the last moment before a write leaves: after it waited for its turn, and again before it
 * is retried. False: it does not leave and fails with ERROR_CANCELLED. Writes of Leases are not
 * asked about: they are how one comes to own. NULL (the default): always. */
typedef bool kube_may_write(void *owner, const char *path);
void kube_fence(struct kube *kube, kube_may_write *may_write, void *owner);

/* GETs are retried on 429, 5xx and broken connections, within the timeout, with jitter and
 * Retry-After. Writes are retried only on 429 and 503 with Retry-After (the server says it did
 * nothing). `body` is borrowed. `path` may end in "/status" and may have a query. */
uint64_t kube_send(struct kube *kube, enum kube_verb verb, const char *path, const cJSON *body,
		   kube_done *done, void *owner, uint64_t token);
void kube_cancel(struct kube *kube, uint64_t id);

/* What kube/watch.h is made of: a GET whose reply is text alone (`object` is NULL), and one whose
 * body comes in pieces (or events), answered by the transport as it is and cancelled there.
 * `accept` is the media type. */
uint64_t kube_get_text(struct kube *kube, const char *path, const char *accept, kube_done *done,
		       void *owner, uint64_t token);
uint64_t kube_stream(struct kube *kube, const char *path, const char *accept, int64_t timeout_us,
		     http_piece *piece, http_event *event, http_done *done, void *owner,
		     uint64_t token);

/* Calls of kube_send that were not answered yet. Who ends runs the loop until it is 0, so that what
 * is on its way arrives. */
size_t kube_pending(const struct kube *kube);
/* For /metrics and benchmarks: requests sent so far. */
uint64_t kube_requests(const struct kube *kube);

#endif
