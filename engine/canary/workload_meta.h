/*
 * workload_meta.h - labels, annotations and names of the objects that a rollout owns.
 */
#ifndef SLUICE_CANARY_WORKLOAD_META_H
#define SLUICE_CANARY_WORKLOAD_META_H

#include "canary/workload.h"

/* An owned object with apiVersion, kind, name, namespace and owner; the caller frees. */
cJSON *meta_object(const struct canary_spec *spec, const char *api_version, const char *kind,
		   const char *name);
/* Labels whose key begins with one of include_label_prefix; an object, the caller frees. */
cJSON *meta_included(const cJSON *labels, const struct workload_options *options);
/* Without the marks of GitOps tools, whose objects these copies are not. */
cJSON *meta_without_toolkit(const cJSON *map);
/* Adds the annotations that keep GitOps tools from undoing what a rollout does. */
void meta_unmanaged(cJSON *object);
/* To a merge patch that takes them away again. */
void meta_managed(cJSON *patch);
void meta_set(cJSON *map, const char *key, const char *value);

#endif
