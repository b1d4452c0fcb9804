/*
 * log.h - one line to standard error, JSON or plain; logged where an error stops travelling.
 *
 * Messages start lower case and end without a full stop: `log_info("podinfo.test", "advance to %d",
 * weight)`. A secret never gets here.
 */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include <stdint.h>

#include "base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

/* `now` is asked for the time of each line (microseconds since 1970); NULL leaves the time out. */
void log_setup(enum log_level level, bool json, int64_t (*now)(void));
bool log_level_parse(const char *name, enum log_level *level);
bool log_on(enum log_level level);

/* `canary` is "name.namespace" or NULL. */
void log_line(enum log_level level, const char *canary, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_debug(canary, ...)                                                                     \
	(log_on(LOG_DEBUG) ? log_line(LOG_DEBUG, canary, __VA_ARGS__) : (void)0)
#define log_info(canary, ...) log_line(LOG_INFO, canary, __VA_ARGS__)
#define log_warn(canary, ...) log_line(LOG_WARN, canary, __VA_ARGS__)
#define log_error(canary, ...) log_line(LOG_ERROR, canary, __VA_ARGS__)

#endif
