/*
 * template_number.c - Go's literals of numbers, as package strconv reads them: prefixes of bases,
 * underscores, exponents.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "metric/template_parts.h"

/* Underscores stand between digits, or between the prefix of a base and a digit. */
static bool underscores_are_good(const char *text)
{
	text += strspn(text, "+-");
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X'), digit = false;
	if (text[0] == '0' && text[1] != '\0' && strchr("xXoObB", text[1]) != NULL) {
		digit = true;
		text += 2;
	}
	for (; *text != '\0'; text++) {
		bool next = hex ? isxdigit((unsigned char)text[1]) != 0
				: isdigit((unsigned char)text[1]) != 0;
		if (*text == '_' && (!digit || !next))
			return false;
		digit = hex ? isxdigit((unsigned char)*text) != 0
			    : isdigit((unsigned char)*text) != 0;
	}
	return true;
}

static bool read_whole(const char *text, int64_t *whole)
{
	char digits[80];
	size_t len = 0;
	const char *c = text;
	if (*c == '+' || *c == '-')
		digits[len++] = *c++;
	int base = 10;
	if (c[0] == '0' && (c[1] == 'x' || c[1] == 'X'))
		base = 16;
	else if (c[0] == '0' && (c[1] == 'b' || c[1] == 'B'))
		base = 2;
	else if (c[0] == '0' && (c[1] == 'o' || c[1] == 'O' || c[1] != '\0'))
		base = 8;
	if (base == 16 || base == 2 || (base == 8 && (c[1] == 'o' || c[1] == 'O')))
		c += 2;
	for (; *c != '\0'; c++)
		if (*c != '_' && len + 1 < sizeof(digits))
			digits[len++] = *c;
	digits[len] = '\0';
	char *end;
	errno = 0;
	long long number = strtoll(digits, &end, base);
	if (len == 0 || *end != '\0' || end == digits || errno != 0)
		return false;
	*whole = number;
	return true;
}

static bool read_real(const char *text, double *real)
{
	char digits[80];
	size_t len = 0;
	for (const char *c = text; *c != '\0' && len + 1 < sizeof(digits); c++)
		if (*c != '_')
			digits[len++] = *c;
	digits[len] = '\0';
	char *end;
	*real = strtod(digits, &end);
	return end != digits && *end == '\0' && *real - *real == 0;
}

enum number_kind number_read(const char *text, int64_t *whole, double *real)
{
	const char *digits = text + strspn(text, "+-");
	bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	bool pointed = strpbrk(text, hex ? ".pP" : ".eE") != NULL;
	if (!underscores_are_good(text))
		return NUMBER_NONE;
	if (read_whole(text, whole)) {
		*real = (double)*whole;
		return NUMBER_WHOLE;
	}
	if (!read_real(text, real))
		return NUMBER_NONE;
	if (pointed) {
		*whole = *real >= -0x1p63 && *real < 0x1p63 ? (int64_t)*real : 0;
		return NUMBER_REAL;
	}
	bool fits = text[0] != '-' && *real >= 0x1p63 && *real < 0x1p64;
	return fits ? NUMBER_UNSIGNED : NUMBER_TOO_LARGE;
}
