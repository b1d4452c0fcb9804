#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/json_delta.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/decision_log_parts.h"

/* ---- reading ---- */

enum {
	LINE_MAX_BYTES = 16 * MIB, /* a line is some KB; a policy's text has 64 KB at most */
	CHUNK_BYTES = 256 * KIB,
};

/* Where a file begins: what its first line names as the one before it. */
struct branch {
	char prev[SHA256_HEX_SIZE];
	char after[80];
	bool found; /* there is such a line in a file before it */
};

struct reading {
	const struct log_reader *reader;
	struct log_summary *summary;
	const char *file;
	int line;
	size_t bytes;	  /* of the file */
	int format;	  /* of the file */
	char version[40]; /* of its writer */
	char prev[SHA256_HEX_SIZE];
	cJSON *lasts; /* the last decision of each canary in the file */
	bool stopped;
	/* Of a directory; `at` is the file that is read. */
	struct branch *branches;
	size_t at, count;
	const char *oldest;
};

static bool damaged(const struct reading *reading, const char *what, struct error *err)
{
	return error_set(err, ERROR_INVALID, "%s:%d: %s", reading->file, reading->line, what);
}

static bool read_decision(struct reading *reading, const cJSON *line, struct error *err)
{
	const char *canary = json_string_or(line, "canary", "");
	const cJSON *whole = json_get(line, "whole"), *delta = json_get(line, "delta");
	cJSON *json = json_get(reading->lasts, canary);
	if (whole != NULL)
		json = cJSON_Duplicate(whole, true);
	else if (json == NULL || delta == NULL)
		return damaged(reading, "what it is a delta of is missing", err);
	else
		json = cJSON_Duplicate(json, true);
	if (whole == NULL && !json_delta_apply(&json, delta, err)) {
		cJSON_Delete(json);
		return error_wrap(err, "%s:%d", reading->file, reading->line);
	}
	cJSON_DeleteItemFromObjectCaseSensitive(reading->lasts, canary);
	cJSON_AddItemToObject(reading->lasts, canary, json);
	if (reading->reader->decision == NULL)
		return true;
	const struct logged logged = {
		.file = reading->file,
		.line = reading->line,
		.time_us = (int64_t)json_number(line, "t", 0),
		.canary = canary,
		.json = json,
	};
	reading->stopped = !reading->reader->decision(reading->reader->owner, &logged);
	return true;
}

static bool has_sum(const char *text, size_t len)
{
	char sum[SHA256_HEX_SIZE];
	const size_t tail = strlen(LOG_SUM) + LOG_SUM_DIGITS + strlen("\"}");
	if (len < tail || memcmp(text + len - tail, LOG_SUM, strlen(LOG_SUM)) != 0)
		return false;
	log_line_sum(text, len - tail, sum);
	return memcmp(text + len - LOG_SUM_DIGITS - 2, sum, LOG_SUM_DIGITS) == 0;
}

/* The file before the oldest one may be gone, and so may the one that a file branched off. */
static bool follows(const struct reading *reading, const char *prev)
{
	if (reading->line > 1)
		return strcmp(prev, reading->prev) == 0;
	if (reading->at == 0)
		return true;
	const struct branch *branch = &reading->branches[reading->at];
	return branch->found || (branch->after[0] != '\0' &&
				 strcmp(branch->after, strrchr(reading->oldest, '/') + 1) < 0);
}

static bool read_first(struct reading *reading, const cJSON *line, struct error *err)
{
	reading->format = (int)json_int(line, "v", 0);
	if (!text_equal(json_string(line, "log"), "sluice") || reading->format < 1)
		return damaged(reading, "is no decision log", err);
	text_copy(reading->version, sizeof(reading->version), json_string_or(line, "version", ""));
	if (reading->format <= LOG_VERSION)
		return true;
	return error_set(err, ERROR_INVALID, "%s:1: is of a newer version (%d)", reading->file,
			 reading->format);
}

static void note_hash(struct reading *reading, const char *text, size_t len)
{
	sha256_hex(text, len, reading->prev);
	for (size_t i = reading->at + 1; i < reading->count; i++)
		reading->branches[i].found |= strcmp(reading->branches[i].prev, reading->prev) == 0;
}

static bool read_line(struct reading *reading, const char *text, size_t len, struct error *err)
{
	SCOPED(json) cJSON *line = json_parse(text, len, NULL);
	if (line == NULL)
		return damaged(reading, "is no JSON", err);
	if (reading->line == 1 && !read_first(reading, line, err))
		return false;
	if (reading->format >= 2 && !has_sum(text, len))
		return damaged(reading, "was changed", err);
	if (!follows(reading, json_string_or(line, "prev", "?")))
		return damaged(reading,
			       reading->line == 1
				       ? "a file is missing before it, or was changed"
				       : "the line before it was changed, or lines are missing",
			       err);
	note_hash(reading, text, len);
	reading->summary->lines++;
	reading->summary->missed += (size_t)json_int(line, "missed", 0);
	const cJSON *policy = json_get(line, "policy");
	if (policy != NULL && reading->reader->policy != NULL)
		reading->reader->policy(reading->reader->owner, json_string_or(policy, "name", ""),
					json_string_or(policy, "hash", ""),
					json_string_or(policy, "text", ""));
	return json_get(line, "canary") == NULL || read_decision(reading, line, err);
}

/* The whole lines of what was read so far; the rest stays. */
static bool read_lines(struct reading *reading, struct buf *text, struct error *err)
{
	size_t at = 0;
	bool good = true;
	while (good && !reading->stopped) {
		const char *end = memchr(text->text + at, '\n', text->len - at);
		if (end == NULL)
			break;
		size_t len = (size_t)(end - text->text) - at;
		reading->line++;
		good = read_line(reading, text->text + at, len, err);
		at += len + 1;
	}
	buf_drop(text, at);
	return good;
}

static bool read_chunks(struct reading *reading, FILE *file, struct error *err)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, LINE_MAX_BYTES);
	while (!reading->stopped) {
		char *room = buf_room(&text, CHUNK_BYTES);
		if (room == NULL) {
			reading->line++;
			return damaged(reading, "is too long a line", err);
		}
		size_t got = fread(room, 1, CHUNK_BYTES, file);
		buf_grow(&text, got);
		reading->bytes += got;
		if (!read_lines(reading, &text, err))
			return false;
		if (got == 0)
			break;
	}
	if (ferror(file))
		return error_set(err, ERROR_UNAVAILABLE, "%s: %s", reading->file, strerror(errno));
	reading->summary->torn += text.len > 0 && !reading->stopped;
	return true;
}

static bool read_file(struct reading *reading, const char *path, struct error *err)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s: %s", path, strerror(errno));
	reading->file = path;
	reading->line = 0;
	reading->bytes = 0;
	cJSON_Delete(reading->lasts);
	reading->lasts = cJSON_CreateObject();
	bool good = read_chunks(reading, file, err);
	fclose(file);
	reading->summary->files++;
	return good;
}

/* ---- a directory ---- */

/* What is no first line is told when its file is read. */
static void read_branch(const char *path, struct branch *branch)
{
	char text[1000];
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(text, sizeof(text), file) != NULL) {
		SCOPED(json) cJSON *line = json_parse(text, strcspn(text, "\n"), NULL);
		text_copy(branch->prev, sizeof(branch->prev), json_string_or(line, "prev", ""));
		text_copy(branch->after, sizeof(branch->after), json_string_or(line, "after", ""));
	}
	fclose(file);
}

static bool read_dir(struct reading *reading, const char *path, struct error *err)
{
	struct log_names names = {.count = 0};
	if (!log_names_list(path, &names, err))
		return false;
	bool good = names.count > 0 ||
		    error_set(err, ERROR_NOT_FOUND, "%s: there is no decision log", path);
	reading->branches = xcalloc(names.count + 1, sizeof(*reading->branches));
	reading->count = names.count;
	reading->oldest = names.items[0];
	for (size_t i = 0; i < names.count; i++)
		read_branch(names.items[i], &reading->branches[i]);
	for (size_t i = 0; good && !reading->stopped && i < names.count; i++) {
		reading->at = i;
		good = read_file(reading, names.items[i], err);
	}
	free(reading->branches);
	log_names_free(&names);
	return good;
}

bool decision_log_read(const char *path, const struct log_reader *reader,
		       struct log_summary *summary, struct error *err)
{
	struct reading reading = {.reader = reader, .summary = summary};
	struct stat status;
	*summary = (struct log_summary){0};
	if (stat(path, &status) != 0)
		return error_set(err, ERROR_NOT_FOUND, "%s: %s", path, strerror(errno));
	bool good = S_ISDIR(status.st_mode) ? read_dir(&reading, path, err)
					    : read_file(&reading, path, err);
	cJSON_Delete(reading.lasts);
	return good;
}

bool decision_log_end(const char *path, const struct log_reader *reader, struct log_end *end,
		      struct error *err)
{
	struct log_summary summary = {0};
	struct reading reading = {.reader = reader, .summary = &summary};
	bool good = read_file(&reading, path, err);
	*end = (struct log_end){
		.bytes = reading.bytes,
		.lines = summary.lines,
		.torn = summary.torn,
		.format = reading.format,
		.lasts = reading.lasts,
	};
	text_copy(end->version, sizeof(end->version), reading.version);
	return good;
}
