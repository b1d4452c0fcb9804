/*
 * serve.h - an HTTP server on the loop: a request is told to its owner and answered by its id, at
 * once, later, or in pieces.
 *
 * Plain HTTP/1.1 by libmicrohttpd; for /metrics, probes and the in-memory cluster. Whoever asks and
 * does not read costs a bounded part of our memory, and cannot keep others from being answered.
 */
#ifndef SLUICE_NET_SERVE_H
#define SLUICE_NET_SERVE_H

#include <stddef.h>

#include "base/error.h"
#include "loop/loop.h"

struct serve;

struct serve_request {
	uint64_t id;
	const char *method, *url;			   /* the URL with its query, as it came */
	const char *content_type, *accept, *authorization; /* "" when not said */
	const char *body;				   /* terminated; never NULL */
	size_t body_len;
};
/* From the loop; the request is borrowed until it returns. */
typedef void serve_call(void *owner, const struct serve_request *request);

struct serve_options {
	const char *address; /* NULL: all of the machine, IPv6 and IPv4 */
	int port;	     /* 0: a free one, see serve_port */
	size_t body_max;
	size_t unread_max;     /* of answers that were not taken yet: beyond it, 503; 0: 256 MiB */
	unsigned connections;  /* at once; 0: 1000 */
	unsigned per_peer;     /* of them, of one address; 0: as many */
	unsigned idle_seconds; /* then a connection is closed; 0: 600 */
};

/* A real loop only. */
struct serve *serve_new(struct loop *loop, const struct serve_options *options, serve_call *call,
			void *owner, struct error *err) MUST_CHECK;
void serve_free(struct serve *serve);
int serve_port(const struct serve *serve);

/* Answers; a dead id (its client went away) is nothing. `content_type` may be NULL. */
void serve_reply(struct serve *serve, uint64_t id, int status, const char *content_type,
		 const char *body, size_t len);
/* The same in pieces. A piece to a client that does not read is kept, up to a cap: then false, and
 * also when the client is gone. */
void serve_begin(struct serve *serve, uint64_t id, int status, const char *content_type);
bool serve_piece(struct serve *serve, uint64_t id, const char *bytes, size_t len);
void serve_end(struct serve *serve, uint64_t id);
bool serve_is_open(const struct serve *serve, uint64_t id);

#endif
