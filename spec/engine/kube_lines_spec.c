#include "spec.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/known.h"
#include "kube/lines.h"
#include "kube/page.h"

static bool note_line(void *owner, const char *line, size_t len)
{
	struct buf *said = owner;
	buf_printf(said, "[%.*s]", (int)len, line);
	return !(len == 4 && memcmp(line, "stop", 4) == 0);
}

SPEC("kube lines: however the bytes are cut, the lines are the same")
{
	static const char text[] = "one\n\n  \ntwo\r\nthree, which is longer\nrest";
	for (size_t step = 1; step <= strlen(text); step++) {
		struct lines lines;
		lines_init(&lines, 40);
		SCOPED(buf) struct buf said;
		buf_init(&said, 1000);
		for (size_t at = 0; at < strlen(text); at += step) {
			size_t left = strlen(text) - at;
			EXPECT(lines_feed(&lines, text + at, left < step ? left : step, note_line,
					  &said, NULL));
		}
		EXPECT_TEXT(said.text, "[one][two\r][three, which is longer]");
		lines_fini(&lines);
	}
}

SPEC("kube lines: one that is too long is an error, whether its end has come or not")
{
	struct error err;
	SCOPED(buf) struct buf said;
	buf_init(&said, 1000);
	struct lines lines;
	lines_init(&lines, 8);
	EXPECT(lines_feed(&lines, "12345678\n", 9, note_line, &said, &err));
	EXPECT(!lines_feed(&lines, "123456789\n", 10, note_line, &said, &err));
	EXPECT_TEXT(err.text, "a line is longer than 8 bytes");
	lines_clear(&lines);
	EXPECT(lines_feed(&lines, "12345", 5, note_line, &said, &err));
	EXPECT(!lines_feed(&lines, "6789", 4, note_line, &said, &err));
	lines_clear(&lines);
	EXPECT(lines_feed(&lines, "fine\n", 5, note_line, &said, &err));
	EXPECT_TEXT(said.text, "[12345678][fine]");
	lines_fini(&lines);
}

SPEC("kube lines: a reader that stops gets no more of them")
{
	SCOPED(buf) struct buf said;
	buf_init(&said, 1000);
	struct lines lines;
	lines_init(&lines, 100);
	EXPECT(lines_feed(&lines, "a\nstop\nb\n", 9, note_line, &said, NULL));
	EXPECT_TEXT(said.text, "[a][stop]");
	lines_fini(&lines);
}

static enum line_kind kind_of_line(const char *text)
{
	struct line line;
	struct error err;
	if (!line_decode(text, strlen(text), &line, &err))
		spec_fail(__FILE__, __LINE__, "%s", err.text);
	cJSON_Delete(line.object);
	return line.kind;
}

SPEC("kube lines: an event is what its type says, with the version of its object")
{
	struct line line;
	struct error err;
	const char *text = "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"a\","
			   "\"resourceVersion\":\"12\"}}}";
	EXPECT(line_decode(text, strlen(text), &line, &err));
	EXPECT_INT(line.kind, LINE_PUT);
	EXPECT_TEXT(line.version, "12");
	EXPECT_TEXT(json_string(line.object, "metadata.name"), "a");
	cJSON_Delete(line.object);
	EXPECT_INT(kind_of_line("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}"),
		   LINE_PUT);
	EXPECT_INT(
		kind_of_line("{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}"),
		LINE_DELETED);
	EXPECT_INT(kind_of_line("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Canary\"}}"),
		   LINE_BOOKMARK);
}

SPEC("kube lines: 410 is told in three forms and means the same")
{
	static const char *const forms[] = {
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"message\":"
		"\"too old resource version\"}}",
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"reason\":\"Expired\","
		"\"message\":\"too old resource version\"}}",
		"{\"kind\":\"Status\",\"code\":410,\"message\":\"too old resource version\"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct line line;
		EXPECT(line_decode(forms[i], strlen(forms[i]), &line, NULL));
		EXPECT_INT(line.kind, LINE_STATUS);
		EXPECT_INT(line.status.kind, ERROR_GONE);
		EXPECT_TEXT(line.status.text, "too old resource version");
		EXPECT(line.object == NULL);
	}
}

SPEC("kube lines: what is no event is an error")
{
	static const char *const bad[] = {
		"{",
		"null",
		"[]",
		"{}",
		"{\"type\":5,\"object\":{}}",
		"{\"type\":\"RENAMED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}",
		"{\"type\":\"ADDED\"}",
		"{\"type\":\"ADDED\",\"object\":[]}",
		"{\"type\":\"ADDED\",\"object\":{}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":5}}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct line line;
		struct error err = {0};
		if (line_decode(bad[i], strlen(bad[i]), &line, &err))
			spec_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
		EXPECT(err.text[0] != '\0');
	}
}

static bool note_item(void *owner, cJSON *item)
{
	struct buf *said = owner;
	buf_printf(said, "%s ", json_string(item, "metadata.name"));
	return !text_equal(json_string(item, "metadata.name"), "stop");
}

SPEC("kube page: items come one by one, whatever stands around them")
{
	const char *text =
		"{ \"kind\" : \"List\", \"items\" : [ {\"metadata\":{\"name\":\"a]}\\\"\"}} ,"
		" {\"spec\":{\"x\":[1,{\"y\":\"[{\"}]},\"metadata\":{\"name\":\"b\"}} ], "
		"\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"abc\"}, \"n\": -1.5e3 }\n";
	SCOPED(buf) struct buf said;
	buf_init(&said, 1000);
	struct page page;
	struct error err;
	EXPECT(page_read(text, strlen(text), &page, note_item, &said, &err));
	EXPECT_TEXT(said.text, "a]}\" b ");
	EXPECT_TEXT(page.version, "7");
	EXPECT_TEXT(page.more, "abc");
	page_fini(&page);
}

SPEC("kube page: an empty list is one, written either way")
{
	static const char *const texts[] = {
		"{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"\"},\"items\":[]}",
		"{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":null}",
	};
	SCOPED(buf) struct buf said;
	buf_init(&said, 1000);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct page page;
		EXPECT(page_read(texts[i], strlen(texts[i]), &page, note_item, &said, NULL));
		EXPECT(page.more == NULL);
		EXPECT_TEXT(page.version, "7");
		page_fini(&page);
	}
	EXPECT_TEXT(said.text, "");
}

SPEC("kube page: a reader that stops gets no more items, and the page is read to its end")
{
	const char *text = "{\"items\":[{\"metadata\":{\"name\":\"stop\"}},{\"metadata\":{\"name\":"
			   "\"b\"}}],\"metadata\":{\"resourceVersion\":\"9\"}}";
	SCOPED(buf) struct buf said;
	buf_init(&said, 1000);
	struct page page;
	EXPECT(page_read(text, strlen(text), &page, note_item, &said, NULL));
	EXPECT_TEXT(said.text, "stop ");
	EXPECT_TEXT(page.version, "9");
	page_fini(&page);
}

SPEC("kube page: what is no list is an error that says where")
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"items\"",
		"{\"items\":",
		"{\"items\":[",
		"{\"items\":[{}]}",
		"{\"items\":[null]}",
		"{\"items\":[{\"metadata\":{\"name\":\"a\"}}",
		"{\"items\":[{\"metadata\":{\"name\":\"a\"}},]}",
		"{\"items\":[{\"metadata\":{\"name\":\"a\"}]}]}",
		"{\"items\":[{\"metadata\":{\"name\":\"a}}]}",
		"{\"items\":[{\"metadata\":{\"name\":\"a\\",
		"{\"items\":[]} x",
		"{\"items\":[],}",
		"{\"metadata\":{}}",
		"{\"metadata\":{x},\"items\":[]}",
		"{\"a\":,\"items\":[]}",
		"{\"a\":],\"items\":[]}",
	};
	SCOPED(buf) struct buf said;
	buf_init(&said, 1000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct page page;
		struct error err = {0};
		if (page_read(bad[i], strlen(bad[i]), &page, note_item, &said, &err))
			spec_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
		page_fini(&page);
		EXPECT_CONTAINS(err.text, "list");
	}
}

static void note_stale(void *owner, const char *namespace, const char *name)
{
	struct buf *said = owner;
	buf_printf(said, "%s/%s ", namespace != NULL ? namespace : "-", name);
}

SPEC("kube known: what was not named again is told once, in order")
{
	SCOPED(buf) struct buf said;
	buf_init(&said, 10000);
	struct known known;
	known_init(&known);
	known_begin(&known);
	known_add(&known, "b", "x");
	known_add(&known, "a", "x");
	known_add(&known, NULL, "node");
	known_add(&known, "a", "y");
	known_add(&known, "a", "x");
	EXPECT_INT(known.count, 4);
	known_forget_stale(&known, note_stale, &said);
	EXPECT_TEXT(said.text, "");
	known_begin(&known);
	known_add(&known, "a", "y");
	known_remove(&known, "b", "x");
	known_remove(&known, "b", "never was");
	known_forget_stale(&known, note_stale, &said);
	EXPECT_TEXT(said.text, "-/node a/x ");
	EXPECT_INT(known.count, 1);
	known_fini(&known);
}
