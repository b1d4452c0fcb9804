#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

/* The rest of a line is left to the time, the level and the punctuation. */
enum { MESSAGE_MAX = LOG_LINE_MAX - 1024, CANARY_MAX = 512 };

static const char *const names[] = {"debug", "info", "warn", "error"};

static struct {
	enum log_level level;
	bool json;
	int64_t (*now)(void);
} settings = {.level = LOG_INFO};

void log_setup(enum log_level level, bool json, int64_t (*now)(void))
{
	settings.level = level;
	settings.json = json;
	settings.now = now;
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	if (strcmp(name, "off") != 0)
		return false;
	*level = LOG_OFF;
	return true;
}

bool log_on(enum log_level level)
{
	return level >= settings.level && level < LOG_OFF;
}

/* Adds a text such that it stays on its line and does nothing to a terminal. What would make the
 * line longer than `most` is cut. */
static void add_clean(struct buf *line, const char *text, size_t most)
{
	size_t len = strlen(text);
	for (size_t at = 0; at < len;) {
		size_t step = utf8_length(text + at, len - at);
		unsigned char c = (unsigned char)text[at];
		if (line->len + 8 > most) {
			buf_puts(line, "…");
			return;
		}
		if (step == 0)
			buf_puts(line, "\xEF\xBF\xBD");
		else if (c == '\n')
			buf_puts(line, "\\n");
		else if (c == '\t')
			buf_puts(line, "\\t");
		else if (c < 0x20 || c == 0x7F)
			buf_printf(line, "\\u%04x", c);
		else if (c == 0xC2 && (unsigned char)text[at + 1] < 0xA0)
			buf_printf(line, "\\u%04x", (unsigned char)text[at + 1]);
		else if (settings.json && (c == '"' || c == '\\'))
			buf_printf(line, "\\%c", c);
		else
			buf_add(line, text + at, step);
		at += step > 0 ? step : 1;
	}
}

static void add_time(struct buf *line)
{
	char text[TIME_TEXT_MAX];
	time_text_micro(settings.now(), text);
	text[strlen(text) - 4] = '\0'; /* to the millisecond */
	buf_printf(line, "%sZ", text);
}

static void add_json(struct buf *line, enum log_level level, const char *canary, const char *text)
{
	buf_printf(line, "{\"level\":\"%s\"", names[level]);
	if (settings.now != NULL) {
		buf_puts(line, ",\"ts\":\"");
		add_time(line);
		buf_putc(line, '"');
	}
	buf_puts(line, ",\"msg\":\"");
	add_clean(line, text, MESSAGE_MAX);
	if (canary != NULL) {
		buf_puts(line, "\",\"canary\":\"");
		add_clean(line, canary, line->len + CANARY_MAX);
	}
	buf_puts(line, "\"}\n");
}

static void add_plain(struct buf *line, enum log_level level, const char *canary, const char *text)
{
	if (settings.now != NULL) {
		add_time(line);
		buf_putc(line, ' ');
	}
	buf_printf(line, "%-5s ", names[level]);
	if (canary != NULL) {
		add_clean(line, canary, line->len + CANARY_MAX);
		buf_puts(line, ": ");
	}
	add_clean(line, text, MESSAGE_MAX);
	buf_putc(line, '\n');
}

void log_line(enum log_level level, const char *canary, const char *format, ...)
{
	if (!log_on(level))
		return;
	int saved = errno;
	char text[MESSAGE_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	SCOPED(buf) struct buf line = {0};
	buf_init(&line, LOG_LINE_MAX);
	if (settings.json)
		add_json(&line, level, canary, text);
	else
		add_plain(&line, level, canary, text);
	/* In one piece, so that lines of several processes do not mix; a reader that has gone away
	 * is no reason to stop. */
	ssize_t written = write(STDERR_FILENO, line.text, line.len);
	(void)written;
	errno = saved;
}
