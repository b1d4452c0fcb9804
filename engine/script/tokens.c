#include "script/tokens.h"

#include <ctype.h>
#include <string.h>

struct scan {
	const char *p, *end;
	int line;
	int gotos, links; /* of chains */
};

static char ahead(const struct scan *scan, size_t by)
{
	return (size_t)(scan->end - scan->p) > by ? scan->p[by] : '\0';
}

static void skip(struct scan *scan)
{
	if (*scan->p++ == '\n')
		scan->line++;
}

/* The level of a long bracket that opens here ("[[": 0, "[==[": 2), or -1. */
static int long_level(const struct scan *scan)
{
	size_t level = 0;
	if (ahead(scan, 0) != '[')
		return -1;
	while (ahead(scan, 1 + level) == '=')
		level++;
	return ahead(scan, 1 + level) == '[' ? (int)level : -1;
}

static void skip_long(struct scan *scan, int level)
{
	scan->p += level + 2;
	for (; scan->p < scan->end; skip(scan)) {
		if (*scan->p != ']')
			continue;
		int equals = 0;
		while (ahead(scan, 1 + (size_t)equals) == '=')
			equals++;
		if (equals == level && ahead(scan, 1 + (size_t)equals) == ']') {
			scan->p += level + 2;
			return;
		}
	}
}

static void skip_comment(struct scan *scan)
{
	scan->p += 2;
	int level = long_level(scan);
	if (level >= 0) {
		skip_long(scan, level);
		return;
	}
	while (scan->p < scan->end && *scan->p != '\n')
		scan->p++;
}

static void skip_string(struct scan *scan)
{
	char quote = *scan->p++;
	while (scan->p < scan->end && *scan->p != quote) {
		if (*scan->p == '\\' && scan->p + 1 < scan->end) {
			skip(scan);
			/* \z passes over the line ends that follow, too. */
			bool over = *scan->p == 'z';
			skip(scan);
			while (over && scan->p < scan->end && isspace((unsigned char)*scan->p))
				skip(scan);
			continue;
		}
		if (*scan->p == '\n')
			return; /* unfinished: no Lua */
		scan->p++;
	}
	if (scan->p < scan->end)
		scan->p++;
}

static bool is_word(const char *word, size_t len, const char *wanted)
{
	return strlen(wanted) == len && memcmp(word, wanted, len) == 0;
}

static void count_word(struct scan *scan)
{
	const char *word = scan->p;
	while (scan->p < scan->end && (isalnum((unsigned char)*scan->p) || *scan->p == '_'))
		scan->p++;
	size_t len = (size_t)(scan->p - word);
	scan->gotos += is_word(word, len, "goto");
	scan->links += is_word(word, len, "and") || is_word(word, len, "or") ||
		       is_word(word, len, "elseif");
}

bool tokens_check(const char *name, const char *text, size_t len, struct error *err)
{
	struct scan scan = {.p = text, .end = text + len, .line = 1};
	while (scan.p < scan.end) {
		unsigned char c = (unsigned char)*scan.p;
		int level = long_level(&scan);
		if (level >= 0)
			skip_long(&scan, level);
		else if (c == '-' && ahead(&scan, 1) == '-')
			skip_comment(&scan);
		else if (c == '"' || c == '\'')
			skip_string(&scan);
		else if (isalnum(c) || c == '_')
			count_word(&scan);
		else if (c == '^')
			return error_set(err, ERROR_INVALID,
					 "%s:%d: the operator ^ is not for policies, as its last "
					 "digit differs from processor to processor: use math.pow",
					 name, scan.line);
		else
			skip(&scan);
		if (scan.gotos > TOKENS_GOTO_MAX || scan.links > TOKENS_CHAIN_MAX)
			return error_set(
				err, ERROR_INVALID, "%s:%d: more than %d \"%s\"", name, scan.line,
				scan.gotos > TOKENS_GOTO_MAX ? TOKENS_GOTO_MAX : TOKENS_CHAIN_MAX,
				scan.gotos > TOKENS_GOTO_MAX ? "goto" : "and\", \"or\", \"elseif");
	}
	return true;
}
