/*
 * template_run.c - walks the nodes of a template, as text/template/exec.go does it.
 *
 * There is no data ("." is nil), and a missing key of a map is an error. What runs for too long or
 * grows too large is stopped.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "metric/template_parts.h"

enum { VARIABLES_MAX = 200, ARGUMENTS_MAX = 40 };

struct variable {
	const char *name;
	struct value value;
};

struct run {
	struct template_job *job;
	const struct definition *templates;
	const char *template;	 /* that runs */
	const struct node *node; /* that messages are about */
	struct buf *into;
	struct variable variables[VARIABLES_MAX];
	size_t count, floor; /* of the variables; those below the floor belong to callers */
	int depth, steps;
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static void PRINTF_LIKE(2, 3) fail(struct run *run, const char *format, ...)
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
	fail(run, "%s %s", what, text.text);
}

/* False once the job has failed. */
static bool step(struct run *run, const struct node *node)
{
	run->node = node;
	if (++run->steps > TEMPLATE_STEPS_MAX)
		fail(run, "it takes more than %d steps", TEMPLATE_STEPS_MAX);
	return !run->job->failed;
}

static const struct value missing = {.kind = VALUE_MISSING}, nil = {.kind = VALUE_NIL};

/* ---- variables ---- */

static struct value *find(struct run *run, const char *name)
{
	for (size_t i = run->count; i > run->floor; i--)
		if (strcmp(run->variables[i - 1].name, name) == 0)
			return &run->variables[i - 1].value;
	fail(run, "undefined variable: %.60s", name);
	return NULL;
}

static void push(struct run *run, const char *name, struct value value)
{
	if (run->count == VARIABLES_MAX)
		fail(run, "more than %d variables", VARIABLES_MAX);
	else
		run->variables[run->count++] = (struct variable){name, value};
}

static void set(struct run *run, const char *name, struct value value)
{
	struct value *variable = find(run, name);
	if (variable != NULL)
		*variable = value;
}

/* ---- expressions ---- */

static struct value pipeline(struct run *run, struct value dot, const struct node *pipe);
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
		fail(run, "%.60s overflows int", node->text);
	if (node->is_float)
		return (struct value){.kind = VALUE_FLOAT, .real = node->real};
	/* "1e3" is a whole number that is written as a float, and is one. */
	bool hex = node->text[0] == '0' && (node->text[1] == 'x' || node->text[1] == 'X');
	if (!hex && node->text[0] != '\'' && strpbrk(node->text, ".eE") != NULL)
		return (struct value){.kind = VALUE_FLOAT, .real = node->real};
	return (struct value){.kind = VALUE_INT, .whole = node->whole};
}

static struct value text_value(const char *text, size_t len)
{
	return (struct value){.kind = VALUE_TEXT, .text = text, .len = len};
}

static struct value field_of(struct run *run, struct value receiver, const char *name,
			     bool has_arguments)
{
	if (run->job->failed)
		return nil;
	if (receiver.kind == VALUE_NIL || receiver.kind == VALUE_MISSING) {
		fail(run, "nil data; no entry for key \"%.60s\"", name);
		return nil;
	}
	if (receiver.kind != VALUE_MAP) {
		fail(run, "can't evaluate field %.60s in type %s", name, value_type(&receiver));
		return nil;
	}
	if (has_arguments) {
		fail(run, "%.60s is not a method but has arguments", name);
		return nil;
	}
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(receiver.map, name);
	if (!cJSON_IsString(item)) {
		fail(run, "map has no entry for key \"%.60s\"", name);
		return nil;
	}
	return text_value(item->valuestring, strlen(item->valuestring));
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
	if (cJSON_IsString(item))
		return text_value(item->valuestring, strlen(item->valuestring));
	return (struct value){.kind = VALUE_MAP, .map = item};
}

/* `node` is what the value came of, or NULL. */
static void want_text(struct run *run, const struct value *value, const struct node *node)
{
	if (run->job->failed || value->kind == VALUE_TEXT)
		return;
	if (node != NULL && node->kind == NODE_NIL)
		fail(run, "cannot assign nil to string");
	else if (node != NULL && (node->kind == NODE_NUMBER || node->kind == NODE_BOOL))
		fail_about(run, "expected string; found", node);
	else if (value->kind == VALUE_NIL)
		fail(run, "invalid value; expected string");
	else
		fail(run, "wrong type for value; expected string; got %s", value_type(value));
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
		fail(run, "error calling call: call of nil");
	else
		fail(run, "error calling call: non-function %s of type %s", text.text,
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
		fail(run, "wrong number of args for %s: want at least %zu got %zu", node->text,
		     least, given);
	else if (!more && all != least)
		fail(run, "wrong number of args for %s: want %zu got %zu", node->text, least, all);
	else if (all > ARGUMENTS_MAX)
		fail(run, "more than %d args for %s", ARGUMENTS_MAX, node->text);
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
	if (strcmp(node->text, "call") == 0)
		return refuse_call(run, &args[0], first, command);
	struct error why = {0};
	if (!run->job->failed && !function_call(run->job, function, args, count, &result, &why)) {
		run->node = command;
		fail(run, "error calling %s: %s", node->text, why.text);
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
	if (!step(run, node))
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
		return pipeline(run, dot, node);
	case NODE_IDENTIFIER:
		return call(run, dot, node, node, NULL, missing);
	case NODE_CHAIN:
		return chain(run, dot, node, false);
	case NODE_BOOL:
		return (struct value){.kind = VALUE_BOOL, .whole = node->whole};
	case NODE_NUMBER:
		return constant(run, node);
	case NODE_STRING:
		return text_value(node->text, node->len);
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
		return run->job->failed ? nil : pipeline(run, dot, first);
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
	fail(run, "nil is not a command");
	return nil;
}

static struct value pipeline(struct run *run, struct value dot, const struct node *pipe)
{
	struct value value = missing;
	if (!step(run, pipe))
		return nil;
	for (const struct node *each = pipe->first; each != NULL; each = each->next) {
		value = command(run, dot, each, value);
		if (run->job->failed)
			return nil;
	}
	for (int i = 0; i < pipe->declared_count && !run->job->failed; i++) {
		if (pipe->assigns)
			set(run, pipe->declared[i], value);
		else
			push(run, pipe->declared[i], value);
	}
	return value;
}

/* ---- actions ---- */

static enum flow walk(struct run *run, struct value dot, const struct node *node);

static enum flow walk_branch(struct run *run, struct value dot, const struct node *node)
{
	size_t mark = run->count;
	struct value value = pipeline(run, dot, node->pipe);
	if (run->job->failed)
		return FLOW_ON;
	enum flow flow = FLOW_ON;
	if (value_is_true(&value))
		flow = walk(run, node->kind == NODE_WITH ? value : dot, node->list);
	else if (node->else_list != NULL)
		flow = walk(run, dot, node->else_list);
	run->count = mark;
	return flow;
}

static bool iterate(struct run *run, const struct node *node, struct value index,
		    struct value element)
{
	const struct node *pipe = node->pipe;
	size_t mark = run->count;
	if (pipe->declared_count > 0 && pipe->assigns) {
		if (pipe->declared_count > 1)
			set(run, pipe->declared[1], element);
		set(run, pipe->declared[0], pipe->declared_count > 1 ? index : element);
	} else if (pipe->declared_count > 0) {
		run->variables[mark - 1].value = element;
		if (pipe->declared_count > 1)
			run->variables[mark - 2].value = index;
	}
	if (run->job->failed)
		return false;
	enum flow flow = walk(run, element, node->list);
	run->count = mark;
	return flow != FLOW_BREAK && !run->job->failed;
}

static bool range_over(struct run *run, const struct node *node, const struct value *value)
{
	if (value->kind == VALUE_INT || value->kind == VALUE_BYTE) {
		if (node->pipe->declared_count > 1) {
			fail(run, "can't use %lld to iterate over more than one variable",
			     (long long)value->whole);
			return true;
		}
		for (int64_t i = 0; i < value->whole; i++)
			if (!iterate(run, node, nil,
				     (struct value){.kind = value->kind, .whole = i}))
				break;
		return value->whole > 0;
	}
	if (value->kind == VALUE_MAP) {
		size_t count;
		const cJSON **items = value_sorted(run->job, value->map, &count);
		if (items == NULL) {
			fail(run, "it needs too much memory");
			return true;
		}
		for (size_t i = 0; i < count; i++) {
			const cJSON *item = items[i];
			if (!iterate(run, node, text_value(item->string, strlen(item->string)),
				     text_value(item->valuestring, strlen(item->valuestring))))
				break;
		}
		return count > 0;
	}
	if (value->kind == VALUE_NIL)
		return false;
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, ERROR_TEXT_MAX);
	value_print(run->job, value, &text);
	fail(run, "range can't iterate over %s", text.text);
	return true;
}

static enum flow walk_range(struct run *run, struct value dot, const struct node *node)
{
	size_t mark = run->count;
	struct value value = pipeline(run, dot, node->pipe);
	if (run->job->failed)
		return FLOW_ON;
	bool ran = range_over(run, node, &value);
	enum flow flow = FLOW_ON;
	if (!ran && node->else_list != NULL)
		flow = walk(run, dot, node->else_list);
	run->count = mark;
	return flow;
}

static void walk_template(struct run *run, struct value dot, const struct node *node)
{
	const struct definition *found = run->templates;
	while (found != NULL && strcmp(found->name, node->text) != 0)
		found = found->next;
	if (found == NULL) {
		fail(run, "template \"%.60s\" not defined", node->text);
		return;
	}
	if (run->depth == TEMPLATE_DEPTH_MAX) {
		fail(run, "exceeded maximum template depth (%d)", TEMPLATE_DEPTH_MAX);
		return;
	}
	/* Without a pipeline there is no data for it. */
	struct value its = node->pipe == NULL ? nil : pipeline(run, dot, node->pipe);
	if (run->job->failed)
		return;
	size_t floor = run->floor, count = run->count;
	const char *template = run->template;
	run->floor = run->count;
	run->template = found->name;
	run->depth++;
	push(run, "$", its);
	if (!run->job->failed)
		(void)walk(run, its, found->root);
	if (run->job->failed)
		return;
	run->depth--;
	run->template = template;
	run->floor = floor;
	run->count = count;
}

static enum flow walk(struct run *run, struct value dot, const struct node *node)
{
	if (!step(run, node))
		return FLOW_ON;
	switch (node->kind) {
	case NODE_ACTION: {
		struct value value = pipeline(run, dot, node->pipe);
		if (run->job->failed || node->pipe->declared_count > 0)
			return FLOW_ON;
		if (value.kind == VALUE_NIL || value.kind == VALUE_MISSING)
			buf_puts(run->into, "<no value>");
		else
			value_print(run->job, &value, run->into);
		break;
	}
	case NODE_TEXT:
		buf_add(run->into, node->text, node->len);
		break;
	case NODE_LIST:
		for (const struct node *each = node->first; each != NULL; each = each->next) {
			enum flow flow = walk(run, dot, each);
			if (flow != FLOW_ON || run->job->failed)
				return flow;
		}
		return FLOW_ON;
	case NODE_IF:
	case NODE_WITH:
		return walk_branch(run, dot, node);
	case NODE_RANGE:
		return walk_range(run, dot, node);
	case NODE_TEMPLATE:
		walk_template(run, dot, node);
		return FLOW_ON;
	case NODE_BREAK:
		return FLOW_BREAK;
	case NODE_CONTINUE:
		return FLOW_CONTINUE;
	case NODE_PIPE:
	case NODE_COMMAND:
	case NODE_IDENTIFIER:
	case NODE_FIELD:
	case NODE_VARIABLE:
	case NODE_CHAIN:
	case NODE_DOT:
	case NODE_NIL:
	case NODE_BOOL:
	case NODE_NUMBER:
	case NODE_STRING:
	case NODE_END:
	case NODE_ELSE:
		return FLOW_ON;
	}
	if (run->into->full && !run->job->failed) {
		run->job->failed = true;
		error_set(run->job->err, ERROR_INVALID,
			  "template excution failed: the result is longer than %zu bytes",
			  run->into->cap);
	}
	return FLOW_ON;
}

bool template_run(struct template_job *job, const struct definition *templates, struct buf *into)
{
	struct run *run = xcalloc(1, sizeof(*run));
	run->job = job;
	run->templates = templates;
	run->template = TEMPLATE_NAME;
	run->into = into;
	const struct definition *main_one = templates;
	while (strcmp(main_one->name, TEMPLATE_NAME) != 0)
		main_one = main_one->next;
	run->node = main_one->root;
	push(run, "$", nil);
	(void)walk(run, nil, main_one->root);
	free(run);
	return !job->failed;
}
