#include "cli/rehearsal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/engine.h"
#include "cli/cli.h"
#include "sim/cluster.h"

static const int64_t restart_us = 100 * DURATION_MS;

/* The ports that the daemon is given: each passes on to the world, until it is cut off. */
struct port_http {
	struct http http;
	struct play *play;
};
struct port_metrics {
	struct metrics metrics;
	struct play *play;
};

struct play {
	const struct rehearsal_input *input;
	struct rehearsal_result *result;
	struct loop *loop;
	struct cluster *cluster;
	struct metrics *store;
	struct port_http api, hooks;
	struct port_metrics metrics;
	struct tick_world world;
	char canary[KUBE_PATH_MAX], target[KUBE_PATH_MAX];
	int64_t start_us; /* when the new image came; 0: not yet */
	bool dead;	  /* cut off: nothing goes through any more */
	enum cluster_fault api_fault;
	bool metrics_down;
	/* One life of the daemon. */
	struct chance chance;
	struct kube *kube;
	struct policies *policies;
	struct engine *engine;
};

static double now_s(const struct play *play)
{
	return play->start_us == 0
		       ? -1
		       : (double)(loop_now(play->loop) - play->start_us) / (double)DURATION_SECOND;
}

static cJSON *entry(const struct play *play, cJSON *list)
{
	cJSON *item = cJSON_CreateObject();
	cJSON_AddNumberToObject(item, "at", now_s(play));
	cJSON_AddItemToArray(list, item);
	return item;
}

/* ---- a life of the daemon ---- */

static bool always(void *owner)
{
	(void)owner;
	return true;
}

static void daemon_start(struct play *play)
{
	static const struct kube_options kube_options = {0};
	static const char *const labels[] = {"app", "name", "app.kubernetes.io/name", NULL};
	static const char *const prefixes[] = {NULL};
	const struct engine_options options = {.spec = {.default_provider = "kubernetes"}};
	play->dead = false;
	play->result->starts++;
	chance_seed(&play->chance, play->result->starts);
	play->kube = kube_new(play->loop, &play->api.http, &play->chance, &kube_options);
	play->policies = policies_new();
	play->world = (struct tick_world){
		.asks = {play->kube, &play->hooks.http, &play->metrics.metrics, always, NULL},
		.workload = {labels, prefixes, true},
		.policies = play->policies,
		.metrics_server = "",
		.component = "flagger",
	};
	play->engine = engine_new(&play->world, &options);
	engine_own(play->engine, true);
}

static void daemon_end(struct play *play)
{
	if (play->engine == NULL)
		return;
	engine_free(play->engine);
	policies_free(play->policies);
	kube_free(play->kube);
	play->engine = NULL;
}

static void start_again(void *owner, uint64_t token)
{
	(void)token;
	daemon_start(owner);
}

/* Not from inside the call that is cut: its caller is freed. */
static void fall(void *owner, uint64_t token)
{
	struct play *play = owner;
	(void)token;
	daemon_end(play);
	loop_at(play->loop, loop_now(play->loop) + restart_us, start_again, play, 0);
}

static void kill_daemon(struct play *play)
{
	if (play->dead)
		return;
	play->dead = true;
	loop_ready(play->loop, fall, play, 0);
}

enum gate { GATE_OPEN, GATE_SHUT, GATE_ONE_WAY };

/* Counts a call of a port, and says what becomes of it. */
static enum gate gate(struct play *play)
{
	size_t life = play->result->starts - 1;
	if (play->dead)
		return GATE_SHUT;
	if (life > CUTS_MAX)
		return GATE_OPEN;
	uint64_t call = ++play->result->calls[life];
	if (life == CUTS_MAX || play->input->cuts[life].call != call)
		return GATE_OPEN;
	kill_daemon(play);
	return play->input->cuts[life].after ? GATE_ONE_WAY : GATE_SHUT;
}

/* ---- the API server ---- */

static void unheard(void *owner, uint64_t token, const struct http_reply *reply)
{
	(void)owner;
	(void)token;
	(void)reply;
}

static uint64_t api_send(struct http *http, const struct http_request *request, http_piece *piece,
			 http_done *done, void *owner, uint64_t token)
{
	struct play *play = ((struct port_http *)http)->play;
	struct http *port = cluster_port(play->cluster);
	switch (gate(play)) {
	case GATE_OPEN:
		return port->ops->send(port, request, piece, done, owner, token);
	case GATE_ONE_WAY:
		/* A stream that nobody reads has no effect. */
		if (piece == NULL)
			(void)port->ops->send(port, request, NULL, unheard, play, 0);
		return 0;
	case GATE_SHUT:
		return 0;
	}
	return 0;
}

static void api_cancel(struct http *http, uint64_t id)
{
	struct play *play = ((struct port_http *)http)->play;
	struct http *port = cluster_port(play->cluster);
	if (id != 0)
		port->ops->cancel(port, id);
}

static const struct http_ops api_ops = {.send = api_send, .cancel = api_cancel};

static enum cluster_fault api_fault(void *owner, const struct http_request *request)
{
	const struct play *play = owner;
	(void)request;
	return play->api_fault;
}

/* ---- webhooks ---- */

struct hook {
	struct loop *loop;
	http_done *done;
	void *owner;
	uint64_t token;
	int status;
};

static void hook_answer(void *owner, uint64_t unused)
{
	SCOPED(text) char *owned_hook = owner;
	const struct hook *hook = owner;
	const struct http_reply reply = {.status = hook->status, .body = "", .retry_after_us = -1};
	(void)unused;
	hook->done(hook->owner, hook->token, &reply);
}

static uint64_t hook_send(struct http *http, const struct http_request *request, http_piece *piece,
			  http_done *done, void *owner, uint64_t token)
{
	struct play *play = ((struct port_http *)http)->play;
	enum gate how = gate(play);
	(void)piece;
	if (how == GATE_SHUT)
		return 0;
	const char *name = request->url;
	int status = 200;
	const cJSON *webhook;
	cJSON_ArrayForEach(webhook, json_at(cluster_get(play->cluster, play->canary),
					    "spec.analysis.webhooks"))
	{
		if (!text_equal(json_string(webhook, "url"), request->url))
			continue;
		name = json_string_or(webhook, "name", name);
		if (text_equal(json_string(webhook, "type"), "rollback"))
			status = 403;
	}
	cJSON *item = entry(play, play->result->hooks);
	if (play->input->scenario != NULL)
		status = scenario_hook(play->input->scenario, name, play->result->hooks, status);
	cJSON_AddStringToObject(item, "name", name);
	cJSON_AddNumberToObject(item, "status", status);
	if (how == GATE_ONE_WAY)
		return 0;
	struct hook *hook = xcalloc(1, sizeof(*hook));
	*hook = (struct hook){play->loop, done, owner, token, status};
	/* Its owner in the loop is itself: a life that ends cancels it by that. */
	loop_ready(play->loop, hook_answer, hook, 0);
	return (uint64_t)(uintptr_t)hook;
}

static void hook_cancel(struct http *http, uint64_t id)
{
	struct play *play = ((struct port_http *)http)->play;
	if (id == 0)
		return;
	loop_drop(play->loop, (void *)(uintptr_t)id);
	free((void *)(uintptr_t)id);
}

static const struct http_ops hook_ops = {.send = hook_send, .cancel = hook_cancel};

/* ---- metrics ---- */

struct question {
	struct play *play;
	metric_done *done;
	void *owner;
	uint64_t token, id;
	char metric[120];
	bool down;
};

static void note_sample(struct play *play, const char *metric, const struct sample *sample)
{
	cJSON *item = entry(play, play->result->samples);
	cJSON_AddStringToObject(item, "metric", metric);
	if (sample->kind == SAMPLE_OK)
		cJSON_AddNumberToObject(item, "value", sample->value);
	else
		cJSON_AddStringToObject(item, "text", sample->text);
}

static void metric_answer(void *owner, uint64_t token, const struct sample *sample)
{
	SCOPED(text) char *owned_question = owner;
	const struct question *question = owner;
	(void)token;
	note_sample(question->play, question->metric, sample);
	question->done(question->owner, question->token, sample);
}

static void metric_down(void *owner, uint64_t token)
{
	const struct sample sample = {.kind = SAMPLE_ERROR,
				      .text = "the metric store is down (scenario)"};
	metric_answer(owner, token, &sample);
}

static uint64_t metric_ask(struct metrics *metrics, const struct metric_query *query,
			   metric_done *done, void *owner, uint64_t token)
{
	struct play *play = ((struct port_metrics *)metrics)->play;
	if (gate(play) != GATE_OPEN)
		return 0; /* a question has no effect */
	struct question *question = xcalloc(1, sizeof(*question));
	*question = (struct question){.play = play, .done = done, .owner = owner, .token = token};
	text_copy(question->metric, sizeof(question->metric), query->metric);
	question->down = play->metrics_down;
	if (question->down)
		loop_ready(play->loop, metric_down, question, 0);
	else
		question->id =
			play->store->ops->query(play->store, query, metric_answer, question, 0);
	return (uint64_t)(uintptr_t)question;
}

static void metric_cancel(struct metrics *metrics, uint64_t id)
{
	struct play *play = ((struct port_metrics *)metrics)->play;
	struct question *question = (struct question *)(uintptr_t)id;
	if (question == NULL)
		return;
	if (question->down)
		loop_drop(play->loop, question);
	else
		play->store->ops->cancel(play->store, question->id);
	free(question);
}

static const struct metrics_ops metric_ops = {.query = metric_ask, .cancel = metric_cancel};

/* ---- what is noted ---- */

static void note_status(struct play *play, const cJSON *canary)
{
	cJSON *statuses = play->result->statuses;
	const char *phase = json_string_or(canary, "status.phase", "");
	long weight = json_int(canary, "status.canaryWeight", 0);
	long failed = json_int(canary, "status.failedChecks", 0);
	const cJSON *last = cJSON_GetArrayItem(statuses, cJSON_GetArraySize(statuses) - 1);
	if (phase[0] == '\0' ||
	    (last != NULL && text_equal(json_string(last, "phase"), phase) &&
	     json_int(last, "weight", 0) == weight && json_int(last, "failedChecks", 0) == failed))
		return;
	cJSON *item = entry(play, statuses);
	cJSON_AddStringToObject(item, "phase", phase);
	cJSON_AddNumberToObject(item, "weight", (double)weight);
	cJSON_AddNumberToObject(item, "failedChecks", (double)failed);
}

static void written(void *owner, const char *path, const cJSON *object)
{
	struct play *play = owner;
	struct rehearsal_result *result = play->result;
	bool event = text_equal(json_string(object, "kind"), "Event");
	if (play->input->on_write != NULL)
		play->input->on_write(play->input->owner,
				      play->start_us == 0 ? -1
							  : loop_now(play->loop) - play->start_us,
				      path, object);
	if (event) {
		cJSON *item = entry(play, result->events);
		static const char *const fields[] = {"type", "reason", "message"};
		for (size_t i = 0; i < ARRAY_LEN(fields); i++)
			cJSON_AddStringToObject(item, fields[i],
						json_string_or(object, fields[i], ""));
		return;
	}
	cJSON_DeleteItemFromObjectCaseSensitive(result->objects, path);
	if (object != NULL)
		cJSON_AddItemToObject(result->objects, path, cJSON_Duplicate(object, true));
	if (object != NULL && strcmp(path, play->canary) == 0)
		note_status(play, object);
}

/* ---- the play ---- */

static void apply(struct play *play, const cJSON *object)
{
	struct error err = {0};
	if (!cluster_apply(play->cluster, object, &err))
		log_warn(NULL, "%s", err.text);
}

static void make_target(struct play *play, const cJSON *canary)
{
	const char *name = json_string_or(canary, "spec.targetRef.name", "");
	const char *namespace = json_string_or(canary, "metadata.namespace", "default");
	kube_path(play->target, &kube_deployment, namespace, name);
	if (cluster_get(play->cluster, play->target) != NULL)
		return;
	SCOPED(json) cJSON *target = cJSON_CreateObject();
	json_put_string(target, "apiVersion", "apps/v1");
	json_put_string(target, "kind", "Deployment");
	json_put_string(target, "metadata.name", name);
	json_put_string(target, "metadata.namespace", namespace);
	json_put_number(target, "spec.replicas", 1);
	json_put_string(target, "spec.selector.matchLabels.app", name);
	json_put_string(target, "spec.template.metadata.labels.app", name);
	cJSON *containers = cJSON_CreateArray(), *container = cJSON_CreateObject();
	json_put_string(container, "name", name);
	json_put_string(container, "image", "image:1");
	cJSON_AddItemToArray(containers, container);
	json_put(target, "spec.template.spec.containers", containers);
	apply(play, target);
}

static void put_objects(struct play *play)
{
	const cJSON *object, *canary = NULL;
	cJSON_ArrayForEach(object, play->input->objects)
	{
		if (text_equal(json_string(object, "kind"), "Canary")) {
			canary = object;
			kube_path(play->canary, &kube_canary,
				  json_string_or(object, "metadata.namespace", "default"),
				  json_string_or(object, "metadata.name", ""));
		}
	}
	cJSON_ArrayForEach(object, play->input->objects) apply(play, object);
	make_target(play, canary);
}

static void set_image(struct play *play, const char *image)
{
	struct error err = {0};
	SCOPED(json)
	cJSON *target = cJSON_Duplicate(cluster_get(play->cluster, play->target), true);
	const char *now = json_string_or(target, "spec.template.spec.containers[0].image", "image");
	SCOPED(text) char *next = image == NULL ? xasprintf("%s-next", now) : xstrdup(image);
	json_put_string(target, "spec.template.spec.containers[0].image", next);
	if (!cluster_merge(play->cluster, play->target, target, &err))
		log_warn(NULL, "%s", err.text);
}

static void scene_ends(void *owner, uint64_t i)
{
	struct play *play = owner;
	const struct scene *scene = &play->input->scenario->scenes[i];
	if (scene->fault != FAULT_NONE)
		play->api_fault = FAULT_NONE;
	if (scene->metrics_down)
		play->metrics_down = false;
}

static void scene_begins(void *owner, uint64_t i)
{
	struct play *play = owner;
	struct error err = {0};
	const struct scene *scene = &play->input->scenario->scenes[i];
	if (scene->image != NULL)
		set_image(play, scene->image);
	if (scene->patch != NULL) {
		const char *path =
			strcmp(scene->patched, "canary") == 0 ? play->canary : play->target;
		if (!cluster_merge(play->cluster, path, scene->patch, &err))
			log_warn(NULL, "%s", err.text);
	}
	if (scene->fault != FAULT_NONE)
		play->api_fault = scene->fault;
	if (scene->metrics_down)
		play->metrics_down = true;
	if (scene->crash && play->engine != NULL)
		kill_daemon(play);
	if (scene->for_us > 0)
		loop_at(play->loop, loop_now(play->loop) + scene->for_us, scene_ends, play, i);
}

static void release(struct play *play)
{
	const struct scenario *scenario = play->input->scenario;
	play->start_us = loop_now(play->loop);
	set_image(play, scenario == NULL ? NULL : scenario->image);
	for (size_t i = 0; scenario != NULL && i < scenario->count; i++)
		loop_at(play->loop, play->start_us + scenario->scenes[i].at_us, scene_begins, play,
			i);
}

static const char *phase(const struct play *play)
{
	return json_string_or(cluster_get(play->cluster, play->canary), "status.phase", "");
}

static bool run_until(struct play *play, const char *one, const char *other, int64_t limit_us)
{
	int64_t until_us = loop_now(play->loop) + limit_us;
	while (loop_now(play->loop) < until_us) {
		if (strcmp(phase(play), one) == 0 || strcmp(phase(play), other) == 0)
			return true;
		loop_run(play->loop, loop_now(play->loop) + DURATION_SECOND);
	}
	return false;
}

void rehearse(const struct rehearsal_input *input, struct rehearsal_result *result)
{
	struct play play = {.input = input, .result = result};
	const struct cluster_options options = {.seed = 1, .ready_us = DURATION_SECOND};
	memset(result, 0, sizeof(*result));
	result->events = cJSON_CreateArray();
	result->statuses = cJSON_CreateArray();
	result->hooks = cJSON_CreateArray();
	result->samples = cJSON_CreateArray();
	result->objects = cJSON_CreateObject();
	play.api = (struct port_http){{&api_ops}, &play};
	play.hooks = (struct port_http){{&hook_ops}, &play};
	play.metrics = (struct port_metrics){{&metric_ops}, &play};
	play.loop = loop_new_virtual(1700000000 * DURATION_SECOND);
	play.cluster = cluster_new(play.loop, &options);
	play.store = input->live != NULL
			     ? input->live(input->owner, play.loop, &play.start_us)
			     : recording_metrics(play.loop, input->recording, &play.start_us);
	put_objects(&play);
	cluster_on_write(play.cluster, written, &play);
	cluster_faults(play.cluster, api_fault, &play);
	daemon_start(&play);
	bool ended = run_until(&play, "Initialized", "Failed", DURATION_HOUR);
	if (ended) {
		release(&play);
		loop_run(play.loop, loop_now(play.loop) + 2 * DURATION_SECOND);
		ended = run_until(&play, "Succeeded", "Failed", input->limit_us);
		result->took_us = loop_now(play.loop) - play.start_us;
		/* What is owed is paid. */
		loop_run(play.loop, loop_now(play.loop) + 5 * DURATION_SECOND);
	}
	result->status = !ended					  ? EXIT_UNFINISHED
			 : strcmp(phase(&play), "Succeeded") == 0 ? EXIT_GOOD
								  : EXIT_ROLLED_BACK;
	text_copy(result->phase, sizeof(result->phase), phase(&play));
	daemon_end(&play);
	loop_drop(play.loop, &play);
	play.store->ops->free(play.store);
	cluster_free(play.cluster);
	loop_free(play.loop);
}

void rehearsal_result_fini(struct rehearsal_result *result)
{
	cJSON_Delete(result->events);
	cJSON_Delete(result->statuses);
	cJSON_Delete(result->hooks);
	cJSON_Delete(result->samples);
	cJSON_Delete(result->objects);
	memset(result, 0, sizeof(*result));
}
