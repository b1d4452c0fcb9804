/*
 * lines.h - objects and what became of them as lines of text, and two lists of lines compared.
 */
#ifndef SLUICE_SPEC_CLUSTER_LINES_H
#define SLUICE_SPEC_CLUSTER_LINES_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/buf.h"

/* The leaves of a value by their paths, each as JSON: {"spec.replicas": "1"}. The caller frees. */
cJSON *lines_flat(const cJSON *json);

/* Whether each leaf of a flat value is that of `before` or that of `after`. */
bool lines_is_between(const cJSON *before, const cJSON *after, const cJSON *flat);

/* Flat versions, one after the other, as lines: the first whole, of each later one what changed.
 * The caller frees. */
cJSON *lines_of_versions(const cJSON *versions);

/* Appends what `got` lacks as "- line" and what it has instead as "+ line", after a line that says
 * of what; nothing when they are equal. */
void lines_compare(struct buf *text, const char *of, const cJSON *wanted, const cJSON *got);

#endif
