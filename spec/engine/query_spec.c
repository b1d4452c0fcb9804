#include "metric/query.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "spec.h"

static const struct metric_subject subject = {
	.name = "podinfo",
	.namespace = "test",
	.target = "podinfo",
	.service = "podinfo",
	.ingress = "podinfo",
	.route = "podinfo",
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
	EXPECT_TEXT(request.query.query,
		    "sum(rate(envoy_cluster_upstream_rq{kubernetes_namespace=\"test\","
		    "kubernetes_pod_name=~\"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)\","
		    "envoy_response_code!~\"5.*\"}[1m])) / "
		    "sum(rate(envoy_cluster_upstream_rq{kubernetes_namespace=\"test\","
		    "kubernetes_pod_name=~\"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)\"}[1m])) * 100");
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
		"=\"test\",destination_workload=~\"podinfo\",response_code!~\"5.*\"}[1m])) /");
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
