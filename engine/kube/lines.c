#include "kube/lines.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/refusal.h"

void lines_init(struct lines *lines, size_t line_max)
{
	buf_init(&lines->rest, line_max);
}

void lines_fini(struct lines *lines)
{
	buf_fini(&lines->rest);
}

void lines_clear(struct lines *lines)
{
	buf_clear(&lines->rest);
}

static bool too_long(const struct lines *lines, struct error *err)
{
	return error_set(err, ERROR_INVALID, "a line is longer than %zu bytes", lines->rest.cap);
}

static bool is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

bool lines_feed(struct lines *lines, const char *bytes, size_t len, lines_call *call, void *owner,
		struct error *err)
{
	const char *end = bytes + len;
	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
		const char *stop = newline != NULL ? newline : end;
		size_t part = (size_t)(stop - bytes);
		const char *line = bytes;
		size_t line_len = part;
		if (newline == NULL || lines->rest.len > 0) {
			if (!buf_add(&lines->rest, bytes, part))
				return too_long(lines, err);
			line = lines->rest.text;
			line_len = lines->rest.len;
		}
		if (newline == NULL)
			return true;
		if (line_len > lines->rest.cap)
			return too_long(lines, err);
		bool go_on = is_blank(line, line_len) || call(owner, line, line_len);
		buf_clear(&lines->rest);
		if (!go_on)
			return true;
		bytes = newline + 1;
	}
	return true;
}

static bool kind_of(const char *type, enum line_kind *kind)
{
	if (text_equal(type, "ADDED") || text_equal(type, "MODIFIED"))
		*kind = LINE_PUT;
	else if (text_equal(type, "DELETED"))
		*kind = LINE_DELETED;
	else if (text_equal(type, "BOOKMARK"))
		*kind = LINE_BOOKMARK;
	else if (text_equal(type, "ERROR"))
		*kind = LINE_STATUS;
	else
		return false;
	return true;
}

bool line_take(const char *type, cJSON *owned_object, struct line *line, struct error *err)
{
	SCOPED(json) cJSON *object = owned_object;
	*line = (struct line){0};
	if (!kind_of(type, &line->kind))
		return error_set(err, ERROR_INVALID, "a watch event is of type \"%.40s\"",
				 type != NULL ? type : "");
	if (!cJSON_IsObject(object))
		return error_set(err, ERROR_INVALID, "a watch event without an object");
	if (line->kind == LINE_STATUS) {
		refusal_error(object, 0, &line->status);
		return true;
	}
	if (line->kind != LINE_BOOKMARK && json_string(object, "metadata.name") == NULL)
		return error_set(err, ERROR_INVALID,
				 "a watch event about an object without a name");
	line->version = json_string(object, "metadata.resourceVersion");
	line->object = object;
	object = NULL;
	return true;
}

bool line_decode(const char *text, size_t len, struct line *line, struct error *err)
{
	*line = (struct line){0};
	SCOPED(json) cJSON *event = json_parse(text, len, err);
	if (event == NULL)
		return error_wrap(err, "a watch event");
	if (text_equal(json_string(event, "kind"), "Status")) {
		line->kind = LINE_STATUS;
		refusal_error(event, 0, &line->status);
		return true;
	}
	cJSON *object = json_get(event, "object");
	if (object != NULL)
		cJSON_DetachItemViaPointer(event, object);
	return line_take(json_string(event, "type"), object, line, err);
}
