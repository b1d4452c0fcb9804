#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* By way of a second buffer, because the arguments may point into `err->text`. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	if (err == NULL)
		return false;
	char text[ERROR_TEXT_MAX * 2];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	utf8_clean(text);
	err->kind = kind;
	text_copy(err->text, sizeof(err->text), text);
	return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
	if (err == NULL)
		return false;
	char prefix[ERROR_TEXT_MAX * 2];
	va_list args;
	va_start(args, format);
	vsnprintf(prefix, sizeof(prefix), format, args);
	va_end(args);
	if (err->kind == ERROR_NONE)
		return error_set(err, ERROR_BUG, "%s: failed without saying why", prefix);
	return error_set(err, err->kind, "%s: %s", prefix, err->text);
}

const char *error_kind_name(enum error_kind kind)
{
	switch (kind) {
	case ERROR_NONE:
		return "none";
	case ERROR_INVALID:
		return "invalid";
	case ERROR_NOT_FOUND:
		return "not found";
	case ERROR_CONFLICT:
		return "conflict";
	case ERROR_EXISTS:
		return "exists already";
	case ERROR_GONE:
		return "gone";
	case ERROR_DENIED:
		return "denied";
	case ERROR_THROTTLED:
		return "throttled";
	case ERROR_UNAVAILABLE:
		return "unavailable";
	case ERROR_TIMEOUT:
		return "timeout";
	case ERROR_CANCELLED:
		return "cancelled";
	case ERROR_SCRIPT:
		return "script";
	case ERROR_BUG:
		return "bug";
	}
	return "unknown";
}

enum error_kind error_of_status(int status)
{
	switch (status) {
	case 401:
	case 403:
		return ERROR_DENIED;
	case 404:
		return ERROR_NOT_FOUND;
	case 408:
	case 504:
		return ERROR_TIMEOUT;
	case 409:
		return ERROR_CONFLICT;
	case 410:
		return ERROR_GONE;
	case 429:
		return ERROR_THROTTLED;
	default:
		if (status >= 200 && status < 300)
			return ERROR_NONE;
		return status >= 500 ? ERROR_UNAVAILABLE : ERROR_INVALID;
	}
}

enum error_kind error_kind_of(const char *name)
{
	for (int kind = ERROR_INVALID; name != NULL && kind <= ERROR_BUG; kind++)
		if (strcmp(name, error_kind_name((enum error_kind)kind)) == 0)
			return (enum error_kind)kind;
	return ERROR_INVALID;
}
