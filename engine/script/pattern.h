/*
 * pattern.h - Lua patterns (§6.4.1 of the manual), metered.
 *
 * The same language as the stock library's, with each comparison counted: a pattern that backtracks
 * for ever ends when the work of its call is used up. Everything raises on a malformed pattern, and
 * owns nothing.
 */
#ifndef SLUICE_SCRIPT_PATTERN_H
#define SLUICE_SCRIPT_PATTERN_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum { PATTERN_CAPTURES_MAX = 32 };

struct pattern {
	lua_State *L;
	const char *text, *text_end; /* the subject */
	const char *end;	     /* of the pattern */
	int depth;
	unsigned work; /* not yet charged */
	int count;     /* of captures, open ones included */
	struct {
		const char *start;
		ptrdiff_t len; /* or CAPTURE_OPEN, CAPTURE_POSITION */
	} captures[PATTERN_CAPTURES_MAX];
};

void pattern_init(struct pattern *pattern, lua_State *L, const char *text, size_t len,
		  const char *source, size_t source_len);
/* Matches `source` (a pattern without its anchor) at `at`: where the match ends, or NULL. */
const char *pattern_match(struct pattern *pattern, const char *at, const char *source);
/* Pushes capture `i`; the whole match for i = 0 of a pattern without captures. */
void pattern_push(struct pattern *pattern, int i, const char *start, const char *end);
/* Pushes all, or the whole match where there are none and `whole` asks for it; how many. */
int pattern_push_all(struct pattern *pattern, const char *start, const char *end, bool whole);

#endif
