#include "base/zone.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "spec.h"

static const char *shows(const char *zone, const char *utc)
{
	static char text[80];
	struct zone_clock clock;
	struct error err = {0};
	int64_t us;
	EXPECT(time_parse(utc, &us, &err));
	if (!zone_clock_at(zone_directory, zone, us, &clock, &err)) {
		snprintf(text, sizeof(text), "%.79s", err.text);
		return text;
	}
	snprintf(text, sizeof(text), "%s %04d-%02d-%02d %02d:%02d:%02d %+d", clock.day_name,
		 clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second,
		 clock.offset_s);
	return text;
}

SPEC("zone: clocks of places, in summer and in winter")
{
	EXPECT_TEXT(shows("UTC", "2026-11-26T16:15:24Z"), "Thu 2026-11-26 16:15:24 +0");
	EXPECT_TEXT(shows("Europe/Berlin", "2026-11-26T16:15:24Z"),
		    "Thu 2026-11-26 17:15:24 +3600");
	EXPECT_TEXT(shows("Europe/Berlin", "2026-03-29T00:59:59Z"),
		    "Sun 2026-03-29 01:59:59 +3600");
	EXPECT_TEXT(shows("Europe/Berlin", "2026-03-29T01:00:00Z"),
		    "Sun 2026-03-29 03:00:00 +7200");
	EXPECT_TEXT(shows("Europe/Berlin", "2026-10-25T00:59:59Z"),
		    "Sun 2026-10-25 02:59:59 +7200");
	EXPECT_TEXT(shows("Europe/Berlin", "2026-10-25T01:00:00Z"),
		    "Sun 2026-10-25 02:00:00 +3600");
	EXPECT_TEXT(shows("America/New_York", "2026-03-08T07:00:00Z"),
		    "Sun 2026-03-08 03:00:00 -14400");
	EXPECT_TEXT(shows("Asia/Kolkata", "2028-02-28T18:30:00Z"),
		    "Tue 2028-02-29 00:00:00 +19800");
	EXPECT_TEXT(shows("Australia/Sydney", "2026-01-01T00:00:00Z"),
		    "Thu 2026-01-01 11:00:00 +39600");
	/* Beyond what the files list: the rule in their footers. */
	EXPECT_TEXT(shows("Europe/Berlin", "2099-07-01T12:00:00Z"),
		    "Wed 2099-07-01 14:00:00 +7200");
	EXPECT_TEXT(shows("Australia/Sydney", "2099-01-01T00:00:00Z"),
		    "Thu 2099-01-01 11:00:00 +39600");
	EXPECT_TEXT(shows("Pacific/Apia", "2099-07-01T00:00:00Z"),
		    "Wed 2099-07-01 13:00:00 +46800");
}

SPEC("zone: a name that is none is told, and leads out of no directory")
{
	EXPECT_CONTAINS(shows("Europe/Brlin", "2026-11-26T16:15:24Z"),
			"the time zone Europe/Brlin is not known");
	EXPECT_TEXT(shows("../../etc/passwd", "2026-11-26T16:15:24Z"),
		    "\"../../etc/passwd\" is no name of a time zone");
	EXPECT_CONTAINS(shows("Europe", "2026-11-26T16:15:24Z"),
			"the time zone Europe is not known");
	EXPECT_CONTAINS(shows("zone.tab", "2026-11-26T16:15:24Z"), "is no name");
	EXPECT_CONTAINS(shows("tzdata/..", "2026-11-26T16:15:24Z"), "is no name");
}

/* Two headers of nothing but one type, and a footer. */
static size_t slim(char bytes[200], const char *footer)
{
	static const char header[44] = "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4";
	static const char type[] = "\0\0\0\7\0\0LMT";
	size_t len = 0;
	for (int i = 0; i < 2; i++) {
		memcpy(bytes + len, header, sizeof(header));
		memcpy(bytes + len + 44, type, 10);
		len += 54;
	}
	return len + (size_t)snprintf(bytes + len, 200 - len, "\n%s\n", footer);
}

static int offset(const char *footer, int64_t seconds)
{
	char bytes[200];
	struct error err = {0};
	int offset_s = -1;
	size_t len = slim(bytes, footer);
	if (!zone_offset(bytes, len, seconds, &offset_s, &err))
		return -1;
	return offset_s;
}

SPEC("zone: files that list nothing have their rule in the footer")
{
	enum { MARCH_1 = 1772323200, FEBRUARY_28 = MARCH_1 - 86400 }; /* of 2026 */
	EXPECT_INT(offset("", 0), 7);
	EXPECT_INT(offset("<+0330>-3:30", 0), 12600);
	EXPECT_INT(offset("AAA3BBB,J60/0,J300/0", MARCH_1 + 10800), -7200);
	EXPECT_INT(offset("AAA3BBB,J60/0,J300/0", MARCH_1 + 10799), -10800);
	EXPECT_INT(offset("AAA0BBB-2,58/0,299/0", FEBRUARY_28), 7200);
	EXPECT_INT(offset("AAA0BBB,M10.1.0,M4.1.0/3", MARCH_1), 3600); /* of the south */
	EXPECT_INT(offset("IST-1GMT0,M10.5.0,M3.5.0/1", MARCH_1), 0);
	EXPECT_INT(offset("AAA", 0), -1);
	EXPECT_INT(offset("AAA0BBB", 0), -1);
	EXPECT_INT(offset("AAA0BBB,M13.1.0,M4.1.0", 0), -1);
	EXPECT_INT(offset("AAA0BBB,M1.1.7,M4.1.0", 0), -1);
	EXPECT_INT(offset("AAA0BBB,M1.1.0,M4.1.0x", 0), -1);
	EXPECT_INT(offset("AAA-26", 0), -1); /* no clock is that far from Greenwich */
	EXPECT_INT(offset("AAA25", 0), -1);
}

SPEC("zone: a file that is cut at any byte is told, and read no further")
{
	char bytes[200];
	struct error err = {0};
	int offset_s;
	size_t len = slim(bytes, "CET-1CEST,M3.5.0,M10.5.0/3");
	EXPECT(zone_offset(bytes, len, 0, &offset_s, &err));
	for (size_t cut = 0; cut < 108; cut++)
		EXPECT(!zone_offset(bytes, cut, 0, &offset_s, &err));
	memset(bytes + 54 + 20, 0xff, 24); /* counts beyond all */
	EXPECT(!zone_offset(bytes, len, 0, &offset_s, &err));
}
