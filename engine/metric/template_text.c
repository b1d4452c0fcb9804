/*
 * template_text.c - nodes as text, for messages; Go's quoted literals, both ways.
 */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "metric/template_parts.h"

static void write_fields(const struct node *node, struct buf *into)
{
	for (const struct field *field = node->fields; field != NULL; field = field->next) {
		buf_putc(into, '.');
		buf_puts(into, field->name);
	}
}

static void write_row(const struct node *node, const char *between, struct buf *into)
{
	for (const struct node *each = node->first; each != NULL; each = each->next) {
		if (each != node->first)
			buf_puts(into, between);
		if (each->kind == NODE_PIPE)
			buf_putc(into, '(');
		node_write(each, into);
		if (each->kind == NODE_PIPE)
			buf_putc(into, ')');
	}
}

static void write_pipe(const struct node *node, struct buf *into)
{
	for (int i = 0; i < node->declared_count; i++) {
		buf_puts(into, i > 0 ? ", " : "");
		buf_puts(into, node->declared[i]);
	}
	if (node->declared_count > 0)
		buf_puts(into, node->assigns ? " = " : " := ");
	write_row(node, " | ", into);
}

static void write_template(const struct node *node, struct buf *into)
{
	buf_puts(into, "{{template ");
	text_quote(into, node->text, strlen(node->text), false);
	if (node->pipe != NULL) {
		buf_putc(into, ' ');
		node_write(node->pipe, into);
	}
	buf_puts(into, "}}");
}

void node_write(const struct node *node, struct buf *into)
{
	switch (node->kind) {
	case NODE_PIPE:
		write_pipe(node, into);
		return;
	case NODE_COMMAND:
		write_row(node, " ", into);
		return;
	case NODE_IDENTIFIER:
	case NODE_NUMBER:
		buf_puts(into, node->text);
		return;
	case NODE_STRING:
		buf_puts(into, node->written);
		return;
	case NODE_BOOL:
		buf_puts(into, node->whole != 0 ? "true" : "false");
		return;
	case NODE_DOT:
		buf_putc(into, '.');
		return;
	case NODE_NIL:
		buf_puts(into, "nil");
		return;
	case NODE_FIELD:
		write_fields(node, into);
		return;
	case NODE_VARIABLE:
		buf_puts(into, node->text);
		write_fields(node, into);
		return;
	case NODE_CHAIN:
		buf_puts(into, node->list->kind == NODE_PIPE ? "(" : "");
		node_write(node->list, into);
		buf_puts(into, node->list->kind == NODE_PIPE ? ")" : "");
		write_fields(node, into);
		return;
	case NODE_TEXT:
		buf_add(into, node->text, node->len);
		return;
	case NODE_ACTION:
		buf_puts(into, "{{");
		node_write(node->pipe, into);
		buf_puts(into, "}}");
		return;
	case NODE_TEMPLATE:
		write_template(node, into);
		return;
	case NODE_LIST:
	case NODE_IF:
	case NODE_WITH:
	case NODE_RANGE:
	case NODE_BREAK:
	case NODE_CONTINUE:
	case NODE_END:
	case NODE_ELSE:
		return; /* no message is about these */
	}
}

/* Spaces, controls, formats and private ones, beyond ASCII: unicode.Z, Cc, Cf, Co of Go 1.26. */
static const uint32_t unprintable[][2] = {
	{0x80, 0xA0},	    {0xAD, 0xAD},	{0x600, 0x605},	      {0x61C, 0x61C},
	{0x6DD, 0x6DD},	    {0x70F, 0x70F},	{0x890, 0x891},	      {0x8E2, 0x8E2},
	{0x1680, 0x1680},   {0x180E, 0x180E},	{0x2000, 0x200F},     {0x2028, 0x202F},
	{0x205F, 0x2064},   {0x2066, 0x206F},	{0x3000, 0x3000},     {0xE000, 0xF8FF},
	{0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},	{0x110BD, 0x110BD},   {0x110CD, 0x110CD},
	{0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},   {0xE0001, 0xE0001},
	{0xE0020, 0xE007F}, {0xF0000, 0xFFFFD}, {0x100000, 0x10FFFD},
};

bool text_prints(uint32_t point)
{
	if (point < 0x80)
		return point >= ' ' && point != 0x7f;
	for (size_t i = 0; i < ARRAY_LEN(unprintable); i++)
		if (point >= unprintable[i][0] && point <= unprintable[i][1])
			return false;
	return true;
}

void text_quote(struct buf *into, const char *text, size_t len, bool ascii)
{
	static const char named[] = "\a\b\f\n\r\t\v\"\\", letters[] = "abfnrtv\"\\";
	buf_putc(into, '"');
	for (size_t i = 0, width; i < len; i += width) {
		unsigned char c = (unsigned char)text[i];
		const char *name = c == 0 ? NULL : strchr(named, c);
		size_t known = utf8_length(text + i, len - i);
		uint32_t point = known == 0 ? c : utf8_point(text + i, known);
		width = known == 0 ? 1 : known;
		if (name != NULL)
			buf_printf(into, "\\%c", letters[name - named]);
		else if (known == 0 || (point < 0x80 && !text_prints(point)))
			buf_printf(into, "\\x%02x", c);
		else if (point < 0x80 || (!ascii && text_prints(point)))
			buf_add(into, text + i, width);
		else
			buf_printf(into, point < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)point);
	}
	buf_putc(into, '"');
}

static int digits_value(const char *text, size_t len, int count, int base, unsigned *value)
{
	*value = 0;
	for (int i = 0; i < count; i++) {
		if ((size_t)i >= len)
			return 0;
		int c = tolower((unsigned char)text[i]);
		int digit = isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
		if (digit >= base)
			return 0;
		*value = *value * (unsigned)base + (unsigned)digit;
	}
	return count;
}

/* The escape after a backslash at `text`; returns its length, 0 when it is none. */
static size_t unescape(const char *text, size_t len, char quote, struct buf *into)
{
	static const char letters[] = "abfnrtv\\", named[] = "\a\b\f\n\r\t\v\\";
	unsigned value;
	if (len == 0 || text[0] == '\0')
		return 0;
	const char *letter = strchr(letters, text[0]);
	if (letter != NULL) {
		buf_putc(into, named[letter - letters]);
		return 1;
	}
	if (text[0] == quote) {
		buf_putc(into, quote);
		return 1;
	}
	if (text[0] >= '0' && text[0] <= '7') {
		if (digits_value(text, len, 3, 8, &value) == 0 || value > 255)
			return 0;
		buf_putc(into, (char)value);
		return 3;
	}
	int count = text[0] == 'x' ? 2 : text[0] == 'u' ? 4 : text[0] == 'U' ? 8 : 0;
	if (count == 0 || digits_value(text + 1, len - 1, count, 16, &value) == 0)
		return 0;
	if (count == 2) {
		buf_putc(into, (char)value);
		return 3;
	}
	char bytes[UTF8_MAX];
	if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
		return 0;
	buf_add(into, bytes, utf8_put(bytes, value));
	return (size_t)count + 1;
}

const char *text_unquote(struct template_job *job, const char *text, size_t len, size_t *out_len)
{
	struct buf plain;
	buf_init(&plain, len + 1);
	bool good = len >= 2;
	char quote = good ? text[0] : '\0';
	for (size_t i = 1; good && i + 1 < len; i++) {
		if (quote == '`') {
			if (text[i] != '\r')
				buf_putc(&plain, text[i]);
		} else if (text[i] == '\\') {
			size_t taken = unescape(text + i + 1, len - i - 2, quote, &plain);
			good = taken > 0;
			i += taken;
		} else {
			buf_putc(&plain, text[i]);
		}
	}
	const char *kept = good ? pool_text(job->pool, plain.text, plain.len) : NULL;
	*out_len = plain.len;
	buf_fini(&plain);
	return kept;
}
