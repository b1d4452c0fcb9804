#include "base/duration.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

enum { NS_PER_US = 1000 };
static const uint64_t ns_max = UINT64_C(1) << 63; /* the magnitude that a negative one may have */

struct unit {
	const char *name;
	uint64_t ns;
};

static const struct unit units[] = {
	{"ns", 1},
	{"us", 1000},
	{"\xC2\xB5s", 1000}, /* U+00B5, micro sign */
	{"\xCE\xBCs", 1000}, /* U+03BC, Greek letter mu */
	{"ms", 1000000},
	{"s", UINT64_C(1000000000)},
	{"m", UINT64_C(60000000000)},
	{"h", UINT64_C(3600000000000)},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const struct unit *find_unit(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
			return &units[i];
	return NULL;
}

/* Digits as a number; false when it leaves the range. */
static bool read_whole(const char **at, uint64_t *value)
{
	for (*value = 0; is_digit(**at); (*at)++) {
		if (*value > ns_max / 10)
			return false;
		*value = *value * 10 + (uint64_t)(**at - '0');
		if (*value > ns_max)
			return false;
	}
	return true;
}

/* Digits after the point as value / scale; those that no longer fit are left out. */
static void read_fraction(const char **at, uint64_t *value, double *scale)
{
	bool full = false;
	*value = 0;
	*scale = 1;
	for (; is_digit(**at); (*at)++) {
		uint64_t longer = *value * 10 + (uint64_t)(**at - '0');
		full = full || *value > (ns_max - 1) / 10 || longer > ns_max;
		if (full)
			continue;
		*value = longer;
		*scale *= 10;
	}
}

/* The arithmetic of Go's time.ParseDuration, step by step, so that the last nanosecond agrees. */
bool duration_parse(const char *text, int64_t *us, struct error *err)
{
	const char *at = text;
	bool negative = *at == '-';
	if (*at == '-' || *at == '+')
		at++;
	if (strcmp(at, "0") == 0) {
		*us = 0;
		return true;
	}
	if (*at == '\0')
		return error_set(err, ERROR_INVALID, "invalid duration \"%s\"", text);
	uint64_t total = 0;
	while (*at != '\0') {
		uint64_t whole, fraction = 0;
		double scale = 1;
		const char *from = at;
		if (!read_whole(&at, &whole))
			return error_set(err, ERROR_INVALID, "duration \"%s\" is too long", text);
		size_t digits = (size_t)(at - from);
		if (*at == '.') {
			from = ++at;
			read_fraction(&at, &fraction, &scale);
			digits += (size_t)(at - from);
		}
		if (digits == 0)
			return error_set(err, ERROR_INVALID, "invalid duration \"%s\"", text);
		size_t len = strcspn(at, ".0123456789");
		if (len == 0)
			return error_set(err, ERROR_INVALID, "missing unit in duration \"%s\"",
					 text);
		const struct unit *unit = find_unit(at, len);
		if (unit == NULL)
			return error_set(err, ERROR_INVALID,
					 "unknown unit \"%.*s\" in duration \"%s\"", (int)len, at,
					 text);
		at += len;
		if (whole > ns_max / unit->ns)
			return error_set(err, ERROR_INVALID, "duration \"%s\" is too long", text);
		whole *= unit->ns;
		if (fraction > 0)
			whole += (uint64_t)((double)fraction * ((double)unit->ns / scale));
		if (whole > ns_max - total)
			return error_set(err, ERROR_INVALID, "duration \"%s\" is too long", text);
		total += whole;
	}
	if (!negative && total == ns_max)
		return error_set(err, ERROR_INVALID, "duration \"%s\" is too long", text);
	int64_t whole_us = (int64_t)(total / NS_PER_US);
	*us = negative ? -whole_us : whole_us;
	return true;
}

/* "1.5" from 1500 and 3 places: no zeros at the end, no point without digits behind it. */
static void decimal(char *into, size_t size, uint64_t value, int places)
{
	uint64_t power = 1;
	for (int i = 0; i < places; i++)
		power *= 10;
	uint64_t whole = value / power, fraction = value % power;
	while (places > 0 && fraction % 10 == 0) {
		fraction /= 10;
		places--;
	}
	if (places == 0)
		snprintf(into, size, "%llu", (unsigned long long)whole);
	else
		snprintf(into, size, "%llu.%0*llu", (unsigned long long)whole, places,
			 (unsigned long long)fraction);
}

void duration_text(int64_t us, char text[DURATION_TEXT_MAX])
{
	uint64_t left = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
	const char *sign = us < 0 ? "-" : "";
	char number[16]; /* "59.999999" at most */
	if (left == 0) {
		text_copy(text, DURATION_TEXT_MAX, "0s");
	} else if (left < DURATION_MS) {
		snprintf(text, DURATION_TEXT_MAX, "%s%d\xC2\xB5s", sign, (int)left);
	} else if (left < DURATION_SECOND) {
		decimal(number, sizeof(number), left, 3);
		snprintf(text, DURATION_TEXT_MAX, "%s%sms", sign, number);
	} else {
		uint64_t hours = left / DURATION_HOUR, minutes = left / DURATION_MINUTE % 60;
		decimal(number, sizeof(number), left % DURATION_MINUTE, 6);
		if (hours > 0)
			snprintf(text, DURATION_TEXT_MAX, "%s%lluh%dm%ss", sign,
				 (unsigned long long)hours, (int)minutes, number);
		else if (minutes > 0)
			snprintf(text, DURATION_TEXT_MAX, "%s%dm%ss", sign, (int)minutes, number);
		else
			snprintf(text, DURATION_TEXT_MAX, "%s%ss", sign, number);
	}
}

/* To the second; returns the microseconds left over. */
static int write_seconds(int64_t us, char text[TIME_TEXT_MAX])
{
	int64_t seconds = us / DURATION_SECOND, rest = us % DURATION_SECOND;
	if (rest < 0) {
		rest += DURATION_SECOND;
		seconds--;
	}
	struct tm tm;
	time_t time = seconds;
	gmtime_r(&time, &tm);
	size_t len = (size_t)snprintf(text, TIME_TEXT_MAX, "%04d", tm.tm_year + 1900);
	strftime(text + len, TIME_TEXT_MAX - len, "-%m-%dT%H:%M:%S", &tm);
	return (int)rest;
}

void time_text(int64_t us, char text[TIME_TEXT_MAX])
{
	write_seconds(us, text);
	size_t len = strlen(text);
	text_copy(text + len, TIME_TEXT_MAX - len, "Z");
}

void time_text_micro(int64_t us, char text[TIME_TEXT_MAX])
{
	int rest = write_seconds(us, text);
	size_t len = strlen(text);
	snprintf(text + len, TIME_TEXT_MAX - len, ".%06dZ", rest);
}

/* Exactly `digits` digits between `least` and `most`. */
static bool read_field(const char **at, int digits, int least, int most, int *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (!is_digit(**at))
			return false;
		*value = *value * 10 + (**at - '0');
	}
	return *value >= least && *value <= most;
}

static bool skip(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static int days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return month == 2 && leap ? 29 : days[month - 1];
}

/* "Z" or "+01:00", in seconds east of Greenwich. */
static bool read_zone(const char **at, int *seconds)
{
	*seconds = 0;
	if (skip(at, 'Z'))
		return true;
	bool west = **at == '-';
	int hours, minutes;
	if (!west && **at != '+')
		return false;
	(*at)++;
	if (!read_field(at, 2, 0, 23, &hours) || !skip(at, ':') ||
	    !read_field(at, 2, 0, 59, &minutes))
		return false;
	*seconds = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

/* A zone must not lead out of the years that can be written. In seconds since 1970. */
static const int64_t year_0 = INT64_C(-62167219200), year_10000 = INT64_C(253402300800);

static bool read_time(const char *at, int64_t *us)
{
	int year, month, day, hour, minute, second, zone;
	if (!read_field(&at, 4, 0, 9999, &year) || !skip(&at, '-') ||
	    !read_field(&at, 2, 1, 12, &month) || !skip(&at, '-') ||
	    !read_field(&at, 2, 1, days_in(year, month), &day) || !skip(&at, 'T') ||
	    !read_field(&at, 2, 0, 23, &hour) || !skip(&at, ':') ||
	    !read_field(&at, 2, 0, 59, &minute) || !skip(&at, ':') ||
	    !read_field(&at, 2, 0, 59, &second))
		return false;
	int64_t fraction = 0, worth = DURATION_SECOND;
	if (skip(&at, '.')) {
		if (!is_digit(*at))
			return false;
		for (; is_digit(*at); at++) {
			worth /= 10;
			fraction += (*at - '0') * worth;
		}
	}
	if (!read_zone(&at, &zone) || *at != '\0')
		return false;
	struct tm tm = {.tm_year = year - 1900,
			.tm_mon = month - 1,
			.tm_mday = day,
			.tm_hour = hour,
			.tm_min = minute,
			.tm_sec = second};
	int64_t seconds = (int64_t)timegm(&tm) - zone;
	*us = seconds * DURATION_SECOND + fraction;
	return seconds >= year_0 && seconds < year_10000;
}

bool time_parse(const char *text, int64_t *us, struct error *err)
{
	if (read_time(text, us))
		return true;
	return error_set(err, ERROR_INVALID, "\"%.40s\" is no time such as 2006-01-02T15:04:05Z",
			 text);
}
