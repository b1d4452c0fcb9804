#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/json_delta.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/decision_log_parts.h"

/* ---- files ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names begin with their time: their order is that of writing. */
bool log_names_list(const char *dir, struct log_names *names, struct error *err)
{
	DIR *opened = opendir(dir);
	names->count = 0;
	if (opened == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s: %s", dir, strerror(errno));
	for (const struct dirent *entry = readdir(opened); entry != NULL; entry = readdir(opened))
		if (text_starts(entry->d_name, LOG_PREFIX) &&
		    text_ends(entry->d_name, LOG_SUFFIX) && names->count < LOG_NAMES_MAX)
			names->items[names->count++] = xasprintf("%s/%s", dir, entry->d_name);
	closedir(opened);
	qsort(names->items, names->count, sizeof(names->items[0]), by_name);
	return true;
}

void log_names_free(struct log_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	names->count = 0;
}

/* ---- reading ---- */

/* The last decision of each canary in the file. */
struct reading {
	const struct log_reader *reader;
	struct log_summary *summary;
	const char *file;
	int line;
	size_t bytes;	  /* of the file */
	char version[40]; /* of its writer */
	char prev[SHA256_HEX_SIZE];
	cJSON *lasts; /* by canary */
	bool stopped;
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

static bool read_line(struct reading *reading, const char *text, size_t len, struct error *err)
{
	SCOPED(json) cJSON *line = json_parse(text, len, NULL);
	if (line == NULL)
		return damaged(reading, "is no JSON", err);
	const char *prev = json_string_or(line, "prev", "?");
	/* The file before the oldest one may be gone. */
	bool first = reading->summary->lines == 0;
	if (!first && strcmp(prev, reading->prev) != 0)
		return damaged(reading,
			       reading->line == 1
				       ? "a file is missing before it, or was changed"
				       : "the line before it was changed, or lines are missing",
			       err);
	sha256_hex(text, len, reading->prev);
	reading->summary->lines++;
	const cJSON *policy = json_get(line, "policy");
	if (reading->line == 1 && !text_equal(json_string(line, "log"), "sluice"))
		return damaged(reading, "is no decision log", err);
	if (reading->line == 1)
		text_copy(reading->version, sizeof(reading->version),
			  json_string_or(line, "version", ""));
	if (policy != NULL && reading->reader->policy != NULL)
		reading->reader->policy(reading->reader->owner, json_string_or(policy, "name", ""),
					json_string_or(policy, "hash", ""),
					json_string_or(policy, "text", ""));
	return json_get(line, "canary") == NULL || read_decision(reading, line, err);
}

static bool read_file(struct reading *reading, const char *path, struct error *err)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, INPUT_FILE_MAX);
	if (!file_read(path, &text, err))
		return false;
	reading->file = path;
	reading->line = 0;
	reading->bytes = text.len;
	cJSON_Delete(reading->lasts);
	reading->lasts = cJSON_CreateObject();
	bool good = true;
	for (size_t at = 0; good && !reading->stopped && at < text.len;) {
		const char *end = memchr(text.text + at, '\n', text.len - at);
		if (end == NULL) {
			reading->summary->torn++;
			break;
		}
		size_t len = (size_t)(end - text.text) - at;
		reading->line++;
		good = read_line(reading, text.text + at, len, err);
		at += len + 1;
	}
	reading->summary->files++;
	return good;
}

static bool read_all(struct reading *reading, const char *path, struct error *err)
{
	struct log_names names = {.count = 0};
	struct stat status;
	if (stat(path, &status) != 0)
		return error_set(err, ERROR_NOT_FOUND, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return read_file(reading, path, err);
	if (!log_names_list(path, &names, err))
		return false;
	bool good = names.count > 0 ||
		    error_set(err, ERROR_NOT_FOUND, "%s: there is no decision log", path);
	for (size_t i = 0; good && !reading->stopped && i < names.count; i++)
		good = read_file(reading, names.items[i], err);
	log_names_free(&names);
	return good;
}

bool decision_log_read(const char *path, const struct log_reader *reader,
		       struct log_summary *summary, struct error *err)
{
	struct reading reading = {.reader = reader, .summary = summary};
	*summary = (struct log_summary){0};
	bool good = read_all(&reading, path, err);
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
		.lasts = reading.lasts,
	};
	text_copy(end->version, sizeof(end->version), reading.version);
	return good;
}
