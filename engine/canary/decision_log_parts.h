/*
 * decision_log_parts.h - what writing and reading of decision logs share: the files of a directory,
 * and the end of a file.
 */
#ifndef SLUICE_CANARY_DECISION_LOG_PARTS_H
#define SLUICE_CANARY_DECISION_LOG_PARTS_H

#include "canary/decision_log.h"

#define LOG_PREFIX "decisions-"
#define LOG_SUFFIX ".jsonl"

enum { LOG_NAMES_MAX = 1000 };

struct log_names {
	char *items[LOG_NAMES_MAX];
	size_t count;
};
/* Names begin with their time: their order is that of writing. */
bool log_names_list(const char *dir, struct log_names *names, struct error *err) MUST_CHECK;
void log_names_free(struct log_names *names);

struct log_end {
	size_t bytes, lines, torn;
	char version[40]; /* of who wrote it */
	cJSON *lasts;	  /* the last decision of each canary in it; the caller frees */
};
/* Reads one file; `reader` needs no `decision`. `end` is filled in as far as the file is good. */
bool decision_log_end(const char *path, const struct log_reader *reader, struct log_end *end,
		      struct error *err) MUST_CHECK;

#endif
