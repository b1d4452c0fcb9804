/*
 * builtin.h - the queries behind request-success-rate and request-duration, by provider.
 */
#ifndef SLUICE_METRIC_BUILTIN_H
#define SLUICE_METRIC_BUILTIN_H

/* A template for metric/template.h, or NULL when there is none of that name. The success rate is in
 * percent, the duration the 99th percentile in milliseconds. */
const char *builtin_query(const char *provider, const char *metric);

#endif
