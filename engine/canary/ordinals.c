#include "canary/ordinals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/converge.h"
#include "canary/target.h"

static const char *revision_of(const cJSON *pod)
{
	return json_string_or(pod, "metadata.labels[\"controller-revision-hash\"]", "");
}

/* Below 0 for what is none of this set's. */
static long ordinal_of(const cJSON *set, const cJSON *pod)
{
	const char *name = json_string_or(pod, "metadata.name", "");
	const char *of = json_string_or(set, "metadata.name", "");
	const char *uid = json_string(set, "metadata.uid");
	size_t len = strlen(of);
	const cJSON *owner;
	bool owned = false;
	cJSON_ArrayForEach(owner, json_at(pod, "metadata.ownerReferences")) owned |=
		text_equal(json_string(owner, "uid"), uid);
	if (!owned || strncmp(name, of, len) != 0 || name[len] != '-')
		return -1;
	return strtol(name + len + 1, NULL, 10) - json_int(set, "spec.ordinals.start", 0);
}

static bool is_ready(const cJSON *pod)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition, json_at(pod, "status.conditions"))
	{
		if (text_equal(json_string(condition, "type"), "Ready"))
			return text_equal(json_string(condition, "status"), "True");
	}
	return false;
}

/* A pod that came again under its name is another one. */
static enum step delete_pod(struct tick *tick, const cJSON *pod)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_pod, tick->spec->namespace, json_string_or(pod, "metadata.name", ""));
	SCOPED(json) cJSON *body = cJSON_CreateObject();
	json_put_string(body, "kind", "DeleteOptions");
	json_put_string(body, "apiVersion", "v1");
	json_put_string(body, "preconditions.uid", json_string(pod, "metadata.uid"));
	return converge_write(tick, KUBE_DELETE, path, body);
}

/* All of the set, and maybe others: as they are now, which its status may not know yet. */
static const struct answer *ask_pods(struct tick *tick)
{
	char collection[KUBE_PATH_MAX], path[2 * KUBE_PATH_MAX];
	const cJSON *labels = json_at(tick->target, "spec.selector.matchLabels");
	const cJSON *label = labels == NULL ? NULL : labels->child;
	kube_path(collection, &kube_pod, tick->spec->namespace, NULL);
	if (label == NULL)
		text_copy(path, sizeof(path), collection);
	else
		snprintf(path, sizeof(path), "%s?labelSelector=%s%%3D%s", collection, label->string,
			 json_string_or(labels, label->string, ""));
	return ask_list(tick->asks, path);
}

struct survey {
	long ready, stable; /* of all; of those that shall be of the stable revision, and are */
	const cJSON *idle,
		*busy; /* of those that shall, and are not: the highest of each, or NULL */
};

static void survey_pods(const cJSON *set, const cJSON *pods, struct survey *survey)
{
	const char *current = json_string_or(set, "status.currentRevision", "");
	long stable = partition_stable_pods(set), idle = -1, busy = -1;
	const cJSON *pod;
	*survey = (struct survey){0};
	cJSON_ArrayForEach(pod, json_get(pods, "items"))
	{
		long ordinal = ordinal_of(set, pod);
		if (ordinal < 0 || json_string(pod, "metadata.deletionTimestamp") != NULL)
			continue;
		bool ready = is_ready(pod);
		survey->ready += ready;
		if (ordinal >= stable)
			continue;
		if (strcmp(revision_of(pod), current) == 0) {
			survey->stable++;
		} else if (!ready && ordinal > idle) {
			survey->idle = pod;
			idle = ordinal;
		} else if (ready && ordinal > busy) {
			survey->busy = pod;
			busy = ordinal;
		}
	}
}

enum step ordinals_revert(struct tick *tick)
{
	const cJSON *set = tick->target;
	const char *current = json_string(set, "status.currentRevision");
	if (tick->beside != NULL || current == NULL ||
	    json_int(set, "status.currentReplicas", 0) >= partition_stable_pods(set))
		return STEP_ON;
	const struct answer *answer = ask_pods(tick);
	if (answer == NULL)
		return STEP_WAIT;
	if (answer->error.kind == ERROR_DENIED)
		return tick_halt(tick, "%s", answer->error.text);
	if (answer->error.kind != ERROR_NONE)
		return tick_trouble(tick, &answer->error);
	struct survey survey;
	survey_pods(set, answer->object, &survey);
	if (survey.stable >= partition_stable_pods(set))
		return STEP_ON;
	const cJSON *pod = survey.idle;
	if (pod == NULL && survey.ready >= json_int(set, "spec.replicas", 1))
		pod = survey.busy;
	if (pod != NULL) {
		enum step step = delete_pod(tick, pod);
		if (step != STEP_ON)
			return step;
	}
	return tick_halt(tick, "pods of %s.%s go back to the stable revision, one at a time",
			 tick->spec->target_name, tick->spec->namespace);
}
