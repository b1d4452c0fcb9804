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
