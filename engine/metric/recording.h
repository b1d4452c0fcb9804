/*
 * recording.h - metrics over time, from a file, as a metrics port.
 *
 * A YAML file in promtool's notation:
 *
 *     interval: 1m
 *     series:
 *       - metric: request-success-rate
 *         values: 99.9x20 92x10 _x3
 *         requests: 250x29            # of how many requests a value is made; may be left out
 *
 * "a" is one value, "axN" N+1 times that value, "a+bxN" and "a-bxN" a row of N+1, "_" nothing,
 * "_xN" N times nothing. Likewise "stale" (the value before it once more, and its age), "several"
 * series, and "error": the store does not answer. Or the answer of Prometheus to a range query, as
 * it came, whose series are named by the label "metric" or "__name__", or by recording_add. Times
 * count from the first sample. Source:
 * https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
 */
#ifndef SLUICE_METRIC_RECORDING_H
#define SLUICE_METRIC_RECORDING_H

#include "base/error.h"
#include "loop/loop.h"
#include "ports.h"

struct recording;

struct recording *recording_new(void); /* without a series */
/* Errors name file and line. */
struct recording *recording_read(const char *path, struct error *err) MUST_CHECK;
struct recording *recording_parse(const char *name, const char *text, size_t len,
				  struct error *err) MUST_CHECK;
/* Puts the series of another file beside those that are there. `metric`, unless NULL, is what all
 * of them measure, whatever the file calls them: a range query's answer may have no name. */
bool recording_add(struct recording *recording, const char *path, const char *metric,
		   struct error *err) MUST_CHECK;
void recording_free(struct recording *recording);

/* Answers with the last sample since `*start_us`, which may be set later; 0: the first one. NULL
 * for `recording`: everything is well. Both are borrowed. Freed by ops->free. */
struct metrics *recording_metrics(struct loop *loop, const struct recording *recording,
				  const int64_t *start_us);

#endif
