/*
 * refusal.h - what the API server says went wrong, as an error kind and its own sentence.
 */
#ifndef SLUICE_KUBE_REFUSAL_H
#define SLUICE_KUBE_REFUSAL_H

#include <cjson/cJSON.h>

#include "base/error.h"

/* From a Status object, or whatever came instead (NULL: nothing). `code` is the HTTP status; 0:
 * only the object knows. The text is cut to fit, on one line. */
void refusal_error(const cJSON *status, int code, struct error *err);

#endif
