/*
 * duration.h - spans of time in microseconds, written as Go writes them.
 */
#ifndef SLUICE_BASE_DURATION_H
#define SLUICE_BASE_DURATION_H

#include <stdint.h>

#include "base/error.h"

#define DURATION_MS INT64_C(1000)
#define DURATION_SECOND INT64_C(1000000)
#define DURATION_MINUTE (60 * DURATION_SECOND)
#define DURATION_HOUR (60 * DURATION_MINUTE)

enum { DURATION_TEXT_MAX = 40, TIME_TEXT_MAX = 32 };

/* Go's time.ParseDuration: "1h30m", "500ms", "1.5s", "-2us", "0". Below a microsecond is cut off.
 */
bool duration_parse(const char *text, int64_t *us, struct error *err) MUST_CHECK;
/* Go's Duration.String: "1.515s", "500ms", "1m0s", "0s". */
void duration_text(int64_t us, char text[DURATION_TEXT_MAX]);

/* RFC 3339 in UTC, as Kubernetes writes metav1.Time (seconds) and MicroTime (six digits). `us`
 * since 1970. */
void time_text(int64_t us, char text[TIME_TEXT_MAX]);
void time_text_micro(int64_t us, char text[TIME_TEXT_MAX]);
bool time_parse(const char *text, int64_t *us, struct error *err) MUST_CHECK;

#endif
