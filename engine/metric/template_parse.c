/*
 * template_parse.c - nodes of a template, as text/template/parse/parse.go makes them.
 *
 * Numbers: no imaginary ones. Blocks and parentheses go TEMPLATE_DEPTH_MAX deep.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "metric/template_parts.h"

enum { VARIABLES_MAX = 200 };

struct parser {
	struct template_job *job;
	struct lexer lexer;
	struct token tokens[3]; /* [0] is the newest read; `peeked` of them wait */
	int peeked;
	int action_line; /* 0: not in an action */
	int depth, ranges;
	const char *variables[VARIABLES_MAX];
	size_t variable_count;
	struct definition *definitions;
};

static void PRINTF_LIKE(2, 3) fail(struct parser *parser, const char *format, ...)
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

static struct token next(struct parser *parser)
{
	if (parser->peeked > 0)
		parser->peeked--;
	else
		parser->tokens[0] = lexer_next(&parser->lexer);
	return parser->tokens[parser->peeked];
}

static void back_up(struct parser *parser)
{
	parser->peeked++;
}

static void back_up_to(struct parser *parser, struct token token)
{
	parser->tokens[1] = token;
	parser->peeked = 2;
}

static void back_up_both(struct parser *parser, struct token second, struct token first)
{
	parser->tokens[1] = first;
	parser->tokens[2] = second;
	parser->peeked = 3;
}

static struct token peek(struct parser *parser)
{
	if (parser->peeked > 0)
		return parser->tokens[parser->peeked - 1];
	parser->peeked = 1;
	parser->tokens[0] = lexer_next(&parser->lexer);
	return parser->tokens[0];
}

static struct token next_solid(struct parser *parser)
{
	struct token token;
	do
		token = next(parser);
	while (token.kind == TOKEN_SPACE);
	return token;
}

static struct token peek_solid(struct parser *parser)
{
	struct token token = next_solid(parser);
	back_up(parser);
	return token;
}

static void unexpected(struct parser *parser, struct token token, const char *where)
{
	if (token.kind == TOKEN_ERROR) {
		bool elsewhere = parser->action_line != 0 && parser->action_line != token.line;
		bool doubled =
			token.len > 7 && memcmp(token.text + token.len - 7, " action", 7) == 0;
		if (elsewhere)
			fail(parser, "%.*s%s started at " TEMPLATE_NAME ":%d", (int)token.len,
			     token.text, doubled ? "" : " in action", parser->action_line);
		else
			fail(parser, "%.*s", (int)token.len, token.text);
		return;
	}
	if (token.kind == TOKEN_EOF) {
		fail(parser, "unexpected EOF in %s", where);
	} else if (token.kind > TOKEN_KEYWORD) {
		fail(parser, "unexpected <%.*s> in %s", (int)token.len, token.text, where);
	} else {
		SCOPED(buf) struct buf quoted = {0};
		buf_init(&quoted, 200);
		text_quote(&quoted, token.text, token.len > 10 ? 10 : token.len);
		fail(parser, "unexpected %s%s in %s", quoted.text, token.len > 10 ? "..." : "",
		     where);
	}
}

static bool expect(struct parser *parser, enum token_kind kind, const char *where)
{
	struct token token = next_solid(parser);
	if (token.kind != kind)
		unexpected(parser, token, where);
	return !parser->job->failed;
}

/* ---- nodes ---- */

static void *take(struct parser *parser, size_t size)
{
	void *piece = pool_take(parser->job->pool, size);
	if (piece == NULL)
		fail(parser, "the template is too large");
	return piece;
}

static const char *keep(struct parser *parser, const char *text, size_t len)
{
	char *kept = pool_text(parser->job->pool, text, len);
	if (kept == NULL)
		fail(parser, "the template is too large");
	return kept;
}

/* NULL when the job failed. */
static struct node *make(struct parser *parser, enum node_kind kind, size_t at)
{
	struct node *node = take(parser, sizeof(*node));
	if (node != NULL) {
		node->kind = kind;
		node->at = at;
	}
	return node;
}

static void append(struct node *parent, struct node *child)
{
	if (parent->last == NULL)
		parent->first = child;
	else
		parent->last->next = child;
	parent->last = child;
}

static void add_field(struct parser *parser, struct node *node, struct token token)
{
	struct field *field = take(parser, sizeof(*field));
	if (field == NULL)
		return;
	field->name = keep(parser, token.text + 1, token.len - 1);
	struct field **end = &node->fields;
	while (*end != NULL)
		end = &(*end)->next;
	*end = field;
}

static struct node *pipeline(struct parser *parser, const char *where, enum token_kind end);
static struct node *item_list(struct parser *parser, struct node **end);

static bool go_deeper(struct parser *parser)
{
	if (parser->job->failed)
		return false;
	if (parser->depth == TEMPLATE_DEPTH_MAX)
		fail(parser, "more than %d blocks or parentheses in each other",
		     TEMPLATE_DEPTH_MAX);
	else
		parser->depth++;
	return !parser->job->failed;
}

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
	struct node *node = make(parser, NODE_NUMBER, token.at);
	if (node == NULL)
		return NULL;
	node->written = node->text = keep(parser, token.text, token.len);
	if (node->text == NULL)
		return NULL;
	if (token.kind == TOKEN_CHAR_CONSTANT) {
		size_t len;
		const char *rune = text_unquote(parser->job, token.text, token.len, &len);
		if (rune == NULL || len == 0)
			fail(parser, "invalid syntax");
		else if (len > 1 && utf8_length(rune, len) != len)
			fail(parser, "malformed character constant: %.60s", node->text);
		else
			node->whole = first_rune(rune, len);
		return node;
	}
	if (token.kind == TOKEN_COMPLEX || token.text[token.len - 1] == 'i') {
		fail(parser, "imaginary numbers are not supported: \"%.60s\"", node->text);
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
		fail(parser, "integer overflow: \"%.60s\"", node->text);
		break;
	case NUMBER_NONE:
		fail(parser, "illegal number syntax: \"%.60s\"", node->text);
		break;
	}
	return node;
}

/* ---- operands, commands, pipelines ---- */

static struct node *variable(struct parser *parser, struct token token)
{
	struct node *node = make(parser, NODE_VARIABLE, token.at);
	if (node == NULL)
		return NULL;
	node->text = keep(parser, token.text, token.len);
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
	fail(parser, "undefined variable \"%.60s\"", node->text);
	return NULL;
}

static struct node *string(struct parser *parser, struct token token)
{
	struct node *node = make(parser, NODE_STRING, token.at);
	if (node == NULL)
		return NULL;
	node->written = keep(parser, token.text, token.len);
	node->text = text_unquote(parser->job, token.text, token.len, &node->len);
	if (node->text == NULL)
		fail(parser, "invalid syntax");
	return node;
}

static struct node *term(struct parser *parser)
{
	struct token token = next_solid(parser);
	struct node *node = NULL;
	switch ((int)token.kind) {
	case TOKEN_IDENTIFIER:
		node = make(parser, NODE_IDENTIFIER, token.at);
		if (node == NULL)
			return NULL;
		node->text = keep(parser, token.text, token.len);
		if (node->text != NULL && !has_function(parser, node->text))
			fail(parser, "function \"%.100s\" not defined", node->text);
		return node;
	case TOKEN_DOT:
		return make(parser, NODE_DOT, token.at);
	case TOKEN_NIL:
		return make(parser, NODE_NIL, token.at);
	case TOKEN_VARIABLE:
		return use_variable(parser, token);
	case TOKEN_FIELD:
		node = make(parser, NODE_FIELD, token.at);
		if (node != NULL)
			add_field(parser, node, token);
		return node;
	case TOKEN_BOOL:
		node = make(parser, NODE_BOOL, token.at);
		if (node != NULL)
			node->whole = token.text[0] == 't';
		return node;
	case TOKEN_CHAR_CONSTANT:
	case TOKEN_COMPLEX:
	case TOKEN_NUMBER:
		return number(parser, token);
	case TOKEN_LEFT_PAREN:
		if (!go_deeper(parser))
			return NULL;
		node = pipeline(parser, "parenthesized pipeline", TOKEN_RIGHT_PAREN);
		parser->depth--;
		return node;
	case TOKEN_STRING:
	case TOKEN_RAW_STRING:
		return string(parser, token);
	default:
		back_up(parser);
		return NULL;
	}
}

static struct node *operand(struct parser *parser)
{
	struct node *node = term(parser);
	if (node == NULL || parser->job->failed)
		return NULL;
	struct token token = peek(parser);
	if (token.kind != TOKEN_FIELD)
		return node;
	if (node->kind == NODE_BOOL || node->kind == NODE_STRING || node->kind == NODE_NUMBER ||
	    node->kind == NODE_NIL || node->kind == NODE_DOT) {
		SCOPED(buf) struct buf written = {0}, quoted = {0};
		buf_init(&written, 200);
		buf_init(&quoted, 500);
		node_write(node, &written);
		text_quote(&quoted, written.text, written.len);
		/* The field was looked at there before this is told. */
		while (peek(parser).kind == TOKEN_FIELD)
			next(parser);
		fail(parser, "unexpected . after term %s", quoted.text);
		return NULL;
	}
	struct node *chain = node;
	if (node->kind != NODE_FIELD && node->kind != NODE_VARIABLE) {
		chain = make(parser, NODE_CHAIN, token.at);
		if (chain == NULL)
			return NULL;
		chain->list = node;
	} else {
		chain->at = token.at;
	}
	while (!parser->job->failed && peek(parser).kind == TOKEN_FIELD)
		add_field(parser, chain, next(parser));
	return chain;
}

static struct node *command(struct parser *parser)
{
	struct node *node = make(parser, NODE_COMMAND, peek_solid(parser).at);
	while (node != NULL && !parser->job->failed) {
		peek_solid(parser);
		struct node *argument = operand(parser);
		if (parser->job->failed)
			return NULL;
		if (argument != NULL)
			append(node, argument);
		struct token token = next(parser);
		if (token.kind == TOKEN_SPACE)
			continue;
		if (token.kind == TOKEN_RIGHT_DELIM || token.kind == TOKEN_RIGHT_PAREN)
			back_up(parser);
		else if (token.kind != TOKEN_PIPE)
			unexpected(parser, token, "operand");
		break;
	}
	if (node != NULL && node->first == NULL)
		fail(parser, "empty command");
	return node;
}

static void declare(struct parser *parser, struct node *pipe, struct token token)
{
	const char *name = keep(parser, token.text, token.len);
	if (name == NULL)
		return;
	if (parser->variable_count == VARIABLES_MAX) {
		fail(parser, "more than %d variables", VARIABLES_MAX);
		return;
	}
	pipe->declared[pipe->declared_count++] = name;
	parser->variables[parser->variable_count++] = name;
}

/* "$x :=", "$x =", "$i, $x :=". */
static void declarations(struct parser *parser, struct node *pipe, const char *where)
{
	for (;;) {
		struct token name = peek_solid(parser);
		if (name.kind != TOKEN_VARIABLE)
			return;
		next(parser);
		struct token after = peek(parser), solid = peek_solid(parser);
		if (solid.kind == TOKEN_ASSIGN || solid.kind == TOKEN_DECLARE) {
			pipe->assigns = solid.kind == TOKEN_ASSIGN;
			next_solid(parser);
			declare(parser, pipe, name);
			return;
		}
		if (solid.kind == TOKEN_CHAR && solid.text[0] == ',') {
			next_solid(parser);
			declare(parser, pipe, name);
			if (parser->job->failed)
				return;
			if (strcmp(where, "range") == 0 && pipe->declared_count < 2) {
				enum token_kind kind = peek_solid(parser).kind;
				if (kind == TOKEN_VARIABLE || kind == TOKEN_RIGHT_DELIM ||
				    kind == TOKEN_RIGHT_PAREN)
					continue;
				fail(parser, "range can only initialize variables");
				return;
			}
			fail(parser, "too many declarations in %s", where);
			return;
		}
		if (after.kind == TOKEN_SPACE)
			back_up_both(parser, name, after);
		else
			back_up_to(parser, name);
		return;
	}
}

static void check_pipeline(struct parser *parser, const struct node *pipe, const char *where)
{
	if (pipe->first == NULL) {
		fail(parser, "missing value for %s", where);
		return;
	}
	int stage = 2;
	for (const struct node *each = pipe->first->next; each != NULL; each = each->next) {
		enum node_kind kind = each->first->kind;
		if (kind == NODE_BOOL || kind == NODE_DOT || kind == NODE_NIL ||
		    kind == NODE_NUMBER || kind == NODE_STRING)
			fail(parser, "non executable command in pipeline stage %d", stage);
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

static struct node *pipeline(struct parser *parser, const char *where, enum token_kind end)
{
	struct node *pipe = make(parser, NODE_PIPE, peek_solid(parser).at);
	if (pipe != NULL)
		declarations(parser, pipe, where);
	while (pipe != NULL && !parser->job->failed) {
		struct token token = next_solid(parser);
		if (token.kind == end) {
			check_pipeline(parser, pipe, where);
			return pipe;
		}
		if (!begins_operand(token.kind)) {
			unexpected(parser, token, where);
			return NULL;
		}
		back_up(parser);
		struct node *each = command(parser);
		if (!parser->job->failed)
			append(pipe, each);
	}
	return NULL;
}

/* ---- actions ---- */

static struct node *control(struct parser *parser, enum node_kind kind, const char *word)
{
	size_t variables = parser->variable_count;
	if (!go_deeper(parser))
		return NULL;
	struct node *end, *pipe = pipeline(parser, word, TOKEN_RIGHT_DELIM);
	struct node *node = pipe == NULL ? NULL : make(parser, kind, pipe->at);
	if (node == NULL)
		return NULL;
	node->pipe = pipe;
	parser->ranges += kind == NODE_RANGE;
	node->list = item_list(parser, &end);
	parser->ranges -= kind == NODE_RANGE;
	if (node->list == NULL)
		return NULL;
	if (end->kind == NODE_ELSE) {
		enum token_kind then = peek(parser).kind;
		bool chained = (kind == NODE_IF && then == TOKEN_IF) ||
			       (kind == NODE_WITH && then == TOKEN_WITH);
		if (chained) {
			next(parser);
			node->else_list = make(parser, NODE_LIST, end->at);
			struct node *more = control(parser, kind, word);
			if (more == NULL || node->else_list == NULL)
				return NULL;
			append(node->else_list, more);
		} else {
			node->else_list = item_list(parser, &end);
			if (node->else_list == NULL)
				return NULL;
			if (end->kind != NODE_END)
				fail(parser, "expected end; found {{else}}");
		}
	}
	parser->variable_count = variables;
	parser->depth--;
	return node;
}

static struct node *jump(struct parser *parser, enum node_kind kind, struct token word)
{
	const char *name = kind == NODE_BREAK ? "{{break}}" : "{{continue}}";
	struct token token = next_solid(parser);
	if (token.kind != TOKEN_RIGHT_DELIM)
		unexpected(parser, token, name);
	else if (parser->ranges == 0)
		fail(parser, "%s outside {{range}}", name);
	return make(parser, kind, word.at);
}

static const char *template_name(struct parser *parser, struct token token, const char *where)
{
	size_t len;
	if (token.kind != TOKEN_STRING && token.kind != TOKEN_RAW_STRING) {
		unexpected(parser, token, where);
		return NULL;
	}
	const char *name = text_unquote(parser->job, token.text, token.len, &len);
	if (name == NULL)
		fail(parser, "invalid syntax");
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
			fail(parser, "template: multiple definition of template \"%.60s\"", name);
		return;
	}
	struct definition *definition = take(parser, sizeof(*definition));
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
		fail(parser, "unexpected {{else}} in %s", where);
	parser->variable_count = outer.variable_count;
	memcpy(parser->variables, outer.variables, sizeof(outer.variables));
	parser->ranges = outer.ranges;
	parser->action_line = outer.action_line;
	return root;
}

static struct node *block(struct parser *parser)
{
	static const char where[] = "block clause";
	struct token token = next_solid(parser);
	const char *name = template_name(parser, token, where);
	if (name == NULL || !go_deeper(parser))
		return NULL;
	struct node *pipe = pipeline(parser, where, TOKEN_RIGHT_DELIM);
	struct node *node = pipe == NULL ? NULL : make(parser, NODE_TEMPLATE, token.at);
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
	struct token token = next_solid(parser);
	const char *name = template_name(parser, token, where);
	struct node *node = name == NULL ? NULL : make(parser, NODE_TEMPLATE, token.at);
	if (node == NULL)
		return NULL;
	node->text = name;
	if (next_solid(parser).kind != TOKEN_RIGHT_DELIM) {
		back_up(parser);
		node->pipe = pipeline(parser, where, TOKEN_RIGHT_DELIM);
	}
	return node;
}

static struct node *end_or_else(struct parser *parser, bool is_end)
{
	struct token token = peek_solid(parser);
	bool chained = !is_end && (token.kind == TOKEN_IF || token.kind == TOKEN_WITH);
	if (!chained && !expect(parser, TOKEN_RIGHT_DELIM, is_end ? "end" : "else"))
		return NULL;
	return make(parser, is_end ? NODE_END : NODE_ELSE, token.at);
}

static struct node *action(struct parser *parser)
{
	struct token token = next_solid(parser);
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
	back_up(parser);
	struct node *node = make(parser, NODE_ACTION, peek(parser).at);
	if (node != NULL)
		node->pipe = pipeline(parser, "command", TOKEN_RIGHT_DELIM);
	return node;
}

static struct node *text_or_action(struct parser *parser)
{
	struct token token = next_solid(parser);
	struct node *node;
	if (token.kind == TOKEN_TEXT) {
		node = make(parser, NODE_TEXT, token.at);
		if (node != NULL) {
			node->text = keep(parser, token.text, token.len);
			node->len = token.len;
		}
		return node;
	}
	if (token.kind != TOKEN_LEFT_DELIM) {
		unexpected(parser, token, "input");
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
	struct node *list = make(parser, NODE_LIST, peek_solid(parser).at);
	while (list != NULL && !parser->job->failed && peek_solid(parser).kind != TOKEN_EOF) {
		struct node *node = text_or_action(parser);
		if (node == NULL || parser->job->failed)
			return NULL;
		if (node->kind == NODE_END || node->kind == NODE_ELSE) {
			*end = node;
			return list;
		}
		append(list, node);
	}
	fail(parser, "unexpected EOF");
	return NULL;
}

/* {{define "name"}} … {{end}}, which stands outside of everything else. */
static bool definition(struct parser *parser)
{
	static const char where[] = "define clause";
	struct token delim = next(parser);
	if (next_solid(parser).kind != TOKEN_DEFINE) {
		back_up_to(parser, delim);
		return false;
	}
	const char *name = template_name(parser, next_solid(parser), where);
	if (name != NULL && expect(parser, TOKEN_RIGHT_DELIM, where))
		define(parser, name, body(parser, where));
	return true;
}

struct definition *template_parse(struct template_job *job)
{
	struct parser parser = {.job = job, .variables = {"$"}, .variable_count = 1};
	lexer_init(&parser.lexer, job);
	struct node *root = make(&parser, NODE_LIST, 0);
	while (root != NULL && !job->failed && peek(&parser).kind != TOKEN_EOF) {
		if (peek(&parser).kind == TOKEN_LEFT_DELIM && definition(&parser))
			continue;
		struct node *node = text_or_action(&parser);
		if (node == NULL || job->failed)
			break;
		if (node->kind == NODE_END || node->kind == NODE_ELSE)
			fail(&parser, "unexpected %s",
			     node->kind == NODE_END ? "{{end}}" : "{{else}}");
		append(root, node);
	}
	define(&parser, TEMPLATE_NAME, root);
	return job->failed ? NULL : parser.definitions;
}
