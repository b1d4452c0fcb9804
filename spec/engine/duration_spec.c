#include "spec.h"

#include <string.h>

#include "base/duration.h"
#include "base/mem.h"

SPEC("duration: reads what Go reads")
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{"0", 0},
		{"-0", 0},
		{"0s", 0},
		{"1h30m", 90 * DURATION_MINUTE},
		{"500ms", 500 * DURATION_MS},
		{"1.5s", 1500 * DURATION_MS},
		{"+5s", 5 * DURATION_SECOND},
		{"-2us", -2},
		{"1.9us", 1},
		{"-1999ns", -1},
		{"3µs", 3},
		{"3μs", 3},
		{".5s", 500 * DURATION_MS},
		{"1.s", DURATION_SECOND},
		{"10m10s10m", 20 * DURATION_MINUTE + 10 * DURATION_SECOND},
		{"0.100000000000000000000h", 6 * DURATION_MINUTE},
		{"0.3333333333333333333h", INT64_C(1200000000)},
		{"9223372036s", INT64_C(9223372036000000)},
		{"9223372036854775807ns", INT64_C(9223372036854775)},
		{"-9223372036854775808ns", -INT64_C(9223372036854775)},
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct error err;
		int64_t us = 77;
		if (!duration_parse(good[i].text, &us, &err))
			spec_fail(__FILE__, __LINE__, "%s: %s", good[i].text, err.text);
		if (us != good[i].us)
			spec_fail(__FILE__, __LINE__, "%s is %lld", good[i].text, (long long)us);
	}
}

SPEC("duration: refuses what Go refuses, with its reason")
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "invalid duration \"\""},
		{"-", "invalid duration \"-\""},
		{"s", "invalid duration \"s\""},
		{".", "invalid duration \".\""},
		{"-.s", "invalid duration \"-.s\""},
		{"3", "missing unit in duration \"3\""},
		{"1h3", "missing unit in duration \"1h3\""},
		{"1 s", "unknown unit \" s\" in duration \"1 s\""},
		{"1d", "unknown unit \"d\" in duration \"1d\""},
		{"--1s", "invalid duration \"--1s\""},
		{"+-1s", "invalid duration \"+-1s\""},
		{" 1s", "invalid duration \" 1s\""},
		{"1S", "unknown unit \"S\""},
		{"9223372036854775808ns", "too long"},
		{"9223372036854775.808us", "too long"},
		{"99999999999999999999s", "too long"},
		{"2562048h", "too long"},
		{"-9223372036854775808ns9223372036854775808ns", "too long"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = {0};
		int64_t us;
		if (duration_parse(bad[i].text, &us, &err))
			spec_fail(__FILE__, __LINE__, "\"%s\" was taken", bad[i].text);
		EXPECT_INT(err.kind, ERROR_INVALID);
		EXPECT_CONTAINS(err.text, bad[i].why);
	}
}

SPEC("duration: writes what Go writes")
{
	static const struct {
		int64_t us;
		const char *text;
	} wanted[] = {
		{0, "0s"},
		{1, "1µs"},
		{-1, "-1µs"},
		{999, "999µs"},
		{1000, "1ms"},
		{1100, "1.1ms"},
		{500000, "500ms"},
		{999999, "999.999ms"},
		{1515000, "1.515s"},
		{60 * DURATION_SECOND, "1m0s"},
		{90 * DURATION_SECOND, "1m30s"},
		{DURATION_HOUR, "1h0m0s"},
		{DURATION_HOUR + 2, "1h0m0.000002s"},
		{-(3 * DURATION_HOUR + 25 * DURATION_MINUTE + 45500 * DURATION_MS), "-3h25m45.5s"},
		{INT64_MAX, "2562047788h0m54.775807s"},
		{INT64_MIN, "-2562047788h0m54.775808s"},
	};
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		char text[DURATION_TEXT_MAX];
		duration_text(wanted[i].us, text);
		EXPECT_TEXT(text, wanted[i].text);
	}
}

SPEC("duration: times are written in UTC as Kubernetes writes them")
{
	char text[TIME_TEXT_MAX];
	time_text(INT64_C(1700000000999999), text);
	EXPECT_TEXT(text, "2023-11-14T22:13:20Z");
	time_text_micro(INT64_C(1700000000000042), text);
	EXPECT_TEXT(text, "2023-11-14T22:13:20.000042Z");
	time_text_micro(0, text);
	EXPECT_TEXT(text, "1970-01-01T00:00:00.000000Z");
	time_text_micro(-1, text);
	EXPECT_TEXT(text, "1969-12-31T23:59:59.999999Z");
	time_text(-INT64_C(62135596800000000), text);
	EXPECT_TEXT(text, "0001-01-01T00:00:00Z");
	time_text_micro(INT64_MAX, text);
	EXPECT_CONTAINS(text, "294247-01-10T04:00:54.775807Z");
	time_text_micro(INT64_MIN, text);
	EXPECT_CONTAINS(text, "Z");
}

SPEC("duration: times are read with zone and fraction")
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2023-11-14T22:13:20Z", INT64_C(1700000000000000)},
		{"2023-11-14T22:13:20.000042Z", INT64_C(1700000000000042)},
		{"2023-11-14T22:13:20.1234567891Z", INT64_C(1700000000123456)},
		{"2023-11-15T00:13:20+02:00", INT64_C(1700000000000000)},
		{"2023-11-14T16:43:20.5-05:30", INT64_C(1700000000500000)},
		{"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
		{"1969-12-31T23:59:59.5Z", -500000},
		{"0001-01-01T00:00:00Z", -INT64_C(62135596800000000)},
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct error err;
		int64_t us = 77;
		if (!time_parse(good[i].text, &us, &err))
			spec_fail(__FILE__, __LINE__, "%s: %s", good[i].text, err.text);
		if (us != good[i].us)
			spec_fail(__FILE__, __LINE__, "%s is %lld", good[i].text, (long long)us);
	}
	static const char *const bad[] = {
		"",
		"2023-11-14",
		"2023-11-14T22:13:20",
		"2023-11-14 22:13:20Z",
		"2023-13-14T22:13:20Z",
		"2023-02-29T22:13:20Z",
		"2023-11-14T24:00:00Z",
		"2023-11-14T22:13:60Z",
		"2023-11-14T22:13:20.Z",
		"2023-11-14T22:13:20+2:00",
		"2023-11-14T22:13:20Zx",
		"23-11-14T22:13:20Z",
		"2023-00-14T22:13:20Z",
		"0000-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
		"2023-11-00T22:13:20Z",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = {0};
		int64_t us;
		if (time_parse(bad[i], &us, &err))
			spec_fail(__FILE__, __LINE__, "\"%s\" was taken", bad[i]);
		EXPECT_CONTAINS(err.text, "is no time");
	}
}
