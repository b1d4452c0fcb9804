/*
 * page.h - walks the items of a list without building the list.
 *
 * A page of 500 canaries is some 2 MB of text and would be four times that as trees; so one item
 * at a time is a tree.
 */
#ifndef SLUICE_KUBE_PAGE_H
#define SLUICE_KUBE_PAGE_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/error.h"

/* An item; the callee's until it returns, then freed. False stops, without an error. */
typedef bool page_call(void *owner, cJSON *item);

struct page {
	char *version; /* the list's metadata.resourceVersion; never NULL */
	char *more;    /* metadata.continue: the token for the next page; NULL: this was the last */
};

/* Reads one page. What was handed on before an error was found stays handed on. The caller calls
 * page_fini in either case. */
bool page_read(const char *text, size_t len, struct page *page, page_call *call, void *owner,
	       struct error *err) MUST_CHECK;
void page_fini(struct page *page);

#endif
