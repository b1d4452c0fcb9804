/*
 * ports.h - the four ways by which the world reaches the engine: the clock (loop/loop.h), requests,
 * metrics, chance.
 *
 * Each has a live and a recorded or simulated implementation, swapped at run time in the same
 * binary. A completion is always called from the loop's ready queue, never from inside the call
 * that asked, and exactly once unless cancelled.
 */
#ifndef SLUICE_PORTS_H
#define SLUICE_PORTS_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/tree.h"

/* ---- requests: the API server (url is a path from the root: "/apis/apps/v1/…") or any URL
 * ------------------------ */

struct http_header {
	const char *name;
	const char *value;
};

/* An event of a Kubernetes watch. False ends the stream, as for http_piece. */
typedef bool http_event(void *owner, uint64_t token, const char *type, cJSON *owned_object);

struct http_request {
	const char *method; /* "GET", "POST", … */
	const char *url;
	const struct http_header *headers;
	size_t header_count;
	const char *body; /* copied by send */
	size_t body_len;
	struct tree *json;  /* instead of the body, where a port takes trees; or NULL */
	size_t reply_max;   /* a longer reply is an error; 0 means HTTP_BODY_MAX */
	bool cut_reply;	    /* it is not: the rest of it is passed over */
	int64_t timeout_us; /* of the whole exchange; 0 means none (streams) */
	bool insecure_tls;  /* do not verify the peer's certificate */
	bool no_redirect;
	bool takes_json;   /* a reply may be `json` instead of a body, where a port has it so */
	http_event *event; /* called instead of `piece`, where a port has it so; or NULL */
	bool secret_url;   /* messages show no more of it than the host */
	const char *proxy; /* instead of the port's own; or NULL */
};

/* `error.kind` is ERROR_NONE when an HTTP answer arrived, whatever its status. */
struct http_reply {
	int status;
	struct error error;
	const char *body; /* borrowed until the callback returns; terminated; never NULL */
	size_t body_len;
	cJSON **json; /* instead of the body, which is "" then: who takes it leaves NULL; or NULL */
	int64_t retry_after_us; /* -1 when the server did not say */
	int64_t server_us; /* the server's clock when it answered, since the epoch; 0: not said */
	const char *location; /* of a redirection that was not followed, absolute; or NULL */
};

/* `token` is the caller's: an id across the wait, never a pointer. */
typedef void http_done(void *owner, uint64_t token, const struct http_reply *reply);
/* A piece of a streamed body (any length). False ends the stream: `done` follows with
 * ERROR_CANCELLED. */
typedef bool http_piece(void *owner, uint64_t token, const char *bytes, size_t len);

struct http;
struct http_ops {
	/* `piece` is NULL for a whole reply; else pieces go there as they come and the reply's body
	 * stays empty (but for a status >= 400, whose body is kept). Returns an id that is good for
	 * cancel. */
	uint64_t (*send)(struct http *http, const struct http_request *request, http_piece *piece,
			 http_done *done, void *owner, uint64_t token);
	void (*cancel)(struct http *http, uint64_t id);
	void (*free)(struct http *http);
};
struct http {
	const struct http_ops *ops; /* first member of every implementation */
	bool takes_trees;	    /* requests may have `json` instead of a body */
};

static inline uint64_t http_send(struct http *http, const struct http_request *request,
				 http_done *done, void *owner, uint64_t token)
{
	return http->ops->send(http, request, NULL, done, owner, token);
}

/* ---- metrics: one number about the canary now, or why there is none
 * ---------------------------------------------- */

enum sample_kind {
	SAMPLE_OK,
	SAMPLE_NO_DATA, /* the store answered: nothing matches */
	SAMPLE_NAN,	/* the store answered: not a number (no requests divided by no requests) */
	SAMPLE_AMBIGUOUS, /* more than one series where one number was wanted */
	/* The newest value is older than ten of the metric's intervals; than one where the store
	 * computes it when it is asked (Prometheus). */
	SAMPLE_STALE,
	SAMPLE_ERROR, /* the store did not answer, or not in its own language */
};

struct sample {
	enum sample_kind kind;
	double value;	/* SAMPLE_OK and SAMPLE_STALE only */
	bool has_count; /* the store said of how many measurements the value is made */
	double count;
	int64_t at_us; /* when the store says that it was so, since the epoch; 0: it does not */
	enum error_kind error;	   /* SAMPLE_ERROR only: what the asker can do about it */
	char text[ERROR_TEXT_MAX]; /* what went wrong, for a person */
	const char *raw; /* the store's answer as it came, borrowed until the callback returns; or
			    NULL */
};

struct metric_query {
	const char *canary; /* name */
	const char *namespace;
	const char *metric;   /* spec.analysis.metrics[].name */
	const char *provider; /* "prometheus", …: spec.provider.type of a MetricTemplate */
	const char *address;
	const char *query;		   /* rendered */
	int64_t interval_us;		   /* the metric's window */
	int64_t at_us;			   /* asked about this time, since the epoch; 0: now */
	const struct http_header *headers; /* credentials among them: never logged */
	size_t header_count;
	bool insecure_tls;
	const char *region;  /* or NULL */
	bool online;	     /* only whether the store can be asked at all: no value is wanted */
	const cJSON *secret; /* decoded values of its Secret by key, or NULL: never logged */
};

typedef void metric_done(void *owner, uint64_t token, const struct sample *sample);

struct metrics;
struct metrics_ops {
	uint64_t (*query)(struct metrics *metrics, const struct metric_query *query,
			  metric_done *done, void *owner, uint64_t token);
	void (*cancel)(struct metrics *metrics, uint64_t id);
	void (*free)(struct metrics *metrics);
};
struct metrics {
	const struct metrics_ops *ops;
};

/* ---- chance: jitter and identities; seeded in simulations
 * -------------------------------------------------------- */

struct chance {
	uint64_t state[2]; /* xoroshiro128+ */
};
void chance_seed(struct chance *chance, uint64_t seed);
void chance_seed_from_os(struct chance *chance);
uint64_t chance_next(struct chance *chance);
double chance_unit(struct chance *chance); /* [0, 1) */

#endif
