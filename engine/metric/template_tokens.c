/*
 * template_tokens.c - what the parser of templates reads and makes: tokens, looked ahead; nodes in
 * the pool; the first failure.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "metric/template_parser.h"

void parser_fail(struct parser *parser, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;
	if (parser->job->failed)
		return;
	parser->job->failed = true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error_set(parser->job->err, ERROR_INVALID,
		  "template parsing failed: template: " TEMPLATE_NAME ":%d: %s",
		  parser->tokens[0].line, text);
}

/* ---- tokens: up to two are looked ahead, as there ---- */

struct token parser_next(struct parser *parser)
{
	if (parser->peeked > 0)
		parser->peeked--;
	else
		parser->tokens[0] = lexer_next(&parser->lexer);
	return parser->tokens[parser->peeked];
}

void parser_back_up(struct parser *parser)
{
	parser->peeked++;
}

void parser_back_up_to(struct parser *parser, struct token token)
{
	parser->tokens[1] = token;
	parser->peeked = 2;
}

void parser_back_up_both(struct parser *parser, struct token second, struct token first)
{
	parser->tokens[1] = first;
	parser->tokens[2] = second;
	parser->peeked = 3;
}

struct token parser_peek(struct parser *parser)
{
	if (parser->peeked > 0)
		return parser->tokens[parser->peeked - 1];
	parser->peeked = 1;
	parser->tokens[0] = lexer_next(&parser->lexer);
	return parser->tokens[0];
}

struct token parser_next_solid(struct parser *parser)
{
	struct token token;
	do
		token = parser_next(parser);
	while (token.kind == TOKEN_SPACE);
	return token;
}

struct token parser_peek_solid(struct parser *parser)
{
	struct token token = parser_next_solid(parser);
	parser_back_up(parser);
	return token;
}

void parser_unexpected(struct parser *parser, struct token token, const char *where)
{
	if (token.kind == TOKEN_ERROR) {
		bool elsewhere = parser->action_line != 0 && parser->action_line != token.line;
		bool doubled =
			token.len > 7 && memcmp(token.text + token.len - 7, " action", 7) == 0;
		if (elsewhere)
			parser_fail(parser, "%.*s%s started at " TEMPLATE_NAME ":%d",
				    (int)token.len, token.text, doubled ? "" : " in action",
				    parser->action_line);
		else
			parser_fail(parser, "%.*s", (int)token.len, token.text);
		return;
	}
	if (token.kind == TOKEN_EOF) {
		parser_fail(parser, "unexpected EOF in %s", where);
	} else if (token.kind > TOKEN_KEYWORD) {
		parser_fail(parser, "unexpected <%.*s> in %s", (int)token.len, token.text, where);
	} else {
		SCOPED(buf) struct buf quoted = {0};
		buf_init(&quoted, 200);
		text_quote(&quoted, token.text, token.len > 10 ? 10 : token.len, false);
		parser_fail(parser, "unexpected %s%s in %s", quoted.text,
			    token.len > 10 ? "..." : "", where);
	}
}

bool parser_expect(struct parser *parser, enum token_kind kind, const char *where)
{
	struct token token = parser_next_solid(parser);
	if (token.kind != kind)
		parser_unexpected(parser, token, where);
	return !parser->job->failed;
}

/* ---- nodes ---- */

void *parser_take(struct parser *parser, size_t size)
{
	void *piece = pool_take(parser->job->pool, size);
	if (piece == NULL)
		parser_fail(parser, "the template is too large");
	return piece;
}

const char *parser_keep(struct parser *parser, const char *text, size_t len)
{
	char *kept = pool_text(parser->job->pool, text, len);
	if (kept == NULL)
		parser_fail(parser, "the template is too large");
	return kept;
}

/* NULL when the job failed. */
struct node *parser_make(struct parser *parser, enum node_kind kind, size_t at)
{
	struct node *node = parser_take(parser, sizeof(*node));
	if (node != NULL) {
		node->kind = kind;
		node->at = at;
	}
	return node;
}

void node_append(struct node *parent, struct node *child)
{
	if (parent->last == NULL)
		parent->first = child;
	else
		parent->last->next = child;
	parent->last = child;
}

void parser_add_field(struct parser *parser, struct node *node, struct token token)
{
	struct field *field = parser_take(parser, sizeof(*field));
	if (field == NULL)
		return;
	field->name = parser_keep(parser, token.text + 1, token.len - 1);
	struct field **end = &node->fields;
	while (*end != NULL)
		end = &(*end)->next;
	*end = field;
}

bool parser_go_deeper(struct parser *parser)
{
	if (parser->job->failed)
		return false;
	if (parser->depth == TEMPLATE_DEPTH_MAX)
		parser_fail(parser, "more than %d blocks or parentheses in each other",
			    TEMPLATE_DEPTH_MAX);
	else
		parser->depth++;
	return !parser->job->failed;
}
