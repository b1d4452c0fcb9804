#include "base/json.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cells.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

/*
 * The grammar of RFC 8259 and nothing more, into cJSON's nodes. cJSON's own parser takes "01",
 * raw control characters and wrong UTF-8, cuts strings at \u0000, and does not say what it
 * disliked. A string with \u0000 is refused here, because a C string cannot carry it.
 */
struct reader {
	const char *text;
	size_t at, len;
	int depth;
	struct error *err;
};

static cJSON *read_value(struct reader *reader);

static void *refuse(struct reader *reader, const char *why)
{
	error_set(reader->err, ERROR_INVALID, "offset %zu: %s", reader->at, why);
	return NULL;
}

/* The next byte, or -1 at the end. */
static int peek(const struct reader *reader)
{
	return reader->at < reader->len ? (unsigned char)reader->text[reader->at] : -1;
}

static void skip_space(struct reader *reader)
{
	while (reader->at < reader->len) {
		char c = reader->text[reader->at];
		if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
			return;
		reader->at++;
	}
}

static cJSON *read_word(struct reader *reader, const char *word, int type)
{
	size_t len = strlen(word);
	if (reader->len - reader->at < len || memcmp(reader->text + reader->at, word, len) != 0)
		return refuse(reader, "expected a value");
	reader->at += len;
	cJSON *item = json_new(type);
	item->valueint = type == cJSON_True;
	return item;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* The number between two offsets, correctly rounded. Up to 15 digits and 22 places, mantissa and
 * power of ten are exact doubles and so their product or quotient is rounded once. */
static double number_between(const struct reader *reader, size_t from, size_t to)
{
	static const double powers[] = {1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,
					1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
					1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	const char *text = reader->text + from, *end = reader->text + to;
	bool negative = *text == '-';
	uint64_t mantissa = 0;
	size_t digits = 0, places = 0;
	bool fraction = false, plain = true;
	for (const char *c = text + negative; c < end && plain; c++) {
		if (*c == '.') {
			fraction = true;
			continue;
		}
		plain = is_digit(*c) && digits < 15;
		mantissa = mantissa * 10 + (uint64_t)(*c - '0');
		digits += mantissa > 0;
		places += fraction;
	}
	if (plain && places < ARRAY_LEN(powers)) {
		double value = (double)mantissa / powers[places];
		return negative ? -value : value;
	}
	char shorter[64];
	size_t len = to - from;
	if (len < sizeof(shorter)) {
		memcpy(shorter, text, len);
		shorter[len] = '\0';
		return strtod(shorter, NULL);
	}
	SCOPED(text) char *longer = xstrndup(text, len);
	return strtod(longer, NULL);
}

enum { EXACT_DIGITS = 15 }; /* whatever has no more is a double */

/* The text of a whole number of 64 bits that a double may not bring back (a time in nanoseconds),
 * else NULL. */
static char *exact_text(const char *text, size_t len, double number)
{
	char digits[24];
	size_t sign = text[0] == '-';
	if (len >= sizeof(digits) || fabs(number) < 0x1p53)
		return NULL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (strspn(digits + sign, "0123456789") != len - sign)
		return NULL;
	errno = 0;
	(void)strtoll(digits, NULL, 10);
	/* What is written of the double: beyond 2^53 it may be another whole number. */
	char shortest[32];
	json_number_text(number, shortest);
	return errno != 0 || strcmp(shortest, digits) == 0 ? NULL : xstrdup(digits);
}

static cJSON *read_number(struct reader *reader)
{
	size_t from = reader->at;
	if (peek(reader) == '-')
		reader->at++;
	if (!is_digit(peek(reader)))
		return refuse(reader, "expected a digit");
	bool zero = peek(reader) == '0';
	reader->at++;
	if (zero && is_digit(peek(reader)))
		return refuse(reader, "a number must not begin with 0");
	while (is_digit(peek(reader)))
		reader->at++;
	if (peek(reader) == '.') {
		reader->at++;
		if (!is_digit(peek(reader)))
			return refuse(reader, "expected a digit");
		while (is_digit(peek(reader)))
			reader->at++;
	}
	if (peek(reader) == 'e' || peek(reader) == 'E') {
		reader->at++;
		if (peek(reader) == '+' || peek(reader) == '-')
			reader->at++;
		if (!is_digit(peek(reader)))
			return refuse(reader, "expected a digit");
		while (is_digit(peek(reader)))
			reader->at++;
	}
	double number = number_between(reader, from, reader->at);
	if (isinf(number)) {
		reader->at = from;
		return refuse(reader, "the number is too large");
	}
	cJSON *item = json_new(cJSON_Number);
	cJSON_SetNumberHelper(item, number);
	if (reader->at - from > EXACT_DIGITS)
		item->valuestring = exact_text(reader->text + from, reader->at - from, number);
	return item;
}

static int hex_value(int c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Four hexadecimal digits; -1 when they are not there. */
static int32_t read_unit(struct reader *reader)
{
	int32_t unit = 0;
	for (int i = 0; i < 4; i++) {
		int value = hex_value(peek(reader));
		if (value < 0)
			return -1;
		unit = unit * 16 + value;
		reader->at++;
	}
	return unit;
}

/* After the "\u". Returns how many bytes were written; 0 after an error. */
static size_t read_unicode(struct reader *reader, char *into)
{
	int32_t unit = read_unit(reader);
	if (unit < 0) {
		refuse(reader, "expected four hexadecimal digits");
		return 0;
	}
	if (unit == 0) {
		refuse(reader, "a string must not contain \\u0000");
		return 0;
	}
	if (unit < 0xD800 || unit > 0xDFFF)
		return utf8_put(into, (uint32_t)unit);
	bool pair = unit < 0xDC00 && reader->len - reader->at >= 2 &&
		    memcmp(reader->text + reader->at, "\\u", 2) == 0;
	int32_t low = -1;
	if (pair) {
		reader->at += 2;
		low = read_unit(reader);
	}
	if (low < 0xDC00 || low > 0xDFFF) {
		refuse(reader, "half of a surrogate pair");
		return 0;
	}
	return utf8_put(into, 0x10000 + (((uint32_t)unit & 0x3FF) << 10 | ((uint32_t)low & 0x3FF)));
}

/* After the backslash. */
static size_t read_escape(struct reader *reader, char *into)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	int c = peek(reader);
	if (c == 'u') {
		reader->at++;
		return read_unicode(reader, into);
	}
	const char *letter = c > 0 ? strchr(letters, c) : NULL;
	if (letter == NULL) {
		refuse(reader, "unknown escape in a string");
		return 0;
	}
	reader->at++;
	*into = meant[letter - letters];
	return 1;
}

/* How many bytes from `at` on stand for themselves; stops at a quote, a backslash, or what is not
 * allowed. */
static size_t plain_run(const struct reader *reader)
{
	size_t at = reader->at + utf8_plain(reader->text + reader->at, reader->len - reader->at);
	while (at < reader->len) {
		unsigned char c = (unsigned char)reader->text[at];
		if (c == '"' || c == '\\' || c < 0x20)
			break;
		size_t step = c < 0x80 ? 1 : utf8_length(reader->text + at, reader->len - at);
		if (step == 0)
			break;
		at += step;
	}
	return at - reader->at;
}

/* A string, decoded; the caller frees. Most have no escape and are copied in one piece. */
static char *read_string(struct reader *reader)
{
	size_t opened = reader->at++, len = 0, room = 0;
	char *text = NULL;
	for (;;) {
		size_t run = plain_run(reader);
		const char *from = reader->text + reader->at;
		reader->at += run;
		int c = peek(reader);
		if (c == '"' && text == NULL) {
			reader->at++;
			text = memcpy(cell_take(run + 1), from, run);
			text[run] = '\0';
			return text;
		}
		if (text == NULL || len + run + UTF8_MAX + 1 > room) {
			room = (len + run + UTF8_MAX + 1) * 2;
			text = xrealloc(text, room);
		}
		memcpy(text + len, from, run);
		len += run;
		if (c == '"') {
			reader->at++;
			text[len] = '\0';
			return xrealloc(text, len + 1);
		}
		size_t escaped = 0;
		if (c == '\\') {
			reader->at++;
			escaped = read_escape(reader, text + len);
		} else if (c < 0) {
			reader->at = opened;
			refuse(reader, "the string does not end");
		} else {
			refuse(reader, c < 0x20 ? "a control character in a string must be escaped"
						: "a string must be UTF-8");
		}
		if (escaped == 0) {
			free(text);
			return NULL;
		}
		len += escaped;
	}
}

/* Puts an item at the end of a list whose first one keeps the last one as its `prev`, which is how
 * cJSON finds the end. */
static void append(cJSON *parent, cJSON *item)
{
	if (parent->child == NULL) {
		parent->child = item;
		item->prev = item;
		return;
	}
	cJSON *last = parent->child->prev;
	last->next = item;
	item->prev = last;
	parent->child->prev = item;
}

/* Members of an object or elements of a list; at the opening bracket. */
static cJSON *read_container(struct reader *reader, int type, char closing)
{
	if (++reader->depth > JSON_DEPTH_MAX)
		return refuse(reader, "nested too deeply");
	cJSON *parent = json_new(type);
	reader->at++;
	skip_space(reader);
	bool ok = true, closed = peek(reader) == closing;
	while (ok && !closed) {
		char *key = NULL;
		if (type == cJSON_Object) {
			skip_space(reader);
			if (peek(reader) != '"')
				ok = refuse(reader, "expected a string as key") != NULL;
			else
				key = read_string(reader);
			ok = ok && key != NULL;
			skip_space(reader);
			if (ok && peek(reader) != ':')
				ok = refuse(reader, "expected ':'") != NULL;
			reader->at += ok;
		}
		cJSON *item = ok ? read_value(reader) : NULL;
		if (item == NULL) {
			cell_give(key);
			ok = false;
			break;
		}
		item->string = key;
		append(parent, item);
		closed = peek(reader) == closing;
		if (closed)
			break;
		if (peek(reader) != ',')
			ok = refuse(reader, type == cJSON_Object ? "expected ',' or '}'"
								 : "expected ',' or ']'") != NULL;
		reader->at += ok;
	}
	if (!ok) {
		cJSON_Delete(parent);
		return NULL;
	}
	reader->at++;
	reader->depth--;
	return parent;
}

/* A value with the space around it. */
static cJSON *read_value(struct reader *reader)
{
	skip_space(reader);
	cJSON *item = NULL;
	switch (peek(reader)) {
	case '{':
		item = read_container(reader, cJSON_Object, '}');
		break;
	case '[':
		item = read_container(reader, cJSON_Array, ']');
		break;
	case '"': {
		char *text = read_string(reader);
		if (text == NULL)
			return NULL;
		item = json_new(cJSON_String);
		item->valuestring = text;
		break;
	}
	case 't':
		item = read_word(reader, "true", cJSON_True);
		break;
	case 'f':
		item = read_word(reader, "false", cJSON_False);
		break;
	case 'n':
		item = read_word(reader, "null", cJSON_NULL);
		break;
	case -1:
		return refuse(reader, "expected a value, found the end");
	default:
		if (peek(reader) != '-' && !is_digit(peek(reader)))
			return refuse(reader, "expected a value");
		item = read_number(reader);
	}
	if (item != NULL)
		skip_space(reader);
	return item;
}

cJSON *json_parse(const char *text, size_t len, struct error *err)
{
	struct reader reader = {.text = text, .len = len, .err = err};
	cJSON *root = read_value(&reader);
	if (root != NULL && reader.at < len) {
		cJSON_Delete(root);
		return refuse(&reader, "expected the end");
	}
	return root;
}

cJSON *json_parse_file(const char *path, struct error *err)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, INPUT_FILE_MAX);
	if (!file_read(path, &text, err))
		return NULL;
	cJSON *root = json_parse(text.text, text.len, err);
	if (root == NULL)
		error_wrap(err, "%s", path);
	return root;
}
