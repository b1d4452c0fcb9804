/*
 * managed_spec.c - what a Canary does not ask for any more goes from the objects that were made for
 * it, whoever made them; what others wrote there stays.
 */
#include "canary/managed.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

static const char rule[] =
	"/apis/networking.istio.io/v1beta1/namespaces/test/destinationrules/podinfo-canary";
static const char istio[] = "{\"spec\":{\"provider\":\"istio\",\"service\":{\"meshName\":null}}}";
static const char more[] =
	"{\"spec\":{\"provider\":\"istio\",\"service\":{\"meshName\":null,\"apex\":{"
	"\"annotations\":"
	"{\"team\":\"a\"}},\"trafficPolicy\":{\"tls\":{\"mode\":\"DISABLE\"}}}}}";

static struct {
	int reads_of_rules, all;
} seen;

static enum cluster_fault see(void *owner, const struct http_request *request)
{
	(void)owner;
	bool is_watch = strstr(request->url, "watch=") != NULL;
	bool is_read = strcmp(request->method, "GET") == 0;
	seen.all += !is_watch;
	seen.reads_of_rules +=
		!is_watch && is_read && strstr(request->url, "/destinationrules/") != NULL;
	return FAULT_NONE;
}

static void begin_to_see(struct bed *bed)
{
	memset(&seen, 0, sizeof(seen));
	cluster_faults(bed->cluster, see, NULL);
}

static void begin(struct bed *bed)
{
	bed_begin(bed);
	bed_put_canary(bed, more);
	bed_start_engine(bed);
	bed_reaches(bed, "Initialized");
	EXPECT_TEXT(bed_says(bed, rule, "spec.trafficPolicy.tls.mode"), "DISABLE");
	EXPECT_TEXT(bed_says(bed, bed_apex, "metadata.annotations.team"), "a");
	bed_merge(bed, rule, "{\"metadata\":{\"labels\":{\"theirs\":\"stays\"}}}");
}

static void expect_gone(struct bed *bed)
{
	EXPECT_TEXT(bed_says(bed, rule, "spec.trafficPolicy.tls.mode"), "");
	EXPECT_TEXT(bed_says(bed, bed_apex, "metadata.annotations.team"), "");
	EXPECT_TEXT(bed_says(bed, rule, "spec.host"), "podinfo-canary");
	EXPECT_TEXT(bed_says(bed, rule, "metadata.labels.theirs"), "stays");
}

SPEC("managed: what the Canary drops goes, though it came with the creation")
{
	struct bed bed;
	begin(&bed);
	bed_put_canary(&bed, istio);
	bed_run(&bed, 5);
	expect_gone(&bed);
	bed_put_canary(&bed, more);
	bed_run(&bed, 5);
	EXPECT_TEXT(bed_says(&bed, bed_apex, "metadata.annotations.team"), "a");
	begin_to_see(&bed);
	bed_put_canary(&bed, istio);
	bed_run(&bed, 5);
	expect_gone(&bed);
	EXPECT(seen.all > 0);
	EXPECT_INT(seen.reads_of_rules, 0); /* from now on an apply does it, unread */
	bed_end(&bed);
}

SPEC("managed: what the Canary dropped while no daemon ran goes with the next one")
{
	struct bed bed;
	begin(&bed);
	bed_stop_engine(&bed);
	bed_put_canary(&bed, istio);
	bed_start_engine(&bed);
	bed_run(&bed, 5);
	expect_gone(&bed);
	/* And it is not written again and again. */
	begin_to_see(&bed);
	bed_run(&bed, 600);
	EXPECT_INT(seen.all, 0);
	bed_end(&bed);
}

static void ignored(void *owner, uint64_t token, const struct http_reply *reply)
{
	(void)token;
	*(int *)owner = reply->status;
}

/* As another controller makes it. */
static void create_as(struct bed *bed, const char *manager, const char *collection,
		      const char *object)
{
	int status = 0;
	SCOPED(text) char *url = xasprintf("%s?fieldManager=%s", collection, manager);
	const struct http_request request = {
		.method = "POST", .url = url, .body = object, .body_len = strlen(object)};
	struct http *port = cluster_port(bed->cluster);
	port->ops->send(port, &request, NULL, ignored, &status, 0);
	bed_run(bed, 1);
	EXPECT_INT(status, 201);
}

SPEC("managed: what Flagger left and the Canary does not ask for goes")
{
	struct bed bed;
	bed_begin(&bed);
	bed_put_canary(&bed, istio);
	SCOPED(text)
	char *object = xasprintf(
		"{\"apiVersion\":\"networking.istio.io/v1beta1\",\"kind\":\"DestinationRule\","
		"\"metadata\":{\"name\":\"podinfo-canary\",\"namespace\":\"test\","
		"\"ownerReferences\":[{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\","
		"\"name\":\"podinfo\",\"uid\":\"%s\",\"controller\":true,"
		"\"blockOwnerDeletion\":true}]},\"spec\":{\"host\":\"podinfo-canary\","
		"\"trafficPolicy\":{\"tls\":{\"mode\":\"DISABLE\"}}}}",
		bed_says(&bed, bed_canary, "metadata.uid"));
	create_as(&bed, "flagger",
		  "/apis/networking.istio.io/v1beta1/namespaces/test/destinationrules", object);
	bed_start_engine(&bed);
	EXPECT(bed_reaches(&bed, "Initialized"));
	EXPECT_TEXT(bed_says(&bed, rule, "spec.host"), "podinfo-canary");
	EXPECT_TEXT(bed_says(&bed, rule, "spec.trafficPolicy.tls.mode"), "");
	bed_end(&bed);
}

/* ---- the parts ---- */

static cJSON *parsed(const char *text)
{
	struct error err = {0};
	cJSON *json = json_parse(text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	return json;
}

static const char owned[] =
	"{\"apiVersion\":\"x/v1\",\"kind\":\"X\",\"metadata\":{\"resourceVersion\":\"7\","
	"\"ownerReferences\":[{\"kind\":\"Canary\"}],\"managedFields\":["
	"{\"manager\":\"kubectl\",\"operation\":\"Update\",\"apiVersion\":\"x/v1\","
	"\"fieldsV1\":{\"f:spec\":{\"f:c\":{}}}},"
	"{\"manager\":\"sluice\",\"operation\":\"Apply\",\"apiVersion\":\"x/v1\","
	"\"fieldsV1\":{\"f:spec\":{\"f:a\":{}}}},"
	"{\"manager\":\"flagger\",\"operation\":\"Update\",\"apiVersion\":\"x/v1\","
	"\"fieldsV1\":{\"f:spec\":{\".\":{},\"f:a\":{},\"f:l\":{\"k:{\\\"port\\\":80,"
	"\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:port\":{}}}}}},"
	"{\"manager\":\"flagger\",\"operation\":\"Update\",\"subresource\":\"status\","
	"\"apiVersion\":\"x/v1\",\"fieldsV1\":{\"f:status\":{}}}]}}";

SPEC("managed: an upgrade joins what was created and what was applied, and fences itself")
{
	SCOPED(json) cJSON *live = parsed(owned);
	EXPECT(managed_outlive(live));
	SCOPED(json) cJSON *patch = managed_upgrade(live);
	struct error err = {0};
	cJSON *next = json_copy(live);
	EXPECT(json_patch(&next, patch, &err));
	EXPECT(!managed_outlive(next));
	SCOPED(text) char *entries = json_text(json_at(next, "metadata.managedFields"));
	EXPECT_TEXT(entries,
		    "[{\"manager\":\"kubectl\",\"operation\":\"Update\",\"apiVersion\":\"x/v1\","
		    "\"fieldsV1\":{\"f:spec\":{\"f:c\":{}}}},"
		    "{\"manager\":\"sluice\",\"operation\":\"Apply\",\"apiVersion\":\"x/v1\","
		    "\"fieldsV1\":{\"f:spec\":{\"f:a\":{},\".\":{},\"f:l\":{\"k:{\\\"port\\\":80,"
		    "\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:port\":{}}}}}},"
		    "{\"manager\":\"flagger\",\"operation\":\"Update\",\"subresource\":\"status\","
		    "\"apiVersion\":\"x/v1\",\"fieldsV1\":{\"f:status\":{}}}]");
	json_free(next);
	EXPECT_CONTAINS(json_string_or(cJSON_GetArrayItem(patch, 1), "path", ""),
			"/metadata/resourceVersion");
	EXPECT_TEXT(json_string_or(cJSON_GetArrayItem(patch, 1), "value", ""), "7");
}

SPEC("managed: what is left of earlier wishes is found in lists by their keys")
{
	static const struct {
		const char *wanted;
		bool more;
	} cases[] = {
		{"{\"spec\":{\"a\":1,\"l\":[{\"port\":80}]}}", false},
		{"{\"spec\":{\"a\":1,\"l\":[{\"port\":80,\"protocol\":\"TCP\"}],\"new\":1}}",
		 false},
		{"{\"spec\":{\"a\":1,\"l\":[{\"port\":81}]}}", true},
		{"{\"spec\":{\"l\":[{\"port\":80}]}}", true},
		{"{}", true},
	};
	SCOPED(json) cJSON *live = parsed(owned);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED(json) cJSON *wanted = parsed(cases[i].wanted);
		if (managed_has_more(live, wanted) != cases[i].more)
			spec_fail(__FILE__, __LINE__, "%s", cases[i].wanted);
	}
}

SPEC("managed: of an object that is not a canary's nothing is kept")
{
	SCOPED(json) cJSON *live = parsed(owned);
	managed_trim(live);
	EXPECT(json_at(live, "metadata.managedFields") != NULL);
	json_remove(live, "metadata.ownerReferences");
	managed_trim(live);
	EXPECT(json_at(live, "metadata.managedFields") == NULL);
}
