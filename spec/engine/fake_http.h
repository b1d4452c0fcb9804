/*
 * fake_http.h - a fake of the `http` port: it keeps what it was asked and answers when the spec
 * says so.
 *
 * Requests are answered in any order; a reply goes through the ready queue as the port promises.
 */
#ifndef SLUICE_SPEC_FAKE_HTTP_H
#define SLUICE_SPEC_FAKE_HTTP_H

#include "base/buf.h"
#include "loop/loop.h"
#include "ports.h"

enum { FAKE_REQUESTS_MAX = 256 };

struct fake_request {
	uint64_t id;
	char *method, *url, *body, *accept, *content_type;
	char *headers; /* "Name: value\n", in their order */
	int64_t timeout_us;
	int64_t at_us; /* when it was sent */
	http_piece *piece;
	http_done *done;
	void *owner;
	uint64_t token;
	bool open, cancelled;
	/* what it will be told */
	int status;
	struct error error;
	int64_t retry_after_us, server_us;
	char *reply, *location;
};

struct fake_http {
	struct http http;
	struct loop *loop;
	struct fake_request requests[FAKE_REQUESTS_MAX];
	size_t count;
};

void fake_http_init(struct fake_http *fake, struct loop *loop);
void fake_http_fini(struct fake_http *fake);

/* The newest request, which must be open. */
struct fake_request *fake_last(struct fake_http *fake);
size_t fake_open(const struct fake_http *fake);

void fake_reply(struct fake_http *fake, struct fake_request *request, int status, const char *body);
void fake_reply_later(struct fake_http *fake, struct fake_request *request, int status,
		      const char *body, int64_t retry_after_us);
void fake_redirect(struct fake_http *fake, struct fake_request *request, int status,
		   const char *to);
void fake_fail(struct fake_http *fake, struct fake_request *request, enum error_kind kind,
	       const char *text);
/* A piece of a stream, at once. When its reader ends it, it is answered so. */
void fake_piece(struct fake_http *fake, struct fake_request *request, const char *text);

#endif
