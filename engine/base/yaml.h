/*
 * yaml.h - YAML files as JSON values, with the line of each value kept for error messages.
 *
 * YAML 1.1 as Kubernetes reads it (sigs.k8s.io/yaml): plain true/false/yes/no/on/off/y/n, null/~,
 * ints, floats; quoted is text. Anchors and merges are followed with a cap on the size they unfold
 * to. Keys become text; a key that stands twice is an error. Several documents in one file.
 */
#ifndef SLUICE_BASE_YAML_H
#define SLUICE_BASE_YAML_H

#include <cjson/cJSON.h>

#include "base/error.h"

struct yaml_file;

/* `name` is for messages. Errors say "name:line:column: …". */
struct yaml_file *yaml_parse(const char *name, const char *text, size_t len,
			     struct error *err) MUST_CHECK;
struct yaml_file *yaml_read(const char *path,
			    struct error *err) MUST_CHECK; /* "-" is standard input */
void yaml_free(struct yaml_file *file);
void scope_yaml(struct yaml_file **file);

const char *yaml_name(const struct yaml_file *file);
size_t yaml_count(const struct yaml_file *file);	      /* documents that are not empty */
cJSON *yaml_document(const struct yaml_file *file, size_t i); /* borrowed */
/* The line (from 1) of the value at a json.h path in document `i` (where its key stands, if it has
 * one), or of its nearest parent that exists. */
int yaml_line(const struct yaml_file *file, size_t i, const char *path);

/* Block style text of a JSON value, keys in their order; the caller frees. yaml_parse reads the
 * same value from it: texts that look like something else are quoted. */
char *yaml_text(const cJSON *json);

#endif
