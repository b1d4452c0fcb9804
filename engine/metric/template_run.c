/*
 * template_run.c - walks the nodes of a template, as text/template/exec.go does it.
 *
 * What runs for too long or grows too large is stopped.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "metric/template_runner.h"

static const struct value nil = {.kind = VALUE_NIL};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static enum flow walk(struct run *run, struct value dot, const struct node *node);

static enum flow walk_branch(struct run *run, struct value dot, const struct node *node)
{
	size_t mark = run->count;
	struct value value = run_pipeline(run, dot, node->pipe);
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
			run_set(run, pipe->declared[1], element);
		run_set(run, pipe->declared[0], pipe->declared_count > 1 ? index : element);
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
			run_fail(run, "can't use %lld to iterate over more than one variable",
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
			run_fail(run, "it needs too much memory");
			return true;
		}
		for (size_t i = 0; i < count; i++) {
			const cJSON *item = items[i];
			if (!iterate(run, node, value_of_text(item->string, strlen(item->string)),
				     value_of_text(item->valuestring, strlen(item->valuestring))))
				break;
		}
		return count > 0;
	}
	if (value->kind == VALUE_NIL)
		return false;
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, ERROR_TEXT_MAX);
	value_print(run->job, value, &text);
	run_fail(run, "range can't iterate over %s", text.text);
	return true;
}

static enum flow walk_range(struct run *run, struct value dot, const struct node *node)
{
	size_t mark = run->count;
	struct value value = run_pipeline(run, dot, node->pipe);
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
		run_fail(run, "template \"%.60s\" not defined", node->text);
		return;
	}
	if (run->depth == TEMPLATE_DEPTH_MAX) {
		run_fail(run, "exceeded maximum template depth (%d)", TEMPLATE_DEPTH_MAX);
		return;
	}
	/* Without a pipeline there is no data for it. */
	struct value its = node->pipe == NULL ? nil : run_pipeline(run, dot, node->pipe);
	if (run->job->failed)
		return;
	size_t floor = run->floor, count = run->count;
	const char *template = run->template;
	run->floor = run->count;
	run->template = found->name;
	run->depth++;
	run_push(run, "$", its);
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
	if (!run_step(run, node))
		return FLOW_ON;
	switch (node->kind) {
	case NODE_ACTION: {
		struct value value = run_pipeline(run, dot, node->pipe);
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
	run_push(run, "$", nil);
	(void)walk(run, nil, main_one->root);
	free(run);
	return !job->failed;
}
