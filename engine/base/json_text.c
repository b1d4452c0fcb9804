#include "base/json.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

static void integer_text(int64_t number, char text[32])
{
	char reversed[24];
	size_t len = 0, at = 0;
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	do {
		reversed[len++] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (number < 0)
		text[at++] = '-';
	while (len > 0)
		text[at++] = reversed[--len];
	text[at] = '\0';
}

/* Most numbers that are not whole have few places. A decimal of up to 15 digits is the only one of
 * so many that reads back as the same double, so the first that does is the shortest. */
static bool short_text(double number, char text[32])
{
	static const double scales[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
	double size = fabs(number);
	if (size < 1e-4 || size >= 1e9)
		return false;
	for (size_t places = 1; places < ARRAY_LEN(scales); places++) {
		double scale = scales[places];
		/* Both are exact, and so their quotient is rounded once, as a reader does. */
		int64_t scaled = (int64_t)(size * scale + 0.5);
		double back = (double)scaled / scale;
		if (back < size || back > size)
			continue;
		int64_t whole = scaled / (int64_t)scale, fraction = scaled % (int64_t)scale;
		*text = '-';
		integer_text(whole, text + (number < 0));
		char *at = text + strlen(text);
		*at = '.';
		for (size_t i = places; i > 0; i--, fraction /= 10)
			at[i] = (char)('0' + fraction % 10);
		at[places + 1] = '\0';
		return true;
	}
	return false;
}

/* The fewest digits that read back as the same double. Every decimal of 15 digits survives the way
 * through a normal double, so below 15 only trailing zeros can be saved; subnormals have fewer. */
static void shortest(double number, char scientific[32])
{
	int precision = fabs(number) < DBL_MIN ? 1 : 15;
	for (; precision <= 17; precision++) {
		snprintf(scientific, 32, "%.*e", precision - 1, number);
		if (strtod(scientific, NULL) == number)
			return;
	}
}

void json_number_text(double number, char text[32])
{
	if (isnan(number) || isinf(number)) {
		text_copy(text, 32, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
		return;
	}
	/* Below 2^53 each whole number is a double of its own, and so its own shortest form. */
	if (fabs(number) < 0x1p53 && number == (double)(int64_t)number &&
	    !(number == 0 && signbit(number))) {
		integer_text((int64_t)number, text);
		return;
	}
	if (short_text(number, text))
		return;
	char scientific[32], digits[24] = "0";
	shortest(number, scientific);
	char *exponent_at = strchr(scientific, 'e');
	int exponent = (int)strtol(exponent_at + 1, NULL, 10);
	int count = 0;
	for (const char *c = scientific; c < exponent_at; c++)
		if (*c >= '0' && *c <= '9')
			digits[count++] = *c;
	while (count > 1 && digits[count - 1] == '0')
		count--;
	char *at = text;
	if (signbit(number))
		*at++ = '-';
	int whole = exponent + 1; /* digits before the point */
	if (whole > 21 || whole < -5) {
		*at++ = digits[0];
		if (count > 1)
			*at++ = '.';
		memcpy(at, digits + 1, (size_t)(count - 1));
		at += count - 1;
		snprintf(at, (size_t)(text + 32 - at), "e%+d", exponent);
		return;
	}
	if (whole <= 0) {
		*at++ = '0';
		if (count > 1 || digits[0] != '0')
			*at++ = '.';
		for (int i = whole; i < 0; i++)
			*at++ = '0';
		whole = 0;
	}
	for (int i = 0; i < count || i < whole; i++) {
		if (i == whole && i > 0)
			*at++ = '.';
		*at++ = i < count ? digits[i] : '0';
	}
	*at = '\0';
}

static void write_escape(struct buf *buf, unsigned char c)
{
	static const char letters[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
	const char *found = strchr(meant, c);
	if (c != 0 && found != NULL) {
		char escape[2] = {'\\', letters[found - meant]};
		buf_add(buf, escape, 2);
		return;
	}
	buf_printf(buf, "\\u%04x", c);
}

/* Most strings: written in one piece, with `after` (or not, when it is 0) behind the quote. */
static bool write_plain(struct buf *buf, const char *text, size_t len, char after)
{
	char *into = buf_room(buf, len + 2 + (after != 0));
	if (into == NULL)
		return false;
	into[0] = '"';
	memcpy(into + 1, text, len);
	into[len + 1] = '"';
	if (after != 0)
		into[len + 2] = after;
	buf_grow(buf, len + 2 + (after != 0));
	return true;
}

bool json_write_string(struct buf *buf, const char *text)
{
	size_t len = strlen(text), from = 0, at = utf8_plain(text, len);
	if (at == len)
		return write_plain(buf, text, len, 0);
	buf_putc(buf, '"');
	while (at < len) {
		unsigned char c = (unsigned char)text[at];
		if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
			at++;
			continue;
		}
		size_t step = c < 0x80 ? 0 : utf8_length(text + at, len - at);
		if (step > 0) {
			at += step;
			continue;
		}
		buf_add(buf, text + from, at - from);
		if (c < 0x80)
			write_escape(buf, c);
		else
			buf_puts(buf, "\xEF\xBF\xBD");
		from = ++at;
	}
	buf_add(buf, text + from, at - from);
	return buf_putc(buf, '"');
}

static void write_value(struct buf *buf, const cJSON *item, bool sorted);

/* Bytewise; equal keys stay in their order. */
struct member {
	const cJSON *item;
	size_t place;
};

static int by_key(const void *a, const void *b)
{
	const struct member *one = a, *other = b;
	int order = strcmp(one->item->string, other->item->string);
	return order != 0 ? order : one->place < other->place ? -1 : 1;
}

/* Few are put in order as they come, which is less work than a call of qsort. */
static void sort_few(struct member *members, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const struct member member = members[i];
		size_t at = i;
		for (; at > 0 && by_key(&members[at - 1], &member) > 0; at--)
			members[at] = members[at - 1];
		members[at] = member;
	}
}

static void write_member(struct buf *buf, const cJSON *item, bool sorted, bool comma)
{
	if (comma)
		buf_putc(buf, ',');
	const char *key = item->string != NULL ? item->string : "";
	size_t len = strlen(key);
	if (utf8_plain(key, len) == len) {
		write_plain(buf, key, len, ':');
	} else {
		json_write_string(buf, key);
		buf_putc(buf, ':');
	}
	write_value(buf, item, sorted);
}

static void write_sorted(struct buf *buf, const cJSON *object)
{
	struct member few[32], *members = few;
	size_t count = 0;
	for (const cJSON *item = object->child; item != NULL; item = item->next)
		count++;
	if (count > ARRAY_LEN(few))
		members = xcalloc(count, sizeof(*members));
	size_t i = 0;
	for (const cJSON *item = object->child; item != NULL; item = item->next, i++)
		members[i] = (struct member){.item = item, .place = i};
	if (members == few)
		sort_few(members, count);
	else
		qsort(members, count, sizeof(*members), by_key);
	for (i = 0; i < count; i++)
		write_member(buf, members[i].item, true, i > 0);
	if (members != few)
		free(members);
}

static void write_value(struct buf *buf, const cJSON *item, bool sorted)
{
	char number[32];
	switch (item->type & 0xFF) {
	case cJSON_False:
		buf_puts(buf, "false");
		return;
	case cJSON_True:
		buf_puts(buf, "true");
		return;
	case cJSON_Number:
		if (isnan(item->valuedouble) || isinf(item->valuedouble)) {
			buf_puts(buf, "null"); /* JSON has no other word for it */
			return;
		}
		if (item->valuestring != NULL) { /* whole, and no double: json.h */
			buf_puts(buf, item->valuestring);
			return;
		}
		json_number_text(item->valuedouble, number);
		buf_puts(buf, number);
		return;
	case cJSON_String:
		json_write_string(buf, item->valuestring);
		return;
	case cJSON_Raw:
		buf_puts(buf, item->valuestring);
		return;
	case cJSON_Array:
		buf_putc(buf, '[');
		for (const cJSON *element = item->child; element; element = element->next) {
			if (element != item->child)
				buf_putc(buf, ',');
			write_value(buf, element, sorted);
		}
		buf_putc(buf, ']');
		return;
	case cJSON_Object:
		buf_putc(buf, '{');
		if (sorted)
			write_sorted(buf, item);
		else
			for (const cJSON *member = item->child; member; member = member->next)
				write_member(buf, member, false, member != item->child);
		buf_putc(buf, '}');
		return;
	default:
		buf_puts(buf, "null");
	}
}

bool json_write(struct buf *buf, const cJSON *json)
{
	write_value(buf, json, false);
	return !buf->full;
}

/* Without a cap of its own: the value is in memory already. And in no more room than it takes: many
 * are kept. */
static char *text_of(const cJSON *json, bool sorted)
{
	struct buf buf;
	buf_init(&buf, SIZE_MAX);
	write_value(&buf, json, sorted);
	size_t len = buf.len;
	return xrealloc(buf_take(&buf), len + 1);
}

char *json_text(const cJSON *json)
{
	return text_of(json, false);
}

char *json_canonical(const cJSON *json)
{
	return text_of(json, true);
}
