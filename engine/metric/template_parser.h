/*
 * template_parser.h - what the parts of the parser of templates have in common.
 *
 * After a failure all give NULL or a token that ends what is read. Blocks and parentheses go
 * TEMPLATE_DEPTH_MAX deep.
 */
#ifndef SLUICE_METRIC_TEMPLATE_PARSER_H
#define SLUICE_METRIC_TEMPLATE_PARSER_H

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

/* Only the first counts. */
void parser_fail(struct parser *parser, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- tokens: up to two are looked ahead, as there ---- */

struct token parser_next(struct parser *parser);
void parser_back_up(struct parser *parser);
void parser_back_up_to(struct parser *parser, struct token token);
void parser_back_up_both(struct parser *parser, struct token second, struct token first);
struct token parser_peek(struct parser *parser);
/* The same, spaces aside. */
struct token parser_next_solid(struct parser *parser);
struct token parser_peek_solid(struct parser *parser);
void parser_unexpected(struct parser *parser, struct token token, const char *where);
bool parser_expect(struct parser *parser, enum token_kind kind, const char *where);

/* ---- nodes, in the job's pool; NULL when that is full ---- */

void *parser_take(struct parser *parser, size_t size);
const char *parser_keep(struct parser *parser, const char *text, size_t len);
struct node *parser_make(struct parser *parser, enum node_kind kind, size_t at);
void node_append(struct node *parent, struct node *child);
void parser_add_field(struct parser *parser, struct node *node, struct token token);
/* False when it is too deep; else whoever asked takes one off `depth`. */
bool parser_go_deeper(struct parser *parser);

struct node *parser_pipeline(struct parser *parser, const char *where, enum token_kind end);

#endif
