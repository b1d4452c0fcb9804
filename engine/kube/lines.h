/*
 * lines.h - what a watch says: pieces of a stream become lines, a line becomes an event.
 *
 * A line is handed on once, when it is complete, without being searched twice; one longer than the
 * cap is an error, never a truncated event. Bytes come from a server that may be broken.
 */
#ifndef SLUICE_KUBE_LINES_H
#define SLUICE_KUBE_LINES_H

#include <cjson/cJSON.h>

#include "base/buf.h"

/* The bytes of a line, without its end; not terminated. False stops: the rest is dropped. */
typedef bool lines_call(void *owner, const char *line, size_t len);

struct lines {
	struct buf rest; /* the beginning of a line whose end has not come yet */
};

void lines_init(struct lines *lines, size_t line_max);
void lines_fini(struct lines *lines);
void lines_clear(struct lines *lines);
/* Calls for each complete line that is not blank. False (and ERROR_INVALID) when one is too long.
 */
bool lines_feed(struct lines *lines, const char *bytes, size_t len, lines_call *call, void *owner,
		struct error *err) MUST_CHECK;

enum line_kind {
	LINE_PUT, /* ADDED, MODIFIED */
	LINE_DELETED,
	LINE_BOOKMARK,
	LINE_STATUS, /* ERROR, or a Status where an event should be: the stream is over */
};

struct line {
	enum line_kind kind;
	cJSON *object;	     /* the caller frees; NULL for LINE_STATUS */
	const char *version; /* its resourceVersion, borrowed from the object; NULL: none */
	struct error status; /* LINE_STATUS: ERROR_GONE means list again */
};

/* The same of an event that is no text. */
bool line_take(const char *type, cJSON *owned_object, struct line *line,
	       struct error *err) MUST_CHECK;
bool line_decode(const char *text, size_t len, struct line *line, struct error *err) MUST_CHECK;

#endif
