/*
 * table.h - what `kubectl get` prints: the columns of a kind, computed by the server.
 *
 * Source:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
 */
#ifndef SLUICE_SIM_TABLE_H
#define SLUICE_SIM_TABLE_H

#include <cjson/cJSON.h>
#include <stdint.h>

/* A meta.k8s.io/v1 Table of an object or of a list of them (anything with `items`). `plural` says
 * the columns; a kind without its own has NAME and AGE. The caller frees. */
cJSON *table_of(const cJSON *object_or_list, const char *plural, int64_t now_us);

#endif
