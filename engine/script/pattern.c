#include "script/pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#include "script/charge.h"

enum {
	CAPTURE_OPEN = -1,
	CAPTURE_POSITION = -2,
	DEPTH_MAX = 200,	  /* of recursion: 200 frames are some 30 KiB of C stack */
	WORK_BEFORE_CHARGE = 256, /* so that charging costs little */
	ESCAPE = '%',
};

void pattern_init(struct pattern *pattern, lua_State *L, const char *text, size_t len,
		  const char *source, size_t source_len)
{
	*pattern = (struct pattern){
		.L = L, .text = text, .text_end = text + len, .end = source + source_len};
}

static void count_work(struct pattern *pattern)
{
	if (++pattern->work < WORK_BEFORE_CHARGE)
		return;
	pattern->work = 0;
	charge_work(pattern->L, WORK_BEFORE_CHARGE);
}

static const char *fail(struct pattern *pattern, const char *why)
{
	luaL_error(pattern->L, "%s", why);
	return NULL;
}

/* Behind the single item (a character, a class, a set) at `p`. */
static const char *item_end(struct pattern *pattern, const char *p)
{
	if (*p == ESCAPE) {
		if (p + 1 >= pattern->end)
			return fail(pattern, "malformed pattern (ends with '%')");
		return p + 2;
	}
	if (*p++ != '[')
		return p;
	if (p < pattern->end && *p == '^')
		p++;
	/* A ']' in the first place is one of the set. */
	do {
		if (p >= pattern->end)
			return fail(pattern, "malformed pattern (missing ']')");
		count_work(pattern);
		if (*p++ == ESCAPE)
			p++;
	} while (p >= pattern->end || *p != ']');
	return p + 1;
}

static bool in_class(unsigned char c, char class)
{
	bool in;
	switch (tolower((unsigned char)class)) {
	case 'a':
		in = isalpha(c);
		break;
	case 'c':
		in = iscntrl(c);
		break;
	case 'd':
		in = isdigit(c);
		break;
	case 'g':
		in = isgraph(c);
		break;
	case 'l':
		in = islower(c);
		break;
	case 'p':
		in = ispunct(c);
		break;
	case 's':
		in = isspace(c);
		break;
	case 'u':
		in = isupper(c);
		break;
	case 'w':
		in = isalnum(c);
		break;
	case 'x':
		in = isxdigit(c);
		break;
	default:
		return (unsigned char)class == c;
	}
	return isupper((unsigned char)class) ? !in : in;
}

/* Whether `c` is in the set from `p` ('[') to `last` (']'). */
static bool in_set(struct pattern *pattern, unsigned char c, const char *p, const char *last)
{
	bool wanted = true;
	if (p[1] == '^') {
		wanted = false;
		p++;
	}
	while (++p < last) {
		count_work(pattern);
		if (*p == ESCAPE) {
			p++;
			if (in_class(c, *p))
				return wanted;
		} else if (p[1] == '-' && p + 2 < last) {
			if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
				return wanted;
			p += 2;
		} else if ((unsigned char)*p == c) {
			return wanted;
		}
	}
	return !wanted;
}

static bool matches_one(struct pattern *pattern, const char *at, const char *p, const char *next)
{
	count_work(pattern);
	if (at >= pattern->text_end)
		return false;
	unsigned char c = (unsigned char)*at;
	switch (*p) {
	case '.':
		return true;
	case ESCAPE:
		return in_class(c, p[1]);
	case '[':
		return in_set(pattern, c, p, next - 1);
	default:
		return (unsigned char)*p == c;
	}
}

/* %bxy: from an x to the y that balances it. */
static const char *match_balance(struct pattern *pattern, const char *at, const char *p)
{
	if (p + 1 >= pattern->end)
		return fail(pattern, "malformed pattern (missing arguments to '%b')");
	if (at >= pattern->text_end || *at != p[0])
		return NULL;
	int open = 1;
	while (++at < pattern->text_end) {
		count_work(pattern);
		if (*at == p[1]) {
			if (--open == 0)
				return at + 1;
		} else if (*at == p[0]) {
			open++;
		}
	}
	return NULL;
}

static const char *match_greedy(struct pattern *pattern, const char *at, const char *p,
				const char *next)
{
	ptrdiff_t count = 0;
	while (matches_one(pattern, at + count, p, next))
		count++;
	for (; count >= 0; count--) {
		const char *end = pattern_match(pattern, at + count, next + 1);
		if (end != NULL)
			return end;
	}
	return NULL;
}

static const char *match_lazy(struct pattern *pattern, const char *at, const char *p,
			      const char *next)
{
	for (;;) {
		const char *end = pattern_match(pattern, at, next + 1);
		if (end != NULL)
			return end;
		if (!matches_one(pattern, at, p, next))
			return NULL;
		at++;
	}
}

static const char *open_capture(struct pattern *pattern, const char *at, const char *p,
				ptrdiff_t kind)
{
	if (pattern->count >= PATTERN_CAPTURES_MAX)
		return fail(pattern, "too many captures");
	pattern->captures[pattern->count].start = at;
	pattern->captures[pattern->count].len = kind;
	pattern->count++;
	const char *end = pattern_match(pattern, at, p);
	if (end == NULL)
		pattern->count--;
	return end;
}

static const char *close_capture(struct pattern *pattern, const char *at, const char *p)
{
	int i = pattern->count - 1;
	while (i >= 0 && pattern->captures[i].len != CAPTURE_OPEN)
		i--;
	if (i < 0)
		return fail(pattern, "invalid pattern capture");
	pattern->captures[i].len = at - pattern->captures[i].start;
	const char *end = pattern_match(pattern, at, p);
	if (end == NULL)
		pattern->captures[i].len = CAPTURE_OPEN;
	return end;
}

/* %1: what capture 1 holds. */
static const char *match_again(struct pattern *pattern, const char *at, char digit)
{
	int i = digit - '1';
	if (i < 0 || i >= pattern->count || pattern->captures[i].len < 0)
		return fail(pattern, "invalid capture index in pattern");
	size_t len = (size_t)pattern->captures[i].len;
	charge_work(pattern->L, len / 32);
	if ((size_t)(pattern->text_end - at) < len ||
	    memcmp(pattern->captures[i].start, at, len) != 0)
		return NULL;
	return at + len;
}

/* %f[set]: between one that is not in the set and one that is. */
static bool is_frontier(struct pattern *pattern, const char *at, const char *p, const char *next)
{
	unsigned char before = at == pattern->text ? 0 : (unsigned char)at[-1];
	unsigned char here = at == pattern->text_end ? 0 : (unsigned char)*at;
	return !in_set(pattern, before, p, next - 1) && in_set(pattern, here, p, next - 1);
}

/* The rest of the pattern after one item with its suffix; goes on in the loop where it can. */
static const char *match_here(struct pattern *pattern, const char *at, const char *p)
{
	while (p < pattern->end) {
		count_work(pattern);
		if (*p == '(') {
			bool position = p + 1 < pattern->end && p[1] == ')';
			return position ? open_capture(pattern, at, p + 2, CAPTURE_POSITION)
					: open_capture(pattern, at, p + 1, CAPTURE_OPEN);
		}
		if (*p == ')')
			return close_capture(pattern, at, p + 1);
		if (*p == '$' && p + 1 == pattern->end)
			return at == pattern->text_end ? at : NULL;
		if (*p == ESCAPE && p + 1 < pattern->end && p[1] == 'b') {
			at = match_balance(pattern, at, p + 2);
			if (at == NULL)
				return NULL;
			p += 4;
			continue;
		}
		if (*p == ESCAPE && p + 1 < pattern->end && p[1] == 'f') {
			p += 2;
			if (p >= pattern->end || *p != '[')
				return fail(pattern, "missing '[' after '%f' in pattern");
			const char *next = item_end(pattern, p);
			if (!is_frontier(pattern, at, p, next))
				return NULL;
			p = next;
			continue;
		}
		if (*p == ESCAPE && p + 1 < pattern->end && isdigit((unsigned char)p[1])) {
			at = match_again(pattern, at, p[1]);
			if (at == NULL)
				return NULL;
			p += 2;
			continue;
		}
		const char *next = item_end(pattern, p);
		char suffix = next < pattern->end ? *next : '\0';
		if (suffix == '*')
			return match_greedy(pattern, at, p, next);
		if (suffix == '-')
			return match_lazy(pattern, at, p, next);
		bool one = matches_one(pattern, at, p, next);
		if (suffix == '+')
			return one ? match_greedy(pattern, at + 1, p, next) : NULL;
		if (suffix == '?') {
			const char *end = one ? pattern_match(pattern, at + 1, next + 1) : NULL;
			if (end != NULL)
				return end;
			p = next + 1;
			continue;
		}
		if (!one)
			return NULL;
		at++;
		p = next;
	}
	return at;
}

const char *pattern_match(struct pattern *pattern, const char *at, const char *source)
{
	if (++pattern->depth > DEPTH_MAX)
		luaL_error(pattern->L, "pattern too complex");
	const char *end = match_here(pattern, at, source);
	pattern->depth--;
	return end;
}

void pattern_push(struct pattern *pattern, int i, const char *start, const char *end)
{
	lua_State *L = pattern->L;
	if (i >= pattern->count) {
		if (i != 0)
			luaL_error(L, "invalid capture index %%%d", i + 1);
		lua_pushlstring(L, start, (size_t)(end - start));
		return;
	}
	ptrdiff_t len = pattern->captures[i].len;
	if (len == CAPTURE_OPEN)
		luaL_error(L, "unfinished capture");
	if (len == CAPTURE_POSITION)
		lua_pushinteger(L, pattern->captures[i].start - pattern->text + 1);
	else
		lua_pushlstring(L, pattern->captures[i].start, (size_t)len);
}

int pattern_push_all(struct pattern *pattern, const char *start, const char *end, bool whole)
{
	int count = pattern->count == 0 && whole ? 1 : pattern->count;
	luaL_checkstack(pattern->L, count, "too many captures");
	for (int i = 0; i < count; i++)
		pattern_push(pattern, i, start, end);
	return count;
}
