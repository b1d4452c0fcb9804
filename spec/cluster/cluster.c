/*
 * cluster.c - the daemon against an API server over HTTP: releases of spec/golden, all at once,
 * each in its namespace, compared with what Flagger did.
 *
 *     spec-cluster SLUICE [--make-ready | --in-memory]      the API server is that of $KUBECONFIG
 *
 * Fake: the metric store (a verdict a story) and the receiver of webhooks; and, with --make-ready
 * for an API server without a controller manager, that Deployments become ready.
 */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../engine/golden.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/config.h"
#include "kube/transport.h"
#include "kube/watch.h"
#include "net/serve.h"

enum { STORIES_MAX = 64, OBJECTS_MAX = 64 };

enum part { PREPARING, RELEASING, ENDED, TOLD };

struct story {
	const struct golden_story *golden;
	cJSON *transcript, *events, *hooks, *statuses, *objects;
	enum part part;
	bool changed_again, wrong;
	int asked; /* objects whose state is awaited */
};

struct stage {
	struct loop *loop;
	struct kube *kube;
	struct serve *serve;
	struct watch *canaries, *deployments;
	struct story stories[STORIES_MAX];
	size_t count, told, failed;
	bool make_ready, in_memory;
	pid_t daemon;
};

static struct story *story_named(struct stage *stage, const char *namespace)
{
	for (size_t i = 0; i < stage->count; i++)
		if (text_equal(stage->stories[i].golden->name, namespace))
			return &stage->stories[i];
	return NULL;
}

static void expect_same(struct story *story, const char *what, const cJSON *got,
			const cJSON *wanted)
{
	SCOPED(text) char *a = golden_lines(got);
	SCOPED(text) char *b = golden_lines(wanted);
	if (strcmp(a, b) == 0)
		return;
	story->wrong = true;
	printf("  %s: %s differ\n--- got\n%s--- wanted\n%s", story->golden->name, what, a, b);
}

/* ---- the fake metric store and the receiver of webhooks ---- */

static void answer_query(struct stage *stage, const struct serve_request *request)
{
	struct story *story = NULL;
	for (size_t i = 0; i < stage->count && story == NULL; i++) {
		const char *at = strstr(request->url, stage->stories[i].golden->name);
		/* the whole name: "%22" is the quote around it */
		if (at != NULL && text_starts(at + strlen(stage->stories[i].golden->name), "%22"))
			story = &stage->stories[i];
	}
	SCOPED(text) char *text = NULL;
	if (story != NULL && story->golden->no_data)
		text = xstrdup("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
			       "\"result\":[]}}");
	else
		text = xasprintf("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
				 "\"result\":[{\"metric\":{},\"value\":[1,\"%g\"]}]}}",
				 story == NULL ? 1
				 : strstr(request->url, "histogram_quantile") != NULL
					 ? story->golden->duration
					 : story->golden->success);
	serve_reply(stage->serve, request->id, 200, "application/json", text, strlen(text));
}

static void on_request(void *owner, const struct serve_request *request)
{
	struct stage *stage = owner;
	if (text_starts(request->url, "/api/v1/query")) {
		answer_query(stage, request);
		return;
	}
	const char *hook = strrchr(request->url, '/') + 1;
	SCOPED(json) cJSON *body = cJSON_ParseWithLength(request->body, request->body_len);
	struct story *story = story_named(stage, json_string(body, "namespace"));
	int status = strcmp(hook, "rollback") == 0 ? 403 : 200;
	if (story != NULL && strcmp(hook, "event") == 0)
		cJSON_AddItemToArray(story->events, cJSON_CreateString(json_string_or(
							    body, "metadata.eventMessage", "")));
	else if (story != NULL)
		cJSON_AddItemToArray(story->hooks, cJSON_CreateString(hook));
	serve_reply(stage->serve, request->id, status, NULL, "", 0);
}

/* ---- the API server ---- */

static void done(void *owner, uint64_t token, const struct kube_reply *reply)
{
	(void)owner;
	(void)token;
	if (reply->error.kind != ERROR_NONE && reply->error.kind != ERROR_CONFLICT)
		printf("  the API server: %s\n", reply->error.text);
}

static void create(struct stage *stage, const cJSON *object)
{
	char path[KUBE_PATH_MAX];
	if (!golden_path(path, object))
		return;
	*strrchr(path, '/') = '\0';
	kube_send(stage->kube, KUBE_CREATE, path, object, done, stage, 0);
}

static void set_image(struct stage *stage, const struct story *story, const char *image)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_deployment, story->golden->name, "podinfo");
	SCOPED(json) cJSON *patch = cJSON_CreateArray();
	cJSON *replace = cJSON_CreateObject();
	cJSON_AddStringToObject(replace, "op", "replace");
	cJSON_AddStringToObject(replace, "path", "/spec/template/spec/containers/0/image");
	cJSON_AddStringToObject(replace, "value", image);
	cJSON_AddItemToArray(patch, replace);
	kube_send(stage->kube, KUBE_JSON_PATCH, path, patch, done, stage, 0);
}

static void make_ready(struct stage *stage, const cJSON *deployment)
{
	char path[KUBE_PATH_MAX];
	double generation = json_number(deployment, "metadata.generation", 0);
	double replicas = json_number(deployment, "spec.replicas", 1);
	if (json_number(deployment, "status.observedGeneration", 0) >= generation)
		return;
	kube_path(path, &kube_deployment, json_string(deployment, "metadata.namespace"),
		  json_string(deployment, "metadata.name"));
	SCOPED(text) char *status = xasprintf("%s/status", path);
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	static const char *const counts[] = {"replicas", "updatedReplicas", "readyReplicas",
					     "availableReplicas"};
	json_put_number(patch, "status.observedGeneration", generation);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		cJSON_AddNumberToObject(json_get(patch, "status"), counts[i], replicas);
	cJSON *conditions = cJSON_AddArrayToObject(json_get(patch, "status"), "conditions");
	cJSON *progressing = cJSON_CreateObject();
	json_put_string(progressing, "type", "Progressing");
	json_put_string(progressing, "status", "True");
	json_put_string(progressing, "reason", "NewReplicaSetAvailable");
	json_put_string(progressing, "lastUpdateTime", "2026-01-01T00:00:00Z");
	cJSON_AddItemToArray(conditions, progressing);
	kube_send(stage->kube, KUBE_MERGE, status, patch, done, stage, 0);
}

static void deployment_came(void *owner, enum watch_event event, cJSON *object)
{
	struct stage *stage = owner;
	if (event == WATCH_PUT && stage->make_ready &&
	    story_named(stage, json_string(object, "metadata.namespace")) != NULL)
		make_ready(stage, object);
}

/* ---- how a story ends ---- */

static void tell(struct stage *stage, struct story *story)
{
	SCOPED(json) cJSON *events = golden_events(story->transcript);
	SCOPED(json) cJSON *hooks = golden_hooks(story->transcript);
	SCOPED(json) cJSON *statuses = golden_statuses(story->transcript);
	golden_drop_waiting(story->events);
	expect_same(story, "events", story->events, events);
	expect_same(story, "hook calls", story->hooks, hooks);
	expect_same(story, "statuses", story->statuses, statuses);
	printf("  %s %s\n", story->wrong ? "FAILED" : "ok    ", story->golden->name);
	story->part = TOLD;
	stage->failed += story->wrong;
	if (++stage->told == stage->count)
		loop_stop(stage->loop);
}

/* What the API server gives to each by itself, or what says no more than that something changed. */
static void drop_given(cJSON *object)
{
	json_remove(object, "spec.template.metadata.annotations[\"flagger-id\"]");
	json_remove(object, "spec.clusterIP");
	json_remove(object, "spec.clusterIPs");
}

/* The in-memory API server knows no defaults: there, built-in kinds are not compared. */
static bool is_custom(const cJSON *object)
{
	return strchr(json_string_or(object, "apiVersion", ""), '.') != NULL;
}

static void compare_specs(struct story *story, const cJSON *got, const cJSON *wanted)
{
	SCOPED(json) cJSON *got_spec = golden_spec(got);
	SCOPED(json) cJSON *wanted_spec = golden_spec(wanted);
	if (json_covers(got_spec, wanted_spec))
		return;
	SCOPED(text) char *a = json_text(got_spec);
	SCOPED(text) char *b = json_text(wanted_spec);
	story->wrong = true;
	printf("  %s: %s differs\n    got    %s\n    wanted %s\n", story->golden->name,
	       wanted->string, a, b);
}

static void object_came(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct stage *stage = owner;
	struct story *story = &stage->stories[token / OBJECTS_MAX];
	cJSON *wanted = cJSON_GetArrayItem(story->objects, (int)(token % OBJECTS_MAX));
	drop_given(wanted);
	if (reply->error.kind != ERROR_NONE) {
		story->wrong = true;
		printf("  %s: %s\n", story->golden->name, reply->error.text);
	} else if (!stage->in_memory || is_custom(wanted)) {
		compare_specs(story, reply->object, wanted);
	}
	if (--story->asked == 0)
		tell(stage, story);
}

/* The last events are on their way; then the objects are looked at. */
static void look_at_objects(void *owner, uint64_t i)
{
	struct stage *stage = owner;
	struct story *story = &stage->stories[i];
	const cJSON *object;
	uint64_t at = 0;
	story->objects = golden_objects(story->transcript);
	story->asked = cJSON_GetArraySize(story->objects);
	cJSON_ArrayForEach(object, story->objects)
	{
		char path[KUBE_PATH_MAX];
		if (!golden_path(path, object))
			continue;
		kube_send(stage->kube, KUBE_GET, path, NULL, object_came, stage,
			  i * OBJECTS_MAX + at++);
	}
}

static void canary_came(void *owner, enum watch_event event, cJSON *object)
{
	struct stage *stage = owner;
	struct story *story = story_named(stage, json_string(object, "metadata.namespace"));
	const char *phase = json_string_or(object, "status.phase", "");
	long weight = json_int(object, "status.canaryWeight", 0);
	if (event != WATCH_PUT || story == NULL || phase[0] == '\0')
		return;
	golden_add_status(story->statuses, phase, weight);
	if (story->part == PREPARING && strcmp(phase, "Initialized") == 0) {
		story->part = RELEASING;
		set_image(stage, story, json_string(story->transcript, "image"));
	} else if (story->part == RELEASING &&
		   (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)) {
		story->part = ENDED;
		loop_at(stage->loop, loop_now(stage->loop) + 1500 * DURATION_MS, look_at_objects,
			stage, (uint64_t)(story - stage->stories));
	} else if (story->golden->then_weight != 0 && !story->changed_again &&
		   weight == story->golden->then_weight) {
		story->changed_again = true;
		set_image(stage, story, story->golden->then_image);
	}
}

static void too_late(void *owner, uint64_t token)
{
	struct stage *stage = owner;
	(void)token;
	for (size_t i = 0; i < stage->count; i++) {
		if (stage->stories[i].part == TOLD)
			continue;
		SCOPED(text) char *statuses = golden_lines(stage->stories[i].statuses);
		SCOPED(text) char *events = golden_lines(stage->stories[i].events);
		printf("  FAILED %s: not over in time\n%s%s", stage->stories[i].golden->name,
		       statuses, events);
		stage->failed++;
	}
	loop_stop(stage->loop);
}

/* ---- the stage ---- */

/* The transcript with our receiver in place of the one of then, at a faster pace. */
static cJSON *read_transcript(const char *name, int port)
{
	static const char then[] = "http://127.0.0.1:29004/";
	struct buf text, rewritten;
	struct error err = {0};
	SCOPED(text) char *path = xasprintf("spec/golden/%s.json", name);
	buf_init(&text, 16UL * MIB);
	buf_init(&rewritten, 16UL * MIB);
	if (!file_read(path, &text, &err)) {
		fprintf(stderr, "spec-cluster: %s\n", err.text);
		exit(1);
	}
	const char *at = text.text, *found;
	while ((found = strstr(at, then)) != NULL) {
		buf_add(&rewritten, at, (size_t)(found - at));
		buf_printf(&rewritten, "http://127.0.0.1:%d/", port);
		at = found + sizeof(then) - 1;
	}
	buf_puts(&rewritten, at);
	cJSON *transcript = json_parse(rewritten.text, rewritten.len, &err);
	cJSON *object;
	cJSON_ArrayForEach(object, json_get(transcript, "given"))
	{
		json_remove(object, "metadata.resourceVersion");
		json_remove(object, "metadata.uid");
		if (text_equal(json_string(object, "kind"), "Canary"))
			json_put_string(object, "spec.analysis.interval", "1s");
	}
	buf_fini(&text);
	buf_fini(&rewritten);
	return transcript;
}

static void set_up(struct stage *stage)
{
	for (size_t i = 0; i < golden_story_count && i < STORIES_MAX; i++) {
		struct story *story = &stage->stories[stage->count++];
		story->golden = &golden_stories[i];
		story->transcript = read_transcript(story->golden->name, serve_port(stage->serve));
		story->events = cJSON_CreateArray();
		story->hooks = cJSON_CreateArray();
		story->statuses = cJSON_CreateArray();
		SCOPED(json) cJSON *namespace = cJSON_CreateObject();
		json_put_string(namespace, "apiVersion", "v1");
		json_put_string(namespace, "kind", "Namespace");
		json_put_string(namespace, "metadata.name", story->golden->name);
		kube_send(stage->kube, KUBE_CREATE, "/api/v1/namespaces", namespace, done, stage,
			  0);
	}
	while (kube_pending(stage->kube) > 0)
		loop_turn(stage->loop);
	for (size_t i = 0; i < stage->count; i++) {
		const cJSON *object;
		cJSON_ArrayForEach(object, json_get(stage->stories[i].transcript, "given"))
			create(stage, object);
	}
	while (kube_pending(stage->kube) > 0)
		loop_turn(stage->loop);
}

static pid_t start_daemon(const struct stage *stage, const char *sluice)
{
	pid_t pid;
	SCOPED(text)
	char *metrics = xasprintf("http://127.0.0.1:%d", serve_port(stage->serve));
	char *arguments[] = {(char *)(uintptr_t)sluice, "run", "--metrics-server", metrics,
			     "--mesh-provider", "kubernetes", "--min-analysis-interval", "1s",
			     "--port", "0", "--log-level", "error",
			     /* thirteen releases at once, each with a tick a second */
			     "--kubeconfig-qps", "2000", "--kubeconfig-burst", "4000", NULL};
	if (posix_spawn(&pid, sluice, NULL, NULL, arguments, environ) != 0) {
		fprintf(stderr, "spec-cluster: %s cannot be started\n", sluice);
		exit(1);
	}
	return pid;
}

int main(int count, char **arguments)
{
	struct stage stage = {0};
	struct error err = {0};
	struct kube_config config;
	struct chance chance;
	const struct kube_config_options from = {0};
	const struct kube_options options = {.qps = 200, .burst = 400};
	const struct serve_options serve = {.address = "127.0.0.1"};
	if (count < 2) {
		fprintf(stderr, "usage: spec-cluster SLUICE [--make-ready | --in-memory]\n");
		return 1;
	}
	stage.make_ready = count > 2 && strcmp(arguments[2], "--make-ready") == 0;
	stage.in_memory = count > 2 && strcmp(arguments[2], "--in-memory") == 0;
	log_setup(LOG_ERROR, false, NULL);
	chance_seed(&chance, 1);
	stage.loop = loop_new();
	stage.serve = serve_new(stage.loop, &serve, on_request, &stage, &err);
	if (stage.serve == NULL || !kube_config_load(&config, &from, &err)) {
		fprintf(stderr, "spec-cluster: %s\n", err.text);
		return 1;
	}
	struct http *transport = kube_transport_new(stage.loop, &config);
	stage.kube = kube_new(stage.loop, transport, &chance, &options);
	set_up(&stage);
	const struct watch_options all = {0};
	stage.deployments = watch_new(stage.kube, &kube_deployment, &all, deployment_came, &stage);
	stage.canaries = watch_new(stage.kube, &kube_canary, &all, canary_came, &stage);
	stage.daemon = start_daemon(&stage, arguments[1]);
	loop_at(stage.loop, loop_now(stage.loop) + 2 * DURATION_MINUTE, too_late, &stage, 0);
	loop_run(stage.loop, 0);

	int status = 0;
	kill(stage.daemon, SIGTERM);
	waitpid(stage.daemon, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("  FAILED the daemon ended with %d\n", status);
		stage.failed++;
	}
	watch_free(stage.canaries);
	watch_free(stage.deployments);
	kube_free(stage.kube);
	transport->ops->free(transport);
	serve_free(stage.serve);
	for (size_t i = 0; i < stage.count; i++) {
		cJSON_Delete(stage.stories[i].transcript);
		cJSON_Delete(stage.stories[i].events);
		cJSON_Delete(stage.stories[i].hooks);
		cJSON_Delete(stage.stories[i].statuses);
		cJSON_Delete(stage.stories[i].objects);
	}
	kube_config_fini(&config);
	loop_free(stage.loop);
	printf("cluster: %zu passed, %zu failed\n", stage.count + 1 - stage.failed, stage.failed);
	return stage.failed == 0 ? 0 : 1;
}
