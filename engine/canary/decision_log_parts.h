/*
 * decision_log_parts.h - what writing and reading of decision logs share: the files of a directory,
 * the end of a file, and the sum of a line.
 */
#ifndef SLUICE_CANARY_DECISION_LOG_PARTS_H
#define SLUICE_CANARY_DECISION_LOG_PARTS_H

#include "base/hash.h"
#include "canary/decision_log.h"

#define LOG_PREFIX "decisions-"
#define LOG_SUFFIX ".jsonl"
#define LOG_SUM ",\"sum\":\"" /* before the last 16 digits of a line */

enum {
	LOG_VERSION = 2, /* 1 had no sums */
	LOG_NAMES_MAX = 1000,
	LOG_SUM_DIGITS = 16,
};

struct log_names {
	char *items[LOG_NAMES_MAX];
	size_t count;
};
/* Names begin with their time: their order is that of writing. */
bool log_names_list(const char *dir, struct log_names *names, struct error *err) MUST_CHECK;
void log_names_free(struct log_names *names);

bool log_dir_make(const char *dir, struct error *err) MUST_CHECK;
/* A new file behind all that there are, locked for as long as it is open; -1: none. */
int log_file_create(const char *dir, int64_t now_us, char **owned_path, struct error *err);
/* To append to a file that nobody writes and that is not long; -1: it is not so. */
int log_file_take_up(const char *path, size_t file_bytes);
/* The hash of the last whole line of a file; false: there is none. */
bool log_file_end_hash(const char *path, char hash[SHA256_HEX_SIZE]) MUST_CHECK;
/* All but the newest 32. */
void log_files_remove_old(const char *dir);

/* What a line says of itself: digits of the hash of what stands before them. */
void log_line_sum(const char *text, size_t len, char sum[SHA256_HEX_SIZE]);

struct log_end {
	size_t bytes, lines, torn;
	int format;	  /* LOG_VERSION, or an older one */
	char version[40]; /* of who wrote it */
	cJSON *lasts;	  /* the last decision of each canary in it; the caller frees */
};
/* Reads one file; `reader` needs no `decision`. `end` is filled in as far as the file is good. */
bool decision_log_end(const char *path, const struct log_reader *reader, struct log_end *end,
		      struct error *err) MUST_CHECK;

#endif
