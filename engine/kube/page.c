#include "kube/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

/* A cursor over JSON text. It finds where values end and leaves it to the parser to judge them. */
struct scan {
	const char *at, *end, *start;
	struct error *err;
};

static bool fail(const struct scan *scan, const char *wanted)
{
	return error_set(scan->err, ERROR_INVALID, "a list: %s expected at byte %zu", wanted,
			 (size_t)(scan->at - scan->start));
}

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) != NULL && *scan->at != '\0')
		scan->at++;
}

/* Steps over `c` and the blanks around it. */
static bool take(struct scan *scan, char c)
{
	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	skip_blanks(scan);
	return true;
}

static bool skip_string(struct scan *scan)
{
	for (scan->at++; scan->at < scan->end; scan->at++) {
		if (*scan->at == '\\')
			scan->at++;
		else if (*scan->at == '"') {
			scan->at++;
			return true;
		}
	}
	scan->at = scan->end;
	return fail(scan, "the end of a string");
}

static bool skip_value(struct scan *scan)
{
	int depth = 0;
	do {
		if (scan->at >= scan->end)
			return fail(scan, "a value");
		char c = *scan->at;
		if (c == '"') {
			if (!skip_string(scan))
				return false;
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		else if (depth == 0) { /* a number or a word */
			const char *begin = scan->at;
			while (scan->at < scan->end && strchr(",]} \t\r\n", *scan->at) == NULL)
				scan->at++;
			return scan->at > begin || fail(scan, "a value");
		}
		if (depth < 0)
			return fail(scan, "a value");
		scan->at++;
	} while (depth > 0);
	return true;
}

static bool read_item(struct scan *scan, page_call *call, void *owner, bool *go_on)
{
	const char *begin = scan->at;
	if (!skip_value(scan))
		return false;
	SCOPED(json) cJSON *item = json_parse(begin, (size_t)(scan->at - begin), scan->err);
	if (item == NULL)
		return error_wrap(scan->err, "an item at byte %zu of a list",
				  (size_t)(begin - scan->start));
	if (json_string(item, "metadata.name") == NULL)
		return error_set(scan->err, ERROR_INVALID,
				 "an item at byte %zu of a list has no metadata.name",
				 (size_t)(begin - scan->start));
	*go_on = call(owner, item);
	return true;
}

static bool read_items(struct scan *scan, page_call *call, void *owner)
{
	if (!take(scan, '[')) /* null, as Go writes a list that was never made */
		return skip_value(scan);
	if (take(scan, ']'))
		return true;
	bool go_on = true;
	do {
		if (go_on ? !read_item(scan, call, owner, &go_on) : !skip_value(scan))
			return false;
	} while (take(scan, ','));
	return take(scan, ']') || fail(scan, "\",\" or \"]\"");
}

static bool read_metadata(struct scan *scan, struct page *page)
{
	const char *begin = scan->at;
	if (!skip_value(scan))
		return false;
	SCOPED(json) cJSON *metadata = json_parse(begin, (size_t)(scan->at - begin), scan->err);
	if (metadata == NULL)
		return error_wrap(scan->err, "the metadata of a list");
	page_fini(page);
	page->version = xstrdup(json_string_or(metadata, "resourceVersion", ""));
	const char *more = json_string(metadata, "continue");
	page->more = more != NULL && more[0] != '\0' ? xstrdup(more) : NULL;
	return true;
}

static bool is_key(const char *key, size_t len, const char *wanted)
{
	return len == strlen(wanted) + 2 && memcmp(key + 1, wanted, len - 2) == 0;
}

bool page_read(const char *text, size_t len, struct page *page, page_call *call, void *owner,
	       struct error *err)
{
	*page = (struct page){.version = xstrdup("")};
	struct scan scan = {.at = text, .start = text, .end = text + len, .err = err};
	if (!take(&scan, '{'))
		return fail(&scan, "\"{\"");
	bool has_items = false;
	do {
		const char *key = scan.at;
		if (key == scan.end || *key != '"')
			return fail(&scan, "a name");
		if (!skip_string(&scan))
			return false;
		size_t key_len = (size_t)(scan.at - key);
		if (!take(&scan, ':'))
			return fail(&scan, "\":\"");
		bool ok;
		if (is_key(key, key_len, "items")) {
			has_items = true;
			ok = read_items(&scan, call, owner);
		} else if (is_key(key, key_len, "metadata")) {
			ok = read_metadata(&scan, page);
		} else {
			ok = skip_value(&scan);
		}
		if (!ok)
			return false;
	} while (take(&scan, ','));
	if (!take(&scan, '}') || scan.at != scan.end)
		return fail(&scan, "the end");
	if (!has_items)
		return error_set(err, ERROR_INVALID, "a list without items");
	return true;
}

void page_fini(struct page *page)
{
	free(page->version);
	free(page->more);
	*page = (struct page){0};
}
