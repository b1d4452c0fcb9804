/*
 * fakes.c - a metric store, a receiver of webhooks, Deployments that become ready, a user.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "stage.h"

/* ---- the metric store ---- */

/* The longest name that is there: one may be the beginning of another. Skipper's have underscores.
 */
static const struct story *story_asked_about(struct stage *stage, const char *asked)
{
	const struct story *found = NULL;
	SCOPED(text) char *url = xstrdup(asked);
	for (char *c = url; *c != '\0'; c++)
		*c = *c == '_' ? '-' : *c;
	for (size_t i = 0; i < stage->count; i++) {
		const struct story *story = &stage->stories[i];
		if (strstr(url, story->namespace) != NULL &&
		    (found == NULL || strlen(story->namespace) > strlen(found->namespace)))
			found = story;
	}
	return found;
}

static void answer_query(struct stage *stage, const struct serve_request *request)
{
	const struct story *story = story_asked_about(stage, request->url);
	SCOPED(text) char *result = NULL;
	double value = 1;
	if (story != NULL && strstr(request->url, "histogram_quantile") != NULL)
		value = story->golden->duration;
	else if (story != NULL)
		value = story->golden->success;
	if (story != NULL && story->golden->no_data)
		result = xstrdup("");
	else
		result = xasprintf("{\"metric\":{},\"value\":[%lld,\"%g\"]}", (long long)time(NULL),
				   value);
	SCOPED(text)
	char *text = xasprintf(
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[%s]}}",
		result);
	serve_reply(stage->serve, request->id, 200, "application/json", text, strlen(text));
}

/* ---- the receiver of webhooks ---- */

void fake_answer(void *owner, const struct serve_request *request)
{
	struct stage *stage = owner;
	if (text_starts(request->url, "/api/v1/query")) {
		answer_query(stage, request);
		return;
	}
	const char *hook = strrchr(request->url, '/') + 1;
	SCOPED(json) cJSON *body = cJSON_ParseWithLength(request->body, request->body_len);
	struct story *story = stage_story(stage, json_string(body, "namespace"));
	int status = strcmp(hook, "rollback") == 0 ? 403 : 200;
	if (story != NULL) {
		cJSON *call = cJSON_CreateObject();
		cJSON_AddStringToObject(call, "to", hook);
		cJSON_AddItemToObject(call, "body", cJSON_Duplicate(body, true));
		cJSON_AddItemToArray(story->calls, call);
	}
	serve_reply(stage->serve, request->id, status, NULL, "", 0);
}

/* ---- a user ---- */

struct errand {
	struct stage *stage;
	enum kube_verb verb;
	char path[KUBE_PATH_MAX];
	cJSON *body;
};

static void run_errand(void *owner, uint64_t token);

static void errand_done(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct errand *errand = owner;
	(void)token;
	if (reply->error.kind == ERROR_NONE || reply->error.kind == ERROR_NOT_FOUND ||
	    reply->error.kind == ERROR_CONFLICT) {
		cJSON_Delete(errand->body);
		free(errand);
		return;
	}
	struct loop *loop = errand->stage->loop;
	loop_at(loop, loop_now(loop) + 300 * DURATION_MS, run_errand, errand, 0);
}

static void run_errand(void *owner, uint64_t token)
{
	struct errand *errand = owner;
	(void)token;
	kube_send(errand->stage->kube, errand->verb, errand->path, errand->body, errand_done,
		  errand, 0);
}

void insist(struct stage *stage, enum kube_verb verb, const char *path, const cJSON *body)
{
	struct errand *errand = xcalloc(1, sizeof(*errand));
	errand->stage = stage;
	errand->verb = verb;
	errand->body = cJSON_Duplicate(body, true);
	text_copy(errand->path, sizeof(errand->path), path);
	run_errand(errand, 0);
}

/* ---- a controller manager, as far as it tells of readiness ---- */

void fake_readiness(struct stage *stage, const cJSON *deployment)
{
	static const char *const counts[] = {"replicas", "updatedReplicas", "readyReplicas",
					     "availableReplicas"};
	char path[KUBE_PATH_MAX];
	double generation = json_number(deployment, "metadata.generation", 0);
	double replicas = json_number(deployment, "spec.replicas", 1);
	if (json_number(deployment, "status.observedGeneration", 0) >= generation)
		return;
	kube_path(path, &kube_deployment, json_string(deployment, "metadata.namespace"),
		  json_string(deployment, "metadata.name"));
	SCOPED(text) char *status = xasprintf("%s/status", path);
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
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
	insist(stage, KUBE_MERGE, status, patch);
}
