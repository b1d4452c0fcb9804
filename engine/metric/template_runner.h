/*
 * template_runner.h - a template that runs: what its actions and its pipelines have in common.
 */
#ifndef SLUICE_METRIC_TEMPLATE_RUNNER_H
#define SLUICE_METRIC_TEMPLATE_RUNNER_H

#include "metric/template_parts.h"

enum { VARIABLES_MAX = 200 };

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

/* Only the first counts. */
void run_fail(struct run *run, const char *format, ...) PRINTF_LIKE(2, 3);
/* False once the job has failed. */
bool run_step(struct run *run, const struct node *node);
void run_push(struct run *run, const char *name, struct value value);
void run_set(struct run *run, const char *name, struct value value);
struct value run_pipeline(struct run *run, struct value dot, const struct node *pipe);
struct value value_of_text(const char *text, size_t len);

#endif
