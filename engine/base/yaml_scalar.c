#include "base/yaml_scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_among(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static const char *const true_words[] = {"y",	 "Y",	 "yes", "Yes", "YES", "true",
					 "True", "TRUE", "on",	"On",  "ON",  NULL};
static const char *const false_words[] = {"n",	   "N",	    "no",  "No",  "NO",	 "false",
					  "False", "FALSE", "off", "Off", "OFF", NULL};
static const char *const null_words[] = {"", "~", "null", "Null", "NULL", NULL};

static bool read_special(const char *text, double *number)
{
	static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
	static const char *const inf_words[] = {".inf", ".Inf", ".INF", NULL};
	if (is_among(text, nan_words)) {
		*number = NAN;
		return true;
	}
	bool has_sign = *text == '+' || *text == '-';
	if (!is_among(text + has_sign, inf_words))
		return false;
	*number = *text == '-' ? -INFINITY : INFINITY;
	return true;
}

static bool all_digits(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* Digits of a base that is a power of two, after its prefix. */
static bool read_digits(const char *digits, int bits, double *number)
{
	*number = 0;
	if (*digits == '\0')
		return false;
	for (const char *at = digits; *at != '\0'; at++) {
		char c = *at;
		int value = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : 16;
		if (value >= 1 << bits)
			return false;
		*number = ldexp(*number, bits) + value;
	}
	return true;
}

/* What Go's strconv.ParseInt takes with base 0, of any size. */
static bool read_integer(const char *text, double *number)
{
	bool negative = *text == '-';
	const char *digits = text + (*text == '-' || *text == '+');
	bool ok = false;
	if (digits[0] != '0' || digits[1] == '\0') {
		ok = all_digits(digits);
		*number = ok ? strtod(digits, NULL) : 0;
	} else if (digits[1] == 'x' || digits[1] == 'X') {
		ok = read_digits(digits + 2, 4, number);
	} else if (digits[1] == 'b' || digits[1] == 'B') {
		ok = read_digits(digits + 2, 1, number);
	} else if (digits[1] == 'o' || digits[1] == 'O') {
		ok = read_digits(digits + 2, 3, number);
	} else {
		ok = read_digits(digits + 1, 3, number);
	}
	if (ok && negative && *number > 0)
		*number = -*number;
	return ok && isfinite(*number);
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool read_float(const char *text, double *number)
{
	static const char digits[] = "0123456789";
	const char *at = text + (*text == '-' || *text == '+');
	size_t whole = strspn(at, digits), places = 0;
	at += whole;
	if (*at == '.') {
		at++;
		places = strspn(at, digits);
		at += places;
	}
	if (whole + places == 0)
		return false;
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '-' || *at == '+';
		size_t exponent = strspn(at, digits);
		if (exponent == 0)
			return false;
		at += exponent;
	}
	if (*at != '\0')
		return false;
	*number = strtod(text, NULL);
	return isfinite(*number);
}

/* Underscores between digits are nothing, but for a number that begins with a point. */
static bool read_number(const char *text, double *number)
{
	if (*text == '.')
		return read_float(text, number);
	if (strchr("+-0123456789", *text) == NULL)
		return false;
	SCOPED(text) char *plain = xstrdup(text);
	char *into = plain;
	for (const char *at = text; *at != '\0'; at++)
		if (*at != '_')
			*into++ = *at;
	*into = '\0';
	return read_integer(plain, number) || read_float(plain, number);
}

cJSON *yaml_scalar(const char *text)
{
	double number;
	if (is_among(text, true_words))
		return cJSON_CreateTrue();
	if (is_among(text, false_words))
		return cJSON_CreateFalse();
	if (is_among(text, null_words))
		return cJSON_CreateNull();
	if (read_special(text, &number) || read_number(text, &number))
		return cJSON_CreateNumber(number);
	return cJSON_CreateString(text);
}

/* Numbers of base 60, dates and the words "=" and "<<" mean something to other readers. */
bool yaml_scalar_is_text(const char *text)
{
	if (strcmp(text, "=") == 0 || strcmp(text, "<<") == 0)
		return false;
	bool like_number = *text != '\0' && strchr("+-.0123456789", *text) != NULL;
	if (like_number && strspn(text, "+-0123456789.:_TtZz eE") == strlen(text))
		return false;
	cJSON *node = yaml_scalar(text);
	bool is_text = cJSON_IsString(node);
	cJSON_Delete(node);
	return is_text;
}
