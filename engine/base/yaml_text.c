#include "base/yaml.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/yaml_scalar.h"

/* A longer key does not stand on the line of its value: YAML allows 1024 characters for that, and
 * each of these may take six when it is quoted. */
enum { SIMPLE_KEY_MAX = 160 };

/* What YAML allows to stand for itself: printable, and no line break but \n. */
static bool is_printable(const char *text, size_t step)
{
	const unsigned char *byte = (const unsigned char *)text;
	if (step == 1)
		return (byte[0] >= 0x20 && byte[0] < 0x7F) || byte[0] == '\t' || byte[0] == '\n';
	if (step == 2)
		return byte[0] != 0xC2 || byte[1] >= 0xA0;
	bool separator =
		memcmp(text, "\xE2\x80\xA8", 3) == 0 || memcmp(text, "\xE2\x80\xA9", 3) == 0;
	bool special = memcmp(text, "\xEF\xBB\xBF", 3) == 0 ||
		       memcmp(text, "\xEF\xBF\xBE", 3) == 0 || memcmp(text, "\xEF\xBF\xBF", 3) == 0;
	return step == 4 || !(separator || special);
}

static bool all_printable(const char *text)
{
	size_t len = strlen(text);
	for (size_t at = 0; at < len;) {
		size_t step = utf8_length(text + at, len - at);
		if (step == 0 || !is_printable(text + at, step))
			return false;
		at += step;
	}
	return true;
}

static bool can_be_plain(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || text[0] == ' ' || text[len - 1] == ' ' || text[len - 1] == ':')
		return false;
	if (strchr("-?:,[]{}#&*!|>'\"%@`", text[0]) != NULL)
		return false;
	return strpbrk(text, "\t\n") == NULL && strstr(text, ": ") == NULL &&
	       strstr(text, " #") == NULL && strncmp(text, "...", 3) != 0 && all_printable(text) &&
	       yaml_scalar_is_text(text);
}

static bool can_be_block(const char *text)
{
	return strchr(text, '\n') != NULL && strspn(text, "\n") < strlen(text) &&
	       all_printable(text);
}

static uint32_t code_point(const char *text, size_t step)
{
	const unsigned char *byte = (const unsigned char *)text;
	uint32_t point = step == 1 ? byte[0] : step == 2 ? byte[0] & 0x1FU : byte[0] & 0x0FU;
	for (size_t i = 1; i < step; i++)
		point = point << 6 | (byte[i] & 0x3FU);
	return point;
}

static void write_quoted(struct buf *buf, const char *text)
{
	size_t len = strlen(text);
	buf_putc(buf, '"');
	for (size_t at = 0; at < len;) {
		size_t step = utf8_length(text + at, len - at);
		if (step == 0)
			buf_puts(buf, "\xEF\xBF\xBD");
		else if (text[at] == '"' || text[at] == '\\')
			buf_printf(buf, "\\%c", text[at]);
		else if (text[at] == '\n')
			buf_puts(buf, "\\n");
		else if (text[at] == '\t')
			buf_puts(buf, "\\t");
		else if (is_printable(text + at, step))
			buf_add(buf, text + at, step);
		else
			buf_printf(buf, "\\u%04x", code_point(text + at, step));
		at += step > 0 ? step : 1;
	}
	buf_putc(buf, '"');
}

static void write_indent(struct buf *buf, int indent)
{
	for (int i = 0; i < indent; i++)
		buf_putc(buf, ' ');
}

/* A text in several lines; the header says how many line breaks end it, and how deep it stands
 * when its first line does not show that. */
static void write_block(struct buf *buf, const char *text, int indent)
{
	size_t len = strlen(text), breaks = 0;
	while (breaks < len && text[len - 1 - breaks] == '\n')
		breaks++;
	buf_putc(buf, '|');
	if (strchr(" \t\n", text[0]) != NULL)
		buf_putc(buf, '2');
	buf_puts(buf, breaks == 0 ? "-" : breaks == 1 ? "" : "+");
	size_t at = 0;
	for (const char *line = text; at < len; line = text + at) {
		size_t width = strcspn(line, "\n");
		buf_putc(buf, '\n');
		if (width > 0)
			write_indent(buf, indent + 2);
		buf_add(buf, line, width);
		at += width + 1;
	}
}

static void write_text(struct buf *buf, const char *text, int indent)
{
	if (can_be_plain(text))
		buf_puts(buf, text);
	else if (can_be_block(text))
		write_block(buf, text, indent);
	else
		write_quoted(buf, text);
}

static void write_scalar(struct buf *buf, const cJSON *item, int indent)
{
	if (cJSON_IsString(item))
		write_text(buf, item->valuestring, indent);
	else if (cJSON_IsArray(item))
		buf_puts(buf, "[]");
	else if (cJSON_IsObject(item))
		buf_puts(buf, "{}");
	else if (cJSON_IsNumber(item) && item->valuedouble == 0 && signbit(item->valuedouble))
		buf_puts(buf, "-0.0"); /* "-0" would be the integer */
	else
		json_write(buf, item);
}

static bool is_nested(const cJSON *item)
{
	return (cJSON_IsArray(item) || cJSON_IsObject(item)) && item->child != NULL;
}

static void write_nested(struct buf *buf, const cJSON *item, int indent);

/* Lists stand at the indent of their key, as kubectl writes them. */
static void write_member(struct buf *buf, const cJSON *item, int indent)
{
	const char *key = item->string;
	bool is_long = strlen(key) > SIMPLE_KEY_MAX;
	if (is_long)
		buf_puts(buf, "? ");
	if (can_be_plain(key))
		buf_puts(buf, key);
	else
		write_quoted(buf, key);
	if (is_long) {
		buf_putc(buf, '\n');
		write_indent(buf, indent);
	}
	buf_putc(buf, ':');
	if (is_nested(item)) {
		int deeper = cJSON_IsArray(item) && !is_long ? indent : indent + 2;
		buf_putc(buf, '\n');
		write_indent(buf, deeper);
		write_nested(buf, item, deeper);
		return;
	}
	buf_putc(buf, ' ');
	write_scalar(buf, item, indent);
	buf_putc(buf, '\n');
}

/* Begins where the first line of it is indented already. */
static void write_nested(struct buf *buf, const cJSON *item, int indent)
{
	for (const cJSON *child = item->child; child != NULL; child = child->next) {
		if (child != item->child)
			write_indent(buf, indent);
		if (cJSON_IsObject(item)) {
			write_member(buf, child, indent);
			continue;
		}
		buf_puts(buf, "- ");
		if (is_nested(child)) {
			write_nested(buf, child, indent + 2);
			continue;
		}
		write_scalar(buf, child, indent);
		buf_putc(buf, '\n');
	}
}

char *yaml_text(const cJSON *json)
{
	struct buf buf;
	buf_init(&buf, SIZE_MAX);
	if (is_nested(json)) {
		write_nested(&buf, json, 0);
	} else {
		write_scalar(&buf, json, 0);
		buf_putc(&buf, '\n');
	}
	return buf_take(&buf);
}
