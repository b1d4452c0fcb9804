#include "metric/builtin.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"

/* A Deployment's pods are called target-hash-hash: with both, so that target-primary-… is not
 * among them. */
#define PODS                                                                                       \
	"kubernetes_namespace=\"{{ namespace }}\","                                                \
	"kubernetes_pod_name=~\"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)\""

#define RATE(series, good)                                                                         \
	"sum(rate(" series "," good "}[{{ interval }}])) / sum(rate(" series                       \
	"}[{{ interval }}])) * 100"
#define P99(series) "histogram_quantile(0.99, sum(rate(" series "}[{{ interval }}])) by (le))"

static const struct {
	const char *provider; /* a prefix */
	const char *success, *duration;
} queries[] = {
	{"appmesh", RATE("envoy_cluster_upstream_rq{" PODS, "envoy_response_code!~\"5.*\""),
	 P99("envoy_cluster_upstream_rq_time_bucket{" PODS)},
	{"kubernetes", RATE("http_request_duration_seconds_count{" PODS, "status!~\"5.*\""),
	 P99("http_request_duration_seconds_bucket{" PODS) " * 1000"},
};

const char *builtin_query(const char *provider, const char *metric)
{
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		if (!text_starts(provider, queries[i].provider))
			continue;
		if (strcmp(metric, "request-success-rate") == 0)
			return queries[i].success;
		if (strcmp(metric, "request-duration") == 0)
			return queries[i].duration;
	}
	return NULL;
}
