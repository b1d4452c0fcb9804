/*
 * yaml_scalar.h - what a scalar without quotes means, by the rules of YAML 1.1 as Kubernetes has
 * them.
 */
#ifndef SLUICE_BASE_YAML_SCALAR_H
#define SLUICE_BASE_YAML_SCALAR_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* A new node: text, number, bool or null. ".inf" and ".nan" are numbers that are not finite. */
cJSON *yaml_scalar(const char *text);
/* Whether a reader, this one or one of YAML 1.2, might take the text for something else. */
bool yaml_scalar_is_text(const char *text);

#endif
