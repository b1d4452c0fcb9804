#include "canary/decision_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_delta.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

enum { FILE_BYTES = 16 * MIB, FILES_MAX = 32, KNOWN_MAX = 64, NAMES_MAX = 1000 };

static const char prefix[] = "decisions-", suffix[] = ".jsonl";

/* The last decision of a canary in this file, as text: a tree would be several times as large. */
struct last {
	char *canary, *text;
	struct last *next;
};

struct decision_log {
	char *dir; /* NULL: standard output */
	int fd;
	bool told; /* that it cannot be written */
	size_t file_bytes, bytes;
	unsigned long lines;
	char prev[SHA256_HEX_SIZE];
	struct last *lasts; /* of canaries that progress: searched in a row */
	struct known {
		char hash[HASH_TEXT_MAX];
		char *name, *text;
		bool in_file; /* its text is in this file */
	} known[KNOWN_MAX];   /* the newest in place of the oldest */
	size_t known_next;
};

/* ---- files ---- */

struct names {
	char *items[NAMES_MAX];
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names begin with their time: their order is that of writing. */
static bool list_files(const char *dir, struct names *names, struct error *err)
{
	DIR *opened = opendir(dir);
	names->count = 0;
	if (opened == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s: %s", dir, strerror(errno));
	for (const struct dirent *entry = readdir(opened); entry != NULL; entry = readdir(opened))
		if (text_starts(entry->d_name, prefix) && text_ends(entry->d_name, suffix) &&
		    names->count < NAMES_MAX)
			names->items[names->count++] = xasprintf("%s/%s", dir, entry->d_name);
	closedir(opened);
	qsort(names->items, names->count, sizeof(names->items[0]), by_name);
	return true;
}

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	names->count = 0;
}

/* ---- writing ---- */

static void forget_lasts(struct decision_log *log)
{
	while (log->lasts != NULL) {
		struct last *next = log->lasts->next;
		free(log->lasts->canary);
		free(log->lasts->text);
		free(log->lasts);
		log->lasts = next;
	}
	for (size_t i = 0; i < KNOWN_MAX; i++)
		log->known[i].in_file = false;
}

static void write_line(struct decision_log *log, cJSON *owned_line)
{
	cJSON_AddStringToObject(owned_line, "prev", log->prev);
	SCOPED(text) char *text = json_text(owned_line);
	cJSON_Delete(owned_line);
	sha256_hex(text, strlen(text), log->prev);
	SCOPED(text) char *line = xasprintf("%s\n", text);
	size_t len = strlen(line);
	ssize_t written;
	do
		written = write(log->fd, line, len);
	while (written < 0 && errno == EINTR);
	log->bytes += len;
	log->lines++;
	if (written == (ssize_t)len || log->told)
		return;
	log->told = true;
	log_error(NULL, "the decision log is not complete: %s",
		  written < 0 ? strerror(errno) : "no room for a line");
}

/* A new one: rehearsals all begin at the same time. */
static int create_file(const struct decision_log *log, int64_t now_us, struct error *err)
{
	for (int tries = 0;; tries++) {
		char stamp[TIME_TEXT_MAX];
		time_text_micro(now_us + tries, stamp);
		SCOPED(text) char *path = xasprintf("%s/%s%s%s", log->dir, prefix, stamp, suffix);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
		if (fd >= 0)
			return fd;
		if (errno == EEXIST && tries < FILES_MAX * 2)
			continue;
		error_set(err, ERROR_INVALID, "%s: %s", path, strerror(errno));
		return -1;
	}
}

static bool open_file(struct decision_log *log, int64_t now_us, struct error *err)
{
	if (log->dir != NULL) {
		int fd = create_file(log, now_us, err);
		if (fd < 0)
			return false;
		if (log->fd >= 0)
			close(log->fd);
		log->fd = fd;
	}
	forget_lasts(log);
	log->bytes = 0;
	cJSON *line = cJSON_CreateObject();
	cJSON_AddNumberToObject(line, "v", 1);
	cJSON_AddStringToObject(line, "log", "sluice");
	cJSON_AddStringToObject(line, "version", SLUICE_VERSION);
	write_line(log, line);
	return true;
}

static void remove_old(const struct decision_log *log)
{
	struct names names;
	if (log->dir == NULL || !list_files(log->dir, &names, NULL))
		return;
	for (size_t i = 0; i + FILES_MAX < names.count; i++)
		unlink(names.items[i]);
	names_free(&names);
}

/* The hash of the last whole line of a file. */
static void last_hash(const char *path, char hash[SHA256_HEX_SIZE])
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, INPUT_FILE_MAX);
	if (!file_read(path, &text, NULL))
		return;
	size_t end = text.len;
	while (end > 0 && text.text[end - 1] != '\n')
		end--;
	if (end == 0)
		return;
	size_t begin = --end;
	while (begin > 0 && text.text[begin - 1] != '\n')
		begin--;
	sha256_hex(text.text + begin, end - begin, hash);
}

struct decision_log *decision_log_open(const char *place, size_t file_bytes, int64_t now_us,
				       struct error *err)
{
	struct decision_log *log = xcalloc(1, sizeof(*log));
	log->file_bytes = file_bytes == 0 ? FILE_BYTES : file_bytes;
	log->fd = STDOUT_FILENO;
	if (strcmp(place, "-") != 0) {
		struct names names;
		log->dir = xstrdup(place);
		log->fd = -1;
		if (mkdir(place, 0700) < 0 && errno != EEXIST) {
			error_set(err, ERROR_INVALID, "%s: %s", place, strerror(errno));
			decision_log_close(log);
			return NULL;
		}
		if (!list_files(place, &names, err)) {
			decision_log_close(log);
			return NULL;
		}
		if (names.count > 0)
			last_hash(names.items[names.count - 1], log->prev);
		names_free(&names);
	}
	if (open_file(log, now_us, err)) {
		remove_old(log);
		return log;
	}
	decision_log_close(log);
	return NULL;
}

void decision_log_close(struct decision_log *log)
{
	if (log == NULL)
		return;
	forget_lasts(log);
	for (size_t i = 0; i < KNOWN_MAX; i++) {
		free(log->known[i].name);
		free(log->known[i].text);
	}
	if (log->dir != NULL && log->fd >= 0)
		close(log->fd);
	free(log->dir);
	free(log);
}

void decision_log_know(struct decision_log *log, const struct policy *policy)
{
	if (log == NULL || policy == NULL)
		return;
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (strcmp(log->known[i].hash, policy_hash(policy)) == 0)
			return;
	struct known *known = &log->known[log->known_next++ % KNOWN_MAX];
	free(known->name);
	free(known->text);
	*known = (struct known){.name = xstrdup(policy_name(policy)),
				.text = xstrdup(policy_text(policy))};
	text_copy(known->hash, sizeof(known->hash), policy_hash(policy));
}

static void write_policy(struct decision_log *log, const char *hash)
{
	size_t i = 0;
	while (i < KNOWN_MAX && strcmp(log->known[i].hash, hash) != 0)
		i++;
	if (i == KNOWN_MAX || log->known[i].in_file)
		return;
	log->known[i].in_file = true;
	cJSON *line = cJSON_CreateObject();
	cJSON_AddNumberToObject(line, "n", (double)log->lines);
	cJSON *item = cJSON_AddObjectToObject(line, "policy");
	cJSON_AddStringToObject(item, "name", log->known[i].name);
	cJSON_AddStringToObject(item, "hash", hash);
	cJSON_AddStringToObject(item, "text", log->known[i].text);
	write_line(log, line);
}

static struct last **find_last(struct decision_log *log, const char *canary)
{
	struct last **at = &log->lasts;
	while (*at != NULL && strcmp((*at)->canary, canary) != 0)
		at = &(*at)->next;
	return at;
}

void decision_log_add(struct decision_log *log, const char *namespace, const char *name,
		      int64_t now_us, const struct decision *decision, bool over)
{
	if (log == NULL || decision_is_empty(decision))
		return;
	if (log->bytes > log->file_bytes && log->dir != NULL) {
		struct error err = {0};
		if (!open_file(log, now_us, &err) && !log->told)
			log_error(NULL, "decision log: %s", err.text);
		remove_old(log);
	}
	const cJSON *json = decision_json(decision), *policy;
	cJSON_ArrayForEach(policy, json_get(json, "policies"))
	{
		write_policy(log, json_string_or(policy, "hash", ""));
	}
	SCOPED(text) char *canary = xasprintf("%s/%s", namespace, name);
	struct last **at = find_last(log, canary);
	cJSON *line = cJSON_CreateObject();
	cJSON_AddNumberToObject(line, "n", (double)log->lines);
	cJSON_AddNumberToObject(line, "t", (double)now_us);
	cJSON_AddStringToObject(line, "canary", canary);
	if (*at == NULL) {
		cJSON_AddItemToObject(line, "whole", cJSON_Duplicate(json, true));
	} else {
		SCOPED(json) cJSON *before = json_parse((*at)->text, strlen((*at)->text), NULL);
		cJSON *delta = json_delta(before, json);
		cJSON_AddItemToObject(line, "delta", delta == NULL ? cJSON_CreateObject() : delta);
	}
	write_line(log, line);
	if (*at == NULL && !over) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->canary = xstrdup(canary);
	}
	if (*at == NULL)
		return;
	free((*at)->text);
	(*at)->text = json_text(json);
	if (over) {
		struct last *gone = *at;
		*at = gone->next;
		free(gone->canary);
		free(gone->text);
		free(gone);
	}
}

/* ---- reading ---- */

/* The last decision of each canary in the file. */
struct reading {
	const struct log_reader *reader;
	struct log_summary *summary;
	const char *file;
	int line;
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
	cJSON_Delete(reading->lasts);
	return good;
}

bool decision_log_read(const char *path, const struct log_reader *reader,
		       struct log_summary *summary, struct error *err)
{
	struct reading reading = {.reader = reader, .summary = summary};
	struct names names = {.count = 0};
	struct stat status;
	*summary = (struct log_summary){0};
	if (stat(path, &status) != 0)
		return error_set(err, ERROR_NOT_FOUND, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return read_file(&reading, path, err);
	if (!list_files(path, &names, err))
		return false;
	bool good = names.count > 0 ||
		    error_set(err, ERROR_NOT_FOUND, "%s: there is no decision log", path);
	for (size_t i = 0; good && !reading.stopped && i < names.count; i++)
		good = read_file(&reading, names.items[i], err);
	names_free(&names);
	return good;
}
