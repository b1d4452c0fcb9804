/*
 * life.c - one life of the daemon in a rehearsal: the engine, and the ports through which it
 * reaches the world until it is cut off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "rehearsal/parts.h"

static const int64_t restart_us = 100 * DURATION_MS;

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
	life_kill(play);
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

/* ---- webhooks ---- */

struct hook {
	struct loop *loop;
	http_done *done;
	void *owner;
	uint64_t token, timer;
	int answer;
};

static void hook_answer(void *owner, uint64_t unused)
{
	SCOPED(text) char *owned_hook = owner;
	const struct hook *hook = owner;
	struct http_reply reply = {.status = hook->answer, .body = "", .retry_after_us = -1};
	(void)unused;
	if (hook->answer == HOOK_DOWN)
		error_set(&reply.error, ERROR_UNAVAILABLE, "connection refused");
	else if (hook->answer == HOOK_TIMEOUT)
		error_set(&reply.error, ERROR_TIMEOUT, "no answer in time");
	if (reply.error.kind != ERROR_NONE)
		reply.status = 0;
	hook->done(hook->owner, hook->token, &reply);
}

/* Several webhooks may share a URL; then what they carry tells them apart, or else their order. */
static const cJSON *find_webhook(const struct play *play, const struct http_request *request)
{
	SCOPED(json) cJSON *body = cJSON_ParseWithLength(request->body, request->body_len);
	const cJSON *carried = json_get(body, "metadata"), *webhook;
	bool event = json_get(carried, "eventMessage") != NULL;
	cJSON_ArrayForEach(webhook, json_at(cluster_get(play->cluster, play->canary),
					    "spec.analysis.webhooks"))
	{
		const cJSON *metadata = json_get(webhook, "metadata");
		if (text_equal(json_string(webhook, "url"), request->url) &&
		    text_equal(json_string(webhook, "type"), "event") == event &&
		    (event || json_equal(carried, metadata)))
			return webhook;
	}
	return NULL;
}

static void note_hook(struct play *play, const char *name, const struct http_request *request,
		      int answer)
{
	cJSON *item = play_note(play, NOTE_HOOK);
	SCOPED(json) cJSON *body = cJSON_ParseWithLength(request->body, request->body_len);
	const char *message = json_string(body, "metadata.eventMessage");
	cJSON_AddStringToObject(item, "name", name);
	if (message != NULL) {
		/* An event is known by when it was, however often it is told. */
		cJSON_AddStringToObject(item, "message", message);
		cJSON_AddStringToObject(item, "event",
					json_string_or(body, "metadata.timestamp", ""));
	}
	if (answer == HOOK_DOWN || answer == HOOK_TIMEOUT)
		cJSON_AddStringToObject(item, "text", answer == HOOK_DOWN ? "down" : "timeout");
	else
		cJSON_AddNumberToObject(item, "status", answer);
	play_tell(play, NOTE_HOOK, item);
}

static uint64_t hook_send(struct http *http, const struct http_request *request, http_piece *piece,
			  http_done *done, void *owner, uint64_t token)
{
	struct play *play = ((struct port_http *)http)->play;
	enum gate how = gate(play);
	(void)piece;
	if (how == GATE_SHUT)
		return 0;
	const cJSON *webhook = find_webhook(play, request);
	const char *name = json_string_or(webhook, "name", request->url);
	int answer = text_equal(json_string(webhook, "type"), "rollback") ? 403 : 200;
	int64_t since_us = play->start_us == 0 ? -1 : loop_now(play->loop) - play->start_us;
	if (play->input->scenario != NULL)
		answer = scenario_hook(play->input->scenario, name, play->result->notes[NOTE_HOOK],
				       since_us, answer);
	note_hook(play, name, request, answer);
	if (how == GATE_ONE_WAY)
		return 0;
	struct hook *hook = xcalloc(1, sizeof(*hook));
	*hook = (struct hook){play->loop, done, owner, token, 0, answer};
	/* Its owner in the loop is itself: a life that ends cancels it by that. */
	if (answer == HOOK_TIMEOUT)
		hook->timer = loop_at(play->loop, loop_now(play->loop) + request->timeout_us,
				      hook_answer, hook, 0);
	else
		loop_ready(play->loop, hook_answer, hook, 0);
	return (uint64_t)(uintptr_t)hook;
}

static void hook_cancel(struct http *http, uint64_t id)
{
	struct hook *hook = (struct hook *)(uintptr_t)id;
	(void)http;
	if (hook == NULL)
		return;
	loop_cancel(hook->loop, hook->timer);
	loop_drop(hook->loop, hook);
	free(hook);
}

static const struct http_ops hook_ops = {.send = hook_send, .cancel = hook_cancel};

/* ---- receivers of alerts ---- */

static void alert_goes(void *owner, const struct told_alert *alert)
{
	struct play *play = owner;
	cJSON_Delete(play->alert);
	play->alert = cJSON_CreateObject();
	cJSON_AddStringToObject(play->alert, "to", alert->receiver);
	cJSON_AddStringToObject(play->alert, "type", alert->type);
	cJSON_AddStringToObject(play->alert, "severity", alert->severity);
	cJSON_AddStringToObject(play->alert, "message", alert->message);
	cJSON *body = cJSON_Parse(alert->body);
	cJSON_AddItemToObject(play->alert, "body",
			      body != NULL ? body : cJSON_CreateString(alert->body));
}

static void note_alert(struct play *play)
{
	cJSON *item = play_note(play, NOTE_ALERT);
	while (play->alert != NULL && play->alert->child != NULL) {
		cJSON *field = cJSON_DetachItemViaPointer(play->alert, play->alert->child);
		cJSON_AddItemToObject(item, field->string, field);
	}
	play_tell(play, NOTE_ALERT, item);
}

static uint64_t receiver_send(struct http *http, const struct http_request *request,
			      http_piece *piece, http_done *done, void *owner, uint64_t token)
{
	struct play *play = ((struct port_http *)http)->play;
	enum gate how = gate(play);
	(void)request;
	(void)piece;
	if (how != GATE_SHUT)
		note_alert(play);
	if (how != GATE_OPEN)
		return 0;
	struct hook *hook = xcalloc(1, sizeof(*hook));
	*hook = (struct hook){play->loop, done, owner, token, 0, 200};
	loop_ready(play->loop, hook_answer, hook, 0);
	return (uint64_t)(uintptr_t)hook;
}

static const struct http_ops receiver_ops = {.send = receiver_send, .cancel = hook_cancel};

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
	cJSON *item = play_note(play, NOTE_SAMPLE);
	cJSON_AddStringToObject(item, "metric", metric);
	if (sample->kind == SAMPLE_OK)
		cJSON_AddNumberToObject(item, "value", sample->value);
	else
		cJSON_AddStringToObject(item, "text", sample->text);
	play_tell(play, NOTE_SAMPLE, item);
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

/* ---- the life ---- */

static bool always(void *owner)
{
	(void)owner;
	return true;
}

void life_start(struct play *play)
{
	static const struct kube_options kube_options = {0};
	static const char *const labels[] = {"app", "name", "app.kubernetes.io/name", NULL};
	static const char *const prefixes[] = {NULL};
	const struct alerts_options alerts = {.told = alert_goes, .told_owner = play};
	const struct engine_options options = {.spec = {.default_provider = "kubernetes"}};
	play->dead = false;
	play->result->starts++;
	chance_seed(&play->chance, play->result->starts);
	play->kube = kube_new(play->loop, &play->api.http, &play->chance, &kube_options);
	play->policies = policies_new();
	play->alerts = alerts_new(play->kube, &play->receivers.http, &alerts);
	play->world = (struct tick_world){
		.asks = {.kube = play->kube,
			 .http = &play->hooks.http,
			 .metrics = &play->metrics.metrics,
			 .owns = always},
		.workload = {labels, prefixes, true},
		.policies = play->policies,
		.alerts = play->alerts,
		.metrics_server = "",
		.component = "flagger",
		.decisions = play->input->decisions,
	};
	play->engine = engine_new(&play->world, &options);
	engine_own(play->engine, true);
}

void life_end(struct play *play)
{
	if (play->engine == NULL)
		return;
	engine_free(play->engine);
	policies_free(play->policies);
	alerts_free(play->alerts);
	kube_free(play->kube);
	play->engine = NULL;
}

static void start_again(void *owner, uint64_t token)
{
	(void)token;
	life_start(owner);
}

/* Not from inside the call that is cut: its caller is freed. */
static void fall(void *owner, uint64_t token)
{
	struct play *play = owner;
	(void)token;
	life_end(play);
	loop_at(play->loop, loop_now(play->loop) + restart_us, start_again, play, 0);
}

void life_kill(struct play *play)
{
	if (play->dead)
		return;
	play->dead = true;
	loop_ready(play->loop, fall, play, 0);
}

void life_ports(struct play *play)
{
	play->api = (struct port_http){{&api_ops, true}, play};
	play->hooks = (struct port_http){{.ops = &hook_ops}, play};
	play->receivers = (struct port_http){{.ops = &receiver_ops}, play};
	play->metrics = (struct port_metrics){{&metric_ops}, play};
}
