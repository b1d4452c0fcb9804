/*
 * template_parts.h - what the parts of a template have in common: tokens, nodes, values.
 *
 * A port of Go's text/template to the values that a query can meet: text, numbers, bools, and one
 * map of texts. The first failure is kept in the job; whoever sees `failed` returns at once.
 */
#ifndef SLUICE_METRIC_TEMPLATE_PARTS_H
#define SLUICE_METRIC_TEMPLATE_PARTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/pool.h"

#define TEMPLATE_NAME "tmpl" /* as the reference names its only one: it stands in messages */

enum {
	TEMPLATE_DEPTH_MAX = 100,   /* of blocks, parentheses and calls of templates */
	TEMPLATE_STEPS_MAX = 50000, /* nodes evaluated: some 5 ms */
	TEMPLATE_POOL_MAX = 8 << 20,
	TEMPLATE_TEXT_MAX = 1 << 20, /* made by one function */
};

/* One rendering, from the text to the result. */
struct template_job {
	const char *text;
	size_t len;
	const cJSON *values;
	struct pool *pool;
	struct error *err;
	bool failed;
};

/* ---- tokens ---- */

enum token_kind {
	TOKEN_ERROR, /* its text says what is wrong */
	TOKEN_BOOL,
	TOKEN_CHAR,
	TOKEN_CHAR_CONSTANT,
	TOKEN_COMPLEX,
	TOKEN_ASSIGN,
	TOKEN_DECLARE,
	TOKEN_EOF,
	TOKEN_FIELD,
	TOKEN_IDENTIFIER,
	TOKEN_LEFT_DELIM,
	TOKEN_LEFT_PAREN,
	TOKEN_NUMBER,
	TOKEN_PIPE,
	TOKEN_RAW_STRING,
	TOKEN_RIGHT_DELIM,
	TOKEN_RIGHT_PAREN,
	TOKEN_SPACE,
	TOKEN_STRING,
	TOKEN_TEXT,
	TOKEN_VARIABLE,
	TOKEN_KEYWORD, /* of no text: all that follow are keywords */
	TOKEN_BLOCK,
	TOKEN_BREAK,
	TOKEN_CONTINUE,
	TOKEN_DOT,
	TOKEN_DEFINE,
	TOKEN_ELSE,
	TOKEN_END,
	TOKEN_IF,
	TOKEN_NIL,
	TOKEN_RANGE,
	TOKEN_TEMPLATE,
	TOKEN_WITH,
};

struct token {
	enum token_kind kind;
	const char *text; /* borrowed from the template; of an error a message in the pool */
	size_t len;
	size_t at; /* offset in the template */
	int line;
};

struct lexer {
	struct template_job *job;
	size_t start, at, end;
	int line, parens;
	bool in_action;
};
void lexer_init(struct lexer *lexer, struct template_job *job);
struct token lexer_next(struct lexer *lexer);

/* ---- nodes ---- */

enum node_kind {
	NODE_LIST,   /* children */
	NODE_TEXT,   /* text */
	NODE_ACTION, /* pipe */
	NODE_IF,     /* pipe, list, else_list */
	NODE_WITH,   /* the same */
	NODE_RANGE,  /* the same */
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_TEMPLATE, /* text (its name), pipe or NULL */
	NODE_PIPE,     /* children are commands; declared */
	NODE_COMMAND,  /* children are operands */
	NODE_IDENTIFIER,
	NODE_FIELD,    /* fields */
	NODE_VARIABLE, /* text, fields */
	NODE_CHAIN,    /* list (what the fields are of), fields */
	NODE_DOT,
	NODE_NIL,
	NODE_BOOL,   /* whole */
	NODE_NUMBER, /* is_float, whole, real; text as written */
	NODE_STRING, /* text; written with its quotes */
	NODE_END,    /* for the parser alone */
	NODE_ELSE,
};

struct field {
	const char *name;
	struct field *next;
};

struct node {
	enum node_kind kind;
	size_t at;
	const char *text, *written;
	size_t len; /* of text */
	struct node *first, *last, *next;
	struct node *pipe, *list, *else_list;
	struct field *fields;
	const char *declared[2];
	int declared_count;
	bool assigns, is_float;
	int64_t whole;
	double real;
};

struct definition {
	const char *name;
	struct node *root;
	struct definition *next;
};

/* All templates of the text; the main one is TEMPLATE_NAME. NULL when the job failed. */
struct definition *template_parse(struct template_job *job);
/* As Go prints a node, cut. */
void node_write(const struct node *node, struct buf *into);

enum number_kind {
	NUMBER_NONE, /* it is no number */
	NUMBER_WHOLE,
	NUMBER_REAL,
	NUMBER_UNSIGNED,  /* beyond an int, not beyond an unsigned one */
	NUMBER_TOO_LARGE, /* a whole number beyond both */
};
enum number_kind number_read(const char *text, int64_t *whole, double *real);

/* ---- values ---- */

enum value_kind {
	VALUE_MISSING, /* there is none: the beginning of a pipeline */
	VALUE_NIL,
	VALUE_BOOL,
	VALUE_INT,
	VALUE_BYTE,
	VALUE_FLOAT,
	VALUE_TEXT,
	VALUE_MAP,
};
struct value {
	enum value_kind kind;
	int64_t whole; /* BOOL, INT, BYTE */
	double real;
	const char *text; /* terminated, though it may hold zeros */
	size_t len;
	const cJSON *map; /* of strings */
};
const char *value_type(const struct value *value); /* "string", "map[string]string", … */
bool value_is_true(const struct value *value);
/* The keys of a map in their order, in the pool; `*count` of them. */
const cJSON **value_sorted(struct template_job *job, const cJSON *map, size_t *count);

bool template_run(struct template_job *job, const struct definition *templates, struct buf *into);

/* What a name may be called with. */
struct function {
	const char *name;
	int least; /* arguments */
	bool more; /* any number beyond */
	bool text_first;
};
const struct function *function_find(const char *name);
/* Calls a function with as many arguments as it takes. False: `why` says why not. */
bool function_call(struct template_job *job, const struct function *function,
		   const struct value *args, size_t count, struct value *result, struct error *why);

/* As fmt.Fprint does it; and fmt.Sprintf, which never fails. */
void value_print(struct template_job *job, const struct value *value, struct buf *into);
void value_printf(struct template_job *job, const char *format, const struct value *args,
		  size_t count, struct buf *into);
/* strconv.Quote; `ascii`: with escapes for all that is not ASCII. */
void text_quote(struct buf *into, const char *text, size_t len, bool ascii);
/* Whether Go prints a code point as it is; of those that nobody has given a meaning, it does not.
 */
bool text_prints(uint32_t point);
/* What a Go literal stands for, in the pool; NULL when it is none. */
const char *text_unquote(struct template_job *job, const char *text, size_t len, size_t *out_len);

#endif
