/*
 * fake_metrics.h - a fake Prometheus for demonstrations: what the built-in queries would say of a
 * workload, judged by its image alone.
 *
 * ":bad" in the image: one request in six fails. ":slow": the 99th percentile is 900 ms. ":silent":
 * no requests at all. Anything else is healthy. Never a source of truth about anything real.
 */
#ifndef SLUICE_SIM_FAKE_METRICS_H
#define SLUICE_SIM_FAKE_METRICS_H

#include "sim/cluster.h"

/* The body of an answer to /api/v1/query; the caller frees. A query that names no workload of the
 * cluster, in quotes with its namespace, is answered with 1 (Prometheus is asked for vector(1)). */
char *fake_metrics_answer(const struct cluster *cluster, const char *query, int64_t now_us,
			  struct chance *chance);

#endif
