/*
 * problems.h - how the sentences of a struct spec_problems come about.
 *
 * Whoever finds something wrong adds a path and a sentence about it. No more than PROBLEMS_MAX are
 * kept, errors before warnings; all errors are counted.
 */
#ifndef SLUICE_CANARY_PROBLEMS_H
#define SLUICE_CANARY_PROBLEMS_H

#include <cjson/cJSON.h>

#include "canary/spec.h"

enum { PROBLEMS_MAX = 64 };

void problem_error(struct spec_problems *problems, const char *path, const char *format, ...)
	PRINTF_LIKE(3, 4);
void problem_warning(struct spec_problems *problems, const char *path, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* "parent.name", or `parent["na/me"]` for a name that json.h would not read otherwise. */
void problem_path(char path[PROBLEM_PATH_MAX], const char *parent, const char *name);
void problem_index(char path[PROBLEM_PATH_MAX], const char *parent, size_t index);

enum { SEEN_MAX = 96 };
/* A value as it stands in a sentence: `"text"`, `2.5`, `a list`; long texts are cut. */
void problem_seen(const cJSON *value, char text[SEEN_MAX]);

#endif
