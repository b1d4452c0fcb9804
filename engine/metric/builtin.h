/*
 * builtin.h - the queries behind request-success-rate and request-duration, by provider.
 */
#ifndef SLUICE_METRIC_BUILTIN_H
#define SLUICE_METRIC_BUILTIN_H

#include <stdbool.h>

/* A template for metric/template.h, or NULL when there is none of that name. The success rate is in
 * percent, the duration in milliseconds: the 99th percentile, or the mean where there is no
 * histogram. Each also asks of how many requests that is made, as a second series. Whoever is not
 * known is asked as Istio. */
const char *builtin_query(const char *provider, const char *metric);

/* The same for a target that is a Service: NULL too where only a workload's name tells its pods. */
const char *builtin_query_of_service(const char *provider, const char *metric);

/* The same for a target some of whose pods are the canary's: NULL too where a pod is not told. */
const char *builtin_query_of_pods(const char *provider, const char *metric);

/* Skipper names its routes by what is left of names when all but letters and digits became "_". */
bool builtin_wants_words(const char *provider);
void builtin_words(char *text);

#endif
