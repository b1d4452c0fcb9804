/*
 * template_pipeline.c - pipelines of a template: commands, operands, literals, variables.
 *
 * Numbers: no imaginary ones.
 */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "metric/template_parser.h"

static bool has_function(const struct parser *parser, const char *name)
{
	return function_find(name) != NULL ||
	       cJSON_GetObjectItemCaseSensitive(parser->job->values, name) != NULL;
}

static int64_t first_rune(const char *text, size_t len)
{
	unsigned char first = (unsigned char)text[0];
	if (first < 0x80 || len < 2)
		return first;
	int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
	int64_t rune = first & (0x3f >> more);
	for (int i = 1; i <= more && (size_t)i < len; i++)
		rune = rune << 6 | (text[i] & 0x3f);
	return rune;
}

static struct node *number(struct parser *parser, struct token token)
{
	struct node *node = parser_make(parser, NODE_NUMBER, token.at);
	if (node == NULL)
		return NULL;
	node->written = node->text = parser_keep(parser, token.text, token.len);
	if (node->text == NULL)
		return NULL;
	if (token.kind == TOKEN_CHAR_CONSTANT) {
		size_t len;
		const char *rune = text_unquote(parser->job, token.text, token.len, &len);
		if (rune == NULL || len == 0)
			parser_fail(parser, "invalid syntax");
		else if (len > 1 && utf8_length(rune, len) != len)
			parser_fail(parser, "malformed character constant: %.60s", node->text);
		else
			node->whole = first_rune(rune, len);
		return node;
	}
	if (token.kind == TOKEN_COMPLEX || token.text[token.len - 1] == 'i') {
		parser_fail(parser, "imaginary numbers are not supported: \"%.60s\"", node->text);
		return node;
	}
	switch (number_read(node->text, &node->whole, &node->real)) {
	case NUMBER_WHOLE:
		break;
	case NUMBER_REAL:
		node->is_float = true;
		break;
	case NUMBER_UNSIGNED: /* fits only without a sign: told when it is used */
		node->written = NULL;
		break;
	case NUMBER_TOO_LARGE:
		parser_fail(parser, "integer overflow: \"%.60s\"", node->text);
		break;
	case NUMBER_NONE:
		parser_fail(parser, "illegal number syntax: \"%.60s\"", node->text);
		break;
	}
	return node;
}

/* ---- operands, commands, pipelines ---- */

static struct node *variable(struct parser *parser, struct token token)
{
	struct node *node = parser_make(parser, NODE_VARIABLE, token.at);
	if (node == NULL)
		return NULL;
	node->text = parser_keep(parser, token.text, token.len);
	return node;
}

static struct node *use_variable(struct parser *parser, struct token token)
{
	struct node *node = variable(parser, token);
	if (node == NULL || node->text == NULL)
		return NULL;
	for (size_t i = 0; i < parser->variable_count; i++)
		if (strcmp(parser->variables[i], node->text) == 0)
			return node;
	parser_fail(parser, "undefined variable \"%.60s\"", node->text);
	return NULL;
}

static struct node *string(struct parser *parser, struct token token)
{
	struct node *node = parser_make(parser, NODE_STRING, token.at);
	if (node == NULL)
		return NULL;
	node->written = parser_keep(parser, token.text, token.len);
	node->text = text_unquote(parser->job, token.text, token.len, &node->len);
	if (node->text == NULL)
		parser_fail(parser, "invalid syntax");
	return node;
}

static struct node *term(struct parser *parser)
{
	struct token token = parser_next_solid(parser);
	struct node *node = NULL;
	switch ((int)token.kind) {
	case TOKEN_IDENTIFIER:
		node = parser_make(parser, NODE_IDENTIFIER, token.at);
		if (node == NULL)
			return NULL;
		node->text = parser_keep(parser, token.text, token.len);
		if (node->text != NULL && !has_function(parser, node->text))
			parser_fail(parser, "function \"%.100s\" not defined", node->text);
		return node;
	case TOKEN_DOT:
		return parser_make(parser, NODE_DOT, token.at);
	case TOKEN_NIL:
		return parser_make(parser, NODE_NIL, token.at);
	case TOKEN_VARIABLE:
		return use_variable(parser, token);
	case TOKEN_FIELD:
		node = parser_make(parser, NODE_FIELD, token.at);
		if (node != NULL)
			parser_add_field(parser, node, token);
		return node;
	case TOKEN_BOOL:
		node = parser_make(parser, NODE_BOOL, token.at);
		if (node != NULL)
			node->whole = token.text[0] == 't';
		return node;
	case TOKEN_CHAR_CONSTANT:
	case TOKEN_COMPLEX:
	case TOKEN_NUMBER:
		return number(parser, token);
	case TOKEN_LEFT_PAREN:
		if (!parser_go_deeper(parser))
			return NULL;
		node = parser_pipeline(parser, "parenthesized pipeline", TOKEN_RIGHT_PAREN);
		parser->depth--;
		return node;
	case TOKEN_STRING:
	case TOKEN_RAW_STRING:
		return string(parser, token);
	default:
		parser_back_up(parser);
		return NULL;
	}
}

static struct node *operand(struct parser *parser)
{
	struct node *node = term(parser);
	if (node == NULL || parser->job->failed)
		return NULL;
	struct token token = parser_peek(parser);
	if (token.kind != TOKEN_FIELD)
		return node;
	if (node->kind == NODE_BOOL || node->kind == NODE_STRING || node->kind == NODE_NUMBER ||
	    node->kind == NODE_NIL || node->kind == NODE_DOT) {
		SCOPED(buf) struct buf written = {0}, quoted = {0};
		buf_init(&written, 200);
		buf_init(&quoted, 500);
		node_write(node, &written);
		text_quote(&quoted, written.text, written.len, false);
		/* The field was looked at there before this is told. */
		while (parser_peek(parser).kind == TOKEN_FIELD)
			parser_next(parser);
		parser_fail(parser, "unexpected . after term %s", quoted.text);
		return NULL;
	}
	struct node *chain = node;
	if (node->kind != NODE_FIELD && node->kind != NODE_VARIABLE) {
		chain = parser_make(parser, NODE_CHAIN, token.at);
		if (chain == NULL)
			return NULL;
		chain->list = node;
	} else {
		chain->at = token.at;
	}
	while (!parser->job->failed && parser_peek(parser).kind == TOKEN_FIELD)
		parser_add_field(parser, chain, parser_next(parser));
	return chain;
}

static struct node *command(struct parser *parser)
{
	struct node *node = parser_make(parser, NODE_COMMAND, parser_peek_solid(parser).at);
	while (node != NULL && !parser->job->failed) {
		parser_peek_solid(parser);
		struct node *argument = operand(parser);
		if (parser->job->failed)
			return NULL;
		if (argument != NULL)
			node_append(node, argument);
		struct token token = parser_next(parser);
		if (token.kind == TOKEN_SPACE)
			continue;
		if (token.kind == TOKEN_RIGHT_DELIM || token.kind == TOKEN_RIGHT_PAREN)
			parser_back_up(parser);
		else if (token.kind != TOKEN_PIPE)
			parser_unexpected(parser, token, "operand");
		break;
	}
	if (node != NULL && node->first == NULL)
		parser_fail(parser, "empty command");
	return node;
}

static void declare(struct parser *parser, struct node *pipe, struct token token)
{
	const char *name = parser_keep(parser, token.text, token.len);
	if (name == NULL)
		return;
	if (parser->variable_count == VARIABLES_MAX) {
		parser_fail(parser, "more than %d variables", VARIABLES_MAX);
		return;
	}
	pipe->declared[pipe->declared_count++] = name;
	parser->variables[parser->variable_count++] = name;
}

/* "$x :=", "$x =", "$i, $x :=". */
static void declarations(struct parser *parser, struct node *pipe, const char *where)
{
	for (;;) {
		struct token name = parser_peek_solid(parser);
		if (name.kind != TOKEN_VARIABLE)
			return;
		parser_next(parser);
		struct token after = parser_peek(parser), solid = parser_peek_solid(parser);
		if (solid.kind == TOKEN_ASSIGN || solid.kind == TOKEN_DECLARE) {
			pipe->assigns = solid.kind == TOKEN_ASSIGN;
			parser_next_solid(parser);
			declare(parser, pipe, name);
			return;
		}
		if (solid.kind == TOKEN_CHAR && solid.text[0] == ',') {
			parser_next_solid(parser);
			declare(parser, pipe, name);
			if (parser->job->failed)
				return;
			if (strcmp(where, "range") == 0 && pipe->declared_count < 2) {
				enum token_kind kind = parser_peek_solid(parser).kind;
				if (kind == TOKEN_VARIABLE || kind == TOKEN_RIGHT_DELIM ||
				    kind == TOKEN_RIGHT_PAREN)
					continue;
				parser_fail(parser, "range can only initialize variables");
				return;
			}
			parser_fail(parser, "too many declarations in %s", where);
			return;
		}
		if (after.kind == TOKEN_SPACE)
			parser_back_up_both(parser, name, after);
		else
			parser_back_up_to(parser, name);
		return;
	}
}

static void check_pipeline(struct parser *parser, const struct node *pipe, const char *where)
{
	if (pipe->first == NULL) {
		parser_fail(parser, "missing value for %s", where);
		return;
	}
	int stage = 2;
	for (const struct node *each = pipe->first->next; each != NULL; each = each->next) {
		enum node_kind kind = each->first->kind;
		if (kind == NODE_BOOL || kind == NODE_DOT || kind == NODE_NIL ||
		    kind == NODE_NUMBER || kind == NODE_STRING)
			parser_fail(parser, "non executable command in pipeline stage %d", stage);
		stage++;
	}
}

static bool begins_operand(enum token_kind kind)
{
	return kind == TOKEN_BOOL || kind == TOKEN_CHAR_CONSTANT || kind == TOKEN_COMPLEX ||
	       kind == TOKEN_DOT || kind == TOKEN_FIELD || kind == TOKEN_IDENTIFIER ||
	       kind == TOKEN_NUMBER || kind == TOKEN_NIL || kind == TOKEN_RAW_STRING ||
	       kind == TOKEN_STRING || kind == TOKEN_VARIABLE || kind == TOKEN_LEFT_PAREN;
}

struct node *parser_pipeline(struct parser *parser, const char *where, enum token_kind end)
{
	struct node *pipe = parser_make(parser, NODE_PIPE, parser_peek_solid(parser).at);
	if (pipe != NULL)
		declarations(parser, pipe, where);
	while (pipe != NULL && !parser->job->failed) {
		struct token token = parser_next_solid(parser);
		if (token.kind == end) {
			check_pipeline(parser, pipe, where);
			return pipe;
		}
		if (!begins_operand(token.kind)) {
			parser_unexpected(parser, token, where);
			return NULL;
		}
		parser_back_up(parser);
		struct node *each = command(parser);
		if (!parser->job->failed)
			node_append(pipe, each);
	}
	return NULL;
}
