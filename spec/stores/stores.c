#include "stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* ---- what is looked at ---- */

static bool complain(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return false;
}

static bool has(const cJSON *object, const char *name, const char *part)
{
	const char *value = json_string(object, name);
	return value != NULL && strstr(value, part) != NULL;
}

static bool is(const struct asked *asked, const char *method, const char *path)
{
	return strcmp(asked->method, method) == 0 && strcmp(asked->path, path) == 0;
}

/* Ten minutes in milliseconds: ten intervals. */
static bool spans(const struct asked *asked, const char *from, const char *to)
{
	double began = strtod(json_string_or(asked->arguments, from, "0"), NULL);
	return strtod(json_string_or(asked->arguments, to, "0"), NULL) - began == 600000;
}

static bool graphite(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "GET", "/render") || !has(asked->arguments, "format", "json") ||
	    !has(asked->arguments, "target", "sumSeries(hits.*)"))
		return complain(why, size, "not GET /render?target=…&format=json");
	return has(asked->headers, "authorization", "Basic cGxhbnRlZC11c2VyOnBsYW50ZWQta2V5") ||
	       complain(why, size, "not the user");
}

static bool datadog(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "GET", "/api/v1/query") || !has(asked->arguments, "from", "1") ||
	    !has(asked->arguments, "to", "1") || !has(asked->arguments, "query", "avg:hits{*}"))
		return complain(why, size, "not GET /api/v1/query?query&from&to");
	return (has(asked->headers, "dd-api-key", "planted-key") &&
		has(asked->headers, "dd-application-key", "planted-app")) ||
	       complain(why, size, "not the keys");
}

static bool newrelic(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "GET", "/v1/accounts/4711/query") ||
	    !has(asked->arguments, "nrql", "SELECT 1 SINCE 60 seconds ago"))
		return complain(why, size, "not GET /v1/accounts/ID/query?nrql=… SINCE …");
	return has(asked->headers, "x-query-key", "planted-key") ||
	       complain(why, size, "not the key");
}

static bool dynatrace(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "GET", "/api/v2/metrics/query") ||
	    !has(asked->arguments, "metricSelector", "builtin:hits") ||
	    !has(asked->arguments, "resolution", "Inf") || !spans(asked, "from", "to"))
		return complain(why, size,
				"not GET /api/v2/metrics/query?metricSelector&resolution&from&to");
	return has(asked->headers, "authorization", "Api-Token planted-key") ||
	       complain(why, size, "not the token");
}

static bool influxdb(const struct asked *asked, char *why, size_t size)
{
	SCOPED(json) cJSON *body = cJSON_Parse(asked->body);
	if (!is(asked, "POST", "/api/v2/query") || !has(asked->arguments, "org", "mine") ||
	    !has(asked->headers, "content-type", "application/json") ||
	    !has(body, "type", "flux") || !has(body, "query", "from(bucket:") ||
	    json_string(body, "dialect.annotations[0]") == NULL)
		return complain(why, size, "not POST /api/v2/query?org with Flux in JSON");
	return has(asked->headers, "authorization", "Token planted-key") ||
	       complain(why, size, "not the token");
}

static bool cloudwatch(const struct asked *asked, char *why, size_t size)
{
	SCOPED(json) cJSON *body = cJSON_Parse(asked->body);
	if (!is(asked, "POST", "/") ||
	    !has(asked->headers, "x-amz-target", "GraniteServiceVersion20100801.GetMetricData") ||
	    !has(asked->headers, "content-type", "application/x-amz-json-1.0") ||
	    !cJSON_IsArray(json_get(body, "MetricDataQueries")) ||
	    !cJSON_IsNumber(json_get(body, "StartTime")))
		return complain(why, size, "not POST of GetMetricData in JSON 1.0");
	if (!has(asked->headers, "x-amz-date", "T") ||
	    !has(asked->headers, "authorization", "/eu-west-1/monitoring/aws4_request, Signed"))
		return complain(why, size, "not signed");
	/* A session's token is as good as its key. */
	if (has(asked->headers, "authorization", "Credential=planted-session/"))
		return has(asked->headers, "x-amz-security-token", "planted-token") ||
		       complain(why, size, "no token of the session");
	return has(asked->headers, "authorization", "Credential=planted-id/") ||
	       complain(why, size, "not the key");
}

static bool stackdriver(const struct asked *asked, char *why, size_t size)
{
	SCOPED(json) cJSON *body = cJSON_Parse(asked->body);
	if (!is(asked, "POST", "/v3/projects/mine/timeSeries:query") ||
	    !has(body, "query", "fetch"))
		return complain(why, size, "not POST /v3/projects/ID/timeSeries:query");
	return has(asked->headers, "authorization", "Bearer planted-google") ||
	       complain(why, size, "not the token");
}

static bool splunk(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "POST", "/v2/signalflow/execute") ||
	    !has(asked->headers, "content-type", "text/plain") ||
	    !has(asked->arguments, "immediate", "true") || !spans(asked, "start", "stop") ||
	    strstr(asked->body, ".publish()") == NULL)
		return complain(why, size, "not POST /v2/signalflow/execute?start&stop&immediate");
	return has(asked->headers, "x-sf-token", "planted-key") ||
	       complain(why, size, "not the token");
}

static bool externalmetrics(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "GET", "/apis/external.metrics.k8s.io/v1beta1/namespaces/team/hits") ||
	    !has(asked->arguments, "labelSelector", "app=web"))
		return complain(why, size, "not GET of a metric with its labelSelector");
	return has(asked->headers, "authorization", "Bearer planted-key") ||
	       complain(why, size, "not the token");
}

/* That of lua/README.md. */
static bool plain_store(const struct asked *asked, char *why, size_t size)
{
	return (is(asked, "GET", "/value") && has(asked->arguments, "q", "hits & more")) ||
	       complain(why, size, "not GET /value?q=");
}

/* ---- who lends an identity ---- */

#define CREDENTIALS                                                                                \
	"{\"AccessKeyId\":\"planted-session\",\"SecretAccessKey\":\"planted-secret\",\"Token\":"   \
	"\"planted-token\",\"Expiration\":\"2199-01-01T00:00:00Z\",\"Code\":\"Success\"}"

static bool google_token(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "POST", "/token") ||
	    strstr(asked->body,
		   "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer") == NULL ||
	    strstr(asked->body, "&assertion=ey") == NULL)
		return complain(why, size, "not a grant of a signed assertion");
	return true;
}

/* RFC 8693, as https://google.aip.dev/auth/4117 has it. */
static bool exchanges(const struct asked *asked, const char *scope, char *why, size_t size)
{
	static const char *const parts[] = {
		"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
		"&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
		"&audience=%2F%2Fiam.googleapis.com%2Fpools%2Fmine",
		"&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt",
	};
	bool good = is(asked, "POST", "/v1/token") &&
		    has(asked->headers, "content-type", "application/x-www-form-urlencoded") &&
		    strstr(asked->body, scope) != NULL;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		good &= strstr(asked->body, parts[i]) != NULL;
	if (!good)
		return complain(why, size, "not an exchange of tokens");
	return text_ends(asked->body, "&subject_token=planted.web.token") ||
	       complain(why, size, "not the token of the pod");
}

static bool google_sts(const struct asked *asked, char *why, size_t size)
{
	return exchanges(asked, "%2Fauth%2Fmonitoring.read", why, size);
}

static bool google_federation(const struct asked *asked, char *why, size_t size)
{
	return exchanges(asked, "%2Fauth%2Fcloud-platform", why, size);
}

static bool google_iam(const struct asked *asked, char *why, size_t size)
{
	SCOPED(json) cJSON *body = cJSON_Parse(asked->body);
	if (!is(asked, "POST", "/v1/projects/-/serviceAccounts/me:generateAccessToken") ||
	    strstr(json_string_or(body, "scope[0]", ""), "monitoring.read") == NULL ||
	    !has(body, "lifetime", "s"))
		return complain(why, size, "not POST …:generateAccessToken of a scope");
	return has(asked->headers, "authorization", "Bearer planted-federated") ||
	       complain(why, size, "not the federated token");
}

static bool google_machine(const struct asked *asked, char *why, size_t size)
{
	return (strcmp(asked->method, "GET") == 0 &&
		has(asked->headers, "metadata-flavor", "Google")) ||
	       complain(why, size, "no Metadata-Flavor");
}

static const char *of_google_machine(const struct asked *asked)
{
	return strcmp(asked->path, "/project/project-id") == 0
		       ? "mine"
		       : "{\"access_token\":\"planted-google\"}";
}

static bool sts(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "POST", "/") ||
	    strstr(asked->body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3A"
				"aws%3Aiam%3A%3A1%3Arole%2Fcanary&RoleSessionName=") == NULL)
		return complain(why, size, "not AssumeRoleWithWebIdentity");
	return strstr(asked->body, "&WebIdentityToken=planted.web.token") != NULL ||
	       complain(why, size, "not the token of the pod");
}

static bool pod_identity(const struct asked *asked, char *why, size_t size)
{
	if (!is(asked, "GET", "/v1/credentials"))
		return complain(why, size, "not GET /v1/credentials");
	return strcmp(json_string_or(asked->headers, "authorization", ""), "planted.pod.token") ==
		       0 ||
	       complain(why, size, "not the token of the pod");
}

static const char role_path[] = "/latest/meta-data/iam/security-credentials/";

static bool instance(const struct asked *asked, char *why, size_t size)
{
	if (is(asked, "PUT", "/latest/api/token"))
		return has(asked->headers, "x-aws-ec2-metadata-token-ttl-seconds", "21600") ||
		       complain(why, size, "how long shall the session last?");
	return (text_starts(asked->path, role_path) &&
		has(asked->headers, "x-aws-ec2-metadata-token", "planted-imds")) ||
	       complain(why, size, "not of a session");
}

static const char *of_instance(const struct asked *asked)
{
	if (strcmp(asked->method, "PUT") == 0)
		return "planted-imds";
	return strcmp(asked->path, role_path) == 0 ? "canary-role" : CREDENTIALS;
}

/* ---- receivers of alerts ---- */

static bool speaks_slack(const struct asked *asked, const char *path, char *why, size_t size)
{
	SCOPED(json) cJSON *body = cJSON_Parse(asked->body);
	return (is(asked, "POST", path) &&
		has(asked->headers, "content-type", "application/json") &&
		json_string(body, "attachments[0].text") != NULL &&
		json_string(body, "channel") != NULL && json_string(body, "username") != NULL) ||
	       complain(why, size, "invalid_payload");
}

static bool slack(const struct asked *asked, char *why, size_t size)
{
	return speaks_slack(asked, "/planted-hook", why, size);
}

static bool slack_bot(const struct asked *asked, char *why, size_t size)
{
	if (!has(asked->headers, "authorization", "Bearer planted-bot"))
		return complain(why, size, "not_authed");
	return speaks_slack(asked, "/api/chat.postMessage", why, size);
}

static bool discord(const struct asked *asked, char *why, size_t size)
{
	return speaks_slack(asked, "/planted-hook/slack", why, size);
}

static bool msteams(const struct asked *asked, char *why, size_t size)
{
	SCOPED(json) cJSON *body = cJSON_Parse(asked->body);
	return (is(asked, "POST", "/planted-hook") && has(body, "@type", "MessageCard") &&
		json_string(body, "summary") != NULL &&
		json_string(body, "sections[0].activityTitle") != NULL) ||
	       complain(why, size, "Bad payload received by generic incoming webhook.");
}

static bool gchat(const struct asked *asked, char *why, size_t size)
{
	SCOPED(json) cJSON *body = cJSON_Parse(asked->body);
	return (is(asked, "POST", "/planted-hook") &&
		json_string(body, "cards[0].header.title") != NULL) ||
	       complain(why, size, "Invalid JSON payload received.");
}

/* ---- who there is ---- */

#define SSE(kind, json) "event: " kind "\ndata: " json "\n\n"
#define SSE_START SSE("control-message", "{\"event\":\"STREAM_START\",\"timestampMs\":1}")
#define SSE_SERIES(id) SSE("metadata", "{\"tsId\":\"" id "\",\"properties\":{}}")
#define SSE_END SSE("control-message", "{\"event\":\"END_OF_CHANNEL\",\"timestampMs\":2}")

static const struct store stores[] = {
	{"graphite", false, graphite,
	 "[{\"target\":\"t\",\"datapoints\":[[1,4102444740],[42,4102444800],[null,4102444860]]}]",
	 "[]", "[{\"target\":\"t\",\"datapoints\":[[NaN,4102444800]]}]",
	 "[{\"target\":\"a\",\"datapoints\":[]},{\"target\":\"b\",\"datapoints\":[]}]"},
	{"datadog", false, datadog,
	 "{\"status\":\"ok\",\"series\":[{\"pointlist\":[[1,42.0],[2,43.0]]}]}",
	 "{\"status\":\"ok\",\"series\":[]}",
	 "{\"status\":\"ok\",\"series\":[{\"pointlist\":[[1,NaN]]}]}",
	 "{\"status\":\"ok\",\"series\":[{\"pointlist\":[]},{\"pointlist\":[]}]}"},
	{"newrelic", false, newrelic, "{\"results\":[{\"result\":42}]}", "{\"results\":[]}",
	 "{\"results\":[{\"result\":NaN}]}", "{\"results\":[{\"result\":1},{\"result\":2}]}"},
	{"dynatrace", false, dynatrace,
	 "{\"result\":[{\"data\":[{\"timestamps\":[1],\"values\":[42]}]}]}",
	 "{\"result\":[{\"data\":[]}]}", "{\"result\":[{\"data\":[{\"values\":[\"NaN\"]}]}]}",
	 "{\"result\":[{\"data\":[{\"values\":[1]},{\"values\":[2]}]}]}"},
	{"influxdb", false, influxdb,
	 "#datatype,string,long,double\r\n,result,table,_value\r\n,_result,0,42\r\n\r\n", "\r\n",
	 "#datatype,string,long,double\r\n,result,table,_value\r\n,_result,0,NaN\r\n\r\n",
	 "#datatype,string,long,double\r\n,result,table,_value\r\n,_result,0,1\r\n,_result,1,"
	 "2\r\n"},
	{"cloudwatch", false, cloudwatch,
	 "{\"MetricDataResults\":[{\"Id\":\"e1\",\"Values\":[42,1]}]}",
	 "{\"MetricDataResults\":[{\"Id\":\"e1\",\"Values\":[]}]}",
	 "{\"MetricDataResults\":[{\"Id\":\"e1\",\"Values\":[\"NaN\"]}]}", NULL},
	{"stackdriver", false, stackdriver,
	 "{\"timeSeriesData\":[{\"pointData\":[{\"values\":[{\"doubleValue\":42}]}]}]}", "{}",
	 "{\"timeSeriesData\":[{\"pointData\":[{\"values\":[{\"doubleValue\":\"NaN\"}]}]}]}",
	 "{\"timeSeriesData\":[{\"pointData\":[]},{\"pointData\":[]}]}"},
	{"splunk-stream", false, splunk,
	 SSE_START SSE_SERIES("a")
		 SSE("data", "{\"logicalTimestampMs\":1,\"data\":[{\"tsId\":\"a\","
			     "\"value\":42}]}") SSE_END,
	 SSE_START SSE_END,
	 SSE_START SSE_SERIES("a") SSE("data", "{\"data\":[{\"tsId\":\"a\",\"value\":\"NaN\"}]}")
		 SSE_END,
	 SSE_START SSE_SERIES("a") SSE_SERIES("b") SSE_END},
	{"externalmetrics", false, externalmetrics, "{\"items\":[{\"value\":\"42000m\"}]}",
	 "{\"items\":[]}", "{\"items\":[{\"value\":\"NaN\"}]}",
	 "{\"items\":[{\"value\":\"1\"},{\"value\":\"2\"}]}"},
	{"store", false, plain_store, "{\"value\":42}", "{}", NULL, NULL},
	{"google", false, google_token, "{\"access_token\":\"planted-google\"}", NULL, NULL, NULL},
	{"googlests", false, google_sts,
	 "{\"access_token\":\"planted-google\",\"token_type\":\"Bearer\",\"expires_in\":3600}",
	 NULL, NULL, NULL},
	{"googlefederation", false, google_federation,
	 "{\"access_token\":\"planted-federated\",\"token_type\":\"Bearer\",\"expires_in\":3600}",
	 NULL, NULL, NULL},
	{"googleiam", false, google_iam,
	 "{\"accessToken\":\"planted-google\",\"expireTime\":\"2199-01-01T00:00:00Z\"}", NULL, NULL,
	 NULL},
	{"sts", false, sts,
	 "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
	 "<AssumeRoleWithWebIdentityResult><Credentials>\n"
	 "  <AccessKeyId>planted-session</AccessKeyId>\n"
	 "  <SecretAccessKey>planted-secret</SecretAccessKey>\n"
	 "  <SessionToken>planted-token</SessionToken>\n"
	 "  <Expiration>2199-01-01T00:00:00Z</Expiration>\n"
	 "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>\n",
	 NULL, NULL, NULL},
	{"pod", false, pod_identity, CREDENTIALS, NULL, NULL, NULL},
	{"slack", true, slack, "ok", NULL, NULL, NULL},
	{"slackbot", true, slack_bot, "{\"ok\":true}", NULL, NULL, NULL},
	{"discord", true, discord, "ok", NULL, NULL, NULL},
	{"rocket", true, slack, "{\"success\":true}", NULL, NULL, NULL},
	{"msteams", true, msteams, "1", NULL, NULL, NULL},
	{"gchat", true, gchat, "{\"name\":\"spaces/a/messages/b\"}", NULL, NULL, NULL},
	{"instance", false, instance, NULL, NULL, NULL, NULL},
	/* "/computeMetadata/v1/…": its manner is its version. */
	{"computeMetadata", false, google_machine, NULL, NULL, NULL, NULL},
};

const struct store *store_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(stores); i++)
		if (strcmp(stores[i].name, name) == 0)
			return &stores[i];
	return NULL;
}

void store_refusal(const struct store *store, const struct asked *asked, char *text, size_t size)
{
	if (store->understands == sts)
		snprintf(text, size,
			 "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
			 "<Message>Not authorized to perform sts:AssumeRoleWithWebIdentity"
			 "</Message></Error></ErrorResponse>");
	else
		snprintf(text, size, "no: %s", asked->credentials);
}

const char *store_answer(const struct store *store, const struct asked *asked)
{
	const char *manner = asked->manner;
	const char *text = NULL;
	if (store->understands == instance)
		return of_instance(asked);
	if (store->understands == google_machine)
		return of_google_machine(asked);
	if (strcmp(manner, "badjson") == 0)
		return "<html>busy</html>";
	if (strcmp(manner, "empty") == 0)
		return "";
	if (strcmp(manner, "refused") == 0)
		return "{\"ok\":false,\"error\":\"invalid_auth\"}";
	if (strcmp(manner, "nodata") == 0)
		text = store->no_data;
	else if (strcmp(manner, "nan") == 0)
		text = store->nan;
	else if (strcmp(manner, "several") == 0)
		text = store->several;
	else
		text = store->good;
	return text == NULL ? store->good : text;
}
