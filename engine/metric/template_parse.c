/*
 * template_parse.c - nodes of a template, as text/template/parse/parse.go makes them.
 */
#include <string.h>

#include "base/mem.h"
#include "metric/template_parser.h"

static struct node *item_list(struct parser *parser, struct node **end);

/* ---- actions ---- */

static struct node *control(struct parser *parser, enum node_kind kind, const char *word)
{
	size_t variables = parser->variable_count;
	if (!parser_go_deeper(parser))
		return NULL;
	struct node *end, *pipe = parser_pipeline(parser, word, TOKEN_RIGHT_DELIM);
	struct node *node = pipe == NULL ? NULL : parser_make(parser, kind, pipe->at);
	if (node == NULL)
		return NULL;
	node->pipe = pipe;
	parser->ranges += kind == NODE_RANGE;
	node->list = item_list(parser, &end);
	parser->ranges -= kind == NODE_RANGE;
	if (node->list == NULL)
		return NULL;
	if (end->kind == NODE_ELSE) {
		enum token_kind then = parser_peek(parser).kind;
		bool chained = (kind == NODE_IF && then == TOKEN_IF) ||
			       (kind == NODE_WITH && then == TOKEN_WITH);
		if (chained) {
			parser_next(parser);
			node->else_list = parser_make(parser, NODE_LIST, end->at);
			struct node *more = control(parser, kind, word);
			if (more == NULL || node->else_list == NULL)
				return NULL;
			node_append(node->else_list, more);
		} else {
			node->else_list = item_list(parser, &end);
			if (node->else_list == NULL)
				return NULL;
			if (end->kind != NODE_END)
				parser_fail(parser, "expected end; found {{else}}");
		}
	}
	parser->variable_count = variables;
	parser->depth--;
	return node;
}

static struct node *jump(struct parser *parser, enum node_kind kind, struct token word)
{
	const char *name = kind == NODE_BREAK ? "{{break}}" : "{{continue}}";
	struct token token = parser_next_solid(parser);
	if (token.kind != TOKEN_RIGHT_DELIM)
		parser_unexpected(parser, token, name);
	else if (parser->ranges == 0)
		parser_fail(parser, "%s outside {{range}}", name);
	return parser_make(parser, kind, word.at);
}

static const char *template_name(struct parser *parser, struct token token, const char *where)
{
	size_t len;
	if (token.kind != TOKEN_STRING && token.kind != TOKEN_RAW_STRING) {
		parser_unexpected(parser, token, where);
		return NULL;
	}
	const char *name = text_unquote(parser->job, token.text, token.len, &len);
	if (name == NULL)
		parser_fail(parser, "invalid syntax");
	return name;
}

static bool is_empty(const struct node *node)
{
	if (node->kind == NODE_TEXT)
		return strspn(node->text, " \t\r\n\f\v") == node->len;
	if (node->kind != NODE_LIST)
		return false;
	for (const struct node *each = node->first; each != NULL; each = each->next)
		if (!is_empty(each))
			return false;
	return true;
}

static void define(struct parser *parser, const char *name, struct node *root)
{
	if (name == NULL || root == NULL || parser->job->failed)
		return;
	for (struct definition *each = parser->definitions; each != NULL; each = each->next) {
		if (strcmp(each->name, name) != 0)
			continue;
		if (is_empty(each->root))
			each->root = root;
		else if (!is_empty(root))
			parser_fail(parser, "template: multiple definition of template \"%.60s\"",
				    name);
		return;
	}
	struct definition *definition = parser_take(parser, sizeof(*definition));
	if (definition == NULL)
		return;
	*definition = (struct definition){.name = name, .root = root, .next = parser->definitions};
	parser->definitions = definition;
}

/* The body of a define or block: it sees no variable but "$". */
static struct node *body(struct parser *parser, const char *where)
{
	struct parser outer = *parser;
	struct node *end;
	parser->variable_count = 1;
	parser->ranges = 0;
	parser->action_line = 0;
	struct node *root = item_list(parser, &end);
	if (root != NULL && end->kind != NODE_END)
		parser_fail(parser, "unexpected {{else}} in %s", where);
	parser->variable_count = outer.variable_count;
	memcpy(parser->variables, outer.variables, sizeof(outer.variables));
	parser->ranges = outer.ranges;
	parser->action_line = outer.action_line;
	return root;
}

static struct node *block(struct parser *parser)
{
	static const char where[] = "block clause";
	struct token token = parser_next_solid(parser);
	const char *name = template_name(parser, token, where);
	if (name == NULL || !parser_go_deeper(parser))
		return NULL;
	struct node *pipe = parser_pipeline(parser, where, TOKEN_RIGHT_DELIM);
	struct node *node = pipe == NULL ? NULL : parser_make(parser, NODE_TEMPLATE, token.at);
	if (node == NULL)
		return NULL;
	node->text = name;
	node->pipe = pipe;
	define(parser, name, body(parser, where));
	parser->depth--;
	return node;
}

static struct node *call_template(struct parser *parser)
{
	static const char where[] = "template clause";
	struct token token = parser_next_solid(parser);
	const char *name = template_name(parser, token, where);
	struct node *node = name == NULL ? NULL : parser_make(parser, NODE_TEMPLATE, token.at);
	if (node == NULL)
		return NULL;
	node->text = name;
	if (parser_next_solid(parser).kind != TOKEN_RIGHT_DELIM) {
		parser_back_up(parser);
		node->pipe = parser_pipeline(parser, where, TOKEN_RIGHT_DELIM);
	}
	return node;
}

static struct node *end_or_else(struct parser *parser, bool is_end)
{
	struct token token = parser_peek_solid(parser);
	bool chained = !is_end && (token.kind == TOKEN_IF || token.kind == TOKEN_WITH);
	if (!chained && !parser_expect(parser, TOKEN_RIGHT_DELIM, is_end ? "end" : "else"))
		return NULL;
	return parser_make(parser, is_end ? NODE_END : NODE_ELSE, token.at);
}

static struct node *action(struct parser *parser)
{
	struct token token = parser_next_solid(parser);
	switch ((int)token.kind) {
	case TOKEN_BLOCK:
		return block(parser);
	case TOKEN_BREAK:
		return jump(parser, NODE_BREAK, token);
	case TOKEN_CONTINUE:
		return jump(parser, NODE_CONTINUE, token);
	case TOKEN_ELSE:
		return end_or_else(parser, false);
	case TOKEN_END:
		return end_or_else(parser, true);
	case TOKEN_IF:
		return control(parser, NODE_IF, "if");
	case TOKEN_RANGE:
		return control(parser, NODE_RANGE, "range");
	case TOKEN_TEMPLATE:
		return call_template(parser);
	case TOKEN_WITH:
		return control(parser, NODE_WITH, "with");
	default:
		break;
	}
	parser_back_up(parser);
	struct node *node = parser_make(parser, NODE_ACTION, parser_peek(parser).at);
	if (node != NULL)
		node->pipe = parser_pipeline(parser, "command", TOKEN_RIGHT_DELIM);
	return node;
}

static struct node *text_or_action(struct parser *parser)
{
	struct token token = parser_next_solid(parser);
	struct node *node;
	if (token.kind == TOKEN_TEXT) {
		node = parser_make(parser, NODE_TEXT, token.at);
		if (node != NULL) {
			node->text = parser_keep(parser, token.text, token.len);
			node->len = token.len;
		}
		return node;
	}
	if (token.kind != TOKEN_LEFT_DELIM) {
		parser_unexpected(parser, token, "input");
		return NULL;
	}
	parser->action_line = token.line;
	node = action(parser);
	parser->action_line = 0;
	return node;
}

/* Up to {{end}} or {{else}}, which is given apart. */
static struct node *item_list(struct parser *parser, struct node **end)
{
	struct node *list = parser_make(parser, NODE_LIST, parser_peek_solid(parser).at);
	while (list != NULL && !parser->job->failed &&
	       parser_peek_solid(parser).kind != TOKEN_EOF) {
		struct node *node = text_or_action(parser);
		if (node == NULL || parser->job->failed)
			return NULL;
		if (node->kind == NODE_END || node->kind == NODE_ELSE) {
			*end = node;
			return list;
		}
		node_append(list, node);
	}
	parser_fail(parser, "unexpected EOF");
	return NULL;
}

/* {{define "name"}} … {{end}}, which stands outside of everything else. */
static bool definition(struct parser *parser)
{
	static const char where[] = "define clause";
	struct token delim = parser_next(parser);
	if (parser_next_solid(parser).kind != TOKEN_DEFINE) {
		parser_back_up_to(parser, delim);
		return false;
	}
	const char *name = template_name(parser, parser_next_solid(parser), where);
	if (name != NULL && parser_expect(parser, TOKEN_RIGHT_DELIM, where))
		define(parser, name, body(parser, where));
	return true;
}

struct definition *template_parse(struct template_job *job)
{
	struct parser parser = {.job = job, .variables = {"$"}, .variable_count = 1};
	lexer_init(&parser.lexer, job);
	struct node *root = parser_make(&parser, NODE_LIST, 0);
	while (root != NULL && !job->failed && parser_peek(&parser).kind != TOKEN_EOF) {
		if (parser_peek(&parser).kind == TOKEN_LEFT_DELIM && definition(&parser))
			continue;
		struct node *node = text_or_action(&parser);
		if (node == NULL || job->failed)
			break;
		if (node->kind == NODE_END || node->kind == NODE_ELSE)
			parser_fail(&parser, "unexpected %s",
				    node->kind == NODE_END ? "{{end}}" : "{{else}}");
		node_append(root, node);
	}
	define(&parser, TEMPLATE_NAME, root);
	return job->failed ? NULL : parser.definitions;
}
