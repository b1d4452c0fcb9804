#include "canary/decision_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/json_delta.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/decision_log_parts.h"

enum {
	FILE_BYTES = 16 * MIB,
	KNOWN_MAX = 64,
};

/* The last decision of a canary in this file, as text: a tree would be several times as large. */
struct last {
	char *canary, *text;
	struct last *next;
};

struct decision_log {
	char *dir; /* NULL: standard output */
	int fd;
	bool told;     /* that it cannot be written */
	size_t missed; /* decisions since the last line that could be written */
	size_t file_bytes, bytes;
	unsigned long lines;
	char prev[SHA256_HEX_SIZE];
	char *file;	    /* the name of the one that has it */
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

static void tell(struct decision_log *log, const char *why)
{
	if (!log->told)
		log_error(NULL, "the decision log is not complete: %s", why);
	log->told = true;
}

/* All of it or nothing: half a line would damage what comes after it. */
static bool write_whole(struct decision_log *log, const char *line, size_t len)
{
	size_t done = 0;
	while (done < len) {
		ssize_t written = write(log->fd, line + done, len - done);
		if (written > 0)
			done += (size_t)written;
		else if (written < 0 && errno != EINTR)
			break;
	}
	if (done == len)
		return true;
	tell(log, strerror(errno));
	if (log->dir != NULL && done > 0 && ftruncate(log->fd, (off_t)log->bytes) < 0)
		tell(log, strerror(errno));
	return false;
}

static bool write_line(struct decision_log *log, cJSON *owned_line)
{
	char sum[SHA256_HEX_SIZE];
	cJSON_AddStringToObject(owned_line, "prev", log->prev);
	SCOPED(text) char *text = json_text(owned_line);
	cJSON_Delete(owned_line);
	log_line_sum(text, strlen(text) - 1, sum);
	SCOPED(text)
	char *line = xasprintf("%.*s" LOG_SUM "%s\"}\n", (int)strlen(text) - 1, text, sum);
	size_t len = strlen(line);
	if (!write_whole(log, line, len))
		return false;
	sha256_hex(line, len - 1, log->prev);
	log->bytes += len;
	log->lines++;
	return true;
}

static void set_file(struct decision_log *log, const char *path)
{
	free(log->file);
	log->file = xstrdup(strrchr(path, '/') + 1);
}

/* What a file says of itself. */
static bool write_first(struct decision_log *log, struct error *err)
{
	cJSON *line = cJSON_CreateObject();
	cJSON_AddNumberToObject(line, "v", LOG_VERSION);
	cJSON_AddStringToObject(line, "log", "sluice");
	cJSON_AddStringToObject(line, "version", SLUICE_VERSION);
	if (log->file != NULL)
		cJSON_AddStringToObject(line, "after", log->file);
	return write_line(log, line) ||
	       error_set(err, ERROR_INVALID, "a first line cannot be written");
}

/* A new one, after all that there are; when there is no room for it, all stays as it was. */
static bool open_file(struct decision_log *log, int64_t now_us, struct error *err)
{
	SCOPED(text) char *path = NULL;
	int before = log->fd;
	size_t bytes = log->bytes;
	int fd = log_file_create(log->dir, now_us, &path, err);
	if (fd < 0)
		return false;
	log->fd = fd;
	log->bytes = 0;
	if (!write_first(log, err)) {
		unlink(path);
		close(fd);
		log->fd = before;
		log->bytes = bytes;
		return false;
	}
	if (before >= 0)
		close(before);
	set_file(log, path);
	forget_lasts(log);
	return true;
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

static void drop_last(struct decision_log *log, const char *canary)
{
	struct last **at = find_last(log, canary), *gone = *at;
	if (gone == NULL)
		return;
	*at = gone->next;
	free(gone->canary);
	free(gone->text);
	free(gone);
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
	const struct log_reader reader = {.policy = recall_policy, .owner = log};
	int fd = log_file_take_up(path, log->file_bytes);
	if (fd < 0)
		return false;
	bool good = decision_log_end(path, &reader, &end, &err) && end.torn == 0 &&
		    end.format == LOG_VERSION && strcmp(end.version, SLUICE_VERSION) == 0;
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

/* The newest file of the directory, or a new one after it. With the first decision, not before: who
 * waits to lead would begin a file that the leader's goes on beside. */
static bool begin(struct decision_log *log, int64_t now_us, struct error *err)
{
	struct log_names names;
	if (!log_names_list(log->dir, &names, err))
		return false;
	/* Who was killed before its first line left an empty file. */
	for (size_t i = names.count; i > 0; i--) {
		if (!log_file_end_hash(names.items[i - 1], log->prev))
			continue;
		set_file(log, names.items[i - 1]);
		break;
	}
	bool resumed = names.count > 0 && resume_file(log, names.items[names.count - 1]);
	log_names_free(&names);
	return resumed || open_file(log, now_us, err);
}

struct decision_log *decision_log_open(const char *place, size_t file_bytes, struct error *err)
{
	struct decision_log *log = xcalloc(1, sizeof(*log));
	log->file_bytes = file_bytes == 0 ? FILE_BYTES : file_bytes;
	log->fd = STDOUT_FILENO;
	if (strcmp(place, "-") != 0) {
		log->dir = xstrdup(place);
		log->fd = -1;
	}
	if (log->dir == NULL ? write_first(log, err) : log_dir_make(place, err))
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
	free(log->file);
	free(log);
}

void decision_log_know(struct decision_log *log, const struct policy *policy)
{
	if (log != NULL && policy != NULL)
		know(log, policy_name(policy), policy_hash(policy), policy_text(policy));
}

static bool write_policy(struct decision_log *log, const char *hash)
{
	struct known *known = find_known(log, hash);
	if (known == NULL || known->in_file)
		return true;
	cJSON *line = cJSON_CreateObject();
	cJSON_AddNumberToObject(line, "n", (double)log->lines);
	cJSON *item = cJSON_AddObjectToObject(line, "policy");
	cJSON_AddStringToObject(item, "name", known->name);
	cJSON_AddStringToObject(item, "hash", hash);
	cJSON_AddStringToObject(item, "text", known->text);
	known->in_file = write_line(log, line);
	return known->in_file;
}

/* Somebody has removed the file: what is written into it, nobody reads. */
static bool is_gone(const struct decision_log *log)
{
	struct stat status;
	return log->fd >= 0 && (fstat(log->fd, &status) < 0 || status.st_nlink == 0);
}

/* Opens what is not open yet, and another file when this one is long, or gone. */
static bool is_open(struct decision_log *log, int64_t now_us)
{
	struct error err = {0};
	bool gone = log->dir != NULL && is_gone(log);
	if (log->dir == NULL || (log->fd >= 0 && log->bytes <= log->file_bytes && !gone))
		return true;
	if (gone) {
		log_error(NULL, "the decision log was removed from %s: a new one is begun",
			  log->dir);
		close(log->fd);
		log->fd = -1;
	}
	/* What was written is part of the chain, though it is gone. */
	bool fresh = log->fd >= 0 || gone;
	bool good = log_dir_make(log->dir, &err) &&
		    (fresh ? open_file(log, now_us, &err) : begin(log, now_us, &err));
	if (good)
		log_files_remove_old(log->dir);
	else
		tell(log, err.text);
	return log->fd >= 0;
}

static cJSON *line_of(struct decision_log *log, const char *canary, int64_t now_us,
		      const cJSON *json)
{
	const struct last *last = *find_last(log, canary);
	cJSON *line = cJSON_CreateObject();
	cJSON_AddNumberToObject(line, "n", (double)log->lines);
	cJSON_AddNumberToObject(line, "t", (double)now_us);
	if (log->missed > 0)
		cJSON_AddNumberToObject(line, "missed", (double)log->missed);
	cJSON_AddStringToObject(line, "canary", canary);
	if (last == NULL) {
		cJSON_AddItemToObject(line, "whole", cJSON_Duplicate(json, true));
		return line;
	}
	SCOPED(json) cJSON *before = json_parse(last->text, strlen(last->text), NULL);
	cJSON *delta = json_delta(before, json);
	cJSON_AddItemToObject(line, "delta", delta == NULL ? cJSON_CreateObject() : delta);
	return line;
}

static bool write_decision(struct decision_log *log, const char *canary, int64_t now_us,
			   const cJSON *json)
{
	const cJSON *policy;
	if (!is_open(log, now_us))
		return false;
	cJSON_ArrayForEach(policy, json_get(json, "policies"))
	{
		if (!write_policy(log, json_string_or(policy, "hash", "")))
			return false;
	}
	return write_line(log, line_of(log, canary, now_us, json));
}

void decision_log_add(struct decision_log *log, const char *namespace, const char *name,
		      int64_t now_us, const struct decision *decision, bool over)
{
	if (log == NULL || decision_is_empty(decision))
		return;
	const cJSON *json = decision_json(decision);
	SCOPED(text) char *canary = xasprintf("%s/%s", namespace, name);
	bool written = write_decision(log, canary, now_us, json);
	if (!written) {
		log->missed++;
	} else if (log->missed > 0) {
		log_info(NULL, "the decision log is written again; %zu decisions are missing in it",
			 log->missed);
		log->missed = 0;
		log->told = false;
	}
	if (over)
		drop_last(log, canary);
	else if (written)
		set_last(log, canary, json);
}
