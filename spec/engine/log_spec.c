#include "spec.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

/* What is written to standard error between the two calls. */
static int saved, ends[2];

static void listen_in(void)
{
	EXPECT(pipe(ends) == 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
}

static void hear(struct buf *heard)
{
	struct error err;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	buf_init(heard, 4 * LOG_LINE_MAX);
	bool ok = file_read_fd(ends[0], "pipe", heard, &err);
	close(ends[0]);
	log_setup(LOG_INFO, false, NULL);
	EXPECT(ok);
}

static int64_t some_time(void)
{
	return INT64_C(1700000000123456);
}

SPEC("log: a line of JSON has level, time, message and canary")
{
	SCOPED(buf) struct buf heard = {0};
	listen_in();
	log_setup(LOG_INFO, true, some_time);
	log_info("podinfo.test", "advance to %d", 5);
	log_error(NULL, "say \"no\"\n\x1b[31mred");
	hear(&heard);
	EXPECT_TEXT(heard.text, "{\"level\":\"info\",\"ts\":\"2023-11-14T22:13:20.123Z\","
				"\"msg\":\"advance to 5\",\"canary\":\"podinfo.test\"}\n"
				"{\"level\":\"error\",\"ts\":\"2023-11-14T22:13:20.123Z\","
				"\"msg\":\"say \\\"no\\\"\\n\\u001b[31mred\"}\n");
}

SPEC("log: a plain line names the canary first and does nothing to the terminal")
{
	SCOPED(buf) struct buf heard = {0};
	listen_in();
	log_setup(LOG_INFO, false, NULL);
	log_warn("podinfo.test", "two\nlines, a \x1b[0m, a \xc2\x9b, a \x7f, a \xff, an é");
	hear(&heard);
	EXPECT_TEXT(heard.text,
		    "warn  podinfo.test: two\\nlines, a \\u001b[0m, a \\u009b, a \\u007f, "
		    "a \xEF\xBF\xBD, an é\n");
}

SPEC("log: what is below the level is not written")
{
	SCOPED(buf) struct buf heard = {0};
	listen_in();
	log_setup(LOG_WARN, false, NULL);
	log_debug(NULL, "debug");
	log_info(NULL, "info");
	log_warn(NULL, "warn");
	log_setup(LOG_OFF, false, NULL);
	log_error(NULL, "error");
	hear(&heard);
	EXPECT_TEXT(heard.text, "warn  warn\n");
}

SPEC("log: a long line is cut and still is JSON")
{
	SCOPED(buf) struct buf heard = {0};
	char message[2 * LOG_LINE_MAX], canary[2000];
	memset(message, '\1', sizeof(message) - 1);
	memset(canary, 'c', sizeof(canary) - 1);
	message[sizeof(message) - 1] = canary[sizeof(canary) - 1] = '\0';
	listen_in();
	log_setup(LOG_INFO, true, some_time);
	log_info(canary, "%s", message);
	hear(&heard);
	EXPECT(heard.len <= LOG_LINE_MAX);
	EXPECT(heard.len > LOG_LINE_MAX - 1024);
	struct error err;
	SCOPED(json) cJSON *line = json_parse(heard.text, heard.len, &err);
	EXPECT(line != NULL);
	EXPECT(text_ends(json_string(line, "msg"), "…"));
}

SPEC("log: levels have names")
{
	enum log_level level;
	EXPECT(log_level_parse("debug", &level) && level == LOG_DEBUG);
	EXPECT(log_level_parse("off", &level) && level == LOG_OFF);
	EXPECT(!log_level_parse("loud", &level));
}
