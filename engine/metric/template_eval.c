/*
 * template_eval.c - what the pipelines of a template are worth, as text/template/exec.go has it.
 *
 * There is no data ("." is nil), and a missing key of a map is an error.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "metric/template_runner.h"

enum { ARGUMENTS_MAX = 40 };

void run_fail(struct run *run, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;
	if (run->job->failed)
		return;
	run->job->failed = true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t at = run->node->at, begin = at;
	int line = 1;
	for (size_t i = 0; i < at; i++)
		line += run->job->text[i] == '\n';
	while (begin > 0 && run->job->text[begin - 1] != '\n')
		begin--;
	SCOPED(buf) struct buf context = {0};
	buf_init(&context, 160);
	node_write(run->node, &context);
	error_set(run->job->err, ERROR_INVALID,
		  "template excution failed: template: " TEMPLATE_NAME
		  ":%d:%zu: executing \"%.60s\" at <%s>: %s",
		  line, at - begin, run->template, context.text, text);
}

static void fail_about(struct run *run, const char *what, const struct node *node)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 160);
	node_write(node, &text);
	run_fail(run, "%s %s", what, text.text);
}

bool run_step(struct run *run, const struct node *node)
{
	run->node = node;
	if (++run->steps > TEMPLATE_STEPS_MAX)
		run_fail(run, "it takes more than %d steps", TEMPLATE_STEPS_MAX);
	return !run->job->failed;
}

static const struct value missing = {.kind = VALUE_MISSING}, nil = {.kind = VALUE_NIL};

/* ---- variables ---- */

static struct value *find(struct run *run, const char *name)
{
	for (size_t i = run->count; i > run->floor; i--)
		if (strcmp(run->variables[i - 1].name, name) == 0)
			return &run->variables[i - 1].value;
	run_fail(run, "undefined variable: %.60s", name);
	return NULL;
}

void run_push(struct run *run, const char *name, struct value value)
{
	if (run->count == VARIABLES_MAX)
		run_fail(run, "more than %d variables", VARIABLES_MAX);
	else
		run->variables[run->count++] = (struct variable){name, value};
}

void run_set(struct run *run, const char *name, struct value value)
{
	struct value *variable = find(run, name);
	if (variable != NULL)
		*variable = value;
}

/* ---- expressions ---- */

static struct value argument(struct run *run, struct value dot, const struct node *node);

static void refuse_arguments(struct run *run, const struct node *first, struct value last)
{
	if (first->next == NULL && last.kind == VALUE_MISSING)
		return;
	fail_about(run, "can't give argument to non-function", first);
}

static struct value constant(struct run *run, const struct node *node)
{
	run->node = node;
	if (node->written == NULL)
		run_fail(run, "%.60s overflows int", node->text);
	if (node->is_float)
		return (struct value){.kind = VALUE_FLOAT, .real = node->real};
	/* "1e3" is a whole number that is written as a float, and is one. */
	bool hex = node->text[0] == '0' && (node->text[1] == 'x' || node->text[1] == 'X');
	if (!hex && node->text[0] != '\'' && strpbrk(node->text, ".eE") != NULL)
		return (struct value){.kind = VALUE_FLOAT, .real = node->real};
	return (struct value){.kind = VALUE_INT, .whole = node->whole};
}

struct value value_of_text(const char *text, size_t len)
{
	return (struct value){.kind = VALUE_TEXT, .text = text, .len = len};
}

static struct value field_of(struct run *run, struct value receiver, const char *name,
			     bool has_arguments)
{
	if (run->job->failed)
		return nil;
	if (receiver.kind == VALUE_NIL || receiver.kind == VALUE_MISSING) {
		run_fail(run, "nil data; no entry for key \"%.60s\"", name);
		return nil;
	}
	if (receiver.kind != VALUE_MAP) {
		run_fail(run, "can't evaluate field %.60s in type %s", name, value_type(&receiver));
		return nil;
	}
	if (has_arguments) {
		run_fail(run, "%.60s is not a method but has arguments", name);
		return nil;
	}
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(receiver.map, name);
	if (!cJSON_IsString(item)) {
		run_fail(run, "map has no entry for key \"%.60s\"", name);
		return nil;
	}
	return value_of_text(item->valuestring, strlen(item->valuestring));
}

static struct value fields(struct run *run, struct value receiver, const struct node *node,
			   bool has_arguments)
{
	for (const struct field *field = node->fields; field != NULL; field = field->next)
		receiver =
			field_of(run, receiver, field->name, has_arguments && field->next == NULL);
	return receiver;
}

/* and, or: no more is evaluated than is needed. `first` is the first argument. */
static struct value short_circuit(struct run *run, struct value dot, const struct node *first,
				  struct value last, bool stops_at)
{
	struct value value = missing;
	for (const struct node *each = first; each != NULL; each = each->next) {
		value = argument(run, dot, each);
		if (run->job->failed || value_is_true(&value) == stops_at)
			return value;
	}
	return last.kind == VALUE_MISSING ? value : last;
}

/* A name of the subject ("namespace", "variables"). */
static struct value subject_value(const cJSON *item)
{
	if (item != NULL && cJSON_IsString(item))
		return value_of_text(item->valuestring, strlen(item->valuestring));
	return (struct value){.kind = VALUE_MAP, .map = item};
}

/* `node` is what the value came of, or NULL. */
static void want_text(struct run *run, const struct value *value, const struct node *node)
{
	if (run->job->failed || value->kind == VALUE_TEXT)
		return;
	if (node != NULL && node->kind == NODE_NIL)
		run_fail(run, "cannot assign nil to string");
	else if (node != NULL && (node->kind == NODE_NUMBER || node->kind == NODE_BOOL))
		fail_about(run, "expected string; found", node);
	else if (value->kind == VALUE_NIL)
		run_fail(run, "invalid value; expected string");
	else
		run_fail(run, "wrong type for value; expected string; got %s", value_type(value));
}

/* There are no functions among the values. */
static struct value refuse_call(struct run *run, const struct value *value,
				const struct node *first, const struct node *command)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 160);
	if (first != NULL)
		node_write(first, &text);
	else if (value->kind == VALUE_TEXT)
		buf_add(&text, value->text, value->len);
	else
		buf_printf(&text, "<%s Value>", value_type(value));
	run->node = command;
	if (value->kind == VALUE_NIL)
		run_fail(run, "error calling call: call of nil");
	else
		run_fail(run, "error calling call: non-function %s of type %s", text.text,
			 value_type(value));
	return nil;
}

/* `node` is the name, `first` the first argument, `command` what a failure of the function is
 * about. */
static struct value call(struct run *run, struct value dot, const struct node *node,
			 const struct node *command, const struct node *first, struct value last)
{
	struct value args[ARGUMENTS_MAX], result = nil;
	size_t count = 0, given = 0;
	run->node = node;
	for (const struct node *each = first; each != NULL; each = each->next)
		given++;
	size_t all = given + (last.kind != VALUE_MISSING);
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(run->job->values, node->text);
	const struct function *function = item != NULL ? NULL : function_find(node->text);
	size_t least = function == NULL ? 0 : (size_t)function->least;
	bool more = function != NULL && function->more;
	if (more && all < least)
		run_fail(run, "wrong number of args for %s: want at least %zu got %zu", node->text,
			 least, given);
	else if (!more && all != least)
		run_fail(run, "wrong number of args for %s: want %zu got %zu", node->text, least,
			 all);
	else if (all > ARGUMENTS_MAX)
		run_fail(run, "more than %d args for %s", ARGUMENTS_MAX, node->text);
	if (run->job->failed)
		return nil;
	if (function == NULL)
		return subject_value(item);
	if (strcmp(node->text, "and") == 0 || strcmp(node->text, "or") == 0)
		return short_circuit(run, dot, first, last, node->text[0] == 'o');
	for (const struct node *each = first; each != NULL; each = each->next) {
		args[count] = argument(run, dot, each);
		if (count++ == 0 && function->text_first)
			want_text(run, &args[0], each);
		if (run->job->failed)
			return nil;
	}
	if (last.kind != VALUE_MISSING) {
		args[count] = last;
		if (count++ == 0 && function->text_first)
			want_text(run, &last, NULL);
	}
	if (count > 0 && strcmp(node->text, "call") == 0)
		return refuse_call(run, &args[0], first, command);
	struct error why = {0};
	if (!run->job->failed && !function_call(run->job, function, args, count, &result, &why)) {
		run->node = command;
		run_fail(run, "error calling %s: %s", node->text, why.text);
	}
	return result;
}

static struct value chain(struct run *run, struct value dot, const struct node *node,
			  bool has_arguments)
{
	run->node = node;
	if (node->list->kind == NODE_NIL) {
		fail_about(run, "indirection through explicit nil in", node);
		return nil;
	}
	struct value receiver = argument(run, dot, node->list);
	return fields(run, receiver, node, has_arguments);
}

static struct value argument(struct run *run, struct value dot, const struct node *node)
{
	if (!run_step(run, node))
		return nil;
	switch ((int)node->kind) {
	case NODE_DOT:
		return dot;
	case NODE_FIELD:
		return fields(run, dot, node, false);
	case NODE_VARIABLE: {
		const struct value *value = find(run, node->text);
		return value == NULL ? nil : fields(run, *value, node, false);
	}
	case NODE_PIPE:
		return run_pipeline(run, dot, node);
	case NODE_IDENTIFIER:
		return call(run, dot, node, node, NULL, missing);
	case NODE_CHAIN:
		return chain(run, dot, node, false);
	case NODE_BOOL:
		return (struct value){.kind = VALUE_BOOL, .whole = node->whole};
	case NODE_NUMBER:
		return constant(run, node);
	case NODE_STRING:
		return value_of_text(node->text, node->len);
	default:
		return nil;
	}
}

static struct value command(struct run *run, struct value dot, const struct node *node,
			    struct value last)
{
	const struct node *first = node->first;
	bool has_arguments = first->next != NULL || last.kind != VALUE_MISSING;
	switch ((int)first->kind) {
	case NODE_FIELD:
		run->node = first;
		return fields(run, dot, first, has_arguments);
	case NODE_CHAIN:
		return chain(run, dot, first, has_arguments);
	case NODE_IDENTIFIER:
		return call(run, dot, first, node, first->next, last);
	case NODE_PIPE:
		refuse_arguments(run, first, last);
		return run->job->failed ? nil : run_pipeline(run, dot, first);
	case NODE_VARIABLE: {
		run->node = first;
		const struct value *value = find(run, first->text);
		if (value == NULL)
			return nil;
		if (first->fields != NULL)
			return fields(run, *value, first, has_arguments);
		struct value found = *value;
		refuse_arguments(run, first, last);
		return found;
	}
	default:
		break;
	}
	run->node = first;
	refuse_arguments(run, first, last);
	if (run->job->failed)
		return nil;
	if (first->kind != NODE_NIL)
		return argument(run, dot, first);
	run_fail(run, "nil is not a command");
	return nil;
}

struct value run_pipeline(struct run *run, struct value dot, const struct node *pipe)
{
	struct value value = missing;
	if (!run_step(run, pipe))
		return nil;
	for (const struct node *each = pipe->first; each != NULL; each = each->next) {
		value = command(run, dot, each, value);
		if (run->job->failed)
			return nil;
	}
	for (int i = 0; i < pipe->declared_count && !run->job->failed; i++) {
		if (pipe->assigns)
			run_set(run, pipe->declared[i], value);
		else
			run_push(run, pipe->declared[i], value);
	}
	return value;
}
