/*
 * lines_fuzz.c - any bytes as the stream of a watch, in pieces of any size: the same lines as in
 * one piece, and each is an event or a sentence. The same bytes as a page of a list.
 */

#include "base/buf.h"
#include "base/mem.h"
#include "fuzz.h"
#include "kube/lines.h"
#include "kube/page.h"

enum { LINE_CAP = 4096 };

static bool gather(void *owner, const char *line, size_t len)
{
	struct buf *into = owner;
	struct error err = {0};
	struct line decoded = {0};
	REQUIRE(len > 0 && len <= LINE_CAP);
	REQUIRE(memchr(line, '\n', len) == NULL);
	if (!line_decode(line, len, &decoded, &err))
		REQUIRE_SENTENCE(err);
	else
		REQUIRE((decoded.object == NULL) == (decoded.kind == LINE_STATUS));
	cJSON_Delete(decoded.object);
	return buf_add(into, line, len) && buf_putc(into, '\n');
}

static bool feed(const char *bytes, size_t len, size_t piece, struct buf *into)
{
	struct lines lines;
	struct error err = {0};
	bool ok = true;
	lines_init(&lines, LINE_CAP);
	for (size_t at = 0; at < len && ok; at += piece)
		ok = lines_feed(&lines, bytes + at, len - at < piece ? len - at : piece, gather,
				into, &err);
	REQUIRE(ok == (err.kind == ERROR_NONE));
	lines_fini(&lines);
	return ok;
}

static bool count(void *owner, cJSON *item)
{
	(void)item;
	size_t *items = owner;
	return ++*items < 5;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return 0;
	size_t piece = bytes[0] % 32 + 1U, items = 0;
	SCOPED(text) char *text = xmalloc(len);
	memcpy(text, bytes + 1, len - 1);
	SCOPED(buf) struct buf whole = {0}, pieces = {0};
	buf_init(&whole, 2 * len);
	buf_init(&pieces, 2 * len);
	bool ok = feed(text, len - 1, len, &whole);
	REQUIRE(feed(text, len - 1, piece, &pieces) == ok);
	REQUIRE(whole.len == pieces.len && memcmp(whole.text, pieces.text, whole.len) == 0);
	struct page page = {0};
	struct error err = {0};
	if (page_read(text, len - 1, &page, count, &items, &err))
		REQUIRE(page.version != NULL);
	else
		REQUIRE_SENTENCE(err);
	page_fini(&page);
	return 0;
}
