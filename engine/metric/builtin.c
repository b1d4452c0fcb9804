#include "metric/builtin.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "metric/prometheus.h"

#define PODS                                                                                       \
	"kubernetes_namespace=\"{{ namespace }}\","                                                \
	"kubernetes_pod_name=~\"{{ pods }}\""
#define ISTIO                                                                                      \
	"reporter=\"destination\",destination_workload_namespace=\"{{ namespace }}\","             \
	"destination_workload=~\"{{ target }}\""
/* Requests are counted by the Service that they were sent to, too. */
#define ISTIO_SERVICE                                                                              \
	"reporter=\"destination\",destination_workload_namespace=\"{{ namespace }}\","             \
	"destination_service_name=\"{{ service }}-canary\""
/* As Prometheus names it that Istio and Linkerd come with. */
#define POD "pod=~\"{{ pods }}\""
#define LINKERD                                                                                    \
	"namespace=\"{{ namespace }}\",{{ workload }}=~\"{{ target }}\",direction=\"inbound\""
#define CONTOUR "envoy_cluster_name=~\"{{ namespace }}_{{ service }}-canary_[0-9a-zA-Z-]+\""
/* The upstream is named by the service. */
#define GLOO                                                                                       \
	"envoy_cluster_name=~"                                                                     \
	"\"{{ namespace }}-{{ service }}-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+\""
#define NGINX "namespace=\"{{ namespace }}\",ingress=\"{{ ingress }}\",canary!=\"\""
#define SKIPPER                                                                                    \
	"route=~\"{{ printf \"kube(ew)?_%s__%s_canary__.*__%s_canary(_[0-9]+)?\" namespace "       \
	"ingress service }}\""
#define TRAEFIK "service=~\"{{ namespace }}-{{ service }}-canary-[0-9a-zA-Z-]+@kubernetescrd\""
#define OSM                                                                                        \
	"destination_namespace=\"{{ namespace }}\",destination_kind=\"{{ kind }}\","               \
	"destination_name=\"{{ target }}\""
#define KUMA "service=~\"{{ service }}-canary_{{ namespace }}_svc_[0-9a-zA-Z-]+\""
#define APISIX "route=~\"{{ namespace }}_{{ route }}-{{ service }}-canary_.+\""
#define KNATIVE "envoy_cluster_name=~\"{{ namespace }}/{{ route }}\""

#define OF(series) "sum(rate(" series "[{{ interval }}]))"
/* A second series beside the value: of how many requests that is made (metric/prometheus.h). */
#define COUNTED(series)                                                                            \
	" or label_replace(sum(increase(" series "[{{ interval }}])), "                            \
	"\"" PROMETHEUS_COUNT_LABEL "\", \"count\", \"\", \"\")"
/* Where no request was ever good there is no series of good ones: that is 0%, and not "no data". */
#define RATE(series, labels, good)                                                                 \
	"(" OF(series "{" labels "," good "}") " or " OF(series "{" labels "}") " * 0) / " OF(     \
		series "{" labels "}") " * 100" COUNTED(series "{" labels "}")
#define QUANTILE(buckets)                                                                          \
	"histogram_quantile(0.99, sum(rate(" buckets "}[{{ interval }}])) by (le))"
#define ALL_OF(buckets) COUNTED(buckets ",le=\"+Inf\"}")
#define P99(buckets) QUANTILE(buckets) ALL_OF(buckets)
#define P99_OF_SECONDS(buckets) QUANTILE(buckets) " * 1000" ALL_OF(buckets)
#define MEAN(series, labels)                                                                       \
	OF(series "_sum{" labels "}")                                                              \
	" / " OF(series "_count{" labels "}") " * 1000" COUNTED(series "_count{" labels "}")

#define ENVOY(labels)                                                                              \
	RATE("envoy_cluster_upstream_rq", labels, "envoy_response_code!~\"5.*\""),                 \
		P99("envoy_cluster_upstream_rq_time_bucket{" labels)

/* The first whose prefix fits. */
static const struct {
	const char *prefix;
	const char *success, *duration;
} queries[] = {
	{"appmesh", ENVOY(PODS)},
	{"linkerd", RATE("response_total", LINKERD, "classification!=\"failure\""),
	 P99("response_latency_ms_bucket{" LINKERD)},
	{"contour", ENVOY(CONTOUR)},
	{"gloo", ENVOY(GLOO)},
	{"nginx", RATE("nginx_ingress_controller_requests", NGINX, "status!~\"5.*\""),
	 MEAN("nginx_ingress_controller_response_duration_seconds", NGINX)},
	{"kubernetes", RATE("http_request_duration_seconds_count", PODS, "status!~\"5.*\""),
	 P99_OF_SECONDS("http_request_duration_seconds_bucket{" PODS)},
	{"gatewayapi", RATE("http_request_duration_seconds_count", PODS, "status!~\"5.*\""),
	 P99_OF_SECONDS("http_request_duration_seconds_bucket{" PODS)},
	{"skipper",
	 RATE("skipper_response_duration_seconds_bucket", SKIPPER ",le=\"+Inf\"", "code!~\"5..\""),
	 MEAN("skipper_serve_route_duration_seconds", SKIPPER)},
	{"traefik",
	 RATE("traefik_service_request_duration_seconds_bucket", TRAEFIK ",le=\"+Inf\"",
	      "code!~\"5..\""),
	 P99_OF_SECONDS("traefik_service_request_duration_seconds_bucket{" TRAEFIK)},
	{"osm", RATE("osm_request_total", OSM, "response_code!~\"5.*\""),
	 P99("osm_request_duration_ms_bucket{" OSM)},
	{"kuma", ENVOY(KUMA)},
	{"apisix", RATE("apisix_http_status", APISIX, "code!~\"5..\""),
	 P99("apisix_http_latency_bucket{type=~\"request\"," APISIX)},
	{"knative", ENVOY(KNATIVE)},
	/* Istio, and what the reference takes for it. */
	{"", RATE("istio_requests_total", ISTIO, "response_code!~\"5.*\""),
	 P99("istio_request_duration_milliseconds_bucket{" ISTIO)},
};

const char *builtin_query(const char *provider, const char *metric)
{
	size_t i = 0;
	while (!text_starts(provider, queries[i].prefix))
		i++;
	if (strcmp(metric, "request-success-rate") == 0)
		return queries[i].success;
	if (strcmp(metric, "request-duration") == 0)
		return queries[i].duration;
	return NULL;
}

const char *builtin_query_of_service(const char *provider, const char *metric)
{
	static const char *const by_workload[] = {"appmesh", "linkerd", "kubernetes", "gatewayapi",
						  "osm"};
	for (size_t i = 0; i < ARRAY_LEN(by_workload); i++)
		if (text_starts(provider, by_workload[i]))
			return NULL;
	const char *query = builtin_query(provider, metric);
	if (query == NULL || query != builtin_query("", metric))
		return query;
	return strcmp(metric, "request-success-rate") == 0
		       ? RATE("istio_requests_total", ISTIO_SERVICE, "response_code!~\"5.*\"")
		       : P99("istio_request_duration_milliseconds_bucket{" ISTIO_SERVICE);
}

const char *builtin_query_of_pods(const char *provider, const char *metric)
{
	static const char *const by_name[] = {"appmesh", "kubernetes", "gatewayapi"};
	bool success = strcmp(metric, "request-success-rate") == 0;
	for (size_t i = 0; i < ARRAY_LEN(by_name); i++)
		if (text_starts(provider, by_name[i]))
			return builtin_query(provider, metric);
	if (!success && strcmp(metric, "request-duration") != 0)
		return NULL;
	if (text_starts(provider, "linkerd"))
		return success ? RATE("response_total", LINKERD "," POD,
				      "classification!=\"failure\"")
			       : P99("response_latency_ms_bucket{" LINKERD "," POD);
	if (text_starts(provider, "istio"))
		return success ? RATE("istio_requests_total", ISTIO "," POD,
				      "response_code!~\"5.*\"")
			       : P99("istio_request_duration_milliseconds_bucket{" ISTIO "," POD);
	return NULL;
}

bool builtin_wants_words(const char *provider)
{
	return text_starts(provider, "skipper");
}

void builtin_words(char *text)
{
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text))
			*text = '_';
}
