#include "canary/decision_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_delta.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/decision_log_parts.h"

enum {
	FILE_BYTES = 16 * MIB,
	FILES_MAX = 32,
	KNOWN_MAX = 64,
	/* What is read again at a start, in some 50 ms. */
	RESUMED_MAX = 4 * MIB,
};

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
		SCOPED(text)
		char *path = xasprintf("%s/%s%s%s", log->dir, LOG_PREFIX, stamp, LOG_SUFFIX);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
		/* For as long as it is open: nobody else takes it up. */
		if (fd >= 0)
			(void)flock(fd, LOCK_EX | LOCK_NB);
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
	struct log_names names;
	if (log->dir == NULL || !log_names_list(log->dir, &names, NULL))
		return;
	for (size_t i = 0; i + FILES_MAX < names.count; i++)
		unlink(names.items[i]);
	log_names_free(&names);
}

/* ---- going on after a restart ---- */

static struct last **find_last(struct decision_log *log, const char *canary)
{
	struct last **at = &log->lasts;
	while (*at != NULL && strcmp((*at)->canary, canary) != 0)
		at = &(*at)->next;
	return at;
}

static void set_last(struct decision_log *log, const char *canary, const cJSON *json)
{
	struct last **at = find_last(log, canary);
	if (*at == NULL) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->canary = xstrdup(canary);
	}
	free((*at)->text);
	(*at)->text = json_text(json);
}

static struct known *find_known(struct decision_log *log, const char *hash)
{
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (strcmp(log->known[i].hash, hash) == 0)
			return &log->known[i];
	return NULL;
}

static struct known *know(struct decision_log *log, const char *name, const char *hash,
			  const char *text)
{
	struct known *known = find_known(log, hash);
	if (known != NULL)
		return known;
	known = &log->known[log->known_next++ % KNOWN_MAX];
	free(known->name);
	free(known->text);
	*known = (struct known){.name = xstrdup(name), .text = xstrdup(text)};
	text_copy(known->hash, sizeof(known->hash), hash);
	return known;
}

static void recall_policy(void *owner, const char *name, const char *hash, const char *text)
{
	know(owner, name, hash, text)->in_file = true;
}

/* Takes up the newest file where a killed process left it; false: a new one is begun. One with half
 * a line stays as it is, and so does one of another version, or that is still being written. */
static bool resume_file(struct decision_log *log, const char *path)
{
	struct log_end end = {0};
	struct error err = {0};
	struct stat status;
	const struct log_reader reader = {.policy = recall_policy, .owner = log};
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool good = fstat(fd, &status) == 0 && status.st_size < RESUMED_MAX &&
		    (size_t)status.st_size < log->file_bytes && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		    decision_log_end(path, &reader, &end, &err) && end.torn == 0 &&
		    strcmp(end.version, SLUICE_VERSION) == 0;
	const cJSON *json;
	cJSON_ArrayForEach(json, end.lasts)
	{
		set_last(log, json->string, json);
	}
	cJSON_Delete(end.lasts);
	log->lines = end.lines;
	log->bytes = end.bytes;
	if (good)
		log->fd = fd;
	else
		close(fd);
	return good;
}

/* The hash of the last whole line of a file; false: there is none. */
static bool last_hash(const char *path, char hash[SHA256_HEX_SIZE])
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, INPUT_FILE_MAX);
	if (!file_read(path, &text, NULL))
		return false;
	size_t end = text.len;
	while (end > 0 && text.text[end - 1] != '\n')
		end--;
	if (end == 0)
		return false;
	size_t begin = --end;
	while (begin > 0 && text.text[begin - 1] != '\n')
		begin--;
	sha256_hex(text.text + begin, end - begin, hash);
	return true;
}

/* The newest file of the directory, or a new one after it. With the first decision, not before: who
 * waits to lead would begin a file that the leader's goes on beside. */
static bool begin(struct decision_log *log, int64_t now_us, struct error *err)
{
	struct log_names names;
	if (!log_names_list(log->dir, &names, err))
		return false;
	/* Who was killed before its first line left an empty file. */
	for (size_t i = names.count; i > 0; i--)
		if (last_hash(names.items[i - 1], log->prev))
			break;
	bool resumed = names.count > 0 && resume_file(log, names.items[names.count - 1]);
	log_names_free(&names);
	return resumed || open_file(log, now_us, err);
}

static bool can_write(const char *dir, struct error *err)
{
	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) || access(dir, R_OK | W_OK | X_OK) < 0)
		return error_set(err, ERROR_INVALID, "%s: %s", dir, strerror(errno));
	return true;
}

struct decision_log *decision_log_open(const char *place, size_t file_bytes, int64_t now_us,
				       struct error *err)
{
	struct decision_log *log = xcalloc(1, sizeof(*log));
	log->file_bytes = file_bytes == 0 ? FILE_BYTES : file_bytes;
	log->fd = STDOUT_FILENO;
	if (strcmp(place, "-") != 0) {
		log->dir = xstrdup(place);
		log->fd = -1;
	}
	if (log->dir == NULL ? open_file(log, now_us, err) : can_write(place, err))
		return log;
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
	if (log != NULL && policy != NULL)
		know(log, policy_name(policy), policy_hash(policy), policy_text(policy));
}

static void write_policy(struct decision_log *log, const char *hash)
{
	struct known *known = find_known(log, hash);
	if (known == NULL || known->in_file)
		return;
	known->in_file = true;
	cJSON *line = cJSON_CreateObject();
	cJSON_AddNumberToObject(line, "n", (double)log->lines);
	cJSON *item = cJSON_AddObjectToObject(line, "policy");
	cJSON_AddStringToObject(item, "name", known->name);
	cJSON_AddStringToObject(item, "hash", hash);
	cJSON_AddStringToObject(item, "text", known->text);
	write_line(log, line);
}

/* Opens what is not open yet, and another file when this one is long. */
static bool is_open(struct decision_log *log, int64_t now_us)
{
	struct error err = {0};
	if (log->dir == NULL || (log->fd >= 0 && log->bytes <= log->file_bytes))
		return true;
	bool good = log->fd < 0 ? begin(log, now_us, &err) : open_file(log, now_us, &err);
	if (!good && !log->told) {
		log->told = true;
		log_error(NULL, "the decision log is not complete: %s", err.text);
	}
	remove_old(log);
	return log->fd >= 0;
}

void decision_log_add(struct decision_log *log, const char *namespace, const char *name,
		      int64_t now_us, const struct decision *decision, bool over)
{
	if (log == NULL || decision_is_empty(decision))
		return;
	if (!is_open(log, now_us))
		return;
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
	if (!over)
		set_last(log, canary, json);
	if (over && *at != NULL) {
		struct last *gone = *at;
		*at = gone->next;
		free(gone->canary);
		free(gone->text);
		free(gone);
	}
}
