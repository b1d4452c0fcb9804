/*
 * template_lex.c - tokens of a template, as text/template/parse/lex.go cuts them.
 *
 * Differs in one thing: every letter beyond ASCII may stand in a name.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "metric/template_parts.h"

void lexer_init(struct lexer *lexer, struct template_job *job)
{
	*lexer = (struct lexer){.job = job, .end = job->len, .line = 1};
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alphanumeric(int c)
{
	return c == '_' || c >= 0x80 || isalnum(c);
}

static int peek_at(const struct lexer *lexer, size_t at)
{
	return at < lexer->end ? (unsigned char)lexer->job->text[at] : -1;
}

static int peek(const struct lexer *lexer)
{
	return peek_at(lexer, lexer->at);
}

static bool starts(const struct lexer *lexer, size_t at, const char *word)
{
	size_t len = strlen(word);
	return at <= lexer->end && lexer->end - at >= len &&
	       memcmp(lexer->job->text + at, word, len) == 0;
}

/* The token from start to here; its line is that of its beginning. */
static struct token take(struct lexer *lexer, enum token_kind kind)
{
	struct token token = {.kind = kind,
			      .text = lexer->job->text + lexer->start,
			      .len = lexer->at - lexer->start,
			      .at = lexer->start,
			      .line = lexer->line};
	for (size_t i = 0; i < token.len; i++)
		lexer->line += token.text[i] == '\n';
	lexer->start = lexer->at;
	return token;
}

static void ignore(struct lexer *lexer)
{
	(void)take(lexer, TOKEN_SPACE);
}

static struct token PRINTF_LIKE(2, 3) fail(struct lexer *lexer, const char *format, ...)
{
	char text[200];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	struct token token = {.kind = TOKEN_ERROR,
			      .text = pool_text(lexer->job->pool, text, (size_t)len),
			      .len = (size_t)len,
			      .at = lexer->start,
			      .line = lexer->line};
	if (token.text == NULL) {
		token.text = "";
		token.len = 0;
	}
	lexer->start = lexer->at = lexer->end = 0;
	lexer->in_action = false;
	return token;
}

/* As %#U: "U+0040 '@'". */
static struct token fail_at_character(struct lexer *lexer, const char *what, int c)
{
	if (c < 0)
		return fail(lexer, "%s U+FFFFFFFFFFFFFFFF", what);
	if (isprint(c))
		return fail(lexer, "%s U+%04X '%c'", what, (unsigned)c, c);
	return fail(lexer, "%s U+%04X", what, (unsigned)c);
}

/* ---- between texts and actions ---- */

static bool has_left_trim(const struct lexer *lexer, size_t at)
{
	return peek_at(lexer, at) == '-' && is_space(peek_at(lexer, at + 1));
}

static bool has_right_trim(const struct lexer *lexer, size_t at)
{
	return is_space(peek_at(lexer, at)) && peek_at(lexer, at + 1) == '-';
}

static bool at_right_delim(const struct lexer *lexer, bool *trims)
{
	*trims = has_right_trim(lexer, lexer->at) && starts(lexer, lexer->at + 2, "}}");
	return *trims || starts(lexer, lexer->at, "}}");
}

static void skip_right_delim(struct lexer *lexer, bool trims)
{
	lexer->at += trims ? 4 : 2;
	while (trims && is_space(peek(lexer)))
		lexer->at++;
	ignore(lexer);
}

/* True: it was a comment and was skipped. */
static bool skip_comment(struct lexer *lexer, struct token *failed)
{
	lexer->at += 2;
	const char *end = memmem(lexer->job->text + lexer->at, lexer->end - lexer->at, "*/", 2);
	if (end == NULL) {
		*failed = fail(lexer, "unclosed comment");
		return false;
	}
	lexer->at = (size_t)(end - lexer->job->text) + 2;
	bool trims;
	if (!at_right_delim(lexer, &trims)) {
		*failed = fail(lexer, "comment ends before closing delimiter");
		return false;
	}
	skip_right_delim(lexer, trims);
	return true;
}

static struct token lex_text(struct lexer *lexer)
{
	for (;;) {
		const char *text = lexer->job->text;
		const char *found = memmem(text + lexer->at, lexer->end - lexer->at, "{{", 2);
		if (found == NULL) {
			lexer->at = lexer->end;
			return take(lexer, lexer->at > lexer->start ? TOKEN_TEXT : TOKEN_EOF);
		}
		size_t open = (size_t)(found - text), trimmed = open;
		while (has_left_trim(lexer, open + 2) && trimmed > lexer->start &&
		       is_space(peek_at(lexer, trimmed - 1)))
			trimmed--;
		lexer->at = trimmed;
		struct token token = take(lexer, TOKEN_TEXT);
		lexer->at = open;
		ignore(lexer);
		if (token.len > 0)
			return token;
		bool trims = has_left_trim(lexer, lexer->at + 2);
		lexer->at += 2;
		if (!starts(lexer, lexer->at + (trims ? 2 : 0), "/*")) {
			token = take(lexer, TOKEN_LEFT_DELIM);
			lexer->in_action = true;
			lexer->parens = 0;
			lexer->at += trims ? 2 : 0;
			ignore(lexer);
			return token;
		}
		lexer->at += trims ? 2 : 0;
		ignore(lexer);
		if (!skip_comment(lexer, &token))
			return token;
	}
}

/* ---- inside of an action ---- */

static struct token lex_right_delim(struct lexer *lexer, bool trims)
{
	if (trims) {
		lexer->at += 2;
		ignore(lexer);
	}
	lexer->at += 2;
	struct token token = take(lexer, TOKEN_RIGHT_DELIM);
	while (trims && is_space(peek(lexer)))
		lexer->at++;
	ignore(lexer);
	lexer->in_action = false;
	return token;
}

static struct token lex_space(struct lexer *lexer)
{
	size_t begin = lexer->at;
	while (is_space(peek(lexer)))
		lexer->at++;
	/* The last space may belong to a trim mark. */
	if (has_right_trim(lexer, lexer->at - 1) && starts(lexer, lexer->at + 1, "}}")) {
		lexer->at--;
		if (lexer->at == begin)
			return lex_right_delim(lexer, true);
	}
	return take(lexer, TOKEN_SPACE);
}

static bool at_terminator(const struct lexer *lexer)
{
	int c = peek(lexer);
	return c < 0 || is_space(c) || strchr(".,|:)(", c) != NULL ||
	       starts(lexer, lexer->at, "}}");
}

static struct token lex_identifier(struct lexer *lexer)
{
	static const struct {
		const char *word;
		enum token_kind kind;
	} words[] = {
		{"block", TOKEN_BLOCK},
		{"break", TOKEN_BREAK},
		{"continue", TOKEN_CONTINUE},
		{"define", TOKEN_DEFINE},
		{"else", TOKEN_ELSE},
		{"end", TOKEN_END},
		{"if", TOKEN_IF},
		{"nil", TOKEN_NIL},
		{"range", TOKEN_RANGE},
		{"template", TOKEN_TEMPLATE},
		{"with", TOKEN_WITH},
		{"true", TOKEN_BOOL},
		{"false", TOKEN_BOOL},
	};
	while (is_alphanumeric(peek(lexer)))
		lexer->at++;
	if (!at_terminator(lexer))
		return fail_at_character(lexer, "bad character", peek(lexer));
	struct token token = take(lexer, TOKEN_IDENTIFIER);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].word) == token.len &&
		    memcmp(words[i].word, token.text, token.len) == 0)
			token.kind = words[i].kind;
	return token;
}

/* After "." or "$". */
static struct token lex_field_or_variable(struct lexer *lexer, enum token_kind kind)
{
	if (at_terminator(lexer))
		return take(lexer, kind == TOKEN_VARIABLE ? kind : TOKEN_DOT);
	while (is_alphanumeric(peek(lexer)))
		lexer->at++;
	if (!at_terminator(lexer))
		return fail_at_character(lexer, "bad character", peek(lexer));
	return take(lexer, kind);
}

static struct token lex_quoted(struct lexer *lexer, char quote, enum token_kind kind,
			       const char *open_text)
{
	for (;;) {
		int c = peek(lexer);
		if (c < 0)
			return fail(lexer, "%s", open_text);
		lexer->at++;
		if (c == quote)
			return take(lexer, kind);
		if (quote == '`')
			continue;
		if (c == '\\') {
			c = peek(lexer);
			lexer->at += c >= 0;
		}
		if (c < 0 || c == '\n')
			return fail(lexer, "%s", open_text);
	}
}

static bool accept(struct lexer *lexer, const char *set)
{
	int c = peek(lexer);
	if (c <= 0 || strchr(set, c) == NULL)
		return false;
	lexer->at++;
	return true;
}

static bool scan_number(struct lexer *lexer)
{
	static const char decimal[] = "0123456789_", hex[] = "0123456789abcdefABCDEF_";
	const char *digits = decimal;
	accept(lexer, "+-");
	if (accept(lexer, "0")) {
		if (accept(lexer, "xX"))
			digits = hex;
		else if (accept(lexer, "oO"))
			digits = "01234567_";
		else if (accept(lexer, "bB"))
			digits = "01_";
	}
	while (accept(lexer, digits))
		;
	if (accept(lexer, "."))
		while (accept(lexer, digits))
			;
	if ((digits == decimal && accept(lexer, "eE")) || (digits == hex && accept(lexer, "pP"))) {
		accept(lexer, "+-");
		while (accept(lexer, decimal))
			;
	}
	accept(lexer, "i");
	if (!is_alphanumeric(peek(lexer)))
		return true;
	lexer->at++;
	return false;
}

static struct token bad_number(struct lexer *lexer)
{
	size_t len = lexer->at - lexer->start;
	return fail(lexer, "bad number syntax: \"%.*s\"", len > 100 ? 100 : (int)len,
		    lexer->job->text + lexer->start);
}

static struct token lex_number(struct lexer *lexer)
{
	if (!scan_number(lexer))
		return bad_number(lexer);
	int sign = peek(lexer);
	if (sign != '+' && sign != '-')
		return take(lexer, TOKEN_NUMBER);
	if (!scan_number(lexer) || lexer->job->text[lexer->at - 1] != 'i')
		return bad_number(lexer);
	return take(lexer, TOKEN_COMPLEX);
}

static struct token lex_action(struct lexer *lexer)
{
	bool trims;
	if (at_right_delim(lexer, &trims)) {
		if (lexer->parens == 0)
			return lex_right_delim(lexer, trims);
		return fail(lexer, "unclosed left paren");
	}
	int c = peek(lexer);
	if (c < 0)
		return fail(lexer, "unclosed action");
	if (is_space(c))
		return lex_space(lexer);
	if (isdigit(c) || c == '+' || c == '-' ||
	    (c == '.' && isdigit(peek_at(lexer, lexer->at + 1))))
		return lex_number(lexer);
	if (is_alphanumeric(c))
		return lex_identifier(lexer);
	lexer->at++;
	switch (c) {
	case '=':
		return take(lexer, TOKEN_ASSIGN);
	case ':':
		if (!accept(lexer, "="))
			return fail(lexer, "expected :=");
		return take(lexer, TOKEN_DECLARE);
	case '|':
		return take(lexer, TOKEN_PIPE);
	case '"':
		return lex_quoted(lexer, '"', TOKEN_STRING, "unterminated quoted string");
	case '`':
		return lex_quoted(lexer, '`', TOKEN_RAW_STRING, "unterminated raw quoted string");
	case '\'':
		return lex_quoted(lexer, '\'', TOKEN_CHAR_CONSTANT,
				  "unterminated character constant");
	case '$':
		return lex_field_or_variable(lexer, TOKEN_VARIABLE);
	case '.':
		return lex_field_or_variable(lexer, TOKEN_FIELD);
	case '(':
		lexer->parens++;
		return take(lexer, TOKEN_LEFT_PAREN);
	case ')':
		lexer->parens--;
		if (lexer->parens < 0)
			return fail(lexer, "unexpected right paren");
		return take(lexer, TOKEN_RIGHT_PAREN);
	default:
		break;
	}
	if (isprint(c))
		return take(lexer, TOKEN_CHAR);
	return fail_at_character(lexer, "unrecognized character in action:", c);
}

struct token lexer_next(struct lexer *lexer)
{
	return lexer->in_action ? lex_action(lexer) : lex_text(lexer);
}
