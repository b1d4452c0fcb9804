/*
 * zone.h - what the clocks of a place show: IANA zones, as the system's tzdata has them.
 *
 * Reads TZif files of version 2 and later (RFC 8536), and beyond their last transition the rule in
 * their footer (POSIX TZ). A function of the file and the time; UTC needs no file.
 */
#ifndef SLUICE_BASE_ZONE_H
#define SLUICE_BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

extern const char zone_directory[]; /* /usr/share/zoneinfo */

struct zone_clock {
	int year, month, day, hour, minute, second;
	int weekday;	      /* 1 is Monday, 7 is Sunday */
	int offset_s;	      /* east of UTC */
	const char *day_name; /* "Mon" */
};

/* `name` is "Europe/Berlin"; `us` since 1970. ERROR_NOT_FOUND for no zone of `directory`,
 * ERROR_INVALID for a file that is none. */
bool zone_clock_at(const char *directory, const char *name, int64_t us, struct zone_clock *clock,
		   struct error *err) MUST_CHECK;
/* The offset in seconds that the bytes of a TZif file say. */
bool zone_offset(const char *bytes, size_t len, int64_t seconds, int *offset_s,
		 struct error *err) MUST_CHECK;

#endif
