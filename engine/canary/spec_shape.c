#include "canary/spec_shape.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "canary/verdict.h"

#define WORDS(...)                                                                                 \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}
#define MEMBERS(...)                                                                               \
	(const struct shape[])                                                                     \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			.kind = SHAPE_END                                                          \
		}                                                                                  \
	}

/* ---- pieces that stand in several places ---- */

static const struct shape a_string = {.kind = SHAPE_STRING};
static const struct shape a_duration = {.kind = SHAPE_STRING, .rule = shape_is_duration};
static const struct shape a_whole = {.kind = SHAPE_WHOLE};

#define STRING(field)                                                                              \
	{                                                                                          \
		.name = field, .kind = SHAPE_STRING                                                \
	}
#define BOOL(field)                                                                                \
	{                                                                                          \
		.name = field, .kind = SHAPE_BOOL                                                  \
	}
#define WHOLE(field)                                                                               \
	{                                                                                          \
		.name = field, .kind = SHAPE_WHOLE                                                 \
	}
#define NATURAL(field)                                                                             \
	{                                                                                          \
		.name = field, .kind = SHAPE_WHOLE, .max = INT32_MAX                               \
	}
#define PERCENT(field)                                                                             \
	{                                                                                          \
		.name = field, .kind = SHAPE_WHOLE, .max = 100                                     \
	}
#define STRINGS(field)                                                                             \
	{                                                                                          \
		.name = field, .kind = SHAPE_LIST, .members = &a_string                            \
	}
#define STRING_MAP(field)                                                                          \
	{                                                                                          \
		.name = field, .kind = SHAPE_MAP, .members = &a_string                             \
	}
#define OBJECT(field, ...)                                                                         \
	{                                                                                          \
		.name = field, .kind = SHAPE_OBJECT, .members = MEMBERS(__VA_ARGS__)               \
	}
#define DURATION(field)                                                                            \
	{                                                                                          \
		.name = field, .kind = SHAPE_STRING, .rule = shape_is_duration                     \
	}
#define ENUM(field, ...)                                                                           \
	{                                                                                          \
		.name = field, .kind = SHAPE_STRING, .words = WORDS(__VA_ARGS__)                   \
	}
#define NAME                                                                                       \
	{                                                                                          \
		.name = "name", .kind = SHAPE_STRING, .flags = SHAPE_REQUIRED,                     \
		.rule = shape_is_name                                                              \
	}
#define NAMESPACE                                                                                  \
	{                                                                                          \
		.name = "namespace", .kind = SHAPE_STRING, .rule = shape_is_label                  \
	}
#define API_VERSION                                                                                \
	{                                                                                          \
		.name = "apiVersion", .kind = SHAPE_STRING, .flags = SHAPE_REQUIRED                \
	}
#define KIND(...)                                                                                  \
	{                                                                                          \
		.name = "kind", .kind = SHAPE_STRING, .flags = SHAPE_REQUIRED,                     \
		.words = WORDS(__VA_ARGS__)                                                        \
	}

/* How many ways of matching a string an object names. */
static int ways_to_match(const cJSON *value)
{
	int ways = 0;
	for (const cJSON *member = value->child; member != NULL; member = member->next)
		ways += !cJSON_IsNull(member) && (strcmp(member->string, "exact") == 0 ||
						  strcmp(member->string, "prefix") == 0 ||
						  strcmp(member->string, "suffix") == 0 ||
						  strcmp(member->string, "regex") == 0);
	return ways;
}

static bool matches_one_way_at_most(const cJSON *value, struct error *why)
{
	return ways_to_match(value) <= 1 ||
	       error_set(why, ERROR_INVALID, "must have only one of exact, prefix and regex");
}

static bool matches_one_way(const cJSON *value, struct error *why)
{
	return ways_to_match(value) == 1 ||
	       error_set(why, ERROR_INVALID, "must have one of exact, prefix and regex");
}

static bool header_matches_one_way(const cJSON *value, struct error *why)
{
	return ways_to_match(value) == 1 ||
	       error_set(why, ERROR_INVALID, "must have one of exact, prefix, suffix and regex");
}

#define MATCH_WORDS MEMBERS(STRING("exact"), STRING("prefix"), STRING("regex"))

static const struct shape string_match = {
	.kind = SHAPE_OBJECT,
	.rule = matches_one_way_at_most,
	.members = MATCH_WORDS,
};
static const struct shape header_match = {
	.kind = SHAPE_OBJECT,
	.rule = header_matches_one_way,
	.members = MEMBERS(STRING("exact"), STRING("prefix"), STRING("suffix"), STRING("regex")),
};
static const struct shape origin_match = {
	.kind = SHAPE_OBJECT,
	.rule = matches_one_way,
	.members = MATCH_WORDS,
};

#define STRING_MATCH(field)                                                                        \
	{                                                                                          \
		.name = field, .kind = SHAPE_OBJECT, .rule = matches_one_way_at_most,              \
		.members = MATCH_WORDS                                                             \
	}
#define STRING_MATCHES(field)                                                                      \
	{                                                                                          \
		.name = field, .kind = SHAPE_MAP, .members = &string_match                         \
	}

/* ---- spec.service ---- */

static const struct shape service_match = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS(
		STRING_MATCH("authority"), STRINGS("gateways"), STRING_MATCHES("headers"),
		BOOL("ignoreUriCase"), STRING_MATCH("method"), STRING("name"), WHOLE("port"),
		STRING_MATCHES("queryParams"), STRING_MATCH("scheme"), STRING_MAP("sourceLabels"),
		STRING("sourceNamespace"), STRING_MATCH("uri"), STRING_MATCHES("withoutHeaders")),
};

#define PORT_NUMBER                                                                                \
	{                                                                                          \
		.name = "port", .kind = SHAPE_WHOLE, .min = 1, .max = 65535                        \
	}

static const struct shape gateway_ref = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS(
		{.name = "group", .kind = SHAPE_STRING, .most = 253},
		{.name = "kind", .kind = SHAPE_STRING, .most = 63, .rule = shape_is_not_empty},
		NAME, NAMESPACE,
		{.name = "sectionName", .kind = SHAPE_STRING, .rule = shape_is_name}, PORT_NUMBER),
};

static bool backend_has_port(const cJSON *value, struct error *why)
{
	const char *group = "", *kind = "Service";
	bool port = false;
	for (const cJSON *member = value->child; member != NULL; member = member->next) {
		if (strcmp(member->string, "group") == 0 && cJSON_IsString(member))
			group = member->valuestring;
		if (strcmp(member->string, "kind") == 0 && cJSON_IsString(member))
			kind = member->valuestring;
		port = port || (strcmp(member->string, "port") == 0 && !cJSON_IsNull(member));
	}
	return port || group[0] != '\0' || strcmp(kind, "Service") != 0 ||
	       error_set(why, ERROR_INVALID, "must have a port, because it refers to a Service");
}

static const struct shape service_mirror = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS({.name = "backendRef",
			    .kind = SHAPE_OBJECT,
			    .rule = backend_has_port,
			    .members = MEMBERS({.name = "group", .kind = SHAPE_STRING, .most = 253},
					       {.name = "kind",
						.kind = SHAPE_STRING,
						.most = 63,
						.rule = shape_is_not_empty},
					       NAME, NAMESPACE, PORT_NUMBER)}),
};

#define HEADERS(field) OBJECT(field, STRING_MAP("add"), STRING_MAP("set"), STRINGS("remove"))
#define METADATA(field) OBJECT(field, STRING_MAP("labels"), STRING_MAP("annotations"))

static const struct shape distribute = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS(STRING("from"), {.name = "to", .kind = SHAPE_MAP, .members = &a_whole}),
};
static const struct shape failover = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS(STRING("from"), STRING("to")),
};

static const struct shape connection_pool[] = {
	OBJECT("http", ENUM("h2UpgradePolicy", "DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
	       WHOLE("http1MaxPendingRequests"), WHOLE("http2MaxRequests"), STRING("idleTimeout"),
	       WHOLE("maxRequestsPerConnection"), WHOLE("maxRetries")),
	{.kind = SHAPE_END},
};
static const struct shape load_balancer[] = {
	OBJECT("consistentHash",
	       OBJECT("httpCookie", STRING("name"), STRING("path"), STRING("ttl")),
	       STRING("httpHeaderName"), STRING("httpQueryParameterName"), WHOLE("minimumRingSize"),
	       BOOL("useSourceIp")),
	OBJECT("localityLbSetting",
	       {.name = "distribute", .kind = SHAPE_LIST, .members = &distribute}, BOOL("enabled"),
	       {.name = "failover", .kind = SHAPE_LIST, .members = &failover}),
	ENUM("simple", "ROUND_ROBIN", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "LEAST_REQUEST"),
	STRING("warmupDurationSecs"),
	{.kind = SHAPE_END},
};
static const struct shape outlier_detection[] = {
	STRING("baseEjectionTime"),
	WHOLE("consecutive5xxErrors"),
	WHOLE("consecutiveErrors"),
	WHOLE("consecutiveGatewayErrors"),
	WHOLE("consecutiveLocalOriginFailures"),
	STRING("interval"),
	WHOLE("maxEjectionPercent"),
	WHOLE("minHealthPercent"),
	BOOL("splitExternalLocalOriginErrors"),
	{.kind = SHAPE_END},
};

static const struct shape service[] = {
	{.name = "name", .kind = SHAPE_STRING, .rule = shape_is_label},
	{.name = "port", .kind = SHAPE_WHOLE, .flags = SHAPE_REQUIRED, .min = 1, .max = 65535},
	{.name = "portName", .kind = SHAPE_STRING, .rule = shape_is_label},
	STRING("appProtocol"),
	ENUM("trafficDistribution", "PreferClose", "PreferSameZone", "PreferSameNode"),
	{.name = "targetPort", .kind = SHAPE_PORT, .max = 65535},
	BOOL("portDiscovery"),
	BOOL("headless"),
	STRING("timeout"),
	STRING("backendTimeout"),
	STRING("meshName"),
	STRINGS("backends"),
	STRINGS("hosts"),
	BOOL("delegation"),
	{.name = "match", .kind = SHAPE_LIST, .members = &service_match},
	OBJECT("retries", WHOLE("attempts"), STRING("perTryTimeout"), STRING("retryOn")),
	OBJECT("rewrite", STRING("uri"), STRING("authority"), STRING("type")),
	{.name = "mirror", .kind = SHAPE_LIST, .members = &service_mirror},
	OBJECT("headers", HEADERS("request"), HEADERS("response")),
	STRINGS("gateways"),
	{.name = "gatewayRefs", .kind = SHAPE_LIST, .most = 32, .members = &gateway_ref},
	OBJECT("corsPolicy", BOOL("allowCredentials"), STRINGS("allowHeaders"),
	       STRINGS("allowMethods"), STRINGS("allowOrigin"),
	       {.name = "allowOrigins", .kind = SHAPE_LIST, .members = &origin_match},
	       STRINGS("exposeHeaders"), STRING("maxAge")),
	OBJECT("trafficPolicy",
	       {.name = "connectionPool", .kind = SHAPE_OBJECT, .members = connection_pool},
	       {.name = "loadBalancer", .kind = SHAPE_OBJECT, .members = load_balancer},
	       {.name = "outlierDetection", .kind = SHAPE_OBJECT, .members = outlier_detection},
	       OBJECT("tls", STRING("caCertificates"), STRING("clientCertificate"),
		      ENUM("mode", "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
		      STRING("privateKey"), STRING("sni"), STRINGS("subjectAltNames"))),
	METADATA("apex"),
	METADATA("primary"),
	METADATA("canary"),
	OBJECT("unmanagedMetadata", STRINGS("annotations"), STRINGS("labels")),
	{.kind = SHAPE_END},
};

/* ---- spec.analysis ---- */

static bool is_scale(const cJSON *value, struct error *why)
{
	const char *text = cJSON_GetStringValue(value);
	if (text == NULL)
		return true;
	size_t digits = strspn(text, "0123456789");
	return (digits > 0 && digits <= 4 && text[0] != '0' && strcmp(text + digits, "%") == 0) ||
	       error_set(why, ERROR_INVALID,
			 "must be a number, or percent of the primary's, such as \"50%%\"");
}

/* What the API server lets through. What can then not be read means 60 s, as in the reference. */
static bool begins_as_duration(const cJSON *value, struct error *why)
{
	size_t digits = strspn(value->valuestring, "0123456789");
	char unit = value->valuestring[digits];
	return (digits > 0 && (unit == 'm' || unit == 's')) || shape_is_duration(value, why);
}

static const struct shape step_weight = {.kind = SHAPE_WHOLE, .max = 100};

/* An API server drops the fields that it does not know, so this is what `uri` comes to. */
static bool tells_apart(const cJSON *value, struct error *why)
{
	return cJSON_GetArraySize(json_get(value, "headers")) > 0 ||
	       cJSON_GetArraySize(json_get(value, "queryParams")) > 0 ||
	       cJSON_GetArraySize(json_get(value, "sourceLabels")) > 0 ||
	       error_set(why, ERROR_INVALID,
			 "must have headers, queryParams or sourceLabels: all traffic would go to "
			 "the canary");
}

const struct shape match_shape = {
	.kind = SHAPE_OBJECT,
	.rule = tells_apart,
	.members = MEMBERS({.name = "headers", .kind = SHAPE_MAP, .members = &header_match},
			   STRING_MATCHES("queryParams"), STRING_MAP("sourceLabels")),
};

const struct shape metric_shape = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS({.name = "name",
			    .kind = SHAPE_STRING,
			    .flags = SHAPE_REQUIRED,
			    .rule = shape_is_not_empty},
			   DURATION("interval"), {.name = "threshold", .kind = SHAPE_NUMBER},
			   OBJECT("thresholdRange", {.name = "min", .kind = SHAPE_NUMBER},
				  {.name = "max", .kind = SHAPE_NUMBER}),
			   {.name = "query", .kind = SHAPE_STRING, .most = QUERY_MAX},
			   OBJECT("templateRef", NAME, NAMESPACE), STRING_MAP("templateVariables"),
			   ENUM("onNoData", "fail", "hold"), ENUM("onError", "fail", "hold"),
			   {.name = "failureLimit", .kind = SHAPE_WHOLE, .min = 1, .max = 1000}),
};

static const struct shape alert = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS({.name = "name", .kind = SHAPE_STRING, .flags = SHAPE_REQUIRED},
			   ENUM("severity", "", "info", "warn", "error"),
			   {.name = "providerRef",
			    .kind = SHAPE_OBJECT,
			    .flags = SHAPE_REQUIRED,
			    .members = MEMBERS(NAME, NAMESPACE)}),
};

static const struct shape webhook = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS(
		{.name = "name",
		 .kind = SHAPE_STRING,
		 .flags = SHAPE_REQUIRED,
		 .rule = shape_is_not_empty},
		ENUM("type", "", "confirm-rollout", "pre-rollout", "rollout", "confirm-promotion",
		     "post-rollout", "event", "rollback", "confirm-traffic-increase"),
		BOOL("muteAlert"),
		{.name = "url",
		 .kind = SHAPE_STRING,
		 .flags = SHAPE_REQUIRED,
		 .rule = shape_is_url},
		DURATION("timeout"), {.name = "retries", .kind = SHAPE_WHOLE, .max = 100},
		BOOL("disableTLS"), STRING_MAP("metadata")),
};

static const struct shape session_affinity[] = {
	{.name = "cookieName",
	 .kind = SHAPE_STRING,
	 .flags = SHAPE_REQUIRED,
	 .rule = shape_is_not_empty},
	STRING("primaryCookieName"),
	STRING("domain"),
	BOOL("httpOnly"),
	NATURAL("maxAge"),
	BOOL("partitioned"),
	STRING("path"),
	ENUM("sameSite", "Strict", "Lax", "None"),
	BOOL("secure"),
	{.kind = SHAPE_END},
};

static const struct shape policy[] = {
	{.name = "name", .kind = SHAPE_STRING, .rule = shape_is_label},
	OBJECT("configMap", NAME,
	       {.name = "key", .kind = SHAPE_STRING, .most = 253, .rule = shape_is_not_empty}),
	{.name = "inline",
	 .kind = SHAPE_STRING,
	 .most = POLICY_TEXT_MAX,
	 .rule = shape_is_not_empty},
	{.name = "params", .kind = SHAPE_FREE},
	ENUM("onPolicyChange", "NextTick", "NextRollout"),
	{.kind = SHAPE_END},
};

static const struct shape analysis[] = {
	{.name = "interval", .kind = SHAPE_STRING, .rule = begins_as_duration},
	NATURAL("iterations"),
	WHOLE("threshold"),
	PERCENT("maxWeight"),
	PERCENT("stepWeight"),
	{.name = "stepWeights", .kind = SHAPE_LIST, .most = 1000, .members = &step_weight},
	PERCENT("stepWeightPromotion"),
	{.name = "stepIntervals", .kind = SHAPE_LIST, .most = 1000, .members = &a_duration},
	DURATION("watch"),
	DURATION("scaleDownDelay"),
	{.name = "canaryReplicas",
	 .kind = SHAPE_PORT,
	 .min = 1,
	 .max = INT32_MAX,
	 .rule = is_scale},
	ENUM("onGoodRevision", "Analyse", "Promote"),
	DURATION("holdTimeout"),
	BOOL("mirror"),
	PERCENT("mirrorWeight"),
	PERCENT("primaryReadyThreshold"),
	PERCENT("canaryReadyThreshold"),
	{.name = "match", .kind = SHAPE_LIST, .most = VERDICT_MATCHES_MAX, .members = &match_shape},
	{.name = "metrics",
	 .kind = SHAPE_LIST,
	 .most = VERDICT_CHECKS_MAX,
	 .members = &metric_shape},
	{.name = "alerts", .kind = SHAPE_LIST, .most = 100, .members = &alert},
	{.name = "webhooks", .kind = SHAPE_LIST, .most = 100, .members = &webhook},
	{.name = "sessionAffinity", .kind = SHAPE_OBJECT, .members = session_affinity},
	{.name = "policy", .kind = SHAPE_OBJECT, .flags = SHAPE_STRICT, .members = policy},
	{.kind = SHAPE_END},
};

/* ---- the Canary ---- */

#define REFERENCE(field, ...)                                                                      \
	{                                                                                          \
		.name = field, .kind = SHAPE_OBJECT,                                               \
		.members = MEMBERS(API_VERSION, KIND(__VA_ARGS__), NAME)                           \
	}

static const struct shape target_ref[] = {
	API_VERSION,
	KIND("Deployment", "DaemonSet", "Service", "StatefulSet"), /* those of target.c */
	NAME,
	{.kind = SHAPE_END},
};
static const struct shape autoscaler_ref[] = {
	API_VERSION,
	KIND("HorizontalPodAutoscaler", "ScaledObject"),
	NAME,
	STRING_MAP("primaryScalerQueries"),
	OBJECT("primaryScalerReplicas",
	       {.name = "minReplicas", .kind = SHAPE_WHOLE, .min = 1, .max = INT32_MAX},
	       {.name = "maxReplicas", .kind = SHAPE_WHOLE, .min = 1, .max = INT32_MAX}),
	{.kind = SHAPE_END},
};

static const struct shape spec[] = {
	{.name = "provider", .kind = SHAPE_STRING, .rule = shape_is_not_empty},
	STRING("metricsServer"),
	NATURAL("progressDeadlineSeconds"),
	{.name = "targetRef", .kind = SHAPE_OBJECT, .flags = SHAPE_REQUIRED, .members = target_ref},
	{.name = "autoscalerRef", .kind = SHAPE_OBJECT, .members = autoscaler_ref},
	REFERENCE("ingressRef", "Ingress"),
	{.name = "routeRef", /* which kinds there are is for the driver to say */
	 .kind = SHAPE_OBJECT,
	 .members = MEMBERS(API_VERSION,
			    {.name = "kind",
			     .kind = SHAPE_STRING,
			     .flags = SHAPE_REQUIRED,
			     .rule = shape_is_not_empty},
			    NAME)},
	{.name = "upstreamRef",
	 .kind = SHAPE_OBJECT,
	 .members = MEMBERS(API_VERSION, KIND("Upstream"), NAME, NAMESPACE)},
	{.name = "service", .kind = SHAPE_OBJECT, .members = service},
	BOOL("skipAnalysis"),
	BOOL("revertOnDeletion"),
	BOOL("suspend"),
	{.name = "analysis", .kind = SHAPE_OBJECT, .flags = SHAPE_REQUIRED, .members = analysis},
	{.kind = SHAPE_END},
};

const struct shape canary_shape = {
	.kind = SHAPE_OBJECT,
	.members = MEMBERS(
		STRING("apiVersion"), STRING("kind"),
		{.name = "metadata", .kind = SHAPE_FREE, .flags = SHAPE_REQUIRED},
		{.name = "spec", .kind = SHAPE_OBJECT, .flags = SHAPE_REQUIRED, .members = spec},
		{.name = "status", .kind = SHAPE_FREE}),
};
