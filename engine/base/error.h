/*
 * error.h - what went wrong, as a value on the caller's stack.
 *
 * The last parameter of whatever may fail. Nothing is allocated, nothing is to be freed. The kind
 * says what the caller can do about it; the text is one sentence for a person, without a full stop
 * and without secrets, in UTF-8 whatever it quotes.
 */
#ifndef SLUICE_BASE_ERROR_H
#define SLUICE_BASE_ERROR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum error_kind {
	ERROR_NONE,
	ERROR_INVALID, /* fix the input */
	ERROR_NOT_FOUND,
	ERROR_CONFLICT, /* read again, then decide again */
	ERROR_EXISTS,	/* what was to be created is there already */
	ERROR_GONE,	/* list again */
	ERROR_DENIED,
	ERROR_THROTTLED,   /* later, and slower */
	ERROR_UNAVAILABLE, /* later */
	ERROR_TIMEOUT,
	ERROR_CANCELLED,
	ERROR_SCRIPT, /* a Lua hook failed */
	ERROR_BUG,
};

enum { ERROR_TEXT_MAX = 480 };

struct error {
	enum error_kind kind;
	char text[ERROR_TEXT_MAX];
};

/* Both return false, so that a failing line is one line: `return error_set(err, ERROR_INVALID,
 * "…")`. `err` may be NULL. error_wrap puts "prefix: " before the text that is there. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
bool error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* What an HTTP status asks for: 2xx NONE, 429 THROTTLED, 401 and 403 DENIED, 5xx UNAVAILABLE, … */
enum error_kind error_of_status(int status);
/* "invalid", "not found", … for logs. */
const char *error_kind_name(enum error_kind kind);
enum error_kind error_kind_of(const char *name); /* ERROR_INVALID for NULL and unknown names */

#endif
