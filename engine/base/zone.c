#include "base/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"

const char zone_directory[] = "/usr/share/zoneinfo";

enum { ZONE_NAME_MAX = 64, HEADER = 44, DAY = 86400, HOUR = 3600, MINUTE = 60 };

/* ---- days (proleptic Gregorian, since 1970) ---- */

static int64_t days_of(int64_t year, int month, int day)
{
	/* Years begin in March, so that the leap day is the last. */
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * of_year + 2) / 153;
	*day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(y + era * 400 + (*month <= 2));
}

static int64_t floor_days(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY : -((-seconds + DAY - 1) / DAY);
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* 0 is Sunday: 1 January 1970 was a Thursday. */
static int weekday_of(int64_t days)
{
	return (int)(((days + 4) % 7 + 7) % 7);
}

/* ---- the rule of a footer: "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

struct rule {
	char kind; /* 'M': month, week, weekday; 'J': day of the year without a leap day; 'n': with
		    */
	int a, week, weekday;
	int time_s;
};

static bool number(const char **text, int most, int *value)
{
	char *end;
	if (**text < '0' || **text > '9')
		return false;
	long read = strtol(*text, &end, 10);
	if (read > most)
		return false;
	*value = (int)read;
	*text = end;
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool time_of_day(const char **text, int *seconds)
{
	int sign = **text == '-' ? -1 : 1, hours = 0, minutes = 0, rest = 0;
	*text += **text == '-' || **text == '+';
	if (!number(text, 167, &hours))
		return false;
	if (**text == ':') {
		(*text)++;
		if (!number(text, 59, &minutes))
			return false;
	}
	if (**text == ':') {
		(*text)++;
		if (!number(text, 59, &rest))
			return false;
	}
	*seconds = sign * (hours * HOUR + minutes * MINUTE + rest);
	return true;
}

static bool skip_name(const char **text)
{
	const char *at = *text;
	if (*at == '<') {
		at = strchr(at, '>');
		if (at == NULL)
			return false;
		at++;
	} else {
		while ((*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z'))
			at++;
	}
	bool some = at - *text >= 3;
	*text = at;
	return some;
}

static bool read_rule(const char **text, struct rule *rule)
{
	*rule = (struct rule){.kind = 'n', .time_s = 2 * HOUR};
	if (*(*text)++ != ',')
		return false;
	if (**text == 'M') {
		(*text)++;
		rule->kind = 'M';
		if (!number(text, 12, &rule->a) || rule->a < 1 || *(*text)++ != '.' ||
		    !number(text, 5, &rule->week) || rule->week < 1 || *(*text)++ != '.' ||
		    !number(text, 6, &rule->weekday))
			return false;
	} else {
		if (**text == 'J') {
			(*text)++;
			rule->kind = 'J';
		}
		if (!number(text, 365, &rule->a))
			return false;
	}
	if (**text != '/')
		return true;
	(*text)++;
	return time_of_day(text, &rule->time_s);
}

/* In seconds since 1970 of a clock that shows local time. */
static int64_t moment(const struct rule *rule, int64_t year)
{
	int64_t days = days_of(year, 1, 1);
	if (rule->kind == 'J') {
		days += rule->a - 1 + (is_leap(year) && rule->a >= 60);
	} else if (rule->kind == 'n') {
		days += rule->a;
	} else {
		int64_t first = days_of(year, rule->a, 1);
		int64_t next =
			rule->a == 12 ? days_of(year + 1, 1, 1) : days_of(year, rule->a + 1, 1);
		days = first + (rule->weekday - weekday_of(first) + 7) % 7 + 7 * (rule->week - 1);
		while (days >= next)
			days -= 7;
	}
	return days * DAY + rule->time_s;
}

static bool footer_offset(const char *text, int64_t seconds, int *offset_s)
{
	struct rule begins, ends;
	int standard, summer;
	if (!skip_name(&text) || !time_of_day(&text, &standard))
		return false;
	standard = -standard;
	*offset_s = standard;
	if (*text == '\0')
		return true;
	if (!skip_name(&text))
		return false;
	summer = standard + HOUR;
	if (*text != ',' && *text != '\0') {
		if (!time_of_day(&text, &summer))
			return false;
		summer = -summer;
	}
	if (!read_rule(&text, &begins) || !read_rule(&text, &ends) || *text != '\0')
		return false;
	int year, month, day;
	date_of(floor_days(seconds + standard), &year, &month, &day);
	int64_t from = moment(&begins, year) - standard, to = moment(&ends, year) - summer;
	bool is_summer =
		from < to ? seconds >= from && seconds < to : seconds >= from || seconds < to;
	*offset_s = is_summer ? summer : standard;
	return true;
}

/* ---- TZif ---- */

static uint32_t word(const char *bytes)
{
	const unsigned char *b = (const unsigned char *)bytes;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t long_word(const char *bytes)
{
	return (int64_t)((uint64_t)word(bytes) << 32 | word(bytes + 4));
}

struct block {
	size_t isut, isstd, leaps, times, types, chars;
	size_t bytes; /* of all that follows the header */
};

static bool read_header(const char *bytes, size_t len, size_t width, struct block *block)
{
	if (len < HEADER || memcmp(bytes, "TZif", 4) != 0)
		return false;
	*block = (struct block){word(bytes + 20),
				word(bytes + 24),
				word(bytes + 28),
				word(bytes + 32),
				word(bytes + 36),
				word(bytes + 40),
				0};
	/* Each is at most a length of the file, so that the sum cannot overflow. */
	if (block->isut > len || block->isstd > len || block->leaps > len || block->times > len ||
	    block->types > len || block->chars > len)
		return false;
	block->bytes = block->times * (width + 1) + block->types * 6 + block->chars +
		       block->leaps * (width + 4) + block->isstd + block->isut;
	return block->bytes <= len - HEADER;
}

/* RFC 8536, section 3.2: no clock is further from Greenwich. */
static bool is_offset(int seconds)
{
	return seconds > -25 * HOUR && seconds < 26 * HOUR;
}

bool zone_offset(const char *bytes, size_t len, int64_t seconds, int *offset_s, struct error *err)
{
	struct block block;
	if (!read_header(bytes, len, 4, &block) || bytes[4] < '2')
		return error_set(err, ERROR_INVALID, "is no zone of version 2 or later");
	bytes += HEADER + block.bytes;
	len -= HEADER + block.bytes;
	if (!read_header(bytes, len, 8, &block) || block.types == 0)
		return error_set(err, ERROR_INVALID, "is a broken zone");
	const char *times = bytes + HEADER, *indexes = times + 8 * block.times;
	const char *types = indexes + block.times, *footer = bytes + HEADER + block.bytes;
	size_t low = 0, high = block.times; /* the first transition that is later */
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (long_word(times + 8 * middle) <= seconds)
			low = middle + 1;
		else
			high = middle;
	}
	char rule[80] = "";
	size_t rest = len - HEADER - block.bytes;
	const char *end = rest < 2 ? NULL : memchr(footer + 1, '\n', rest - 1);
	if (end != NULL && footer[0] == '\n' && (size_t)(end - footer) - 1 < sizeof(rule))
		memcpy(rule, footer + 1, (size_t)(end - footer) - 1);
	if (low == block.times && rule[0] != '\0')
		return (footer_offset(rule, seconds, offset_s) && is_offset(*offset_s)) ||
		       error_set(err, ERROR_INVALID, "has a rule that cannot be read: %s", rule);
	size_t type = low == 0 ? 0 : (unsigned char)indexes[low - 1];
	if (type >= block.types)
		return error_set(err, ERROR_INVALID, "is a broken zone");
	*offset_s = (int)(int32_t)word(types + 6 * type);
	return is_offset(*offset_s) || error_set(err, ERROR_INVALID, "is a broken zone");
}

/* ---- by name ---- */

static bool is_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-/";
	size_t len = strlen(name);
	return len > 0 && len <= ZONE_NAME_MAX && strspn(name, letters) == len && name[0] != '/' &&
	       name[len - 1] != '/';
}

static bool offset_of(const char *directory, const char *name, int64_t seconds, int *offset_s,
		      struct error *err)
{
	*offset_s = 0;
	if (strcmp(name, "UTC") == 0)
		return true;
	char path[sizeof("/usr/share/zoneinfo") + 400];
	SCOPED(buf) struct buf bytes = {0};
	buf_init(&bytes, 64UL * KIB);
	struct error why = {0};
	if (!is_name(name))
		return error_set(err, ERROR_NOT_FOUND, "\"%.60s\" is no name of a time zone", name);
	snprintf(path, sizeof(path), "%.300s/%s", directory, name);
	if (!file_read(path, &bytes, &why))
		return error_set(err, ERROR_NOT_FOUND, "the time zone %s is not known: %s", name,
				 why.text);
	if (!zone_offset(bytes.text, bytes.len, seconds, offset_s, &why))
		return error_set(err, ERROR_INVALID, "%s %s", path, why.text);
	return true;
}

bool zone_clock_at(const char *directory, const char *name, int64_t us, struct zone_clock *clock,
		   struct error *err)
{
	static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	int64_t seconds = us >= 0 ? us / 1000000 : -((-us + 999999) / 1000000);
	int offset_s;
	if (!offset_of(directory, name, seconds, &offset_s, err))
		return false;
	int64_t days = floor_days(seconds + offset_s);
	int of_day = (int)(seconds + offset_s - days * DAY), weekday = weekday_of(days);
	*clock = (struct zone_clock){
		.hour = of_day / HOUR,
		.minute = of_day / MINUTE % 60,
		.second = of_day % 60,
		.weekday = weekday == 0 ? 7 : weekday,
		.offset_s = offset_s,
		.day_name = names[weekday],
	};
	date_of(days, &clock->year, &clock->month, &clock->day);
	return true;
}
