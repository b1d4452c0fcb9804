/*
 * managed.h - which fields of an object that belongs to a Canary are ours to take away again.
 *
 * An apply takes away what the same manager applied before, but not what it set when it created the
 * object, nor what Flagger did. So before the first apply such fields are made applied ones, as
 * kubectl does for itself (client-go, util/csaupgrade).
 */
#ifndef SLUICE_CANARY_MANAGED_H
#define SLUICE_CANARY_MANAGED_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* Takes metadata.managedFields out, which make up half of an object, unless the others here need
 * them. */
void managed_trim(cJSON *object);
/* Fields of ours, or of Flagger's, would outlive an apply that leaves them out. */
bool managed_outlive(const cJSON *live);
/* The JSON Patch that ends that, fenced by the version of `live`; the caller frees. */
cJSON *managed_upgrade(const cJSON *live);
/* The element of a list that the keys of a set name: "{\"name\":\"http\"}"; or NULL. */
const cJSON *managed_element(const cJSON *list, const char *keys_text);
/* Something of ours in `live` is not wanted any more. */
bool managed_has_more(const cJSON *live, const cJSON *wanted);

#endif
