/*
 * golden_spec.c - whole rollouts on the in-memory cluster, compared with what Flagger was seen to
 * do: event messages, hook calls, statuses, objects. On an API server: spec/cluster.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/engine.h"
#include "golden.h"
#include "kube/watch.h"
#include "sim/cluster.h"
#include "spec.h"

/* ---- a fake receiver of webhooks, and a fake metric store ---- */

struct story {
	struct loop *loop;
	cJSON *transcript;
	struct cluster *cluster;
	const struct golden_story *told;
	cJSON *events, *hooks, *statuses; /* as they came */
	char target[KUBE_PATH_MAX], canary[KUBE_PATH_MAX];
	bool changed_again;
	struct counts {
		int gets, posts, patches, others, watches;
	} counts;
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
		cJSON_AddItemToArray(story->events, cJSON_CreateString(json_string_or(
							    body, "metadata.eventMessage", "")));
	else
		cJSON_AddItemToArray(story->hooks, cJSON_CreateString(hook));
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
	else if (story->told->no_data)
		pending->sample.kind = SAMPLE_NO_DATA;
	else
		pending->sample.value = strcmp(query->metric, "request-duration") == 0
						? story->told->duration
						: story->told->success;
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

/* ---- a story ---- */

static bool differs(const char *what, const char *name, const cJSON *got, const cJSON *wanted)
{
	SCOPED(text) char *a = golden_lines(got);
	SCOPED(text) char *b = golden_lines(wanted);
	if (strcmp(a, b) != 0)
		printf("  %s: %s differ\n--- got\n%s--- wanted\n%s", name, what, a, b);
	return strcmp(a, b) != 0;
}

static bool objects_differ(const struct cluster *cluster, const struct story *story)
{
	SCOPED(json) cJSON *objects = golden_objects(story->transcript);
	cJSON *wanted;
	bool wrong = false;
	cJSON_ArrayForEach(wanted, objects)
	{
		char path[KUBE_PATH_MAX];
		/* The in-memory cluster knows no defaults: built-in kinds are compared on a real
		 * one. */
		if (strchr(json_string_or(wanted, "apiVersion", ""), '.') == NULL)
			continue;
		EXPECT(golden_path(path, wanted));
		const cJSON *live = cluster_get(cluster, path);
		if (live == NULL) {
			printf("  %s: there is no %s\n", story->told->name, path);
			wrong = true;
			continue;
		}
		SCOPED(json) cJSON *got_spec = golden_spec(live);
		SCOPED(json) cJSON *wanted_spec = golden_spec(wanted);
		if (json_covers(got_spec, wanted_spec))
			continue;
		SCOPED(text) char *a = json_canonical(got_spec);
		SCOPED(text) char *b = json_canonical(wanted_spec);
		printf("  %s: %s differs\n    got    %s\n    wanted %s\n", story->told->name,
		       wanted->string, a, b);
		wrong = true;
	}
	return wrong;
}

static void set_image(struct story *story, const char *image)
{
	struct error err = {0};
	SCOPED(json)
	cJSON *target = cJSON_Duplicate(cluster_get(story->cluster, story->target), true);
	json_put_string(target, "spec.template.spec.containers[0].image", image);
	EXPECT(cluster_merge(story->cluster, story->target, target, &err));
}

static void canary_came(void *owner, enum watch_event event, cJSON *object)
{
	struct story *story = owner;
	const char *phase = json_string_or(object, "status.phase", "");
	long weight = json_int(object, "status.canaryWeight", 0);
	if (event != WATCH_PUT || phase[0] == '\0')
		return;
	golden_add_status(story->statuses, phase, weight);
	if (story->told->then_weight == 0 || story->changed_again ||
	    weight != story->told->then_weight)
		return;
	story->changed_again = true;
	set_image(story, story->told->then_image);
}

static void run_until(struct story *story, const char *phase, const char *other)
{
	for (int second = 0; second < 3600; second++) {
		const char *now = json_string_or(cluster_get(story->cluster, story->canary),
						 "status.phase", "");
		if (strcmp(now, phase) == 0 || strcmp(now, other) == 0)
			return;
		loop_run(story->loop, loop_now(story->loop) + DURATION_SECOND);
	}
	SCOPED(text) char *events = golden_lines(story->events);
	spec_fail(__FILE__, __LINE__, "%s: not over after an hour, events:\n%s", story->told->name,
		  events);
}

static void put_objects(struct story *story)
{
	struct error err = {0};
	const cJSON *object;
	cJSON_ArrayForEach(object, json_get(story->transcript, "given"))
	{
		EXPECT(cluster_apply(story->cluster, object, &err));
		if (text_equal(json_string(object, "kind"), "Canary"))
			EXPECT(golden_path(story->canary, object));
		else if (text_equal(json_string(object, "kind"), "Deployment"))
			EXPECT(golden_path(story->target, object));
	}
}

/* What it takes from the API server, beside the watches. */
enum { REQUESTS_A_RELEASE = 60 };

static enum cluster_fault count_request(void *owner, const struct http_request *request)
{
	struct counts *counts = owner;
	if (strstr(request->url, "watch=1") != NULL || strstr(request->url, "limit=") != NULL)
		counts->watches++;
	else if (strcmp(request->method, "GET") == 0)
		counts->gets++;
	else if (strcmp(request->method, "POST") == 0)
		counts->posts++;
	else if (strcmp(request->method, "PATCH") == 0)
		counts->patches++;
	else
		counts->others++;
	return FAULT_NONE;
}

static int all_of(const struct counts *counts)
{
	return counts->gets + counts->posts + counts->patches + counts->others;
}

static bool tell(struct story *story)
{
	struct error err = {0};
	struct chance chance;
	size_t len;
	SCOPED(text) char *file = xasprintf("spec/golden/%s.json", story->told->name);
	SCOPED(text) char *text = spec_file(file, &len);
	SCOPED(json) cJSON *transcript = json_parse(text, len, &err);
	SCOPED(json) cJSON *events = golden_events(transcript);
	SCOPED(json) cJSON *hooks = golden_hooks(transcript);
	SCOPED(json) cJSON *statuses = golden_statuses(transcript);
	const struct cluster_options cluster_options = {
		.seed = 1, .watch_lag_us = 50000, .ready_us = 200000};
	const struct kube_options kube_options = {0};
	const struct watch_options all = {0};
	static const char *const labels[] = {"app", "name", "app.kubernetes.io/name", NULL};
	static const char *const prefixes[] = {NULL};
	log_setup(LOG_OFF, false, NULL);
	chance_seed(&chance, 1);
	story->transcript = transcript;
	story->events = cJSON_CreateArray();
	story->hooks = cJSON_CreateArray();
	story->statuses = cJSON_CreateArray();
	story->http.ops = &receiver_ops;
	story->metrics.ops = &metrics_ops;
	story->loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	story->cluster = cluster_new(story->loop, &cluster_options);
	put_objects(story);

	struct kube *kube =
		kube_new(story->loop, cluster_port(story->cluster), &chance, &kube_options);
	struct kube *onlooker =
		kube_new(story->loop, cluster_port(story->cluster), &chance, &kube_options);
	struct watch *watch = watch_new(onlooker, &kube_canary, &all, canary_came, story);
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
	struct engine *engine = engine_new(&world, &engine_options);
	engine_own(engine, true);
	run_until(story, "Initialized", "Initialized");
	loop_run(story->loop, loop_now(story->loop) + 2 * DURATION_SECOND);
	cluster_faults(story->cluster, count_request, &story->counts);
	story->counts = (struct counts){0};
	set_image(story, json_string(transcript, "image"));
	loop_run(story->loop, loop_now(story->loop) + 2 * DURATION_SECOND);
	run_until(story, "Succeeded", "Failed");
	loop_run(story->loop, loop_now(story->loop) + DURATION_MINUTE);
	const struct counts release = story->counts;

	golden_drop_waiting(story->events);
	bool wrong = differs("events", story->told->name, story->events, events);
	wrong |= differs("hook calls", story->told->name, story->hooks, hooks);
	wrong |= differs("statuses", story->told->name, story->statuses, statuses);
	wrong |= objects_differ(story->cluster, story);
	if (getenv("SLUICE_SPEC_REQUESTS") != NULL)
		printf("%3d requests (%d GET, %d POST, %d PATCH), %d events: %s\n",
		       all_of(&release), release.gets, release.posts, release.patches,
		       cJSON_GetArraySize(story->events), story->told->name);
	story->counts = (struct counts){0};
	loop_run(story->loop, loop_now(story->loop) + 15 * DURATION_MINUTE);
	const int at_rest = all_of(&story->counts);

	engine_free(engine);
	watch_free(watch);
	policies_free(policies);
	kube_free(kube);
	kube_free(onlooker);
	cluster_free(story->cluster);
	loop_free(story->loop);
	cJSON_Delete(story->events);
	cJSON_Delete(story->hooks);
	cJSON_Delete(story->statuses);
	EXPECT(all_of(&release) < REQUESTS_A_RELEASE);
	EXPECT_INT(at_rest, 0);
	return !wrong;
}

/* Where ours is meant to differ, the difference is compared on an API server: spec/cluster. */
SPEC("golden: releases as Flagger does them, on the in-memory cluster")
{
	bool right = true;
	for (size_t i = 0; i < golden_story_count; i++) {
		SCOPED(text) char *meant = golden_differences(golden_stories[i].name, "");
		if (meant[0] != '\0')
			continue;
		struct story *story = xcalloc(1, sizeof(*story));
		story->told = &golden_stories[i];
		right &= tell(story);
		free(story);
	}
	EXPECT(right);
}

static bool is_told(const char *file)
{
	for (size_t i = 0; i < golden_story_count; i++) {
		SCOPED(text) char *name = xasprintf("%s.json", golden_stories[i].name);
		if (strcmp(name, file) == 0)
			return true;
	}
	return false;
}

SPEC("golden: each transcript is told")
{
	const struct dirent *entry;
	size_t count = 0;
	DIR *folder = opendir("spec/golden");
	EXPECT(folder != NULL);
	while ((entry = readdir(folder)) != NULL) {
		if (!text_ends(entry->d_name, ".json"))
			continue;
		if (!is_told(entry->d_name))
			spec_fail(__FILE__, __LINE__, "%s is not among the stories", entry->d_name);
		count++;
	}
	closedir(folder);
	EXPECT_INT(count, golden_story_count);
}

SPEC("golden: what is meant to differ is told in \"Differences from Flagger\"")
{
	static const char reason[] = "# Differences from Flagger: ";
	size_t len, count = 0;
	const struct dirent *entry;
	SCOPED(text) char *guide = spec_file("engine/README.md", &len);
	DIR *folder = opendir("spec/golden/differences");
	EXPECT(folder != NULL);
	while ((entry = readdir(folder)) != NULL) {
		if (!text_ends(entry->d_name, ".txt"))
			continue;
		SCOPED(text) char *path = xasprintf("spec/golden/differences/%s", entry->d_name);
		SCOPED(text) char *text = spec_file(path, &len);
		EXPECT(text[0] == '#');
		for (char *line = text; *line == '#';) {
			char *end = strchr(line, '\n');
			*end = '\0';
			SCOPED(text) char *row = xasprintf("\n| %s |", line + strlen(reason));
			if (text_starts(line, reason) && strstr(guide, row) == NULL)
				spec_fail(__FILE__, __LINE__, "%s: no row is \"%s\"", path,
					  line + strlen(reason));
			line = end + 1;
		}
		count++;
	}
	closedir(folder);
	EXPECT(count > 0);
}
