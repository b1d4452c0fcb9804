/*
 * template_format.c - the formats of printf, as Go's package fmt reads them: flags, widths and
 * precisions ("*" too), and which argument is meant ("%[2]d").
 */
#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "metric/template_verb.h"

enum { SIZE_MAX_READ = 10000 }; /* Go's is a million; a query has 64 KB */

struct formatter {
	struct template_job *job;
	const char *at;
	const struct value *args;
	size_t count, next;
	bool indexed;	/* what was just read names an argument */
	bool reordered; /* some verb did */
	bool lost;	/* the verb at hand names one that there is not */
	struct buf *into;
};

static void read_flags(struct formatter *formatter, struct verb *verb)
{
	for (;; formatter->at++) {
		switch (*formatter->at) {
		case '-':
			verb->minus = true;
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
			verb->zero = true;
			break;
		default:
			return;
		}
	}
}

/* "[2]": the next argument is the second. */
static void read_index(struct formatter *formatter)
{
	const char *start = formatter->at;
	formatter->indexed = false;
	if (*start != '[')
		return;
	formatter->reordered = true;
	const char *close = strlen(start) < 3 ? NULL : strchr(start, ']');
	size_t index = 0, digits = 0;
	for (const char *c = start + 1; close != NULL && isdigit((unsigned char)*c); c++, digits++)
		index = index > SIZE_MAX_READ ? index : index * 10 + (size_t)(*c - '0');
	formatter->at = close == NULL ? start + 1 : close + 1;
	bool read = close != NULL && digits > 0 && start + 1 + digits == close;
	if (read && index >= 1 && index <= formatter->count)
		formatter->next = index - 1;
	else
		formatter->lost = true;
	formatter->indexed = read;
}

/* Digits; -1 when there are none. */
static int read_digits(struct formatter *formatter)
{
	if (!isdigit((unsigned char)*formatter->at))
		return -1;
	int size = 0;
	for (; isdigit((unsigned char)*formatter->at); formatter->at++)
		size = size > SIZE_MAX_READ ? size : size * 10 + (*formatter->at - '0');
	return size > SIZE_MAX_READ ? -1 : size;
}

/* What "*" stands for: the next argument, if it is a whole number. */
static bool take_size(struct formatter *formatter, int *size)
{
	formatter->at++;
	formatter->indexed = false;
	if (formatter->next >= formatter->count)
		return false;
	const struct value *value = &formatter->args[formatter->next++];
	bool whole = value->kind == VALUE_INT || value->kind == VALUE_BYTE;
	if (!whole || value->whole < -SIZE_MAX_READ || value->whole > SIZE_MAX_READ)
		return false;
	*size = (int)value->whole;
	return true;
}

static void read_width(struct formatter *formatter, struct verb *verb)
{
	if (*formatter->at != '*') {
		verb->width = read_digits(formatter);
		if (formatter->indexed && verb->width >= 0)
			formatter->lost = true;
		return;
	}
	if (!take_size(formatter, &verb->width))
		buf_puts(formatter->into, "%!(BADWIDTH)");
	else if (verb->width < 0) {
		verb->width = -verb->width;
		verb->minus = true;
		verb->zero = false;
	}
}

static void read_precision(struct formatter *formatter, struct verb *verb)
{
	if (formatter->at[0] != '.' || formatter->at[1] == '\0')
		return;
	formatter->at++;
	if (formatter->indexed)
		formatter->lost = true;
	read_index(formatter);
	if (*formatter->at != '*') {
		verb->precision = read_digits(formatter);
		if (verb->precision < 0)
			verb->precision = 0;
		return;
	}
	if (!take_size(formatter, &verb->precision) || verb->precision < 0) {
		verb->precision = -1;
		buf_puts(formatter->into, "%!(BADPREC)");
	}
}

static void one_verb(struct formatter *formatter)
{
	struct verb verb = {.width = -1, .precision = -1};
	struct buf *into = formatter->into;
	formatter->lost = false;
	read_flags(formatter, &verb);
	read_index(formatter);
	read_width(formatter, &verb);
	read_precision(formatter, &verb);
	if (!formatter->indexed)
		read_index(formatter);
	size_t len = utf8_length(formatter->at, strlen(formatter->at));
	const char *letter = formatter->at;
	if (*letter == '\0') {
		buf_puts(into, "%!(NOVERB)");
		return;
	}
	formatter->at += len == 0 ? 1 : len;
	verb.letter = len == 0 ? 0xFFFD : utf8_point(letter, len);
	if (verb.letter == 'v' || verb.letter == 'w') {
		verb.sharp_v = verb.sharp;
		verb.sharp = verb.plus = false;
	}
	if (verb.letter == '%')
		buf_putc(into, '%');
	else if (formatter->lost || formatter->next >= formatter->count)
		buf_printf(into, "%%!%.*s(%s)", (int)(formatter->at - letter), letter,
			   formatter->lost ? "BADINDEX" : "MISSING");
	else
		value_put(formatter->job, &verb, &formatter->args[formatter->next++], into);
}

static void put_extra(const struct formatter *formatter)
{
	struct buf *into = formatter->into;
	buf_puts(into, "%!(EXTRA ");
	for (size_t i = formatter->next; i < formatter->count; i++) {
		const struct value *value = &formatter->args[i];
		if (i > formatter->next)
			buf_puts(into, ", ");
		if (value->kind != VALUE_NIL)
			buf_printf(into, "%s=", value_type(value));
		value_print(formatter->job, value, into);
	}
	buf_putc(into, ')');
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
	if (!formatter.reordered && formatter.next < count)
		put_extra(&formatter);
}
