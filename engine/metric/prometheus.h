/*
 * prometheus.h - the metrics port over a live Prometheus: instant queries.
 *
 * Source: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
 */
#ifndef SLUICE_METRIC_PROMETHEUS_H
#define SLUICE_METRIC_PROMETHEUS_H

#include "loop/loop.h"
#include "ports.h"

/* `http` is borrowed. Freed by ops->free, which cancels what is under way. */
struct metrics *prometheus_new(struct loop *loop, struct http *http);

/* A series whose label of this name is "count" says of how many measurements the value is made that
 * the other series has: the built-in queries ask for both, and a query of a MetricTemplate may. */
#define PROMETHEUS_COUNT_LABEL "sluice_sample"

/* What an answer says. `text` of the sample never holds a credential. */
void prometheus_read(int status, const char *body, size_t len, struct sample *sample);
/* A number of a time before `at_us`, when it was asked, is stale: a cache answers, or one that has
 * stopped. Within the metric's interval, or a minute, it is not. */
void prometheus_age(int64_t at_us, int64_t interval_us, struct sample *sample);

#endif
