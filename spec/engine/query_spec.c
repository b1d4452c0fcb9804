#include "metric/query.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"
#include "spec.h"

static const struct metric_subject subject = {
	.name = "podinfo",
	.namespace = "test",
	.target = "podinfo",
	.service = "podinfo",
	.ingress = "podinfo",
	.route = "podinfo",
	.kind = "Deployment",
	.noun = "deployment",
	.pod_names = "[0-9a-zA-Z]+(-[0-9a-zA-Z]+)",
	.provider = "appmesh:v1beta2",
	.metrics_server = "http://prometheus:9090",
};

SPEC("query: the built-in queries of App Mesh match the pods of the canary alone")
{
	struct metric_request request;
	struct error err = {0};
	SCOPED(json)
	cJSON *check = cJSON_Parse("{\"name\":\"request-success-rate\",\"interval\":\"1m\"}");
	EXPECT(metric_request_init(&request, &subject, check, NULL, NULL, &err));
	EXPECT_CONTAINS(
		request.query.query,
		" / sum(rate(envoy_cluster_upstream_rq{kubernetes_namespace=\"test\","
		"kubernetes_pod_name=~\"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)\"}[1m])) * 100 ");
	EXPECT_TEXT(request.query.address, "http://prometheus:9090");
	EXPECT_INT(request.query.interval_us, 60000000);
	metric_request_fini(&request);
}

SPEC("query: a template is rendered with its variables, address and credentials")
{
	struct metric_request request;
	struct error err = {0};
	SCOPED(json)
	cJSON *check = cJSON_Parse("{\"name\":\"errors\",\"interval\":\"30s\","
				   "\"templateVariables\":{\"dir\":\"in\"}}");
	SCOPED(json)
	cJSON *metric_template = cJSON_Parse(
		"{\"spec\":{\"query\":\"a{d=\\\"{{ variables.dir }}\\\"}\\n  "
		"[{{ interval "
		"}}]\",\"provider\":{\"type\":\"prometheus\",\"address\":\"http://m\"}}}");
	SCOPED(json)
	cJSON *secret = cJSON_Parse("{\"data\":{\"username\":\"dQ==\",\"password\":\"cA==\"}}");
	EXPECT(metric_request_init(&request, &subject, check, metric_template, secret, &err));
	EXPECT_TEXT(request.query.query, "a{d=\"in\"} [30s]");
	EXPECT_TEXT(request.query.address, "http://m");
	EXPECT_INT(request.query.header_count, 1);
	EXPECT_TEXT(request.query.headers[0].value, "Basic dTpw");
	metric_request_fini(&request);
}

SPEC("query: what is missing is one sentence without the secret in it")
{
	struct metric_request request;
	struct error err = {0};
	SCOPED(json) cJSON *check = cJSON_Parse("{\"name\":\"x\"}");
	SCOPED(json)
	cJSON *metric_template =
		cJSON_Parse("{\"spec\":{\"query\":\"a\",\"provider\":{\"type\":\"prometheus\"}}}");
	SCOPED(json) cJSON *secret = cJSON_Parse("{\"data\":{\"username\":\"c2VjcmV0\"}}");
	EXPECT(!metric_request_init(&request, &subject, check, metric_template, secret, &err));
	EXPECT_TEXT(err.text, "prometheus credentials does not contain a password");
	EXPECT(!metric_request_init(&request, &subject, check, NULL, NULL, &err));
	EXPECT_CONTAINS(err.text, "metric x has no query");
}

static void expect_builtin(const char *provider, const char *metric, const char *wanted)
{
	struct metric_subject mesh = subject;
	struct metric_request request;
	struct error err = {0};
	mesh.provider = provider;
	mesh.service = "pod-info";
	SCOPED(json) cJSON *check = cJSON_CreateObject();
	cJSON_AddStringToObject(check, "name", metric);
	EXPECT(metric_request_init(&request, &mesh, check, NULL, NULL, &err));
	EXPECT_CONTAINS(request.query.query, wanted);
	metric_request_fini(&request);
}

SPEC("query: each mesh has its built-in queries, and who is unknown is asked as Istio")
{
	static const char rate[] = "request-success-rate", duration[] = "request-duration";
	expect_builtin(
		"istio", rate,
		"istio_requests_total{reporter=\"destination\",destination_workload_namespace"
		"=\"test\",destination_workload=~\"podinfo\",response_code!~\"5.*\"}[1m])) or ");
	expect_builtin("smi:v1alpha2", duration,
		       "sum(rate(istio_request_duration_milliseconds_bucket{reporter=");
	expect_builtin("linkerd", rate, "classification!=\"failure\"");
	expect_builtin("nginx", duration,
		       "canary!=\"\"}[1m])) / sum(rate(nginx_ingress_controller_response_duration_"
		       "seconds_count{");
	expect_builtin("gatewayapi:v1", duration, "by (le)) * 1000");
	expect_builtin("traefik", rate, "test-pod-info-canary-[0-9a-zA-Z-]+@kubernetescrd");
	expect_builtin("skipper", rate,
		       "route=~\"kube(ew)?_test__podinfo_canary__.*__pod_info_canary(_[0-9]+)?\"");
	expect_builtin("gloo", rate, "test-pod-info-canaryupstream-");
	expect_builtin("apisix", duration, "test_podinfo-pod-info-canary_.+");
	expect_builtin("kuma", rate, "pod-info-canary_test_svc_");
	expect_builtin("knative", rate, "test/podinfo");
	expect_builtin("contour", rate, "test_pod-info-canary_");
	expect_builtin("osm", rate, "destination_kind=\"Deployment\"");
}

/* ---- provider by metric, as the reference lists them ---- */

#define WORKLOAD                                                                                   \
	"reporter=\"destination\",destination_workload_namespace=\"test\",destination_workload=~"  \
	"\"podinfo\""
#define CANARY_PODS                                                                                \
	"kubernetes_namespace=\"test\",kubernetes_pod_name=~\"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" \
	"\""
#define SKIPPER_ROUTE "route=~\"kube(ew)?_test__podinfo_canary__.*__pod_info_canary(_[0-9]+)?\""
#define TRAEFIK_SERVICE "service=~\"test-pod-info-canary-[0-9a-zA-Z-]+@kubernetescrd\""
#define ENVOY_OF(selectors)                                                                        \
	"envoy_cluster_upstream_rq", selectors, "envoy_response_code!~\"5.*\"", true,              \
		"envoy_cluster_upstream_rq_time_bucket", selectors, ""

/* `p99`: a percentile of buckets; else a mean of _sum and _count. */
static const struct builtin_case {
	const char *provider;
	const char *requests, *selectors, *good;
	bool p99;
	const char *latency, *latency_selectors, *factor;
} builtin_cases[] = {
	{"istio", "istio_requests_total", WORKLOAD, "response_code!~\"5.*\"", true,
	 "istio_request_duration_milliseconds_bucket", WORKLOAD, ""},
	{"appmesh", ENVOY_OF(CANARY_PODS)},
	{"appmesh:v1beta2", ENVOY_OF(CANARY_PODS)},
	{"linkerd", "response_total",
	 "namespace=\"test\",deployment=~\"podinfo\",direction=\"inbound\"",
	 "classification!=\"failure\"", true, "response_latency_ms_bucket",
	 "namespace=\"test\",deployment=~\"podinfo\",direction=\"inbound\"", ""},
	{"contour", ENVOY_OF("envoy_cluster_name=~\"test_pod-info-canary_[0-9a-zA-Z-]+\"")},
	/* Of the service's name: a difference. */
	{"gloo", ENVOY_OF("envoy_cluster_name=~\"test-pod-info-canaryupstream-[0-9a-zA-Z-]+_"
			  "[0-9a-zA-Z-]+\"")},
	{"nginx", "nginx_ingress_controller_requests",
	 "namespace=\"test\",ingress=\"podinfo\",canary!=\"\"", "status!~\"5.*\"", false,
	 "nginx_ingress_controller_response_duration_seconds",
	 "namespace=\"test\",ingress=\"podinfo\",canary!=\"\"", " * 1000"},
	{"kubernetes", "http_request_duration_seconds_count", CANARY_PODS, "status!~\"5.*\"", true,
	 "http_request_duration_seconds_bucket", CANARY_PODS, " * 1000"},
	{"gatewayapi:v1", "http_request_duration_seconds_count", CANARY_PODS, "status!~\"5.*\"",
	 true, "http_request_duration_seconds_bucket", CANARY_PODS, " * 1000"},
	{"gatewayapi:v1beta1", "http_request_duration_seconds_count", CANARY_PODS,
	 "status!~\"5.*\"", true, "http_request_duration_seconds_bucket", CANARY_PODS, " * 1000"},
	{"skipper", "skipper_response_duration_seconds_bucket", SKIPPER_ROUTE ",le=\"+Inf\"",
	 "code!~\"5..\"", false, "skipper_serve_route_duration_seconds", SKIPPER_ROUTE, " * 1000"},
	{"traefik", "traefik_service_request_duration_seconds_bucket",
	 TRAEFIK_SERVICE ",le=\"+Inf\"", "code!~\"5..\"", true,
	 "traefik_service_request_duration_seconds_bucket", TRAEFIK_SERVICE, " * 1000"},
	{"osm", "osm_request_total",
	 "destination_namespace=\"test\",destination_kind=\"Deployment\",destination_name="
	 "\"podinfo\"",
	 "response_code!~\"5.*\"", true, "osm_request_duration_ms_bucket",
	 "destination_namespace=\"test\",destination_kind=\"Deployment\",destination_name="
	 "\"podinfo\"",
	 ""},
	{"kuma", ENVOY_OF("service=~\"pod-info-canary_test_svc_[0-9a-zA-Z-]+\"")},
	{"apisix", "apisix_http_status", "route=~\"test_podinfo-pod-info-canary_.+\"",
	 "code!~\"5..\"", true, "apisix_http_latency_bucket",
	 "type=~\"request\",route=~\"test_podinfo-pod-info-canary_.+\"", ""},
	{"knative", ENVOY_OF("envoy_cluster_name=~\"test/podinfo\"")},
	/* Whoever is not known, SMI too. */
	{"smi:v1alpha2", "istio_requests_total", WORKLOAD, "response_code!~\"5.*\"", true,
	 "istio_request_duration_milliseconds_bucket", WORKLOAD, ""},
};

static void expect_query(const char *provider, const char *metric, const char *wanted)
{
	struct metric_subject mesh = subject;
	struct metric_request request;
	struct error err = {0};
	mesh.provider = provider;
	mesh.service = "pod-info";
	SCOPED(json) cJSON *check = cJSON_CreateObject();
	cJSON_AddStringToObject(check, "name", metric);
	EXPECT(metric_request_init(&request, &mesh, check, NULL, NULL, &err));
	EXPECT_TEXT(request.query.query, wanted);
	metric_request_fini(&request);
}

/* Each query also asks of how many requests its value is made. */
#define COUNTED(series)                                                                            \
	" or label_replace(sum(increase(" series "[1m])), \"sluice_sample\", \"count\", \"\", "    \
	"\"\")"

static void expect_both(const char *provider, const struct builtin_case *told)
{
	/* As the reference lists it but for "or … * 0", so that none of them good is 0%, not no
	 * data. */
	SCOPED(text)
	char *rate = xasprintf("(sum(rate(%s{%s,%s}[1m])) or sum(rate(%s{%s}[1m])) * 0) / "
			       "sum(rate(%s{%s}[1m])) * 100" COUNTED("%s{%s}"),
			       told->requests, told->selectors, told->good, told->requests,
			       told->selectors, told->requests, told->selectors, told->requests,
			       told->selectors);
	SCOPED(text)
	char *p99 = xasprintf("histogram_quantile(0.99, sum(rate(%s{%s}[1m])) by (le))%s" COUNTED(
				      "%s{%s,le=\"+Inf\"}"),
			      told->latency, told->latency_selectors, told->factor, told->latency,
			      told->latency_selectors);
	SCOPED(text)
	char *mean = xasprintf(
		"sum(rate(%s_sum{%s}[1m])) / sum(rate(%s_count{%s}[1m]))%s" COUNTED("%s_count{%s}"),
		told->latency, told->latency_selectors, told->latency, told->latency_selectors,
		told->factor, told->latency, told->latency_selectors);
	expect_query(provider, "request-success-rate", rate);
	expect_query(provider, "request-duration", told->p99 ? p99 : mean);
}

SPEC("query: provider by metric, the whole query as the reference lists it")
{
	for (size_t i = 0; i < ARRAY_LEN(builtin_cases); i++)
		expect_both(builtin_cases[i].provider, &builtin_cases[i]);
}

SPEC("query: of a Service as a target each provider is asked as of a Deployment")
{
	for (size_t i = 0; i < ARRAY_LEN(builtin_cases); i++) {
		SCOPED(text) char *provider = xasprintf("%s:service", builtin_cases[i].provider);
		expect_both(provider, &builtin_cases[i]);
	}
}

struct part {
	const char *provider, *query;
};

/* The built-in query of a metric has this in it. */
static void expect_parts(const struct metric_subject *of, const char *metric,
			 const struct part *parts, size_t count)
{
	SCOPED(json) cJSON *check = cJSON_CreateObject();
	cJSON_AddStringToObject(check, "name", metric);
	for (size_t i = 0; i < count; i++) {
		struct metric_subject subject_there = *of;
		struct metric_request request;
		struct error err = {0};
		subject_there.provider = parts[i].provider;
		EXPECT(metric_request_init(&request, &subject_there, check, NULL, NULL, &err));
		if (strstr(request.query.query, parts[i].query) == NULL)
			spec_fail(__FILE__, __LINE__, "%s: %s", parts[i].provider,
				  request.query.query);
		metric_request_fini(&request);
	}
}

SPEC("query: the built-in queries of a DaemonSet match its own pods, and not its primary's")
{
	struct metric_subject agent = subject;
	agent.target = "agent";
	agent.kind = "DaemonSet";
	agent.noun = "daemonset";
	agent.pod_names = target_daemon_set.pod_names;
	static const struct part cases[] = {
		{"kubernetes", "kubernetes_pod_name=~\"agent-[bcdfghjklmnpqrstvwxz2456789]{5}\""},
		{"linkerd", "daemonset=~\"agent\""},
		{"osm", "destination_kind=\"DaemonSet\",destination_name=\"agent\""},
	};
	expect_parts(&agent, "request-success-rate", cases, ARRAY_LEN(cases));
}

SPEC("query: the built-in queries of a Service go by the Service, or there are none")
{
	struct metric_subject of_service = subject;
	struct metric_request request;
	struct error err = {0};
	SCOPED(json) cJSON *check = cJSON_Parse("{\"name\":\"request-success-rate\"}");
	of_service.kind = "Service";
	of_service.noun = "service";
	of_service.pod_names = NULL;
	of_service.by_service = true;
	of_service.provider = "istio";
	EXPECT(metric_request_init(&request, &of_service, check, NULL, NULL, &err));
	EXPECT(strstr(request.query.query, "destination_service_name=\"podinfo-canary\"") != NULL);
	EXPECT(strstr(request.query.query, "destination_workload=") == NULL);
	metric_request_fini(&request);
	of_service.provider = "contour";
	EXPECT(metric_request_init(&request, &of_service, check, NULL, NULL, &err));
	EXPECT(strstr(request.query.query, "test_podinfo-canary_") != NULL);
	metric_request_fini(&request);
	of_service.provider = "linkerd";
	EXPECT(!metric_request_init(&request, &of_service, check, NULL, NULL, &err));
	EXPECT_TEXT(err.text, "metric request-success-rate has no query, and there is no built-in "
			      "one for linkerd");
}

SPEC("query: the built-in queries of a StatefulSet match the pods of the new revision")
{
	struct metric_subject of_pods = subject;
	of_pods.target = "db";
	of_pods.kind = "StatefulSet";
	of_pods.noun = "statefulset";
	of_pods.pod_names = "(2|3)";
	of_pods.revision = "db-77f9";
	of_pods.by_pod = true;
	static const struct part cases[] = {
		{"kubernetes", "kubernetes_pod_name=~\"db-(2|3)\""},
		{"gatewayapi:v1", "kubernetes_pod_name=~\"db-(2|3)\""},
		{"istio", "destination_workload=~\"db\",pod=~\"db-(2|3)\""},
		{"linkerd", "statefulset=~\"db\",direction=\"inbound\",pod=~\"db-(2|3)\""},
	};
	expect_parts(&of_pods, "request-duration", cases, ARRAY_LEN(cases));
}
