#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "kube/watch.h"

struct story *stage_story(struct stage *stage, const char *namespace)
{
	for (size_t i = 0; i < stage->count; i++)
		if (text_equal(stage->stories[i].namespace, namespace))
			return &stage->stories[i];
	return NULL;
}

/* ---- what is compared ---- */

static bool has_text(const cJSON *texts, const char *text)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, texts) if (strcmp(item->valuestring, text) == 0) return true;
	return false;
}

/* All of `part` is in `whole`, in this order. */
static bool is_within(const cJSON *part, const cJSON *whole)
{
	const cJSON *wanted = part->child, *item;
	cJSON_ArrayForEach(item, whole)
	{
		if (wanted != NULL && strcmp(wanted->valuestring, item->valuestring) == 0)
			wanted = wanted->next;
	}
	return wanted == NULL;
}

/* Nothing lost, nothing invented; but told again, perhaps. */
static bool is_repeated(const cJSON *got, const cJSON *wanted)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, got) if (!has_text(wanted, item->valuestring)) return false;
	return is_within(wanted, got);
}

static bool ends_alike(const cJSON *got, const cJSON *wanted)
{
	int a = cJSON_GetArraySize(got), b = cJSON_GetArraySize(wanted);
	return a > 0 && b > 0 &&
	       strcmp(cJSON_GetArrayItem(got, a - 1)->valuestring,
		      cJSON_GetArrayItem(wanted, b - 1)->valuestring) == 0;
}

static void expect_same(struct story *story, const char *what, const cJSON *got,
			const cJSON *wanted, bool is_good)
{
	SCOPED(text) char *a = golden_lines(got);
	SCOPED(text) char *b = golden_lines(wanted);
	if (is_good || strcmp(a, b) == 0)
		return;
	buf_printf(&story->complaint, "  %s: %s differ\n--- got\n%s--- wanted\n%s",
		   story->namespace, what, a, b);
}

static void compare_what_was_told(const struct stage_options *options, struct story *story)
{
	SCOPED(json) cJSON *events = golden_events(story->transcript);
	SCOPED(json) cJSON *hooks = golden_hooks(story->transcript);
	SCOPED(json) cJSON *statuses = golden_statuses(story->transcript);
	golden_drop_waiting(story->events);
	expect_same(story, "events", story->events, events,
		    options->repeats && is_repeated(story->events, events));
	expect_same(story, "hook calls", story->hooks, hooks,
		    options->repeats && is_repeated(story->hooks, hooks));
	expect_same(story, "statuses", story->statuses, statuses,
		    options->gaps && is_within(story->statuses, statuses) &&
			    ends_alike(story->statuses, statuses));
}

static void tell(struct stage *stage, struct story *story)
{
	bool wrong = story->complaint.len > 0;
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	time_text_micro(story->released_us, from);
	time_text_micro(story->ended_us, to);
	printf("%s  %s %s %s %s\n", wrong ? story->complaint.text : "", wrong ? "FAILED" : "ok    ",
	       story->namespace, from, to);
	story->part = TOLD;
	stage->failed += wrong;
	stage->told++;
}

/* What the API server gives to each by itself, or what says no more than that something changed. */
static void drop_given(cJSON *object)
{
	json_remove(object, "spec.template.metadata.annotations[\"flagger-id\"]");
	json_remove(object, "spec.clusterIP");
	json_remove(object, "spec.clusterIPs");
}

static bool is_custom(const cJSON *object)
{
	return strchr(json_string_or(object, "apiVersion", ""), '.') != NULL;
}

static void rest_over(void *owner, uint64_t token)
{
	struct stage *stage = owner;
	(void)token;
	loop_stop(stage->loop);
}

static void look(void *owner, uint64_t i);

/* The last events and objects may be on their way: what is not right yet is looked at again. */
static void end_look(struct stage *stage, struct story *story)
{
	enum { LOOKS_MAX = 20 };
	if (--story->asked > 0)
		return;
	compare_what_was_told(stage->options, story);
	if (story->complaint.len > 0 && ++story->looks < LOOKS_MAX) {
		loop_at(stage->loop, loop_now(stage->loop) + DURATION_SECOND, look, stage,
			(uint64_t)(story - stage->stories));
		return;
	}
	tell(stage, story);
	if (stage->told == stage->count)
		loop_at(stage->loop, loop_now(stage->loop) + stage->options->rest_us, rest_over,
			stage, 0);
}

static void compare_specs(struct story *story, const cJSON *got, const cJSON *wanted)
{
	SCOPED(json) cJSON *got_spec = golden_spec(got);
	SCOPED(json) cJSON *wanted_spec = golden_spec(wanted);
	if (json_covers(got_spec, wanted_spec))
		return;
	SCOPED(text) char *a = json_text(got_spec);
	SCOPED(text) char *b = json_text(wanted_spec);
	buf_printf(&story->complaint, "  %s: %s differs\n    got    %s\n    wanted %s\n",
		   story->namespace, wanted->string, a, b);
}

static void object_came(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct stage *stage = owner;
	struct story *story = &stage->stories[token / OBJECTS_MAX];
	cJSON *wanted = cJSON_GetArrayItem(story->objects, (int)(token % OBJECTS_MAX));
	drop_given(wanted);
	if (reply->error.kind != ERROR_NONE)
		buf_printf(&story->complaint, "  %s: %s\n", story->namespace, reply->error.text);
	else if (!stage->options->in_memory || is_custom(wanted))
		compare_specs(story, reply->object, wanted);
	end_look(stage, story);
}

/* What `kubectl describe` shows: each message that Flagger told is there. */
static void events_came(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct stage *stage = owner;
	struct story *story = &stage->stories[token];
	SCOPED(json) cJSON *there = cJSON_CreateArray();
	SCOPED(json) cJSON *wanted = golden_events(story->transcript);
	const cJSON *event;
	cJSON_ArrayForEach(event, json_get(reply->object, "items")) cJSON_AddItemToArray(
		there, cJSON_CreateString(json_string_or(event, "message", "")));
	cJSON_ArrayForEach(event, wanted)
	{
		if (!has_text(there, event->valuestring))
			buf_printf(&story->complaint, "  %s: there is no Event \"%s\"\n",
				   story->namespace, event->valuestring);
	}
	end_look(stage, story);
}

static void look(void *owner, uint64_t i)
{
	struct stage *stage = owner;
	struct story *story = &stage->stories[i];
	const cJSON *object;
	char path[KUBE_PATH_MAX];
	uint64_t at = 0;
	buf_clear(&story->complaint);
	story->asked = cJSON_GetArraySize(story->objects) + 1;
	cJSON_ArrayForEach(object, story->objects)
	{
		if (golden_path(path, object))
			kube_send(stage->kube, KUBE_GET, path, NULL, object_came, stage,
				  i * OBJECTS_MAX + at++);
	}
	kube_path(path, &kube_event, story->namespace, NULL);
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

static void deployment_came(void *owner, enum watch_event event, cJSON *object)
{
	struct stage *stage = owner;
	if (event == WATCH_PUT && stage->options->make_ready &&
	    stage_story(stage, json_string(object, "metadata.namespace")) != NULL)
		fake_readiness(stage, object);
}

static void canary_came(void *owner, enum watch_event event, cJSON *object)
{
	struct stage *stage = owner;
	struct story *story = stage_story(stage, json_string(object, "metadata.namespace"));
	const char *phase = json_string_or(object, "status.phase", "");
	long weight = json_int(object, "status.canaryWeight", 0);
	if (event != WATCH_PUT || story == NULL || phase[0] == '\0')
		return;
	golden_add_status(story->statuses, phase, weight);
	if (story->part == PREPARING && strcmp(phase, "Initialized") == 0) {
		story->part = READY_TO_GO;
		stage->ready++;
		release_who_may(stage);
	} else if (story->part == RELEASING &&
		   (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)) {
		story->part = ENDED;
		story->ended_us = loop_now(stage->loop);
		loop_at(stage->loop, loop_now(stage->loop) + 1500 * DURATION_MS, look, stage,
			(uint64_t)(story - stage->stories));
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
		SCOPED(text) char *events = golden_lines(stage->stories[i].events);
		printf("  FAILED %s: not over in time\n%s%s", stage->stories[i].namespace, statuses,
		       events);
		stage->failed++;
	}
	loop_stop(stage->loop);
}

void stage_follow(struct stage *stage)
{
	const struct watch_options all = {0};
	stage->deployments = watch_new(stage->kube, &kube_deployment, &all, deployment_came, stage);
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
	story->events = cJSON_CreateArray();
	story->hooks = cJSON_CreateArray();
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
		/* Who may miss a status cannot act on it. */
		if (!is_wanted(golden_stories[i].name, options->only) ||
		    (options->gaps && golden_stories[i].then_weight != 0))
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
		cJSON_Delete(story->events);
		cJSON_Delete(story->hooks);
		cJSON_Delete(story->statuses);
		cJSON_Delete(story->objects);
		buf_fini(&story->complaint);
		free(story->namespace);
	}
	free(stage->stories);
}
