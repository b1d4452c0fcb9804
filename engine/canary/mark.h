/*
 * mark.h - the annotation by which pods of a target that is its own primary follow their configs.
 *
 * Nothing of its template changes when a ConfigMap or Secret does, and there is no copy that could
 * name others. So the template carries a digest of the tracked configs, "sluice.dev/configs", and a
 * change of that is a revision to the controller, too. What runs already is not touched for it: of
 * the configs that it was first seen with, the template says what it said then. Pure functions.
 */
#ifndef SLUICE_CANARY_MARK_H
#define SLUICE_CANARY_MARK_H

#include <cjson/cJSON.h>

#include "canary/status.h"

/* What the template of a target carries; "" for none. */
const char *mark_of(const cJSON *target);
/* The digest of what workload_tracked gives; NULL is one, too. */
void mark_digest(const cJSON *tracked, char digest[HASH_TEXT_MAX]);
/* What it shall carry with these configs; "" for none. */
const char *mark_wanted(const struct memory *memory, const cJSON *target, const char *digest);
/* Operations of a JSON Patch that make it carry `mark`. */
void mark_put(cJSON *patch, const cJSON *target, const char *mark);
/* spec.template without it; the caller frees. */
cJSON *mark_without(const cJSON *target);

#endif
