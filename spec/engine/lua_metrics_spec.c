#include "script/lua_metrics.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "fake_http.h"
#include "metric/prometheus.h"
#include "spec.h"

enum { NOW = 1700000000 };

/* One question to a driver, against the fake of the http port. */
struct bed {
	struct loop *loop;
	struct fake_http fake;
	struct metrics *metrics;
	struct metric_query query;
	cJSON *secret;
	int told;
	struct sample sample;
	char *raw;
	struct fake_request *request;
};

static void tell(void *owner, uint64_t token, const struct sample *sample)
{
	struct bed *bed = owner;
	(void)token;
	bed->told++;
	bed->sample = *sample;
	free(bed->raw);
	bed->raw = xstrdup(sample->raw);
}

static void open_bed(struct bed *bed, const char *provider, const char *query, const char *secret)
{
	memset(bed, 0, sizeof(*bed));
	bed->loop = loop_new_virtual(NOW * DURATION_SECOND);
	fake_http_init(&bed->fake, bed->loop);
	bed->metrics = lua_metrics(bed->loop, &bed->fake.http, &bed->fake.http,
				   prometheus_new(bed->loop, &bed->fake.http));
	bed->secret = secret == NULL ? NULL : cJSON_Parse(secret);
	bed->query = (struct metric_query){.provider = provider,
					   .address = "http://store/base/",
					   .query = query,
					   .interval_us = DURATION_MINUTE,
					   .secret = bed->secret};
}

static void close_bed(struct bed *bed)
{
	bed->metrics->ops->free(bed->metrics);
	EXPECT_INT(fake_open(&bed->fake), 0);
	fake_http_fini(&bed->fake);
	cJSON_Delete(bed->secret);
	free(bed->raw);
	loop_free(bed->loop);
}

static void send_out(struct bed *bed)
{
	bed->metrics->ops->query(bed->metrics, &bed->query, tell, bed, 0);
	loop_run(bed->loop, NOW * DURATION_SECOND);
	static struct fake_request none; /* all zero: nothing was sent */
	bed->request = bed->fake.count > 0 ? &bed->fake.requests[bed->fake.count - 1] : &none;
}

static void expect_sample(struct bed *bed, const char *wanted)
{
	char got[700];
	const struct sample *sample = &bed->sample;
	if (sample->kind == SAMPLE_ERROR)
		snprintf(got, sizeof(got), "%s: %s", error_kind_name(sample->error), sample->text);
	else if (sample->kind == SAMPLE_OK)
		snprintf(got, sizeof(got), "%.10g", sample->value);
	else if (sample->kind == SAMPLE_STALE)
		snprintf(got, sizeof(got), "stale %.10g: %s", sample->value, sample->text);
	else
		snprintf(got, sizeof(got), "%s%s",
			 sample->kind == SAMPLE_NO_DATA ? "none"
			 : sample->kind == SAMPLE_NAN	? "nan"
							: "several: ",
			 sample->kind == SAMPLE_AMBIGUOUS ? sample->text : "");
	EXPECT_TEXT(got, wanted);
}

/* Asks, answers with a status and a body, and compares. */
static void answer(struct bed *bed, int status, const char *body, const char *wanted)
{
	int told = bed->told;
	send_out(bed);
	fake_reply(&bed->fake, bed->request, status, body);
	loop_run(bed->loop, 0);
	EXPECT_INT(bed->told, told + 1);
	expect_sample(bed, wanted);
}

/* What every store can do wrong. */
static void fail_in_every_way(struct bed *bed, const char *name)
{
	char wanted[200];
	const char *place = bed->query.address[0] == '\0' ? "the API server" : "http://store";
	snprintf(wanted, sizeof(wanted), "throttled: %s: error response: Status 429: slow", place);
	answer(bed, 429, "slow", wanted);
	snprintf(wanted, sizeof(wanted), "unavailable: %s: error response: Status 503: ", place);
	answer(bed, 503, "", wanted);
	snprintf(wanted, sizeof(wanted), "denied: %s: error response: Status 403: no", place);
	answer(bed, 403, "no", wanted);
	snprintf(wanted, sizeof(wanted), "%s: not an answer of %s", place, name);
	send_out(bed);
	fake_reply(&bed->fake, bed->request, 200, "<html>");
	loop_run(bed->loop, 0);
	EXPECT_INT(bed->sample.kind, SAMPLE_ERROR);
	EXPECT_CONTAINS(bed->sample.text, wanted);
	send_out(bed);
	fake_reply(&bed->fake, bed->request, 200, "{}{");
	loop_run(bed->loop, 0);
	EXPECT_INT(bed->sample.kind, SAMPLE_ERROR);
	send_out(bed);
	fake_fail(&bed->fake, bed->request, ERROR_TIMEOUT, "http://store: no answer within 5s");
	loop_run(bed->loop, 0);
	expect_sample(bed, "timeout: http://store: no answer within 5s");
}

SPEC("lua_metrics: graphite gives the newest value of its one target")
{
	struct bed bed;
	open_bed(&bed, "graphite", "target=sumSeries(a.*.b)&from=-5min",
		 "{\"username\":\"user\",\"password\":\"hunter22\"}");
	answer(&bed, 200,
	       "[{\"target\":\"t\",\"datapoints\":[[1,1699999880],[2.5,1699999940],"
	       "[null,1700000000]]}]",
	       "2.5");
	EXPECT_TEXT(bed.request->url, "http://store/base/render?target=sumSeries%28a.%2A.b%29&from="
				      "-5min&format=json");
	EXPECT_TEXT(bed.request->headers, "Authorization: Basic dXNlcjpodW50ZXIyMg==\n");
	EXPECT_INT(bed.request->timeout_us, 5 * DURATION_SECOND);
	answer(&bed, 200, "[]", "none");
	answer(&bed, 200, "[{\"datapoints\":[[null,1700000000]]}]", "none");
	answer(&bed, 200, "[{\"datapoints\":[]}]", "none");
	answer(&bed, 200, "[{\"datapoints\":[[7,1699990000]]}]",
	       "stale 7: the newest value is 10000 seconds old");
	answer(&bed, 200, "[{\"datapoints\":[[1,2]]},{\"datapoints\":[[1,2]]}]",
	       "several: query returned multiple values: 2 series");
	answer(&bed, 200, "[{\"datapoints\":[[\"x\",2]]}]",
	       "invalid: http://store: [0][0]: must be a number, is a string");
	answer(&bed, 200, "{\"a\":1}",
	       "invalid: http://store: the value: must be a list, is an object");
	answer(&bed, 500, "password hunter22 is wrong",
	       "unavailable: http://store: error response: Status 500: password ******** is wrong");
	fail_in_every_way(&bed, "graphite");
	bed.query.online = true;
	answer(&bed, 200, "[]", "none");
	EXPECT_CONTAINS(bed.request->url, "/render?target=test&format=json");
	bed.query.online = false;
	bed.query.address = "store:80";
	send_out(&bed);
	expect_sample(&bed, "invalid: graphite address store:80 is not a valid URL");
	close_bed(&bed);
	open_bed(&bed, "graphite", "target=a", "{\"username\":\"user\"}");
	send_out(&bed);
	expect_sample(&bed,
		      "invalid: http://store: graphite credentials does not contain a password");
	close_bed(&bed);
}

SPEC("lua_metrics: datadog gives the oldest value of ten intervals")
{
	struct bed bed;
	open_bed(&bed, "datadog", "avg:x{a:b}.as_rate()",
		 "{\"datadog_api_key\":\"apikey1\",\"datadog_application_key\":\"appkey2\"}");
	answer(&bed, 200,
	       "{\"status\":\"ok\",\"series\":[{\"pointlist\":[[1,null],[2,0.25],[3,9]]}]}",
	       "0.25");
	EXPECT_TEXT(bed.request->url, "http://store/base/api/v1/query?query=avg%3Ax%7Ba%3Ab%7D.as_"
				      "rate%28%29&from=1699999400&to=1700000000");
	EXPECT_CONTAINS(bed.request->headers, "DD-API-KEY: apikey1\n");
	EXPECT_CONTAINS(bed.request->headers, "DD-APPLICATION-KEY: appkey2\n");
	answer(&bed, 200, "{\"series\":[]}", "none");
	answer(&bed, 200, "{\"series\":null}", "none");
	answer(&bed, 200, "{\"series\":[{\"pointlist\":[]}]}", "none");
	answer(&bed, 200, "{\"series\":[{},{}]}",
	       "several: query returned multiple values: 2 series");
	answer(&bed, 200, "{\"series\":[{}]}",
	       "invalid: http://store: [0].pointlist: must be a list, is missing");
	answer(&bed, 200, "{\"status\":\"error\",\"error\":\"bad query\"}",
	       "invalid: http://store: error response: bad query");
	fail_in_every_way(&bed, "datadog");
	bed.query.online = true;
	answer(&bed, 200, "{}", "none");
	EXPECT_TEXT(bed.request->url, "http://store/base/api/v1/validate");
	answer(&bed, 403, "no", "denied: http://store: error response: Status 403: no");
	bed.query.online = false;
	bed.query.address = "";
	send_out(&bed);
	EXPECT_CONTAINS(bed.request->url, "https://api.datadoghq.com/api/v1/query?");
	close_bed(&bed);
	open_bed(&bed, "datadog", "x", NULL);
	send_out(&bed);
	expect_sample(
		&bed,
		"invalid: http://store: datadog credentials does not contain a datadog_api_key");
	close_bed(&bed);
}

SPEC("lua_metrics: newrelic gives the one result")
{
	struct bed bed;
	open_bed(&bed, "newrelic", "SELECT 1",
		 "{\"newrelic_account_id\":\"12\",\"newrelic_query_key\":\"key9\"}");
	answer(&bed, 200, "{\"results\":[{\"result\":3.5}]}", "3.5");
	EXPECT_TEXT(bed.request->url, "http://store/base/v1/accounts/12/query?nrql=SELECT%201%20"
				      "SINCE%2060%20seconds%20ago");
	EXPECT_TEXT(bed.request->headers, "X-Query-Key: key9\n");
	answer(&bed, 200, "{\"results\":[]}", "none");
	answer(&bed, 200, "{\"results\":[{\"result\":null}]}", "none");
	answer(&bed, 200, "{\"results\":[{\"result\":1},{\"result\":2}]}",
	       "several: query returned multiple values: 2 series");
	fail_in_every_way(&bed, "newrelic");
	close_bed(&bed);
}

SPEC("lua_metrics: dynatrace gives the value of its one series")
{
	struct bed bed;
	open_bed(&bed, "dynatrace", "builtin:a:avg", "{\"dynatrace_token\":\"tok1\"}");
	answer(&bed, 200, "{\"result\":[{\"data\":[{\"values\":[4]}]}]}", "4");
	EXPECT_CONTAINS(bed.request->url,
			"/api/v2/metrics/query?metricSelector=builtin%3Aa%3Aavg&resolution=Inf&"
			"from=1699999400000&to=1700000000000");
	EXPECT_TEXT(bed.request->headers, "Authorization: Api-Token tok1\n");
	answer(&bed, 200, "{\"result\":[{\"data\":[]}]}", "none");
	answer(&bed, 200, "{\"result\":[{\"data\":[{\"values\":[null]}]}]}", "none");
	fail_in_every_way(&bed, "dynatrace");
	close_bed(&bed);
}

SPEC("lua_metrics: influxdb gives the first value of its table")
{
	struct bed bed;
	open_bed(&bed, "influxdb", "from(bucket:\"b\")", "{\"token\":\"tok1\",\"org\":\"o r\"}");
	answer(&bed, 200,
	       "#datatype,string,long,double,string\r\n,result,table,_value,\"a,\"\"b\"\r\n"
	       ",_result,0,1.5,\"x,\"\"y\"\r\n,_result,0,2,z\r\n\r\n",
	       "1.5");
	EXPECT_TEXT(bed.request->url, "http://store/base/api/v2/query?org=o%20r");
	EXPECT_CONTAINS(bed.request->headers, "Authorization: Token tok1\n");
	EXPECT_CONTAINS(bed.request->body, "\"query\":\"from(bucket:\\\"b\\\")\"");
	EXPECT_INT(bed.request->timeout_us, 15 * DURATION_SECOND);
	answer(&bed, 200, "", "none");
	answer(&bed, 200, "#datatype,long,double\n,table,_value\n,0,\n", "none");
	answer(&bed, 200, "#datatype,long,double\n,table,value\n,0,1\n",
	       "invalid: http://store: the answer has no column _value");
	answer(&bed, 200, "#datatype,string,long,double\n,result,table,_value\n,,0,NaN\n", "nan");
	answer(&bed, 200, "#datatype,string,long,string\n,result,table,_value\n,,0,a\n",
	       "invalid: http://store: the value is a string, not a number");
	answer(&bed, 200, "#datatype,string,long,double\n,result,table,_value\n,,0,1\n,,1,2\n",
	       "several: query returned multiple values: 2 series");
	answer(&bed, 429, "slow", "throttled: http://store: error response: Status 429: slow");
	close_bed(&bed);
}

SPEC("lua_metrics: cloudwatch gives the newest value, and signs what it sends")
{
	struct bed bed;
	open_bed(&bed, "cloudwatch", "[{\"Id\":\"e1\"}]",
		 "{\"aws_access_key_id\":\"AKIDEXAMPLE\",\"aws_secret_access_key\":"
		 "\"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\"}");
	send_out(&bed);
	expect_sample(&bed, "invalid: http://store: region not specified");
	bed.query.region = "eu-west-1";
	answer(&bed, 200, "{\"MetricDataResults\":[{\"Values\":[12.5,3]}]}", "12.5");
	EXPECT_TEXT(bed.request->body, "{\"EndTime\":1700000000,\"MaxDatapoints\":20,"
				       "\"MetricDataQueries\":[{\"Id\":\"e1\"}],\"StartTime\":"
				       "1699999400}");
	/* The signature is that of botocore for the same request. */
	EXPECT_CONTAINS(bed.request->headers, "X-Amz-Date: 20231114T221320Z\n");
	EXPECT_CONTAINS(
		bed.request->headers,
		"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/eu-west-1/"
		"monitoring/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
		"Signature=78298423b2c8831ac8d21fbcdaa504be3976816c1083d8ce7c77ef47ef16a83d\n");
	answer(&bed, 200, "{\"MetricDataResults\":[]}", "none");
	answer(&bed, 200, "{\"MetricDataResults\":[{\"Values\":[]}]}", "none");
	fail_in_every_way(&bed, "cloudwatch");
	close_bed(&bed);
}

SPEC("lua_metrics: externalmetrics asks the API server, or whoever the template names")
{
	struct bed bed;
	open_bed(&bed, "externalmetrics", "team/queue_len?labelSelector=app%3Dpodinfo", NULL);
	bed.query.address = "";
	answer(&bed, 200, "{\"items\":[{\"value\":\"1500m\"}]}", "1.5");
	EXPECT_TEXT(bed.request->url, "/apis/external.metrics.k8s.io/v1beta1/namespaces/team/"
				      "queue_len?labelSelector=app%3Dpodinfo");
	answer(&bed, 200, "{\"items\":[{\"value\":\"2Ki\"}]}", "2048");
	answer(&bed, 200, "{\"items\":[{\"value\":\"12e-1\"}]}", "1.2");
	answer(&bed, 200, "{\"items\":[]}", "none");
	answer(&bed, 200, "{\"items\":[{},{}]}",
	       "several: query returned multiple values: 2 series");
	answer(&bed, 200, "{\"items\":[{\"value\":\"2Xi\"}]}",
	       "invalid: items[0].value: is no quantity but \"2Xi\"");
	answer(&bed, 404, "no", "not found: the API server: error response: Status 404: no");
	fail_in_every_way(&bed, "externalmetrics");
	bed.query.query = "a/b/c";
	send_out(&bed);
	EXPECT_CONTAINS(bed.sample.text, "more than one slash");
	close_bed(&bed);
	open_bed(&bed, "externalmetrics", "m", "{\"token\":\"tok1\"}");
	answer(&bed, 200, "{\"items\":[{\"value\":\"3\"}]}", "3");
	EXPECT_TEXT(bed.request->url, "http://store/base/apis/external.metrics.k8s.io/v1beta1/"
				      "namespaces/default/m");
	EXPECT_TEXT(bed.request->headers, "Authorization: Bearer tok1\n");
	close_bed(&bed);
}

SPEC("lua_metrics: keptn gives a metric's value, or whether an analysis passes")
{
	struct bed bed;
	open_bed(&bed, "keptn", "KeptnMetric/team/rate", NULL);
	answer(&bed, 200, "{\"status\":{\"value\":\"7.5\"}}", "7.5");
	EXPECT_TEXT(bed.request->url,
		    "/apis/metrics.keptn.sh/v1beta1/namespaces/team/keptnmetrics/rate");
	answer(&bed, 200, "{\"status\":{}}", "none");
	answer(&bed, 200, "{\"status\":{\"value\":\"x\"}}",
	       "invalid: http://store: status.value: is no number but \"x\"");
	bed.query.query = "analysis/team/slo/30s/a=b;c=d";
	send_out(&bed);
	EXPECT_TEXT(bed.request->method, "POST");
	EXPECT_CONTAINS(bed.request->body, "\"args\":{\"a\":\"b\",\"c\":\"d\"}");
	EXPECT_CONTAINS(bed.request->body, "\"timeframe\":{\"recent\":\"30s\"}");
	fake_reply(&bed.fake, bed.request, 201, "{\"metadata\":{\"name\":\"slo-x1\"}}");
	loop_run(bed.loop, (NOW + 1) * DURATION_SECOND);
	fake_reply(&bed.fake, fake_last(&bed.fake), 200, "{\"status\":{\"state\":\"Running\"}}");
	loop_run(bed.loop, (NOW + 2) * DURATION_SECOND);
	EXPECT_TEXT(fake_last(&bed.fake)->url,
		    "/apis/metrics.keptn.sh/v1beta1/namespaces/team/analyses/slo-x1");
	fake_reply(&bed.fake, fake_last(&bed.fake), 200,
		   "{\"status\":{\"state\":\"Completed\",\"pass\":true}}");
	loop_run(bed.loop, (NOW + 2) * DURATION_SECOND);
	EXPECT_TEXT(fake_last(&bed.fake)->method, "DELETE");
	fake_reply(&bed.fake, fake_last(&bed.fake), 200, "{}");
	loop_run(bed.loop, 0);
	expect_sample(&bed, "1");
	bed.query.query = "pigeon/a/b";
	send_out(&bed);
	loop_run(bed.loop, 0);
	EXPECT_CONTAINS(bed.sample.text, "must begin with keptnmetric or analysis, not pigeon");
	close_bed(&bed);
}

/* Answers what the driver asks on its way to the query. */
static void answer_step(struct bed *bed, const char *url, const char *body)
{
	EXPECT_TEXT(fake_last(&bed->fake)->url, url);
	fake_reply(&bed->fake, fake_last(&bed->fake), 200, body);
	loop_run(bed->loop, NOW * DURATION_SECOND);
}

SPEC("lua_metrics: stackdriver asks the machine for its identity, and gives the newest point")
{
	static const char metadata[] = "http://metadata.google.internal/computeMetadata/v1";
	struct bed bed;
	open_bed(&bed, "stackdriver", "fetch a", NULL);
	for (int i = 0; i < 2; i++) {
		send_out(&bed);
		EXPECT_TEXT(bed.request->headers, "Metadata-Flavor: Google\n");
		SCOPED(text) char *project = xasprintf("%s/project/project-id", metadata);
		SCOPED(text)
		char *token = xasprintf("%s/instance/service-accounts/default/token", metadata);
		answer_step(&bed, project, "my-project");
		answer_step(&bed, token, "{\"access_token\":\"tok1\"}");
		EXPECT_TEXT(fake_last(&bed.fake)->body, "{\"query\":\"fetch a\"}");
		EXPECT_CONTAINS(fake_last(&bed.fake)->headers, "Authorization: Bearer tok1\n");
		answer_step(&bed, "http://store/base/v3/projects/my-project/timeSeries:query",
			    i == 0 ? "{\"timeSeriesData\":[{\"pointData\":[{\"values\":[{"
				     "\"doubleValue\":2.5}]},{}]}]}"
				   : "{\"timeSeriesData\":[{\"pointData\":[{\"values\":[{"
				     "\"int64Value\":\"7\"}]}]}]}");
		expect_sample(&bed, i == 0 ? "2.5" : "7");
	}
	close_bed(&bed);
}

SPEC("lua_metrics: stackdriver signs in with the key of a service account")
{
	struct bed bed;
	char *pem;
	EVP_PKEY *key = EVP_RSA_gen(2048);
	BIO *bio = BIO_new(BIO_s_mem());
	EXPECT(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	long pem_len = BIO_get_mem_data(bio, &pem);
	SCOPED(json) cJSON *account = cJSON_CreateObject();
	SCOPED(text) char *pem_text = xstrndup(pem, (size_t)pem_len);
	cJSON_AddStringToObject(account, "private_key", pem_text);
	cJSON_AddStringToObject(account, "client_email", "me@project");
	cJSON_AddStringToObject(account, "token_uri", "http://oauth/token");
	SCOPED(text) char *account_text = json_text(account);
	SCOPED(json) cJSON *secret = cJSON_CreateObject();
	cJSON_AddStringToObject(secret, "project", "p1");
	cJSON_AddStringToObject(secret, "serviceAccountKey", account_text);
	SCOPED(text) char *secret_text = json_text(secret);
	open_bed(&bed, "stackdriver", "fetch a", secret_text);
	send_out(&bed);
	EXPECT_TEXT(bed.request->url, "http://oauth/token");
	char *assertion = strstr(bed.request->body, "&assertion=");
	EXPECT(assertion != NULL);
	assertion += strlen("&assertion=");
	char *dot = strrchr(assertion, '.');
	EXPECT(dot != NULL);
	for (char *c = dot; *c != '\0'; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	SCOPED(text) char *padded = xasprintf("%s==", dot + 1);
	SCOPED(buf) struct buf signature = {0};
	buf_init(&signature, 2000);
	EXPECT(base64_decode(&signature, padded, strlen(padded)));
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EXPECT(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1);
	EXPECT(EVP_DigestVerify(context, (const unsigned char *)signature.text, signature.len,
				(const unsigned char *)assertion, (size_t)(dot - assertion)) == 1);
	EVP_MD_CTX_free(context);
	answer_step(&bed, "http://oauth/token", "{\"access_token\":\"tok2\"}");
	answer_step(&bed, "http://store/base/v3/projects/p1/timeSeries:query", "{}");
	expect_sample(&bed, "none");
	cJSON_ReplaceItemInObjectCaseSensitive(bed.secret, "serviceAccountKey",
					       cJSON_CreateString("{\"token_uri\":\"http://o\","
								  "\"client_email\":\"a\","
								  "\"private_key\":\"none\"}"));
	send_out(&bed);
	expect_sample(&bed,
		      "invalid: http://store: serviceAccountKey: the private key cannot be read");
	close_bed(&bed);
	BIO_free(bio);
	EVP_PKEY_free(key);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	EXPECT(file != NULL && fputs(text, file) >= 0);
	fclose(file);
}

SPEC("lua_metrics: stackdriver exchanges the platform's token for one of Google's, and keeps it")
{
	static const char store[] = "http://store/base/v3/projects/mine/timeSeries:query";
	struct bed bed;
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	EXPECT(mkdtemp(dir) != NULL);
	SCOPED(text) char *subject = xasprintf("%s/token", dir);
	SCOPED(text) char *config = xasprintf("%s/config", dir);
	SCOPED(text)
	char *text =
		xasprintf("{\"type\":\"external_account\",\"audience\":\"//iam/p\",\"token_url\":"
			  "\"http://sts/token\",\"subject_token_type\":\"urn:t\","
			  "\"credential_source\":{\"file\":\"%s\"}}",
			  subject);
	write_text(config, text);
	write_text(subject, "one.two\n");
	setenv("GOOGLE_APPLICATION_CREDENTIALS", config, 1);
	setenv("GOOGLE_CLOUD_PROJECT", "mine", 1);
	open_bed(&bed, "stackdriver", "fetch a", NULL);
	send_out(&bed);
	EXPECT_CONTAINS(bed.request->body, "&subject_token_type=urn%3At&subject_token=one.two");
	answer_step(&bed, "http://sts/token", "{\"access_token\":\"tok1\",\"expires_in\":3600}");
	EXPECT_CONTAINS(fake_last(&bed.fake)->headers, "Authorization: Bearer tok1\n");
	answer_step(&bed, store, "{}");
	expect_sample(&bed, "none");
	send_out(&bed); /* it is good for an hour */
	answer_step(&bed, store, "{}");
	expect_sample(&bed, "none");
	send_out(&bed); /* who is refused asks for another one next time */
	fake_reply(&bed.fake, fake_last(&bed.fake), 401, "no");
	loop_run(bed.loop, NOW * DURATION_SECOND);
	expect_sample(&bed, "denied: http://store: error response: Status 401: no");
	send_out(&bed);
	EXPECT_TEXT(bed.request->url, "http://sts/token");
	fake_reply(&bed.fake, fake_last(&bed.fake), 400, "{\"error\":\"invalid one.two\"}");
	loop_run(bed.loop, NOW * DURATION_SECOND);
	expect_sample(&bed, "invalid: http://sts: error response: Status 400: "
			    "{\"error\":\"invalid ***\"}");
	/* A user's secret names no file of ours. */
	SCOPED(json) cJSON *secret = cJSON_CreateObject();
	cJSON_AddStringToObject(secret, "project", "mine");
	cJSON_AddStringToObject(secret, "serviceAccountKey", text);
	SCOPED(text) char *secret_text = json_text(secret);
	close_bed(&bed);
	open_bed(&bed, "stackdriver", "fetch a", secret_text);
	send_out(&bed);
	expect_sample(&bed,
		      "invalid: http://store: serviceAccountKey: is of type external_account, "
		      "which only GOOGLE_APPLICATION_CREDENTIALS may hold");
	close_bed(&bed);
	unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
	unsetenv("GOOGLE_CLOUD_PROJECT");
	unlink(subject);
	unlink(config);
	rmdir(dir);
}

SPEC("lua_metrics: splunk gives the newest value of the stream that its program ends")
{
	static const char start[] = "event: control-message\ndata: {\ndata:  \"event\" : "
				    "\"STREAM_START\",\ndata: \"timestampMs\" : 1\ndata: }\n\n";
	static const char end[] = "event: control-message\ndata: {\"event\":\"END_OF_CHANNEL\","
				  "\"timestampMs\":3}\n\n";
	static const char abort[] =
		"event: control-message\ndata: {\"event\":\"CHANNEL_ABORT\","
		"\"timestampMs\":3,\"abortInfo\":{\"sf_job_abortReason\":\"over\"}}\n\n";
	struct bed bed;
	open_bed(&bed, "splunk", "data('hits').sum().publish()", "{\"sf_token_key\":\"tok1\"}");
	bed.query.address = "http://api.store/";
	struct {
		const char *events, *wanted;
	} streams[] = {
		{"event: metadata\ndata: {\"tsId\":\"a\",\"properties\":{}}\n\n"
		 "event: data\ndata: {\"logicalTimestampMs\":1,\"data\":[{\"tsId\":\"a\","
		 "\"value\":3.5}]}\n\nevent: data\ndata: {\"logicalTimestampMs\":2,\"data\":[{"
		 "\"tsId\":\"a\",\"value\":7}]}\n\nevent: data\ndata: {\"data\":[{\"tsId\":"
		 "\"a\",\"value\":null}]}\n\nevent: data\ndata: {\"data\":[]}\n\n",
		 "7"},
		{": hello\n\nevent: message\ndata: {\"message\":{}}\n\n", "none"},
		{"event: metadata\ndata: {\"tsId\":\"a\"}\n\nevent: data\ndata: {\"data\":[{"
		 "\"tsId\":\"b\",\"value\":1}]}\n\n",
		 "several: query returned multiple values: 2 series"},
		{"event: error\ndata: {\"errors\":[{\"code\":\"ANALYTICS_PROGRAM_NAME_ERROR\","
		 "\"context\":{\"name\":\"x\"}}]}\n\n",
		 "invalid: http://stream.store: error response: ANALYTICS_PROGRAM_NAME_ERROR "
		 "{\"name\":\"x\"}"},
		{abort, "invalid: http://stream.store: error response: no reason given "
			"{\"sf_job_abortReason\":\"over\"}"},
		{"event: data\ndata: {\"data\":[{\"tsId\":\"a\",\"value\":\"7\"}]}\n\n",
		 "invalid: http://api.store: data[0]: value: must be a number, is a string"},
		{"event: data\ndata: {\"data\"\n\n",
		 "invalid: http://api.store: not an answer of splunk: the data of an event (data): "
		 "offset 7: expected ':'"},
	};
	for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
		SCOPED(text) char *body = xasprintf("%s%s%s", start, streams[i].events, end);
		answer(&bed, 200, body, streams[i].wanted);
	}
	EXPECT_TEXT(bed.request->url,
		    "http://stream.store/v2/signalflow/execute?start=1699999400000&stop="
		    "1700000000000&immediate=true");
	EXPECT_TEXT(bed.request->body, "data('hits').sum().publish()");
	EXPECT_CONTAINS(bed.request->headers, "X-SF-Token: tok1\n");
	answer(&bed, 200, start,
	       "unavailable: http://stream.store: the answer ended before the program did");
	answer(&bed, 200, "",
	       "invalid: http://stream.store: not an answer of splunk: there is no event");
	answer(&bed, 401, "{}", "denied: http://stream.store: error response: Status 401: {}");
	bed.query.online = true;
	answer(&bed, 200, "{}", "none");
	EXPECT_TEXT(bed.request->url, "http://api.store/v2/metric?limit=1");
	bed.query.address = "";
	send_out(&bed);
	expect_sample(&bed, "invalid: splunk address  is not a valid URL");
	close_bed(&bed);
}

SPEC("lua_metrics: who says that the answer is elsewhere is followed on the same host only")
{
	struct bed bed;
	open_bed(&bed, "datadog", "q",
		 "{\"datadog_api_key\":\"k1\",\"datadog_application_key\":\"k2\"}");
	static const struct {
		const char *to, *wanted;
	} moves[] = {
		{"https://store:8443/new", "none"},
		{"http://elsewhere/new",
		 "invalid: http://store: Status 302: it has moved to http://elsewhere: the address "
		 "must say so"},
	};
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		send_out(&bed);
		fake_redirect(&bed.fake, bed.request, 302, moves[i].to);
		loop_run(bed.loop, NOW * DURATION_SECOND);
		if (fake_open(&bed.fake) > 0) {
			EXPECT_TEXT(fake_last(&bed.fake)->url, moves[i].to);
			EXPECT_CONTAINS(fake_last(&bed.fake)->headers, "DD-API-KEY: k1\n");
			fake_reply(&bed.fake, fake_last(&bed.fake), 200, "{}");
		}
		loop_run(bed.loop, 0);
		expect_sample(&bed, moves[i].wanted);
	}
	/* In circles, not for ever. */
	send_out(&bed);
	for (int i = 0; i < 6; i++) {
		fake_redirect(&bed.fake, fake_last(&bed.fake), 307, "http://store/base/");
		loop_run(bed.loop, NOW * DURATION_SECOND);
	}
	expect_sample(&bed, "invalid: http://store: Status 307: it has moved to another path: the "
			    "address must say so");
	/* Never from TLS to none. */
	bed.query.address = "https://store";
	send_out(&bed);
	fake_redirect(&bed.fake, bed.request, 301, "http://store/");
	loop_run(bed.loop, 0);
	EXPECT_CONTAINS(bed.sample.text, "it has moved to http://store");
	close_bed(&bed);
}

SPEC("lua_metrics: a store that asks for time has it, other customers are not kept from it")
{
	struct bed bed;
	open_bed(&bed, "graphite", "target=a", "{\"username\":\"u\",\"password\":\"hunter22\"}");
	send_out(&bed);
	fake_reply_later(&bed.fake, bed.request, 429, "busy", 30 * DURATION_SECOND);
	loop_run(bed.loop, NOW * DURATION_SECOND);
	expect_sample(&bed, "throttled: http://store: error response: Status 429: busy (asks to "
			    "wait 30s)");
	size_t sent = bed.fake.count;
	send_out(&bed);
	expect_sample(&bed, "throttled: http://store: is not asked for 30 s more, as it wanted");
	EXPECT_INT(bed.fake.count, sent);
	cJSON_ReplaceItemInObjectCaseSensitive(bed.secret, "password", cJSON_CreateString("else"));
	bed.query.secret = bed.secret;
	answer(&bed, 200, "[]", "none");
	cJSON_ReplaceItemInObjectCaseSensitive(bed.secret, "password",
					       cJSON_CreateString("hunter22"));
	loop_run(bed.loop, (NOW + 30) * DURATION_SECOND);
	bed.metrics->ops->query(bed.metrics, &bed.query, tell, &bed, 0);
	loop_run(bed.loop, (NOW + 30) * DURATION_SECOND);
	EXPECT_INT(bed.fake.count, sent + 2);
	fake_reply(&bed.fake, fake_last(&bed.fake), 200, "[]");
	loop_run(bed.loop, 0);
	expect_sample(&bed, "none");
	close_bed(&bed);
}

SPEC("lua_metrics: a provider without a driver is a sentence; who gives up is not told")
{
	struct bed bed;
	open_bed(&bed, "nobody", "x", NULL);
	send_out(&bed);
	expect_sample(&bed, "not found: there is no metric driver \"nobody\"");
	bed.query.provider = "graphite";
	uint64_t id = bed.metrics->ops->query(bed.metrics, &bed.query, tell, &bed, 0);
	loop_run(bed.loop, NOW * DURATION_SECOND);
	EXPECT_INT(fake_open(&bed.fake), 1);
	bed.metrics->ops->cancel(bed.metrics, id);
	EXPECT_INT(fake_open(&bed.fake), 0);
	loop_run(bed.loop, 0);
	EXPECT_INT(bed.told, 1);
	/* A store that never answers: the task has a deadline of its own. */
	send_out(&bed);
	loop_run(bed.loop, 0);
	expect_sample(&bed, "timeout: http://store: lua/metric/graphite.lua: query took too long");
	close_bed(&bed);
}
