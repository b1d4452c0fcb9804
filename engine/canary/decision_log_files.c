#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/decision_log_parts.h"

enum {
	FILES_MAX = 32,
	/* What is read again at a start, in some 50 ms. */
	RESUMED_MAX = 4 * MIB,
};

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

bool log_dir_make(const char *dir, struct error *err)
{
	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) || access(dir, R_OK | W_OK | X_OK) < 0)
		return error_set(err, ERROR_INVALID, "%s: %s", dir, strerror(errno));
	return true;
}

/* Later than the newest file by its name, also when the clock was put back. */
static int64_t time_after(const char *newest, int64_t now_us)
{
	const char *name = strrchr(newest, '/') + 1 + strlen(LOG_PREFIX);
	SCOPED(text)
	char *stamp = xasprintf("%.*s", (int)(strlen(name) - strlen(LOG_SUFFIX)), name);
	struct error err;
	int64_t last_us;
	return time_parse(stamp, &last_us, &err) && last_us >= now_us ? last_us + 1 : now_us;
}

int log_file_create(const char *dir, int64_t now_us, char **owned_path, struct error *err)
{
	struct log_names names;
	if (!log_names_list(dir, &names, err))
		return -1;
	if (names.count > 0)
		now_us = time_after(names.items[names.count - 1], now_us);
	log_names_free(&names);
	for (int tries = 0;; tries++) {
		char stamp[TIME_TEXT_MAX];
		time_text_micro(now_us + tries, stamp);
		SCOPED(text)
		char *path = xasprintf("%s/%s%s%s", dir, LOG_PREFIX, stamp, LOG_SUFFIX);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
		/* For as long as it is open: nobody else takes it up. */
		if (fd >= 0) {
			(void)flock(fd, LOCK_EX | LOCK_NB);
			*owned_path = xstrdup(path);
			return fd;
		}
		if (errno == EEXIST && tries < FILES_MAX * 2)
			continue;
		error_set(err, ERROR_INVALID, "%s: %s", path, strerror(errno));
		return -1;
	}
}

int log_file_take_up(const char *path, size_t file_bytes)
{
	struct stat status;
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && status.st_size < RESUMED_MAX &&
	    (size_t)status.st_size < file_bytes && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return -1;
}

bool log_file_end_hash(const char *path, char hash[SHA256_HEX_SIZE])
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

void log_files_remove_old(const char *dir)
{
	struct log_names names;
	struct error err;
	if (!log_names_list(dir, &names, &err))
		return;
	for (size_t i = 0; i + FILES_MAX < names.count; i++)
		unlink(names.items[i]);
	log_names_free(&names);
}

void log_line_sum(const char *text, size_t len, char sum[SHA256_HEX_SIZE])
{
	sha256_hex(text, len, sum);
	sum[LOG_SUM_DIGITS] = '\0';
}
