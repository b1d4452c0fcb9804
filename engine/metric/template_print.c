/*
 * template_print.c - values as text under a verb, as Go's package fmt writes them.
 *
 * Verbs v s q d x X o O b c U e E f F g G t T, with their flags, width and precision. What does not
 * fit is told in the text itself ("%!d(string=a)"), as there.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "metric/template_verb.h"

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

/* Zeros stand to the left alone. */
static void put_padding(const struct verb *verb, size_t used, bool zeros, struct buf *into)
{
	size_t width = verb->width < 0 ? 0 : (size_t)verb->width;
	for (size_t i = used; i < width; i++)
		buf_putc(into, zeros && verb->zero && !verb->minus ? '0' : ' ');
}

static void pad(const struct verb *verb, const char *text, size_t len, bool zeros, struct buf *into)
{
	size_t wide = characters(text, len);
	if (!verb->minus)
		put_padding(verb, wide, zeros, into);
	buf_add(into, text, len);
	if (verb->minus)
		put_padding(verb, wide, zeros, into);
}

static void pad_word(const struct verb *verb, const char *word, struct buf *into)
{
	pad(verb, word, strlen(word), true, into);
}

static void put_letter(uint32_t letter, struct buf *into)
{
	char bytes[UTF8_MAX];
	buf_add(into, bytes, utf8_put(bytes, letter));
}

/* The value as %v, under the flags of the verb that does not fit. */
static void put_wrong(struct template_job *job, const struct verb *verb, const struct value *value,
		      struct buf *into)
{
	struct verb plain = *verb;
	plain.letter = 'v';
	buf_puts(into, "%!");
	put_letter(verb->letter, into);
	buf_putc(into, '(');
	if (value->kind == VALUE_NIL || value->kind == VALUE_MISSING) {
		buf_puts(into, "<nil>)");
		return;
	}
	buf_printf(into, "%s=", value_type(value));
	value_put(job, &plain, value, into);
	buf_putc(into, ')');
}

/* ---- floats ---- */

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

/* A mantissa of 53 bits and its power of two: "4503599627370496p-52". */
static void put_binary(double number, struct buf *into)
{
	int exponent = 0;
	double mantissa = ldexp(frexp(number, &exponent), 53);
	if (number == 0)
		exponent = -1021;
	else if (exponent < -1021) { /* as it is kept: without the leading bit */
		mantissa = ldexp(mantissa, exponent + 1021);
		exponent = -1021;
	}
	buf_printf(into, "%.0fp%+d", mantissa, exponent - 53);
}

/* Exponents have two digits at least, as Go has it. */
static void put_hexadecimal(bool upper, int precision, double number, struct buf *into)
{
	char text[1200];
	if (precision > 1000)
		precision = 1000;
	if (precision < 0)
		snprintf(text, sizeof(text), upper ? "%A" : "%a", number);
	else
		snprintf(text, sizeof(text), upper ? "%.*A" : "%.*a", precision, number);
	char *power = strpbrk(text, "pP");
	bool small = strlen(power + 2) < 2;
	buf_add(into, text, (size_t)(power - text) + 2);
	buf_printf(into, "%s%s", small ? "0" : "", power + 2);
}

/* What strconv makes of it; the precision -1 is the shortest, which turns to exponents at 1e6. */
static void put_number(char letter, int precision, double number, struct buf *into)
{
	char text[40], shape = (char)tolower(letter);
	if (shape == 'b') {
		put_binary(number, into);
	} else if (shape == 'x') {
		put_hexadecimal(letter == 'X', precision, number, into);
	} else if (shape == 'f') {
		buf_printf(into, "%.*f", precision, number);
	} else if (shape == 'e') {
		buf_printf(into, letter == 'e' ? "%.*e" : "%.*E", precision, number);
	} else if (precision >= 0) {
		buf_printf(into, letter == 'g' ? "%.*g" : "%.*G", precision, number);
	} else {
		int digits = shortest(number, text);
		int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
		if (exponent >= -4 && exponent < 6)
			buf_printf(into, "%.*f", digits > exponent ? digits - exponent : 0, number);
		else
			buf_printf(into, letter == 'g' ? "%.*e" : "%.*E", digits, number);
	}
}

/* "#": there is a point, and zeros at the end stay. */
static void sharpen(char letter, int precision, struct buf *number)
{
	char shape = (char)tolower(letter);
	int digits = shape == 'g' || letter == 'x' ? (precision < 0 ? 6 : precision) : 0;
	size_t start = number->text[0] == '-', end = start;
	bool point = false, nonzero = false;
	for (; end < number->len; end++) {
		char c = number->text[end];
		if (c == 'p' || c == 'P' || ((c == 'e' || c == 'E') && shape != 'x'))
			break;
		if (c == '.') {
			point = true;
			continue;
		}
		nonzero = nonzero || c != '0';
		digits -= nonzero;
	}
	SCOPED(text) char *tail = xstrdup(number->text + end);
	buf_cut(number, end);
	if (!point) {
		digits -= end == start + 1 && number->text[start] == '0';
		buf_putc(number, '.');
	}
	for (; digits > 0; digits--)
		buf_putc(number, '0');
	buf_puts(number, tail);
}

static void put_float(struct template_job *job, const struct verb *verb, const struct value *value,
		      struct buf *into)
{
	char letter = verb->letter == 'v' ? 'g' : verb->letter < 0x80 ? (char)verb->letter : '\0';
	if (letter == '\0' || strchr("beEfFgGxX", letter) == NULL) {
		put_wrong(job, verb, value, into);
		return;
	}
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, TEMPLATE_TEXT_MAX);
	int precision = strchr("eEfF", letter) != NULL ? 6 : -1;
	if (verb->precision >= 0)
		precision = verb->precision;
	double number = value->real;
	if (isnan(number) || isinf(number)) {
		bool signs = verb->plus || verb->space;
		const char *word = isnan(number) ? "NaN" : "Inf";
		const char *sign = number < 0 ? "-" : verb->space && !verb->plus ? " " : "+";
		buf_printf(&text, "%s%s", isnan(number) && !signs ? "" : sign, word);
		pad(verb, text.text, text.len, false, into);
		return;
	}
	put_number(letter, precision, number, &text);
	if (verb->sharp && letter != 'b')
		sharpen(letter, precision, &text);
	bool negative = text.text[0] == '-';
	const char *digits = text.text + negative;
	const char *sign = negative ? "-" : verb->plus ? "+" : verb->space ? " " : "";
	if (*sign != '\0' && verb->zero && !verb->minus) {
		size_t wide = 1 + strlen(digits);
		buf_puts(into, sign);
		put_padding(verb, wide, true, into);
		buf_puts(into, digits);
		return;
	}
	SCOPED(buf) struct buf whole = {0};
	buf_init(&whole, TEMPLATE_TEXT_MAX);
	buf_printf(&whole, "%s%s", sign, digits);
	pad(verb, whole.text, whole.len, true, into);
}

/* ---- text ---- */

static size_t truncated(const struct verb *verb, const struct value *value)
{
	size_t len = 0;
	if (verb->precision < 0)
		return value->len;
	for (int i = 0; i < verb->precision && len < value->len; i++) {
		size_t width = utf8_length(value->text + len, value->len - len);
		len += width == 0 ? 1 : width;
	}
	return len;
}

static bool can_backquote(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == '`' ||
		    text[i] == 0x7f)
			return false;
	return true;
}

static void put_quoted(const struct verb *verb, const struct value *value, struct buf *into)
{
	SCOPED(buf) struct buf text = {0};
	size_t len = truncated(verb, value);
	buf_init(&text, TEMPLATE_TEXT_MAX);
	if (verb->sharp && can_backquote(value->text, len)) {
		buf_putc(&text, '`');
		buf_add(&text, value->text, len);
		buf_putc(&text, '`');
	} else {
		text_quote(&text, value->text, len, verb->plus);
	}
	pad(verb, text.text, text.len, true, into);
}

static void put_bytes(const struct verb *verb, const struct value *value, struct buf *into)
{
	bool upper = verb->letter == 'X';
	size_t len = value->len;
	if (verb->precision >= 0 && (size_t)verb->precision < len)
		len = (size_t)verb->precision;
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, TEMPLATE_TEXT_MAX);
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && verb->space)
			buf_putc(&text, ' ');
		if (verb->sharp && (i == 0 || verb->space))
			buf_puts(&text, upper ? "0X" : "0x");
		buf_printf(&text, upper ? "%02X" : "%02x", (unsigned)(unsigned char)value->text[i]);
	}
	pad(verb, text.text, text.len, true, into);
}

static void put_text(struct template_job *job, const struct verb *verb, const struct value *value,
		     struct buf *into)
{
	switch (verb->letter) {
	case 'v':
		if (verb->sharp_v)
			put_quoted(verb, value, into);
		else
			pad(verb, value->text, truncated(verb, value), true, into);
		return;
	case 's':
		pad(verb, value->text, truncated(verb, value), true, into);
		return;
	case 'q':
		put_quoted(verb, value, into);
		return;
	case 'x':
	case 'X':
		put_bytes(verb, value, into);
		return;
	default:
		put_wrong(job, verb, value, into);
	}
}

/* ---- whole numbers ---- */

static size_t rune_bytes(int64_t point, char bytes[UTF8_MAX])
{
	bool valid = point >= 0 && point <= 0x10FFFF && !(point >= 0xD800 && point < 0xE000);
	return utf8_put(bytes, valid ? (uint32_t)point : 0xFFFD);
}

static void put_unicode(const struct verb *verb, int64_t point, struct buf *into)
{
	char bytes[UTF8_MAX];
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, TEMPLATE_TEXT_MAX);
	int least = verb->precision > 4 ? verb->precision : 4;
	buf_printf(&text, "U+%0*llX", least, (unsigned long long)point);
	if (verb->sharp && point >= 0 && point <= 0x10FFFF && text_prints((uint32_t)point))
		buf_printf(&text, " '%.*s'", (int)rune_bytes(point, bytes), bytes);
	pad(verb, text.text, text.len, false, into);
}

/* strconv.QuoteRune: as a text of it, but that the single quote is the one to be escaped. */
static void put_rune(const struct verb *verb, int64_t point, struct buf *into)
{
	char bytes[UTF8_MAX];
	size_t len = rune_bytes(point, bytes);
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 100);
	if (verb->letter == 'c') {
		pad(verb, bytes, len, true, into);
		return;
	}
	text_quote(&text, bytes, len, verb->plus);
	if (point == '"' || point == '\'') {
		buf_clear(&text);
		buf_puts(&text, point == '"' ? "'\"'" : "'\\''");
	} else {
		text.text[0] = text.text[text.len - 1] = '\'';
	}
	pad(verb, text.text, text.len, true, into);
}

static void put_digits(const struct verb *verb, unsigned base, int64_t whole, struct buf *into)
{
	bool negative = whole < 0, upper = verb->letter == 'X';
	uint64_t left = negative ? 0 - (uint64_t)whole : (uint64_t)whole;
	const char *sign = negative ? "-" : verb->plus ? "+" : verb->space ? " " : "";
	char digits[65];
	size_t at = sizeof(digits), least = 0;
	if (verb->precision == 0 && left == 0) {
		put_padding(verb, 0, false, into);
		return;
	}
	if (verb->precision >= 0)
		least = (size_t)verb->precision;
	else if (verb->zero && !verb->minus && verb->width > 0)
		least = (size_t)verb->width -
			(*sign != '\0'); /* but for the prefix, as Go has it */
	do {
		unsigned digit = (unsigned)(left % base);
		digits[--at] = (char)(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
		left /= base;
	} while (left > 0);
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, TEMPLATE_TEXT_MAX);
	buf_puts(&text, sign);
	size_t count = sizeof(digits) - at;
	bool leads = count < least || digits[at] == '0'; /* by a zero */
	if (verb->letter == 'O')
		buf_puts(&text, "0o");
	if (verb->sharp && (base == 2 || base == 16))
		buf_printf(&text, "0%c", base == 2 ? 'b' : upper ? 'X' : 'x');
	if (verb->sharp && base == 8 && !leads)
		buf_putc(&text, '0');
	for (; count < least; count++)
		buf_putc(&text, '0');
	buf_add(&text, digits + at, sizeof(digits) - at);
	pad(verb, text.text, text.len, false, into);
}

static void put_whole(struct template_job *job, const struct verb *verb, const struct value *value,
		      struct buf *into)
{
	struct verb hex = *verb;
	switch (verb->letter) {
	case 'v':
		hex.sharp = true;
		if (verb->sharp_v && value->kind == VALUE_BYTE)
			put_digits(&hex, 16, value->whole, into);
		else
			put_digits(verb, 10, value->whole, into);
		return;
	case 'd':
		put_digits(verb, 10, value->whole, into);
		return;
	case 'b':
		put_digits(verb, 2, value->whole, into);
		return;
	case 'o':
	case 'O':
		put_digits(verb, 8, value->whole, into);
		return;
	case 'x':
	case 'X':
		put_digits(verb, 16, value->whole, into);
		return;
	case 'c':
	case 'q':
		put_rune(verb, value->whole, into);
		return;
	case 'U':
		put_unicode(verb, value->whole, into);
		return;
	default:
		put_wrong(job, verb, value, into);
	}
}

/* ---- all ---- */

/* %w, which wraps errors, fits no map at all; any other verb is told of its parts. */
static void put_map(struct template_job *job, const struct verb *verb, const struct value *value,
		    struct buf *into)
{
	if (verb->letter == 'w') {
		put_wrong(job, verb, value, into);
		return;
	}
	size_t count;
	const cJSON **items = value_sorted(job, value->map, &count);
	buf_puts(into, verb->sharp_v ? "map[string]string{" : "map[");
	for (size_t i = 0; items != NULL && i < count; i++) {
		const char *parts[2] = {items[i]->string, items[i]->valuestring};
		if (i > 0)
			buf_puts(into, verb->sharp_v ? ", " : " ");
		for (int k = 0; k < 2; k++) {
			const struct value part = {
				.kind = VALUE_TEXT, .text = parts[k], .len = strlen(parts[k])};
			value_put(job, verb, &part, into);
			if (k == 0)
				buf_putc(into, ':');
		}
	}
	buf_putc(into, verb->sharp_v ? '}' : ']');
}

void value_put(struct template_job *job, const struct verb *verb, const struct value *value,
	       struct buf *into)
{
	bool nil = value->kind == VALUE_NIL || value->kind == VALUE_MISSING;
	if (verb->letter == 'T' && !nil) {
		const char *type = value_type(value);
		const struct value name = {.kind = VALUE_TEXT, .text = type, .len = strlen(type)};
		pad(verb, type, truncated(verb, &name), true, into);
		return;
	}
	switch (value->kind) {
	case VALUE_MISSING:
	case VALUE_NIL:
		if (verb->letter == 'v' || verb->letter == 'T')
			pad_word(verb, "<nil>", into);
		else
			put_wrong(job, verb, value, into);
		return;
	case VALUE_BOOL:
		if (verb->letter == 't' || verb->letter == 'v')
			pad_word(verb, value->whole != 0 ? "true" : "false", into);
		else
			put_wrong(job, verb, value, into);
		return;
	case VALUE_INT:
	case VALUE_BYTE:
		put_whole(job, verb, value, into);
		return;
	case VALUE_FLOAT:
		put_float(job, verb, value, into);
		return;
	case VALUE_TEXT:
		put_text(job, verb, value, into);
		return;
	case VALUE_MAP:
		put_map(job, verb, value, into);
		return;
	}
}

void value_print(struct template_job *job, const struct value *value, struct buf *into)
{
	const struct verb plain = {.letter = 'v', .width = -1, .precision = -1};
	value_put(job, &plain, value, into);
}
