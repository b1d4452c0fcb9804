#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "compare.h"
#include "kube/watch.h"
#include "told.h"

struct story *stage_story(struct stage *stage, const char *namespace)
{
	for (size_t i = 0; i < stage->count; i++)
		if (text_equal(stage->stories[i].namespace, namespace))
			return &stage->stories[i];
	return NULL;
}

/* ---- how a story ends ---- */

static void tell(struct stage *stage, struct story *story)
{
	bool wrong = story->complaint.len > 0;
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	time_text_micro(story->released_us, from);
	time_text_micro(story->ended_us, to);
	printf("%s  %s %s %s %s %s\n", wrong ? story->complaint.text : "",
	       wrong ? "FAILED" : "ok    ", story->namespace, from, to,
	       wrong || story->compared == NULL ? "" : story->compared);
	story->part = TOLD;
	stage->failed += wrong;
	stage->told++;
}

static void rest_over(void *owner, uint64_t token)
{
	struct stage *stage = owner;
	(void)token;
	loop_stop(stage->loop);
}

static void look(void *owner, uint64_t i);

/* What `kubectl describe` shows has come. The last events and objects may be on their way: what is
 * not right yet is looked at again. */
static void events_came(void *owner, uint64_t i, const struct kube_reply *reply)
{
	enum { LOOKS_MAX = 20 };
	struct stage *stage = owner;
	struct story *story = &stage->stories[i];
	buf_clear(&story->complaint);
	if (reply->error.kind != ERROR_NONE)
		buf_printf(&story->complaint, "  %s: %s\n", story->namespace, reply->error.text);
	else
		compare_story(stage->options, story, json_get(reply->object, "items"));
	if (story->complaint.len > 0 && ++story->looks < LOOKS_MAX) {
		loop_at(stage->loop, loop_now(stage->loop) + DURATION_SECOND, look, stage, i);
		return;
	}
	tell(stage, story);
	if (stage->told == stage->count)
		loop_at(stage->loop, loop_now(stage->loop) + stage->options->rest_us, rest_over,
			stage, 0);
}

static void look(void *owner, uint64_t i)
{
	struct stage *stage = owner;
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_event, stage->stories[i].namespace, NULL);
	kube_send(stage->kube, KUBE_GET, path, NULL, events_came, stage, i);
}

/* ---- how a story goes ---- */

static void set_image(struct stage *stage, const struct story *story, const char *image)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_deployment, story->namespace, "podinfo");
	SCOPED(json) cJSON *patch = cJSON_CreateArray();
	cJSON *replace = cJSON_CreateObject();
	cJSON_AddStringToObject(replace, "op", "replace");
	cJSON_AddStringToObject(replace, "path", "/spec/template/spec/containers/0/image");
	cJSON_AddStringToObject(replace, "value", image);
	cJSON_AddItemToArray(patch, replace);
	insist(stage, KUBE_JSON_PATCH, path, patch);
}

static void release_who_may(struct stage *stage)
{
	if (stage->options->together && stage->ready < stage->count)
		return;
	for (size_t i = 0; i < stage->count; i++) {
		struct story *story = &stage->stories[i];
		if (story->part != READY_TO_GO)
			continue;
		story->part = RELEASING;
		story->released_us = loop_now(stage->loop);
		set_image(stage, story, json_string(story->transcript, "image"));
	}
}

/* Whose an object is: of that namespace, or, where it has none, of those that have such a one. */
static struct story *story_of(struct stage *stage, const cJSON *object)
{
	if (json_at(object, "metadata.namespace") != NULL)
		return stage_story(stage, json_string(object, "metadata.namespace"));
	SCOPED(text) char *key = golden_key(object);
	for (size_t i = 0; i < stage->count; i++)
		if (json_get(stage->stories[i].objects, key) != NULL)
			return &stage->stories[i];
	return NULL;
}

static void object_came(void *owner, enum watch_event event, cJSON *object)
{
	struct stage *stage = owner;
	struct story *story = object == NULL ? NULL : story_of(stage, object);
	if (story == NULL || (event != WATCH_PUT && event != WATCH_GONE))
		return;
	compare_add(story, object, event == WATCH_GONE);
	if (event == WATCH_PUT && stage->options->make_ready &&
	    text_equal(json_string(object, "kind"), "Deployment"))
		fake_readiness(stage, object);
}

static void end_story(struct stage *stage, struct story *story)
{
	story->part = ENDED;
	story->ended_us = loop_now(stage->loop);
	loop_at(stage->loop, loop_now(stage->loop) + 1500 * DURATION_MS, look, stage,
		(uint64_t)(story - stage->stories));
}

/* A canary that is not valid is released by nobody. */
static void end_if_refused(struct stage *stage, struct story *story, const cJSON *canary)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition, json_at(canary, "status.conditions"))
	{
		if (story->part != PREPARING ||
		    !text_equal(json_string(condition, "type"), "Valid") ||
		    !text_equal(json_string(condition, "status"), "False"))
			continue;
		SCOPED(text)
		char *line = xasprintf("refused: %s", json_string_or(condition, "message", ""));
		cJSON_AddItemToArray(story->statuses, cJSON_CreateString(line));
		story->refused = xstrdup(json_string_or(condition, "message", ""));
		stage->ready++;
		end_story(stage, story);
	}
}

static void canary_came(void *owner, enum watch_event event, cJSON *object)
{
	struct stage *stage = owner;
	struct story *story = stage_story(stage, json_string(object, "metadata.namespace"));
	const char *phase = json_string_or(object, "status.phase", "");
	long weight = json_int(object, "status.canaryWeight", 0);
	if (event != WATCH_PUT || story == NULL)
		return;
	end_if_refused(stage, story, object);
	if (phase[0] == '\0')
		return;
	compare_add_status(story, object);
	if (story->part == PREPARING && strcmp(phase, "Initialized") == 0) {
		story->part = READY_TO_GO;
		stage->ready++;
		release_who_may(stage);
	} else if (story->part == RELEASING &&
		   (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)) {
		end_story(stage, story);
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
	if (stage->told == stage->count)
		return;
	for (size_t i = 0; i < stage->count; i++) {
		if (stage->stories[i].part == TOLD)
			continue;
		SCOPED(text) char *statuses = golden_lines(stage->stories[i].statuses);
		SCOPED(json) cJSON *heard = told_lines(stage->stories[i].calls, true);
		SCOPED(text) char *events = golden_lines(heard);
		printf("  FAILED %s: not over in time\n%s%s", stage->stories[i].namespace, statuses,
		       events);
		stage->failed++;
	}
	loop_stop(stage->loop);
}

static bool is_followed(const struct stage *stage, const struct kube_kind *kind)
{
	for (size_t i = 0; i < stage->kind_count; i++)
		if (strcmp(stage->kinds[i].api_version, kind->api_version) == 0 &&
		    strcmp(stage->kinds[i].plural, kind->plural) == 0)
			return true;
	return false;
}

/* The kind of an object of a transcript, which lives as long as that. */
static void follow_kind(struct stage *stage, const cJSON *object)
{
	char path[KUBE_PATH_MAX];
	struct kube_ref ref;
	if (!golden_path(path, object) || !kube_path_parse(path, &ref))
		return;
	const struct kube_kind kind = {.api_version = json_string(object, "apiVersion"),
				       .kind = json_string(object, "kind"),
				       .plural = ref.plural};
	if (is_followed(stage, &kind) || stage->kind_count == KINDS_MAX)
		return;
	struct kube_kind *kept = &stage->kinds[stage->kind_count];
	*kept = kind;
	kept->plural = xstrdup(ref.plural);
	stage->objects[stage->kind_count++] =
		watch_new(stage->kube, kept, &(struct watch_options){0}, object_came, stage);
}

/* From before the daemon begins: no version of an object goes by unseen. */
void stage_follow(struct stage *stage)
{
	const struct watch_options all = {0};
	for (size_t i = 0; i < stage->count; i++) {
		const cJSON *object;
		cJSON_ArrayForEach(object, stage->stories[i].objects) follow_kind(stage, object);
	}
	for (size_t i = 0; i < stage->kind_count; i++)
		while (!watch_is_synced(stage->objects[i]))
			loop_turn(stage->loop);
	stage->canaries = watch_new(stage->kube, &kube_canary, &all, canary_came, stage);
	loop_at(stage->loop, loop_now(stage->loop) + stage->options->limit_us, too_late, stage, 0);
}

/* ---- how a story begins ---- */

#define USERS_INTERVAL "4s"

/* `text` with each `from` replaced; the caller frees. */
static char *replace(const char *text, const char *from, const char *to)
{
	struct buf result;
	const char *found;
	buf_init(&result, 16UL * MIB);
	while ((found = strstr(text, from)) != NULL) {
		buf_add(&result, text, (size_t)(found - text));
		buf_puts(&result, to);
		text = found + strlen(from);
	}
	buf_puts(&result, text);
	char *taken = buf_take(&result);
	buf_fini(&result);
	return taken;
}

/* The transcript with our receiver in place of the one of then, at a faster pace. */
static cJSON *read_transcript(const struct stage *stage, const struct story *story)
{
	SCOPED(buf) struct buf text = {0};
	struct error err = {0};
	SCOPED(text) char *path = xasprintf("spec/golden/%s.json", story->golden->name);
	SCOPED(text)
	char *receiver = xasprintf("http://127.0.0.1:%d/", serve_port(stage->serve));
	/* Where the user acts in mid-run, the next step must not be sooner. */
	const char *interval =
		story->golden->then_weight != 0 ? USERS_INTERVAL : stage->options->interval;
	buf_init(&text, 16UL * MIB);
	if (!file_read(path, &text, &err)) {
		fprintf(stderr, "spec-cluster: %s\n", err.text);
		exit(1);
	}
	SCOPED(text) char *here = replace(text.text, "http://127.0.0.1:29004/", receiver);
	SCOPED(text) char *copy = replace(here, story->golden->name, story->namespace);
	cJSON *transcript = json_parse(copy, strlen(copy), &err);
	cJSON *object;
	cJSON_ArrayForEach(object, json_get(transcript, "given"))
	{
		json_remove(object, "metadata.resourceVersion");
		json_remove(object, "metadata.uid");
		if (text_equal(json_string(object, "kind"), "Canary"))
			json_put_string(object, "spec.analysis.interval", interval);
	}
	return transcript;
}

static void created(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct stage *stage = owner;
	(void)token;
	if (reply->error.kind == ERROR_NONE || reply->error.kind == ERROR_CONFLICT)
		return;
	printf("  FAILED to create: %s\n", reply->error.text);
	stage->failed++;
}

static void create(struct stage *stage, const cJSON *object)
{
	char path[KUBE_PATH_MAX];
	if (!golden_path(path, object))
		return;
	*strrchr(path, '/') = '\0';
	kube_send(stage->kube, KUBE_CREATE, path, object, created, stage, 0);
}

static void create_namespace(struct stage *stage, const char *name)
{
	SCOPED(json) cJSON *namespace = cJSON_CreateObject();
	json_put_string(namespace, "apiVersion", "v1");
	json_put_string(namespace, "kind", "Namespace");
	json_put_string(namespace, "metadata.name", name);
	kube_send(stage->kube, KUBE_CREATE, "/api/v1/namespaces", namespace, created, stage, 0);
}

static void add_story(struct stage *stage, const struct golden_story *golden, long copy)
{
	struct story *story = &stage->stories[stage->count++];
	story->golden = golden;
	story->namespace = stage->options->copies == 1 ? xstrdup(golden->name)
						       : xasprintf("%s-%ld", golden->name, copy);
	story->transcript = read_transcript(stage, story);
	story->objects = golden_objects(story->transcript);
	buf_init(&story->complaint, (size_t)MIB);
	story->calls = cJSON_CreateArray();
	story->histories = cJSON_CreateObject();
	story->strangers = cJSON_CreateObject();
	story->moments = cJSON_CreateArray();
	story->statuses = cJSON_CreateArray();
	create_namespace(stage, story->namespace);
}

/* One of "a,b" is in the name; NULL: any. */
static bool is_wanted(const char *name, const char *only)
{
	SCOPED(text) char *words = only == NULL ? NULL : xstrdup(only);
	char *rest = words, *word;
	bool wanted = only == NULL;
	while ((word = strsep(&rest, ",")) != NULL)
		wanted |= strstr(name, word) != NULL;
	return wanted;
}

void stage_set(struct stage *stage)
{
	const struct stage_options *options = stage->options;
	stage->stories = xcalloc(STORIES_MAX, sizeof(*stage->stories));
	for (size_t i = 0; i < golden_story_count; i++) {
		SCOPED(text) char *meant = golden_differences(golden_stories[i].name, "");
		/* Who may miss a status cannot act on it; where much is told twice, a difference is
		 * not seen. */
		if (!is_wanted(golden_stories[i].name, options->only) ||
		    (options->gaps && golden_stories[i].then_weight != 0) ||
		    (options->repeats && meant[0] != '\0'))
			continue;
		for (long copy = 1; copy <= options->copies && stage->count < STORIES_MAX; copy++)
			add_story(stage, &golden_stories[i], copy);
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

void stage_fini(struct stage *stage)
{
	for (size_t i = 0; i < stage->count; i++) {
		struct story *story = &stage->stories[i];
		cJSON_Delete(story->transcript);
		cJSON_Delete(story->calls);
		cJSON_Delete(story->histories);
		cJSON_Delete(story->strangers);
		cJSON_Delete(story->moments);
		cJSON_Delete(story->statuses);
		cJSON_Delete(story->objects);
		buf_fini(&story->complaint);
		free(story->refused);
		free(story->compared);
		free(story->namespace);
	}
	for (size_t i = 0; i < stage->kind_count; i++)
		free((char *)(uintptr_t)stage->kinds[i].plural);
	free(stage->stories);
}
