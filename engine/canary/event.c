#include "canary/event.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/herald.h"
#include "canary/hooks.h"

static void event_name(const struct tick *tick, const struct event *event, char name[KUBE_NAME_MAX])
{
	char of[200], hex[SHA256_HEX_SIZE];
	int len = snprintf(of, sizeof(of), "%s/%s", tick->spec->uid, event->id);
	sha256_hex(of, (size_t)len < sizeof(of) ? (size_t)len : sizeof(of) - 1, hex);
	snprintf(name, KUBE_NAME_MAX, "%.200s.%.16s", tick->spec->name, hex);
}

/* https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/, in its older
 * form v1 as `kubectl describe` reads it. */
static cJSON *kubernetes_event(const struct tick *tick, const struct event *event)
{
	const struct canary_spec *spec = tick->spec;
	char name[KUBE_NAME_MAX], time[TIME_TEXT_MAX], message[EVENT_MESSAGE_MAX + 1];
	event_name(tick, event, name);
	time_text(event->time_us, time);
	text_copy(message, sizeof(message), event->text);
	cJSON *json = cJSON_CreateObject();
	json_put_string(json, "apiVersion", "v1");
	json_put_string(json, "kind", "Event");
	json_put_string(json, "metadata.name", name);
	json_put_string(json, "metadata.namespace", spec->namespace);
	json_put_string(json, "involvedObject.apiVersion", "flagger.app/v1beta1");
	json_put_string(json, "involvedObject.kind", "Canary");
	json_put_string(json, "involvedObject.name", spec->name);
	json_put_string(json, "involvedObject.namespace", spec->namespace);
	json_put_string(json, "involvedObject.uid", spec->uid);
	json_put_string(json, "involvedObject.resourceVersion", tick->resource_version);
	json_put_string(json, "type", event->warning ? "Warning" : "Normal");
	json_put_string(json, "reason", "Synced");
	json_put_string(json, "message", message);
	json_put_string(json, "source.component", tick->world->component);
	json_put_string(json, "firstTimestamp", time);
	json_put_string(json, "lastTimestamp", time);
	json_put_number(json, "count", 1);
	return json;
}

/* An API server that has just started denies all, until it has read its roles: a second or two were
 * seen. Who may write no events waits for that once, not at each event. */
static bool is_denied_for_good(struct tick *tick)
{
	static const int64_t patience = 10 * DURATION_SECOND;
	if (tick->denied_us == 0)
		tick->denied_us = tick->now_us;
	return tick->now_us - tick->denied_us >= patience;
}

static enum step tell_kubernetes(struct tick *tick, const struct event *event)
{
	char path[KUBE_PATH_MAX], label[80];
	kube_path(path, &kube_event, tick->spec->namespace, NULL);
	snprintf(label, sizeof(label), "event %s", event->id);
	SCOPED(json) cJSON *json = kubernetes_event(tick, event);
	const struct answer *answer = ask_write(tick->asks, label, KUBE_CREATE, path, json);
	if (answer == NULL)
		return STEP_WAIT;
	switch (answer->error.kind) {
	case ERROR_NONE:
	case ERROR_EXISTS: /* said before a crash */
		tick->denied_us = 0;
		return STEP_ON;
	case ERROR_DENIED:
		if (is_denied_for_good(tick))
			break;
		return tick_trouble(tick, &answer->error);
	case ERROR_INVALID:
	case ERROR_NOT_FOUND:
		break;
	case ERROR_CONFLICT:
	case ERROR_GONE:
	case ERROR_THROTTLED:
	case ERROR_UNAVAILABLE:
	case ERROR_TIMEOUT:
	case ERROR_CANCELLED:
	case ERROR_SCRIPT:
	case ERROR_BUG:
		return tick_trouble(tick, &answer->error);
	}
	/* Saying it again would not help; the rollout matters more. */
	log_warn(tick->spec->name, "event not written: %s", answer->error.text);
	return STEP_ON;
}

static enum step tell_webhook(struct tick *tick, const struct event *event,
			      const struct webhook_spec *webhook, size_t i)
{
	SCOPED(json) cJSON *extra = cJSON_CreateObject();
	char label[100], stamp[32];
	cJSON_AddStringToObject(extra, "eventMessage", event->text);
	cJSON_AddStringToObject(extra, "eventType", event->warning ? "Warning" : "Normal");
	snprintf(stamp, sizeof(stamp), "%lld", (long long)(event->time_us / DURATION_MS));
	cJSON_AddStringToObject(extra, "timestamp", stamp);
	snprintf(label, sizeof(label), "event %s hook %zu", event->id, i);
	const struct hook_call call = {
		.label = label,
		.webhook = webhook,
		.phase = event->phase,
		.checksum = event->checksum,
		.extra = extra,
	};
	if (tick->herald != NULL) {
		SCOPED(text) char *body = hook_payload(tick, &call);
		SCOPED(text)
		char *canary = xasprintf("%s.%s", tick->spec->name, tick->spec->namespace);
		herald_tell(tick->herald, event->debt, label, canary, webhook, body);
		return STEP_ON;
	}
	bool passed;
	struct error why = {0};
	if (hook_call(tick, &call, &passed, &why) == STEP_WAIT)
		return STEP_WAIT;
	if (!passed)
		log_warn(tick->spec->name, "error sending event to webhook: %s", why.text);
	return STEP_ON;
}

enum step event_emit(struct tick *tick, const struct event *event)
{
	/* The API server and all receivers at once. */
	enum step told = tell_kubernetes(tick, event);
	if (told == STEP_END)
		return told;
	bool waiting = told == STEP_WAIT, own = false;
	for (size_t i = 0; i < tick->spec->webhook_count; i++) {
		if (tick->spec->webhooks[i].type != WEBHOOK_EVENT)
			continue;
		own = true;
		if (tell_webhook(tick, event, &tick->spec->webhooks[i], i) == STEP_WAIT)
			waiting = true;
	}
	if (!own && tick->world->event_webhook != NULL) {
		const struct webhook_spec global = {
			.name = "events",
			.type = WEBHOOK_EVENT,
			.url = tick->world->event_webhook,
			.timeout_us = 10 * DURATION_SECOND,
		};
		if (tell_webhook(tick, event, &global, tick->spec->webhook_count) == STEP_WAIT)
			waiting = true;
	}
	return waiting ? STEP_WAIT : STEP_ON;
}
