/*
 * alerts_spec.c - alerts on the in-memory cluster, told to a fake of the receivers.
 */
#include "canary/alerts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/engine.h"
#include "metric/recording.h"
#include "sim/cluster.h"
#include "spec.h"

enum { POSTS_MAX = 64 };

/* Whoever is asked at http://dead is down; http://busy answers 503 twice; the rest is well. */
struct bed {
	struct loop *loop;
	struct cluster *cluster;
	struct kube *kube;
	struct chance chance;
	struct http http;
	struct alerts *alerts;
	struct post {
		char *url, *body, *headers;
		http_done *done;
		void *owner;
		uint64_t token;
		bool cancelled;
	} posts[POSTS_MAX];
	size_t count;
	int busy;
};

static void answer(void *owner, uint64_t i)
{
	struct bed *bed = owner;
	const struct post *post = &bed->posts[i];
	struct http_reply reply = {.status = 200, .body = "ok", .body_len = 2};
	if (post->cancelled)
		return;
	if (text_starts(post->url, "http://dead")) {
		reply = (struct http_reply){.body = ""};
		error_set(&reply.error, ERROR_UNAVAILABLE, "http://dead: connection refused");
	} else if (text_starts(post->url, "http://busy") && bed->busy++ < 2) {
		reply = (struct http_reply){.status = 503, .body = "later", .body_len = 5};
	} else if (text_starts(post->url, "http://refuses")) {
		static const char no[] = "{\"ok\":false,\"error\":\"no xoxb-token\"}";
		reply = (struct http_reply){.status = 200, .body = no, .body_len = strlen(no)};
	}
	post->done(post->owner, post->token, &reply);
}

static uint64_t receive(struct http *http, const struct http_request *request, http_piece *piece,
			http_done *done, void *owner, uint64_t token)
{
	struct bed *bed = container_of(http, struct bed, http);
	(void)piece;
	EXPECT(bed->count < POSTS_MAX);
	struct post *post = &bed->posts[bed->count];
	struct buf headers;
	buf_init(&headers, 4096);
	for (size_t i = 0; i < request->header_count; i++)
		buf_printf(&headers, "%s: %s\n", request->headers[i].name,
			   request->headers[i].value);
	*post = (struct post){.url = xstrdup(request->url),
			      .body = xstrndup(request->body, request->body_len),
			      .headers = buf_take(&headers),
			      .done = done,
			      .owner = owner,
			      .token = token};
	buf_fini(&headers);
	EXPECT(request->secret_url);
	loop_ready(bed->loop, answer, bed, bed->count++);
	return bed->count;
}

static void cancel(struct http *http, uint64_t id)
{
	struct bed *bed = container_of(http, struct bed, http);
	if (id > 0)
		bed->posts[id - 1].cancelled = true;
}

static void put(struct bed *bed, const char *json)
{
	struct error err = {0};
	SCOPED(json) cJSON *object = json_parse(json, strlen(json), &err);
	EXPECT_TEXT(err.text, "");
	EXPECT(cluster_apply(bed->cluster, object, &err));
}

static void put_provider(struct bed *bed, const char *name, const char *spec)
{
	SCOPED(text)
	char *json = xasprintf("{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"AlertProvider\","
			       "\"metadata\":{\"name\":\"%s\",\"namespace\":\"test\"},\"spec\":%s}",
			       name, spec);
	put(bed, json);
}

static struct bed *bed_new(const struct alerts_options *options)
{
	static const struct http_ops ops = {.send = receive, .cancel = cancel};
	static const struct kube_options kube_options = {0};
	const struct cluster_options cluster = {.seed = 1, .ready_us = 200000};
	struct bed *bed = xcalloc(1, sizeof(*bed));
	log_setup(LOG_OFF, false, NULL);
	chance_seed(&bed->chance, 1);
	bed->http.ops = &ops;
	bed->loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	bed->cluster = cluster_new(bed->loop, &cluster);
	bed->kube = kube_new(bed->loop, cluster_port(bed->cluster), &bed->chance, &kube_options);
	bed->alerts = alerts_new(bed->kube, &bed->http, options);
	return bed;
}

static void bed_free(struct bed *bed)
{
	alerts_free(bed->alerts);
	for (size_t i = 0; i < bed->count; i++) {
		free(bed->posts[i].url);
		free(bed->posts[i].body);
		free(bed->posts[i].headers);
	}
	kube_free(bed->kube);
	cluster_free(bed->cluster);
	loop_free(bed->loop);
	free(bed);
}

static struct canary_spec *spec_with(const char *alerts)
{
	struct error err = {0};
	struct spec_problems problems = {0};
	const struct spec_options options = {.default_provider = "kubernetes"};
	SCOPED(text)
	char *text = xasprintf(
		"{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\""
		":\"podinfo\",\"namespace\":\"test\",\"uid\":\"u1\"},\"spec\":{\"targetRef\":{"
		"\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"podinfo\"},"
		"\"provider\":\"appmesh:v1beta2\",\"service\":{\"port\":80},\"analysis\":{"
		"\"interval\":\"10s\",\"threshold\":5,\"stepWeights\":[1,10],\"alerts\":%s}}}",
		alerts);
	SCOPED(json) cJSON *object = json_parse(text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	struct canary_spec *spec = canary_spec_new(object, &options, &problems);
	EXPECT(spec != NULL);
	spec_problems_fini(&problems);
	return spec;
}

static const struct owed_alert initialized = {
	.id = 7, .detailed = true, .text = "New Deployment detected, initialization completed."};
static const struct owed_alert failure = {
	.id = 8, .severity = ALERT_ERROR, .text = "Failed checks threshold reached 5"};

/* Sends, and waits for the end; what was given up. */
static char *send_alert(struct bed *bed, const struct canary_spec *spec,
			const struct owed_alert *alert)
{
	struct buf failures;
	buf_init(&failures, 2000);
	EXPECT(!alerts_are_done(bed->alerts, spec, alert, &failures) || bed->count == 0);
	loop_run(bed->loop, loop_now(bed->loop) + DURATION_MINUTE);
	buf_clear(&failures);
	EXPECT(alerts_are_done(bed->alerts, spec, alert, &failures));
	char *text = buf_take(&failures);
	buf_fini(&failures);
	return text;
}

static void expect_body(const char *type, const struct owed_alert *alert, const char *url,
			const char *wanted)
{
	const struct alerts_options options = {.cluster = "prod"};
	struct bed *bed = bed_new(&options);
	SCOPED(text)
	char *provider = xasprintf("{\"type\":\"%s\",\"address\":\"http://chat/hook\"}", type);
	put_provider(bed, "on-call", provider);
	struct canary_spec *spec =
		spec_with("[{\"name\":\"a\",\"providerRef\":{\"name\":\"on-call\"}}]");
	SCOPED(text) char *failures = send_alert(bed, spec, alert);
	EXPECT_TEXT(failures, "");
	EXPECT_INT(bed->count, 1);
	EXPECT_TEXT(bed->posts[0].url, url);
	EXPECT_TEXT(bed->posts[0].headers, "Content-Type: application/json\n");
	SCOPED(json) cJSON *body = cJSON_Parse(bed->posts[0].body);
	SCOPED(json) cJSON *expected = cJSON_Parse(wanted);
	SCOPED(text) char *a = json_canonical(body);
	SCOPED(text) char *b = json_canonical(expected);
	EXPECT_TEXT(a, b);
	canary_spec_free(spec);
	bed_free(bed);
}

#define FIELDS(name)                                                                               \
	"[{\"" name "\":\"Cluster\",\"value\":\"prod\"},"                                          \
	"{\"" name "\":\"Target\",\"value\":\"Deployment/podinfo.test\"},"                         \
	"{\"" name "\":\"Failed checks threshold\",\"value\":\"5\"},"                              \
	"{\"" name "\":\"Progress deadline\",\"value\":\"600s\"},"                                 \
	"{\"" name "\":\"Traffic routing\",\"value\":\"Weight steps: 1,10 max: 0\"}]"

SPEC("alerts: bodies are those of the reference")
{
	expect_body("msteams", &initialized, "http://chat/hook",
		    "{\"@type\":\"MessageCard\",\"@context\":\"http://schema.org/extensions\","
		    "\"themeColor\":\"0076D7\",\"summary\":\"podinfo.test\",\"sections\":[{"
		    "\"activityTitle\":\"New Deployment detected, initialization completed.\","
		    "\"activitySubtitle\":\"podinfo.test\",\"facts\":" FIELDS("name") "}]}");
	expect_body("slack", &failure, "http://chat/hook",
		    "{\"channel\":\"general\",\"username\":\"flagger\",\"icon_url\":\"\","
		    "\"icon_emoji\":\":rocket:\",\"attachments\":[{\"color\":\"danger\","
		    "\"author_name\":\"podinfo.test\",\"text\":\"Failed checks threshold reached 5"
		    "\",\"mrkdwn_in\":[\"text\"],\"fields\":[{\"title\":\"Cluster\",\"value\":"
		    "\"prod\",\"short\":false}]}]}");
	expect_body("discord", &failure, "http://chat/hook/slack",
		    "{\"channel\":\"general\",\"username\":\"flagger\",\"icon_url\":\"\","
		    "\"icon_emoji\":\":rocket:\",\"attachments\":[{\"color\":\"danger\","
		    "\"author_name\":\"podinfo.test\",\"text\":\"Failed checks threshold reached 5"
		    "\",\"mrkdwn_in\":[\"text\"],\"fields\":[{\"title\":\"Cluster\",\"value\":"
		    "\"prod\",\"short\":false}]}]}");
	expect_body("rocket", &failure, "http://chat/hook",
		    "{\"channel\":\"general\",\"username\":\"flagger\",\"icon_url\":\"\","
		    "\"icon_emoji\":\":rocket:\",\"attachments\":[{\"color\":\"#FF0000\","
		    "\"author_name\":\"podinfo.test\",\"text\":\"Failed checks threshold reached 5"
		    "\",\"mrkdwn_in\":[\"text\"],\"fields\":[{\"title\":\"Cluster\",\"value\":"
		    "\"prod\",\"short\":false}]}]}");
	expect_body("gchat", &failure, "http://chat/hook",
		    "{\"cards\":[{\"header\":{\"title\":\"Flagger\",\"subtitle\":\"podinfo.test\","
		    "\"imageUrl\":\"https://flagger.app/favicon.png\"},\"sections\":[{\"widgets\":["
		    "{\"textParagraph\":{\"text\":\"<font color=#848484><strong>Failed checks "
		    "threshold reached 5</strong></font>\"}}]},{\"widgets\":[{\"textParagraph\":{"
		    "\"text\":\"Cluster<br><font color=#848484><strong>prod</strong></font>\"}}]}]}"
		    "]}");
}

SPEC("alerts: a receiver that is down is given up after three tries, the others are told")
{
	static const struct alerts_options none = {0};
	struct bed *bed = bed_new(&none);
	put(bed, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\","
		 "\"namespace\":\"test\"},\"data\":{\"address\":"
		 "\"aHR0cDovL2J1c3kvc2VjcmV0LXBhdGgK\",\"token\":\"eG94Yi10b2tlbg==\"}}");
	put(bed, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"r\","
		 "\"namespace\":\"test\"},\"data\":{\"address\":\"aHR0cDovL3JlZnVzZXMveA==\","
		 "\"token\":\"eG94Yi10b2tlbg==\"}}");
	put_provider(bed, "down", "{\"type\":\"slack\",\"address\":\"http://dead/T0/hook\"}");
	put_provider(bed, "busy",
		     "{\"type\":\"slack\",\"channel\":\"ops\",\"secretRef\":{"
		     "\"name\":\"s\"}}");
	put_provider(bed, "refuses", "{\"type\":\"slack\",\"secretRef\":{\"name\":\"r\"}}");
	put_provider(bed, "odd", "{\"type\":\"pigeon\",\"address\":\"http://x\"}");
	struct canary_spec *spec = spec_with(
		"[{\"name\":\"a\",\"severity\":\"error\",\"providerRef\":{\"name\":\"down\"}},"
		"{\"name\":\"b\",\"severity\":\"warn\",\"providerRef\":{\"name\":\"busy\"}},"
		"{\"name\":\"c\",\"providerRef\":{\"name\":\"nobody\"}},"
		"{\"name\":\"d\",\"providerRef\":{\"name\":\"refuses\"}},"
		"{\"name\":\"e\",\"providerRef\":{\"name\":\"odd\"}}]");
	SCOPED(text) char *failures = send_alert(bed, spec, &failure);
	EXPECT_CONTAINS(failures, "Alert not sent to down.test: http://dead: connection refused");
	EXPECT_CONTAINS(failures, "Alert not sent to nobody.test: ");
	EXPECT_CONTAINS(failures, "there is no notify driver \"pigeon\"");
	EXPECT_CONTAINS(failures, "Alert not sent to refuses.test: Slack refused: no **********");
	EXPECT(strstr(failures, "busy") == NULL && strstr(failures, "xoxb") == NULL);
	int down = 0, busy = 0;
	for (size_t i = 0; i < bed->count; i++) {
		down += text_starts(bed->posts[i].url, "http://dead/T0/hook");
		busy += strcmp(bed->posts[i].url, "http://busy/secret-path") == 0;
		if (strcmp(bed->posts[i].url, "http://busy/secret-path") == 0)
			EXPECT_CONTAINS(bed->posts[i].headers,
					"Authorization: Bearer xoxb-token\n");
	}
	EXPECT_INT(down, 3);
	EXPECT_INT(busy, 3);
	/* "info" is for those who named no severity. */
	const size_t before = bed->count;
	SCOPED(text) char *second = send_alert(bed, spec, &initialized);
	EXPECT(strstr(second, "down") == NULL);
	EXPECT_INT(bed->count, before + 1);
	EXPECT_INT(alerts_wanted(bed->alerts, spec), 7);
	canary_spec_free(spec);
	spec = spec_with("[]");
	EXPECT_INT(alerts_wanted(bed->alerts, spec), 0);
	canary_spec_free(spec);
	bed_free(bed);
}

/* ---- a release ---- */

static bool always(void *owner)
{
	(void)owner;
	return true;
}

static const char *phase_of(const struct bed *bed)
{
	return json_string_or(
		cluster_get(bed->cluster,
			    "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo"),
		"status.phase", "");
}

/* Seconds until the phase. */
static int run_until(struct bed *bed, const char *phase)
{
	for (int second = 0; second < 600; second++) {
		if (strcmp(phase_of(bed), phase) == 0)
			return second;
		loop_run(bed->loop, loop_now(bed->loop) + DURATION_SECOND);
	}
	spec_fail(__FILE__, __LINE__, "is %s, not %s after ten minutes", phase_of(bed), phase);
}

static int count_posts(const struct bed *bed, const char *url, const char *part)
{
	int count = 0;
	for (size_t i = 0; i < bed->count; i++)
		count += text_starts(bed->posts[i].url, url) &&
			 strstr(bed->posts[i].body, part) != NULL;
	return count;
}

static int count_events(const struct bed *bed, const char *part)
{
	int count = 0;
	SCOPED(json) cJSON *events = cluster_list(bed->cluster, "/api/v1/namespaces/test/events");
	const cJSON *event;
	cJSON_ArrayForEach(event, events)
	{
		count += strstr(json_string_or(event, "message", ""), part) != NULL;
	}
	return count;
}

static struct engine *begin_engine(struct bed *bed, struct tick_world *world,
				   struct policies *policies, struct metrics *metrics)
{
	static const char *const labels[] = {"app", NULL};
	static const char *const prefixes[] = {NULL};
	static const struct engine_options options = {.spec = {.default_provider = "kubernetes"}};
	*world = (struct tick_world){
		.asks = {.kube = bed->kube, .http = &bed->http, .metrics = metrics, .owns = always},
		.workload = {labels, prefixes, true},
		.policies = policies,
		.metrics_server = "http://prometheus",
		.component = "flagger",
		.alerts = bed->alerts,
	};
	struct engine *engine = engine_new(world, &options);
	engine_own(engine, true);
	return engine;
}

SPEC("alerts: a release tells what happens once each, and waits for no receiver")
{
	static const struct alerts_options none = {0};
	struct bed *bed = bed_new(&none);
	static const int64_t start_us = 0;
	struct tick_world world;
	put_provider(bed, "chat", "{\"type\":\"slack\",\"address\":\"http://chat/hook\"}");
	put_provider(bed, "down", "{\"type\":\"rocket\",\"address\":\"http://dead/hook\"}");
	put(bed,
	    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":"
	    "\"podinfo\",\"namespace\":\"test\"},\"spec\":{\"replicas\":1,\"selector\":{"
	    "\"matchLabels\":{\"app\":\"podinfo\"}},\"template\":{\"metadata\":{\"labels\":{"
	    "\"app\":\"podinfo\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"a:1\"}"
	    "]}}}}");
	put(bed,
	    "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
	    "\"name\":\"podinfo\",\"namespace\":\"test\"},\"spec\":{\"targetRef\":{"
	    "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"podinfo\"},"
	    "\"service\":{\"port\":80},\"analysis\":{\"interval\":\"10s\",\"threshold\":2,"
	    "\"iterations\":2,\"alerts\":[{\"name\":\"a\",\"providerRef\":{\"name\":\"chat\"}},"
	    "{\"name\":\"b\",\"providerRef\":{\"name\":\"down\"}}]}}}");
	struct policies *policies = policies_new();
	struct metrics *metrics = recording_metrics(bed->loop, NULL, &start_us);
	struct engine *engine = begin_engine(bed, &world, policies, metrics);
	run_until(bed, "Initialized");
	loop_run(bed->loop, loop_now(bed->loop) + 30 * DURATION_SECOND);
	EXPECT_INT(count_posts(bed, "http://chat", "initialization completed."), 1);
	EXPECT_INT(count_posts(bed, "http://dead", "initialization completed."), 3);
	EXPECT_INT(count_events(bed, "Alert not sent to down.test: http://dead"), 1);

	struct error err = {0};
	static const char patch[] = "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"
				    "\"c\",\"image\":\"a:2\"}]}}}}";
	SCOPED(json) cJSON *merge = json_parse(patch, strlen(patch), &err);
	EXPECT(cluster_merge(bed->cluster, "/apis/apps/v1/namespaces/test/deployments/podinfo",
			     merge, &err));
	run_until(bed, "Progressing");
	/* Killed with the alert under way: told once more at most. */
	engine_free(engine);
	alerts_free(bed->alerts);
	bed->alerts = alerts_new(bed->kube, &bed->http, &none);
	engine = begin_engine(bed, &world, policies, metrics);
	run_until(bed, "Succeeded");
	loop_run(bed->loop, loop_now(bed->loop) + DURATION_MINUTE);
	int begun = count_posts(bed, "http://chat", "New revision detected, progressing");
	EXPECT(begun == 1 || begun == 2);
	EXPECT_INT(count_posts(bed, "http://chat", "completed successfully, promotion finished."),
		   1);
	EXPECT_INT(engine_running(engine), 0);
	SCOPED(text)
	char *left = json_text(
		json_get(cluster_get(bed->cluster,
				     "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo"),
			 "status"));
	EXPECT(strstr(left, "alerts") == NULL);
	engine_free(engine);
	metrics->ops->free(metrics);
	policies_free(policies);
	bed_free(bed);
}
