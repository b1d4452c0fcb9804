#include "metric/template.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

struct place {
	int line, column;
};

static struct place place_of(const char *text, const char *at)
{
	struct place place = {.line = 1, .column = 1};
	for (; text < at; text++) {
		place.column++;
		if (*text == '\n') {
			place.line++;
			place.column = 1;
		}
	}
	return place;
}

static bool fail(const char *text, const char *at, const char *what, size_t len, struct error *err)
{
	struct place place = place_of(text, at);
	return error_set(err, ERROR_INVALID, "template: query:%d:%d: %s: %.*s", place.line,
			 place.column, what, len > 80 ? 80 : (int)len, at);
}

static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_' && text[i] != '.')
			return false;
	return len > 0;
}

static bool render_name(const char *text, const char *name, size_t len, const cJSON *values,
			struct buf *into, struct error *err)
{
	if (!is_name(name, len))
		return fail(text, name, "only names can stand here", len, err);
	SCOPED(text) char *first = xstrndup(name, len);
	char *dot = strchr(first, '.');
	const cJSON *value;
	if (dot == NULL) {
		value = json_get(values, first);
	} else {
		*dot = '\0';
		value = json_get(json_get(values, first), dot + 1);
	}
	if (!cJSON_IsString(value))
		return fail(text, name, "there is no value of this name", len, err);
	buf_puts(into, value->valuestring);
	return true;
}

bool template_render(const char *text, const cJSON *values, struct buf *into, struct error *err)
{
	const char *at = text;
	for (;;) {
		const char *open = strstr(at, "{{");
		if (open == NULL) {
			buf_puts(into, at);
			break;
		}
		buf_add(into, at, (size_t)(open - at));
		const char *close = strstr(open, "}}");
		if (close == NULL)
			return fail(text, open, "is not closed", strlen(open), err);
		const char *begin = open + 2, *end = close;
		at = close + 2;
		if (begin < end && *begin == '-') {
			begin++;
			while (into->len > 0 && isspace((unsigned char)into->text[into->len - 1]))
				buf_cut(into, into->len - 1);
		}
		if (begin < end && end[-1] == '-') {
			end--;
			while (isspace((unsigned char)*at))
				at++;
		}
		while (begin < end && isspace((unsigned char)*begin))
			begin++;
		while (begin < end && isspace((unsigned char)end[-1]))
			end--;
		if (!render_name(text, begin, (size_t)(end - begin), values, into, err))
			return false;
	}
	if (into->full)
		return error_set(err, ERROR_INVALID, "template: the query is longer than %zu bytes",
				 into->cap);
	return true;
}
