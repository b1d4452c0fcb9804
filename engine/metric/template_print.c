/*
 * template_print.c - values as text, as Go's package fmt writes them.
 *
 * Verbs v s q d x X o b c U e E f F g G t T with their flags, widths and precisions ("*" too); no
 * argument indexes. What does not fit is told in the text itself ("%!d(string=a)"), as there.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "metric/template_parts.h"

enum { WIDTH_MAX = 10000 };

struct verb {
	bool minus, plus, sharp, space, zero;
	int width, precision; /* -1: not said */
	char letter;
};

/* ---- numbers ---- */

/* The fewest digits that read back as the same number. */
static int shortest(double number, char text[40])
{
	for (int digits = 0; digits < 17; digits++) {
		snprintf(text, 40, "%.*e", digits, number);
		if (strtod(text, NULL) == number)
			return digits;
	}
	return 16;
}

/* The shortest form turns to exponents at 1e6. Go writes them with two digits at least, as C does.
 * `letter` is one of eEfFgG. */
static void put_number(char letter, int precision, bool sharp, double number, struct buf *into)
{
	if (isnan(number) || isinf(number)) {
		buf_puts(into, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
		return;
	}
	char text[40];
	int digits = shortest(number, text);
	int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	char shape = (char)tolower(letter);
	if (shape == 'g' && precision >= 0) {
		buf_printf(into, sharp ? "%#.*g" : "%.*g", precision, number);
		return;
	}
	if (shape == 'g' && exponent >= -4 && exponent < 6) {
		int decimals = digits - exponent;
		buf_printf(into, "%.*f", decimals > 0 ? decimals : 0, number);
		return;
	}
	if (shape == 'g')
		buf_printf(into, letter == 'g' ? "%.*e" : "%.*E", digits, number);
	else if (shape == 'f')
		buf_printf(into, sharp ? "%#.*f" : "%.*f", precision < 0 ? 6 : precision, number);
	else
		buf_printf(into, letter == 'e' ? "%.*e" : "%.*E", precision < 0 ? 6 : precision,
			   number);
}

static void put_whole(unsigned base, bool upper, uint64_t number, struct buf *into)
{
	char digits[65];
	size_t at = sizeof(digits);
	do {
		unsigned digit = (unsigned)(number % base);
		digits[--at] = (char)(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
		number /= base;
	} while (number > 0);
	buf_add(into, digits + at, sizeof(digits) - at);
}

/* ---- padding: by characters, not bytes ---- */

static size_t characters(const char *text, size_t len)
{
	size_t count = 0;
	for (size_t i = 0; i < len; count++) {
		size_t width = utf8_length(text + i, len - i);
		i += width == 0 ? 1 : width;
	}
	return count;
}

static void pad(const struct verb *verb, const char *text, size_t len, bool zeros, struct buf *into)
{
	size_t wide = characters(text, len), width = verb->width < 0 ? 0 : (size_t)verb->width;
	if (!verb->minus)
		for (size_t i = wide; i < width; i++)
			buf_putc(into, zeros ? '0' : ' ');
	buf_add(into, text, len);
	if (verb->minus)
		for (size_t i = wide; i < width; i++)
			buf_putc(into, ' ');
}

/* Zeros go between the sign and the digits. */
static void pad_number(const struct verb *verb, bool negative, const char *prefix,
		       const char *digits, bool zeros, struct buf *into)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, WIDTH_MAX * 2);
	buf_puts(&text, negative ? "-" : verb->plus ? "+" : verb->space ? " " : "");
	buf_puts(&text, prefix);
	size_t len = strlen(digits);
	if (zeros && !verb->minus && verb->width > 0)
		for (size_t i = text.len + len; i < (size_t)verb->width; i++)
			buf_putc(&text, '0');
	buf_puts(&text, digits);
	pad(verb, text.text, text.len, false, into);
}

/* ---- verbs ---- */

static void put_value(struct template_job *job, struct verb verb, const struct value *value,
		      struct buf *into);

static void wrong_verb(struct template_job *job, const struct verb *verb, const struct value *value,
		       struct buf *into)
{
	buf_printf(into, "%%!%c(", verb->letter);
	if (value->kind == VALUE_NIL) {
		buf_puts(into, "<nil>)");
		return;
	}
	buf_printf(into, "%s=", value_type(value));
	value_print(job, value, into);
	buf_putc(into, ')');
}

static void put_text(struct template_job *job, const struct verb *verb, const struct value *value,
		     struct buf *into)
{
	SCOPED(buf) struct buf text = {0};
	size_t len = value->len;
	buf_init(&text, TEMPLATE_TEXT_MAX);
	if (verb->precision >= 0 && verb->letter != 'x' && verb->letter != 'X') {
		size_t count = 0;
		len = 0;
		while (len < value->len && count++ < (size_t)verb->precision) {
			size_t width = utf8_length(value->text + len, value->len - len);
			len += width == 0 ? 1 : width;
		}
	}
	switch (verb->letter) {
	case 'v':
		if (verb->sharp)
			text_quote(&text, value->text, len);
		else
			buf_add(&text, value->text, len);
		break;
	case 's':
		buf_add(&text, value->text, len);
		break;
	case 'q':
		if (verb->sharp && memchr(value->text, '`', len) == NULL)
			buf_printf(&text, "`%.*s`", (int)len, value->text);
		else
			text_quote(&text, value->text, len);
		break;
	case 'x':
	case 'X':
		if (verb->precision >= 0 && (size_t)verb->precision < len)
			len = (size_t)verb->precision;
		for (size_t i = 0; i < len; i++) {
			if (i > 0 && verb->space)
				buf_putc(&text, ' ');
			if (verb->sharp && (i == 0 || verb->space))
				buf_printf(&text, "0%c", verb->letter);
			buf_printf(&text, verb->letter == 'x' ? "%02x" : "%02X",
				   (unsigned)(unsigned char)value->text[i]);
		}
		break;
	default:
		wrong_verb(job, verb, value, into);
		return;
	}
	pad(verb, text.text, text.len, verb->zero && !verb->minus, into);
}

static void put_rune(const struct verb *verb, int64_t point, struct buf *into)
{
	char bytes[UTF8_MAX];
	bool valid = point >= 0 && point <= 0x10FFFF && !(point >= 0xD800 && point < 0xE000);
	size_t len = utf8_put(bytes, valid ? (uint32_t)point : 0xFFFD);
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 100);
	if (verb->letter == 'c') {
		buf_add(&text, bytes, len);
	} else if (verb->letter == 'U') {
		buf_printf(&text, "U+%04llX", (unsigned long long)point);
		if (verb->sharp && point >= ' ')
			buf_printf(&text, " '%.*s'", (int)len, bytes);
	} else {
		text_quote(&text, bytes, len);
		if (text.len == 4 && bytes[0] == '"')
			buf_clear(&text), buf_puts(&text, "'\"'");
		else if (bytes[0] == '\'' && len == 1)
			buf_clear(&text), buf_puts(&text, "'\\''");
		else
			text.text[0] = text.text[text.len - 1] = '\'';
	}
	pad(verb, text.text, text.len, false, into);
}

static void put_int(struct template_job *job, const struct verb *verb, const struct value *value,
		    struct buf *into)
{
	const char *prefix = "";
	unsigned base = 10;
	switch (verb->letter) {
	case 'v':
		if (verb->sharp && value->kind == VALUE_BYTE) {
			base = 16;
			prefix = "0x";
		}
		break;
	case 'd':
		break;
	case 'b':
		base = 2;
		prefix = verb->sharp ? "0b" : "";
		break;
	case 'o':
		base = 8;
		prefix = verb->sharp ? "0" : "";
		break;
	case 'O':
		base = 8;
		prefix = "0o";
		break;
	case 'x':
	case 'X':
		base = 16;
		prefix = !verb->sharp ? "" : verb->letter == 'x' ? "0x" : "0X";
		break;
	case 'c':
	case 'q':
	case 'U':
		put_rune(verb, value->whole, into);
		return;
	default:
		wrong_verb(job, verb, value, into);
		return;
	}
	bool negative = value->whole < 0;
	uint64_t magnitude = negative ? 0 - (uint64_t)value->whole : (uint64_t)value->whole;
	SCOPED(buf) struct buf digits = {0}, all = {0};
	buf_init(&digits, 100);
	buf_init(&all, WIDTH_MAX * 2);
	put_whole(base, verb->letter == 'X', magnitude, &digits);
	if (verb->precision == 0 && magnitude == 0)
		buf_clear(&digits);
	for (size_t i = digits.len; verb->precision > 0 && i < (size_t)verb->precision; i++)
		buf_putc(&all, '0');
	buf_puts(&all, digits.text);
	pad_number(verb, negative, prefix, all.text, verb->zero && verb->precision < 0, into);
}

static void put_float(struct template_job *job, const struct verb *verb, const struct value *value,
		      struct buf *into)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 2000);
	char letter = verb->letter == 'v' ? 'g' : verb->letter;
	if (letter == '\0' || strchr("eEfFgG", letter) == NULL) {
		wrong_verb(job, verb, value, into);
		return;
	}
	bool sharp = verb->sharp && verb->letter != 'v';
	int precision =
		sharp && verb->precision < 0 && tolower(letter) == 'g' ? 6 : verb->precision;
	put_number(letter, precision, sharp, value->real, &text);
	bool finite = value->real - value->real == 0;
	bool negative = text.text[0] == '-';
	const char *digits = text.text + (negative || text.text[0] == '+');
	if (!finite && !negative && !isnan(value->real) && !verb->plus && !verb->space)
		digits = text.text; /* "+Inf" */
	pad_number(verb, negative, "", digits, verb->zero && finite, into);
}

static void put_map(struct template_job *job, const struct verb *verb, const struct value *value,
		    struct buf *into)
{
	size_t count;
	const cJSON **items = value_sorted(job, value->map, &count);
	struct verb each = *verb;
	buf_puts(into, verb->sharp && verb->letter == 'v' ? "map[string]string{" : "map[");
	for (size_t i = 0; items != NULL && i < count; i++) {
		const char *parts[2] = {items[i]->string, items[i]->valuestring};
		if (i > 0)
			buf_puts(into, verb->sharp && verb->letter == 'v' ? ", " : " ");
		for (int k = 0; k < 2; k++) {
			const struct value part = {
				.kind = VALUE_TEXT, .text = parts[k], .len = strlen(parts[k])};
			put_value(job, each, &part, into);
			if (k == 0)
				buf_putc(into, ':');
		}
	}
	buf_putc(into, verb->sharp && verb->letter == 'v' ? '}' : ']');
}

static void put_value(struct template_job *job, struct verb verb, const struct value *value,
		      struct buf *into)
{
	if (verb.letter == 'T') {
		const char *type = value_type(value);
		pad(&verb, type, strlen(type), false, into);
		return;
	}
	switch (value->kind) {
	case VALUE_MISSING:
	case VALUE_NIL:
		if (verb.letter == 'v')
			pad(&verb, "<nil>", 5, false, into);
		else
			wrong_verb(job, &verb, value, into);
		return;
	case VALUE_BOOL:
		if (verb.letter == 't' || verb.letter == 'v')
			pad(&verb, value->whole != 0 ? "true" : "false", value->whole != 0 ? 4 : 5,
			    false, into);
		else
			wrong_verb(job, &verb, value, into);
		return;
	case VALUE_INT:
	case VALUE_BYTE:
		put_int(job, &verb, value, into);
		return;
	case VALUE_FLOAT:
		put_float(job, &verb, value, into);
		return;
	case VALUE_TEXT:
		put_text(job, &verb, value, into);
		return;
	case VALUE_MAP:
		put_map(job, &verb, value, into);
		return;
	}
}

void value_print(struct template_job *job, const struct value *value, struct buf *into)
{
	const struct verb plain = {.letter = 'v', .width = -1, .precision = -1};
	put_value(job, plain, value, into);
}

/* ---- the format ---- */

struct formatter {
	struct template_job *job;
	const char *at;
	const struct value *args;
	size_t count, used;
	struct buf *into;
};

static void read_flags(struct formatter *formatter, struct verb *verb)
{
	for (;; formatter->at++) {
		switch (*formatter->at) {
		case '-':
			verb->minus = true;
			verb->zero = false;
			break;
		case '+':
			verb->plus = true;
			break;
		case '#':
			verb->sharp = true;
			break;
		case ' ':
			verb->space = true;
			break;
		case '0':
			verb->zero = !verb->minus;
			break;
		default:
			return;
		}
	}
}

/* A number or "*"; -1 when there is neither. */
static int read_size(struct formatter *formatter, bool *starred)
{
	*starred = *formatter->at == '*';
	if (*starred) {
		formatter->at++;
		const struct value *value = formatter->used < formatter->count
						    ? &formatter->args[formatter->used++]
						    : NULL;
		bool good = value != NULL && value->kind == VALUE_INT &&
			    value->whole >= -WIDTH_MAX && value->whole <= WIDTH_MAX;
		return good ? (int)value->whole : -WIDTH_MAX - 1;
	}
	if (!isdigit((unsigned char)*formatter->at))
		return -1;
	int size = 0;
	for (; isdigit((unsigned char)*formatter->at); formatter->at++)
		size = size > WIDTH_MAX ? size : size * 10 + (*formatter->at - '0');
	return size > WIDTH_MAX ? -1 : size;
}

static void read_sizes(struct formatter *formatter, struct verb *verb)
{
	bool starred;
	int size = read_size(formatter, &starred);
	if (starred && size < -WIDTH_MAX) {
		buf_puts(formatter->into, "%!(BADWIDTH)");
	} else if (starred && size < 0) {
		verb->width = -size;
		verb->minus = true;
		verb->zero = false;
	} else {
		verb->width = size;
	}
	if (*formatter->at != '.')
		return;
	formatter->at++;
	size = read_size(formatter, &starred);
	if (starred && size < 0) {
		buf_puts(formatter->into, "%!(BADPREC)");
		return;
	}
	verb->precision = size < 0 ? 0 : size;
}

static void one_verb(struct formatter *formatter)
{
	struct verb verb = {.width = -1, .precision = -1};
	struct buf *into = formatter->into;
	read_flags(formatter, &verb);
	read_sizes(formatter, &verb);
	if (*formatter->at == '\0') {
		buf_puts(into, "%!(NOVERB)");
		return;
	}
	verb.letter = *formatter->at++;
	if (verb.letter == '%') {
		buf_putc(into, '%');
	} else if (formatter->used == formatter->count) {
		buf_printf(into, "%%!%c(MISSING)", verb.letter);
	} else {
		put_value(formatter->job, verb, &formatter->args[formatter->used++], into);
	}
}

void value_printf(struct template_job *job, const char *format, const struct value *args,
		  size_t count, struct buf *into)
{
	struct formatter formatter = {
		.job = job, .at = format, .args = args, .count = count, .into = into};
	while (*formatter.at != '\0' && !into->full) {
		size_t plain = strcspn(formatter.at, "%");
		buf_add(into, formatter.at, plain);
		formatter.at += plain;
		if (*formatter.at != '%')
			continue;
		formatter.at++;
		one_verb(&formatter);
	}
	if (formatter.used >= count)
		return;
	buf_puts(into, "%!(EXTRA ");
	for (size_t i = formatter.used; i < count; i++) {
		if (i > formatter.used)
			buf_puts(into, ", ");
		if (args[i].kind == VALUE_NIL) {
			buf_puts(into, "<nil>");
			continue;
		}
		buf_printf(into, "%s=", value_type(&args[i]));
		value_print(job, &args[i], into);
	}
	buf_putc(into, ')');
}
