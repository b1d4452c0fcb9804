#include "rehearsal/rehearsal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/target.h"
#include "rehearsal/parts.h"
#include "sim/controllers.h"

/* ---- what is noted ---- */

cJSON *play_note(struct play *play, enum note_kind kind)
{
	cJSON *item = cJSON_CreateObject();
	int64_t since_us = loop_now(play->loop) - play->start_us;
	double at = play->start_us == 0 ? -1 : (double)since_us / (double)DURATION_SECOND;
	cJSON_AddNumberToObject(item, "at", at);
	cJSON_AddItemToArray(play->result->notes[kind], item);
	return item;
}

void play_tell(const struct play *play, enum note_kind kind, const cJSON *item)
{
	if (play->input->on_note != NULL)
		play->input->on_note(play->input->owner, kind, item);
}

/* Another item than the last one. */
static void note_status(struct play *play, const cJSON *status)
{
	static const struct {
		const char *name, *path;
	} numbers[] = {{"weight", "canaryWeight"},
		       {"iterations", "iterations"},
		       {"failedChecks", "failedChecks"}};
	const char *phase = json_string_or(status, "phase", "");
	const cJSON *statuses = play->result->notes[NOTE_STATUS];
	const cJSON *last = statuses->child == NULL ? NULL : statuses->child->prev;
	bool same = text_equal(json_string(last, "phase"), phase);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		same &= json_int(last, numbers[i].name, 0) == json_int(status, numbers[i].path, 0);
	if (phase[0] == '\0' || same)
		return;
	cJSON *item = play_note(play, NOTE_STATUS);
	cJSON_AddStringToObject(item, "phase", phase);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		cJSON_AddNumberToObject(item, numbers[i].name,
					(double)json_int(status, numbers[i].path, 0));
	play_tell(play, NOTE_STATUS, item);
}

static void note_event(struct play *play, const cJSON *event)
{
	static const char *const fields[] = {"type", "reason", "message"};
	cJSON *item = play_note(play, NOTE_EVENT);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		cJSON_AddStringToObject(item, fields[i], json_string_or(event, fields[i], ""));
	play_tell(play, NOTE_EVENT, item);
}

static void written(void *owner, const char *path, const cJSON *object)
{
	struct play *play = owner;
	if (text_equal(json_string(object, "kind"), "Event")) {
		note_event(play, object);
		return;
	}
	if (text_equal(json_string(object, "kind"), "EndpointSlice"))
		return;
	if (play->input->on_write != NULL)
		play->input->on_write(play->input->owner, path, object);
	if (json_get(play->result->objects, path) == NULL)
		cJSON_AddNullToObject(play->result->objects, path); /* filled in at the end */
	if (strcmp(path, play->canary) == 0)
		note_status(play, json_get(object, "status"));
}

static void keep_objects(struct play *play)
{
	cJSON *kept = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, play->result->objects)
	{
		const cJSON *object = cluster_get(play->cluster, item->string);
		if (object != NULL)
			cJSON_AddItemToObject(kept, item->string, cJSON_Duplicate(object, true));
	}
	cJSON_Delete(play->result->objects);
	play->result->objects = kept;
}

/* ---- what happens on it ---- */

static bool merge(struct play *play, const char *path, const cJSON *patch)
{
	return cluster_merge(play->cluster, path, patch, &play->error);
}

/* NULL: the same with "-next". */
static bool set_image(struct play *play, const char *image)
{
	SCOPED(json)
	cJSON *target = cJSON_Duplicate(cluster_get(play->cluster, play->target), true);
	/* What has no pods of its own selects others. */
	const char *path = json_at(target, "spec.template") == NULL
				   ? "spec.selector.version"
				   : "spec.template.spec.containers[0].image";
	const char *now = json_string_or(target, path, "image");
	SCOPED(text) char *next = image == NULL ? xasprintf("%s-next", now) : xstrdup(image);
	json_put_string(target, path, next);
	return merge(play, play->target, target);
}

/* False, and a path that does not exist: there is no such object among the files. */
static bool find_patched(const struct play *play, const char *name, char path[KUBE_PATH_MAX])
{
	const cJSON *object;
	if (strcmp(name, "canary") == 0)
		return text_copy(path, KUBE_PATH_MAX, play->canary);
	if (strcmp(name, "target") == 0)
		return text_copy(path, KUBE_PATH_MAX, play->target);
	if (strcmp(name, "primary") == 0)
		return text_copy(path, KUBE_PATH_MAX, play->primary);
	cJSON_ArrayForEach(object, play->input->objects)
	{
		SCOPED(text)
		char *named = xasprintf("%s/%s", json_string_or(object, "kind", ""),
					json_string_or(object, "metadata.name", ""));
		if (strcmp(named, name) == 0)
			return cluster_path(object, path);
	}
	text_copy(path, KUBE_PATH_MAX, name);
	return false;
}

/* The controller of the in-memory cluster goes by annotations: see sim/controllers.h. */
static bool set_pods(struct play *play, const struct scene *scene, bool set)
{
	char path[KUBE_PATH_MAX];
	(void)find_patched(play, scene->pods_of, path);
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	const char *annotation = strcmp(scene->pods, "down") == 0
					 ? "metadata.annotations[\"sim.sluice.dev/down\"]"
					 : "metadata.annotations[\"sim.sluice.dev/never-ready\"]";
	json_put(patch, annotation, set ? cJSON_CreateString("true") : cJSON_CreateNull());
	return merge(play, path, patch);
}

static enum cluster_fault api_fault(void *owner, const struct http_request *request)
{
	struct play *play = owner;
	bool reads = strcmp(request->method, "GET") == 0;
	if (play->fault == NULL || (play->fault->fault == FAULT_409 && reads) ||
	    (play->fault->fault == FAULT_410 && !reads))
		return FAULT_NONE;
	return play->fault->share < 1 && chance_unit(&play->luck) >= play->fault->share
		       ? FAULT_NONE
		       : play->fault->fault;
}

/* What cannot be done ends the rehearsal. */
static void check(struct play *play, size_t scene, bool good)
{
	if (good)
		return;
	SCOPED(text) char *place = scenario_place(play->input->scenario, scene);
	(void)error_wrap(&play->error, "%s", place);
	loop_stop(play->loop);
}

static void scene_ends(void *owner, uint64_t i)
{
	struct play *play = owner;
	const struct scene *scene = &play->input->scenario->scenes[i];
	if (scene == play->fault)
		play->fault = NULL;
	if (scene->metrics_down)
		play->metrics_down = false;
	if (scene->endpoints_late)
		cluster_slices_late(play->cluster, false);
	if (scene->pods != NULL)
		check(play, i, set_pods(play, scene, false));
}

static void scene_begins(void *owner, uint64_t i)
{
	struct play *play = owner;
	const struct scene *scene = &play->input->scenario->scenes[i];
	char path[KUBE_PATH_MAX];
	cJSON *item = play_note(play, NOTE_SCENE);
	cJSON_AddStringToObject(item, "text", scene->text);
	play_tell(play, NOTE_SCENE, item);
	if (scene->image != NULL)
		check(play, i, set_image(play, scene->image));
	if (scene->patch != NULL) {
		(void)find_patched(play, scene->patched, path);
		check(play, i, merge(play, path, scene->patch));
	}
	if (scene->pods != NULL)
		check(play, i, set_pods(play, scene, true));
	if (scene->fault != FAULT_NONE)
		play->fault = scene;
	if (scene->fault == FAULT_BEFORE)
		cluster_cut_watches(play->cluster);
	if (scene->metrics_down)
		play->metrics_down = true;
	if (scene->endpoints_late)
		cluster_slices_late(play->cluster, true);
	if (scene->crash && play->engine != NULL)
		life_kill(play);
	if (scene->for_us > 0)
		loop_at(play->loop, loop_now(play->loop) + scene->for_us, scene_ends, play, i);
}

/* ---- the play ---- */

/* False: the scenario has no new image. */
static bool release(struct play *play)
{
	const struct scenario *scenario = play->input->scenario;
	play->start_us = loop_now(play->loop);
	for (size_t i = 0; scenario != NULL && i < scenario->count; i++)
		loop_at(play->loop, play->start_us + scenario->scenes[i].at_us, scene_begins, play,
			i);
	const char *image = scenario == NULL ? NULL : scenario->image;
	if (image != NULL && strcmp(image, "none") == 0)
		return false;
	return set_image(play, image);
}

/* When the last scene has begun, and the daemon had the time to see it. */
static int64_t all_seen_us(const struct play *play)
{
	const struct scenario *scenario = play->input->scenario;
	int64_t last_us = 0;
	for (size_t i = 0; scenario != NULL && i < scenario->count; i++)
		if (scenario->scenes[i].at_us > last_us)
			last_us = scenario->scenes[i].at_us;
	return play->start_us + last_us + 2 * DURATION_SECOND;
}

static const char *phase(const struct play *play)
{
	return json_string_or(cluster_get(play->cluster, play->canary), "status.phase", "");
}

static bool is_at_rest(const struct play *play)
{
	static const char *const phases[] = {"Initialized", "Succeeded", "Failed"};
	for (size_t i = 0; i < ARRAY_LEN(phases); i++)
		if (strcmp(phase(play), phases[i]) == 0)
			return true;
	return false;
}

/* Whether it came to rest within the limit. */
static bool run_to_rest(struct play *play, int64_t limit_us)
{
	int64_t until_us = loop_now(play->loop) + limit_us;
	while (play->error.kind == ERROR_NONE && !is_at_rest(play) &&
	       loop_now(play->loop) < until_us)
		loop_run(play->loop, loop_now(play->loop) + DURATION_SECOND);
	return is_at_rest(play);
}

/* The policy lets nothing begin for now, and will be asked again. */
static bool is_held(const struct play *play)
{
	struct status status;
	status_read(&status, json_get(cluster_get(play->cluster, play->canary), "status"));
	bool held = phase_is_at_rest(status.phase) && status.memory.due_us > 0;
	status_fini(&status);
	return held;
}

/* When the target is scaled down. */
static int64_t lets_go_us(const struct play *play)
{
	struct status status;
	status_read(&status, json_get(cluster_get(play->cluster, play->canary), "status"));
	int64_t when_us = status.memory.scale_down_us, now_us = loop_now(play->loop);
	status_fini(&status);
	return when_us > now_us ? when_us : now_us;
}

/* A release is not at rest because the daemon has not come to it yet: a webhook may keep it. */
static void run_to_begin(struct play *play, int64_t limit_us)
{
	int64_t until_us = play->start_us + DURATION_MINUTE;
	while (play->error.kind == ERROR_NONE && strcmp(phase(play), "Initialized") == 0 &&
	       loop_now(play->loop) < limit_us &&
	       (loop_now(play->loop) < until_us || is_held(play)))
		loop_run(play->loop, loop_now(play->loop) + DURATION_SECOND);
}

static void perform(struct play *play)
{
	struct rehearsal_result *result = play->result;
	result->outcome = OUTCOME_UNFINISHED;
	life_start(play);
	if (run_to_rest(play, DURATION_HOUR)) {
		bool changed = release(play);
		int64_t seen_us = all_seen_us(play);
		int64_t limit_us = play->start_us + play->input->limit_us;
		loop_run(play->loop, seen_us < limit_us ? seen_us : limit_us);
		if (changed || is_held(play))
			run_to_begin(play, limit_us);
		bool rests = run_to_rest(play, limit_us - loop_now(play->loop));
		result->took_us = loop_now(play->loop) - play->start_us;
		if (rests && strcmp(phase(play), "Succeeded") == 0)
			result->outcome = OUTCOME_SUCCEEDED;
		else if (rests && strcmp(phase(play), "Failed") == 0)
			result->outcome = OUTCOME_ROLLED_BACK;
		/* What is owed is paid, and what keeps its pods for a while lets go of them. */
		if (play->error.kind == ERROR_NONE)
			loop_run(play->loop, lets_go_us(play) + 5 * DURATION_SECOND);
	}
	text_copy(result->phase, sizeof(result->phase), phase(play));
	life_end(play);
}

/* Where only a Service is given, it leads to pods that nobody speaks of. */
static bool has_pods(const cJSON *objects)
{
	const cJSON *object;
	bool leads = false;
	cJSON_ArrayForEach(object, objects)
	{
		for (size_t i = 0; workload_kind(i) != NULL; i++)
			if (text_equal(json_string(object, "kind"), workload_kind(i)->kind))
				return true;
		leads |= text_equal(json_string(object, "spec.targetRef.kind"), "Service");
	}
	return !leads;
}

bool rehearse(const struct rehearsal_input *input, struct rehearsal_result *result,
	      struct error *err)
{
	struct play play = {.input = input, .result = result};
	const struct cluster_options options = {.seed = 1,
						.ready_us = DURATION_SECOND,
						.slices = has_pods(input->objects),
						.reply_us = input->lag_us,
						.watch_lag_us = input->lag_us};
	memset(result, 0, sizeof(*result));
	for (size_t i = 0; i < NOTE_KINDS; i++)
		result->notes[i] = cJSON_CreateArray();
	result->objects = cJSON_CreateObject();
	chance_seed(&play.luck, 1);
	life_ports(&play);
	play.loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	play.cluster = cluster_new(play.loop, &options);
	play.store = input->live != NULL
			     ? input->live(input->owner, play.loop, &play.start_us)
			     : recording_metrics(play.loop, input->recording, &play.start_us);
	if (play_put_objects(&play)) {
		cluster_on_write(play.cluster, written, &play);
		cluster_faults(play.cluster, api_fault, &play);
		perform(&play);
		keep_objects(&play);
	}
	loop_drop(play.loop, &play);
	cJSON_Delete(play.alert);
	play.store->ops->free(play.store);
	cluster_free(play.cluster);
	loop_free(play.loop);
	*err = play.error;
	return play.error.kind == ERROR_NONE;
}

void rehearsal_result_fini(struct rehearsal_result *result)
{
	for (size_t i = 0; i < NOTE_KINDS; i++)
		cJSON_Delete(result->notes[i]);
	cJSON_Delete(result->objects);
	memset(result, 0, sizeof(*result));
}
