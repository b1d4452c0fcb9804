/*
 * golden_spec.c - whole rollouts on the in-memory cluster, compared with what Flagger was seen to
 * do: the event messages in their order, the hook calls in theirs, and the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/engine.h"
#include "sim/cluster.h"
#include "spec.h"

/* ---- a fake receiver of webhooks, and a fake metric store ---- */

struct heard {
	cJSON *events; /* messages */
	cJSON *hooks;  /* names of hooks, in the order of the calls */
};

struct story {
	struct loop *loop;
	cJSON *golden;
	struct heard heard, wanted;
	double success, duration;
	bool no_data;
	char target[KUBE_PATH_MAX];
	long then_weight; /* when to change the image once more; 0: not */
	const char *then_image;
	struct http http;
	struct metrics metrics;
	struct pending {
		http_done *http;
		metric_done *metric;
		void *owner;
		uint64_t token;
		int status;
		struct sample sample;
	} pending[256];
	size_t pending_count;
};

static void answer_pending(void *owner, uint64_t i)
{
	struct story *story = owner;
	struct pending *pending = &story->pending[i];
	if (pending->http != NULL) {
		const struct http_reply reply = {
			.status = pending->status, .body = "", .retry_after_us = -1};
		pending->http(pending->owner, pending->token, &reply);
	} else if (pending->metric != NULL) {
		pending->metric(pending->owner, pending->token, &pending->sample);
	}
}

static struct pending *pend(struct story *story)
{
	size_t i = story->pending_count++ % ARRAY_LEN(story->pending);
	loop_ready(story->loop, answer_pending, story, i);
	story->pending[i] = (struct pending){0};
	return &story->pending[i];
}

static uint64_t receive(struct http *http, const struct http_request *request, http_piece *piece,
			http_done *done, void *owner, uint64_t token)
{
	struct story *story = container_of(http, struct story, http);
	(void)piece;
	struct pending *pending = pend(story);
	pending->http = done;
	pending->owner = owner;
	pending->token = token;
	const char *hook = strrchr(request->url, '/') + 1;
	pending->status = strcmp(hook, "rollback") == 0 ? 403 : 200;
	SCOPED(json) cJSON *body = cJSON_ParseWithLength(request->body, request->body_len);
	if (strcmp(hook, "event") == 0)
		cJSON_AddItemToArray(
			story->heard.events,
			cJSON_CreateString(json_string_or(body, "metadata.eventMessage", "")));
	else
		cJSON_AddItemToArray(story->heard.hooks, cJSON_CreateString(hook));
	return 0;
}

static uint64_t measure_fake(struct metrics *metrics, const struct metric_query *query,
			     metric_done *done, void *owner, uint64_t token)
{
	struct story *story = container_of(metrics, struct story, metrics);
	struct pending *pending = pend(story);
	pending->metric = done;
	pending->owner = owner;
	pending->token = token;
	pending->sample.kind = SAMPLE_OK;
	if (strcmp(query->metric, "online") == 0)
		pending->sample.value = 1;
	else if (story->no_data)
		pending->sample.kind = SAMPLE_NO_DATA;
	else
		pending->sample.value = strcmp(query->metric, "request-duration") == 0
						? story->duration
						: story->success;
	return 0;
}

static void no_cancel(struct http *http, uint64_t id)
{
	(void)http;
	(void)id;
}

static void no_cancel_metric(struct metrics *metrics, uint64_t id)
{
	(void)metrics;
	(void)id;
}

static const struct http_ops receiver_ops = {.send = receive, .cancel = no_cancel};
static const struct metrics_ops metrics_ops = {.query = measure_fake, .cancel = no_cancel_metric};

static bool always(void *owner)
{
	(void)owner;
	return true;
}

/* ---- what was wanted ---- */

/* Readiness is told by Flagger once a tick as it waits; timing is not compared. */
static bool is_waiting(const char *message)
{
	return strstr(message, " not ready: ") != NULL;
}

/* Told once a tick while it initializes. */
static bool is_repeated(const cJSON *events, const char *message)
{
	int count = cJSON_GetArraySize(events);
	return count > 0 && strcmp(message, "all the metrics providers are available!") == 0 &&
	       strcmp(cJSON_GetArrayItem(events, count - 1)->valuestring, message) == 0;
}

static void read_wanted(struct story *story)
{
	const cJSON *step, *call;
	cJSON_ArrayForEach(step, json_get(story->golden, "steps"))
	{
		cJSON_ArrayForEach(call, json_get(step, "calls"))
		{
			const char *to = json_string_or(call, "to", "");
			const char *message =
				json_string_or(call, "body.metadata.eventMessage", "");
			if (strcmp(to, "event") != 0)
				cJSON_AddItemToArray(story->wanted.hooks, cJSON_CreateString(to));
			else if (!is_waiting(message) &&
				 !is_repeated(story->wanted.events, message))
				cJSON_AddItemToArray(story->wanted.events,
						     cJSON_CreateString(message));
		}
	}
}

static void drop_waiting(cJSON *events)
{
	for (cJSON *event = events->child, *next; event != NULL; event = next) {
		next = event->next;
		if (is_waiting(event->valuestring))
			cJSON_Delete(cJSON_DetachItemViaPointer(events, event));
	}
}

static char *lines_of(const cJSON *texts)
{
	struct buf lines;
	buf_init(&lines, 1024UL * 1024);
	const cJSON *text;
	cJSON_ArrayForEach(text, texts) buf_printf(&lines, "%s\n", text->valuestring);
	char *taken = buf_take(&lines);
	buf_fini(&lines);
	return taken;
}

static const char *phase_in(const struct cluster *cluster, const char *path)
{
	return json_string_or(cluster_get(cluster, path), "status.phase", "");
}

static void set_image(struct story *story, struct cluster *cluster, const char *image)
{
	struct error err = {0};
	SCOPED(json) cJSON *target = cJSON_Duplicate(cluster_get(cluster, story->target), true);
	json_put_string(target, "spec.template.spec.containers[0].image", image);
	EXPECT(cluster_merge(cluster, story->target, target, &err));
}

static void run_until(struct story *story, struct cluster *cluster, const char *path,
		      const char *phase, const char *other)
{
	for (int second = 0; second < 3600; second++) {
		const char *now = phase_in(cluster, path);
		if (story->then_weight != 0 &&
		    json_int(cluster_get(cluster, path), "status.canaryWeight", 0) ==
			    story->then_weight) {
			story->then_weight = 0;
			set_image(story, cluster, story->then_image);
		}
		if (strcmp(now, phase) == 0 || strcmp(now, other) == 0)
			return;
		loop_run(story->loop, loop_now(story->loop) + DURATION_SECOND);
	}
	spec_fail(__FILE__, __LINE__, "still \"%s\" after an hour, events:\n%s",
		  phase_in(cluster, path), lines_of(story->heard.events));
}

/* `then_image` is set once the weight is `then_weight`; 0: never. */
static void tell_changing_story(const char *name, double success, double duration, bool no_data,
				long then_weight, const char *then_image)
{
	char file[200];
	size_t len;
	struct error err = {0};
	struct story *story = xcalloc(1, sizeof(*story));
	log_setup(LOG_OFF, false, NULL);
	snprintf(file, sizeof(file), "spec/golden/%s.json", name);
	SCOPED(text) char *text = spec_file(file, &len);
	story->golden = json_parse(text, len, &err);
	story->heard = (struct heard){cJSON_CreateArray(), cJSON_CreateArray()};
	story->wanted = (struct heard){cJSON_CreateArray(), cJSON_CreateArray()};
	story->success = success;
	story->duration = duration;
	story->no_data = no_data;
	story->http.ops = &receiver_ops;
	story->metrics.ops = &metrics_ops;
	read_wanted(story);

	struct loop *loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	story->loop = loop;
	const struct cluster_options cluster_options = {
		.seed = 1, .watch_lag_us = 50000, .ready_us = 200000};
	struct cluster *cluster = cluster_new(loop, &cluster_options);
	struct chance chance;
	chance_seed(&chance, 1);
	const struct kube_options kube_options = {0};
	struct kube *kube = kube_new(loop, cluster_port(cluster), &chance, &kube_options);
	static const char *const labels[] = {"app", "name", "app.kubernetes.io/name", NULL};
	static const char *const prefixes[] = {NULL};
	struct policies *policies = policies_new();
	const struct tick_world world = {
		.asks = {.kube = kube,
			 .http = &story->http,
			 .metrics = &story->metrics,
			 .owns = always},
		.workload = {labels, prefixes, true},
		.policies = policies,
		.metrics_server = "http://prometheus",
		.component = "flagger",
	};
	const struct engine_options engine_options = {.spec = {.default_provider = "kubernetes"}};
	char canary[KUBE_PATH_MAX] = "";
	const cJSON *object;
	cJSON_ArrayForEach(object, json_get(story->golden, "given"))
	{
		const char *namespace = json_string(object, "metadata.namespace");
		const char *object_name = json_string(object, "metadata.name");
		EXPECT(cluster_apply(cluster, object, &err));
		if (text_equal(json_string(object, "kind"), "Canary"))
			kube_path(canary, &kube_canary, namespace, object_name);
		else if (text_equal(json_string(object, "kind"), "Deployment"))
			kube_path(story->target, &kube_deployment, namespace, object_name);
	}
	struct engine *engine = engine_new(&world, &engine_options);
	engine_own(engine, true);
	run_until(story, cluster, canary, "Initialized", "Initialized");
	story->then_weight = then_weight;
	story->then_image = then_image;
	set_image(story, cluster, json_string(story->golden, "image"));
	loop_run(loop, loop_now(loop) + 2 * DURATION_SECOND);
	run_until(story, cluster, canary, "Succeeded", "Failed");
	loop_run(loop, loop_now(loop) + DURATION_MINUTE);

	const cJSON *steps = json_get(story->golden, "steps");
	const cJSON *last = cJSON_GetArrayItem(steps, cJSON_GetArraySize(steps) - 1);
	EXPECT_TEXT(phase_in(cluster, canary), json_string_or(last, "status.phase", ""));
	drop_waiting(story->heard.events);
	SCOPED(text) char *heard = lines_of(story->heard.events);
	SCOPED(text) char *wanted = lines_of(story->wanted.events);
	EXPECT_TEXT(heard, wanted);
	SCOPED(text) char *called = lines_of(story->heard.hooks);
	SCOPED(text) char *expected = lines_of(story->wanted.hooks);
	EXPECT_TEXT(called, expected);
	/* At rest nothing is asked for. */
	uint64_t requests = kube_requests(kube);
	loop_run(loop, loop_now(loop) + DURATION_MINUTE);
	EXPECT(kube_requests(kube) - requests <= 8); /* watches that begin again */

	engine_free(engine);
	policies_free(policies);
	kube_free(kube);
	cluster_free(cluster);
	loop_free(loop);
	cJSON_Delete(story->golden);
	cJSON_Delete(story->heard.events);
	cJSON_Delete(story->heard.hooks);
	cJSON_Delete(story->wanted.events);
	cJSON_Delete(story->wanted.hooks);
	free(story);
}

static void tell_story(const char *name, double success, double duration, bool no_data)
{
	tell_changing_story(name, success, duration, no_data, 0, NULL);
}

SPEC("golden: the seed rollout is promoted as Flagger does it")
{
	tell_story("appmesh-v1beta2-seed-promotion", 100, 10, false);
}

SPEC("golden: the seed rollout is rolled back on errors as Flagger does it")
{
	tell_story("appmesh-v1beta2-seed-rollback-errors", 97.25, 10, false);
}

SPEC("golden: weights on App Mesh")
{
	tell_story("appmesh-v1beta2-weights", 100, 10, false);
}

SPEC("golden: skipAnalysis on App Mesh")
{
	tell_story("appmesh-v1beta2-skip-analysis", 100, 10, false);
}

SPEC("golden: A/B on App Mesh")
{
	tell_story("appmesh-v1beta2-ab", 100, 10, false);
}

SPEC("golden: blue/green on App Mesh")
{
	tell_story("appmesh-v1beta2-blue-green", 100, 10, false);
}

SPEC("golden: every gate on App Mesh")
{
	tell_story("appmesh-v1beta2-every-gate", 100, 10, false);
}

SPEC("golden: blue/green on plain Kubernetes")
{
	tell_story("kubernetes-blue-green", 100, 10, false);
}

SPEC("golden: the seed rollout is rolled back on latency as Flagger does it")
{
	tell_story("appmesh-v1beta2-seed-rollback-latency", 100, 812, false);
}

SPEC("golden: the seed rollout is rolled back without data as Flagger does it")
{
	tell_story("appmesh-v1beta2-seed-rollback-no-data", 100, 10, true);
}

SPEC("golden: a mesh gateway on App Mesh")
{
	tell_story("appmesh-v1beta2-gateway", 100, 10, false);
}

SPEC("golden: every gate on plain Kubernetes")
{
	tell_story("kubernetes-every-gate", 100, 10, false);
}

SPEC("golden: a new revision in mid-run")
{
	tell_changing_story("appmesh-v1beta2-new-revision-in-mid-run", 100, 10, false, 20,
			    "podinfo:3");
}
