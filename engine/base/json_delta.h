/*
 * json_delta.h - what changed from one JSON value to the next, smaller than the next.
 *
 * A delta is JSON. An object names the members (or the positions of a list) that changed, each with
 * its delta; null: the member is gone; [value]: it is this now; [k, [items]]: the list lost its
 * first k items and got these at its end.
 */
#ifndef SLUICE_BASE_JSON_DELTA_H
#define SLUICE_BASE_JSON_DELTA_H

#include <cjson/cJSON.h>

#include "base/error.h"

/* NULL when nothing changed; the caller frees. */
cJSON *json_delta(const cJSON *from, const cJSON *to);
/* Changes `*value`. ERROR_INVALID when the delta is none of this value. */
bool json_delta_apply(cJSON **value, const cJSON *delta, struct error *err) MUST_CHECK;

#endif
