#include "canary/complaint.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/path.h"

static void complaint_sent(void *owner, uint64_t token, const struct kube_reply *reply)
{
	(void)token;
	(void)owner;
	if (reply->error.kind != ERROR_NONE)
		log_warn(NULL, "could not say what is wrong: %s", reply->error.text);
}

/* Replaces, adds or (NULL) takes away the condition "Valid" among those that are there. */
static void send_condition(struct kube *kube, const cJSON *object, const char *text)
{
	char path[KUBE_PATH_MAX + 8], now[TIME_TEXT_MAX];
	kube_path(path, &kube_canary, json_string(object, "metadata.namespace"),
		  json_string(object, "metadata.name"));
	size_t len = strlen(path);
	snprintf(path + len, sizeof(path) - len, "/status");
	time_text(loop_now(kube_loop(kube)), now);
	SCOPED(json) cJSON *patch = cJSON_CreateObject();
	json_put_string(patch, "metadata.resourceVersion",
			json_string(object, "metadata.resourceVersion"));
	cJSON *conditions = cJSON_CreateArray();
	const cJSON *condition;
	cJSON_ArrayForEach(condition, json_at(object, "status.conditions"))
	{
		if (!text_equal(json_string(condition, "type"), "Valid"))
			cJSON_AddItemToArray(conditions, cJSON_Duplicate(condition, true));
	}
	if (text != NULL) {
		cJSON *invalid = cJSON_CreateObject();
		json_put_string(invalid, "type", "Valid");
		json_put_string(invalid, "status", "False");
		json_put_string(invalid, "reason", "InvalidSpec");
		json_put_string(invalid, "message", text);
		json_put_string(invalid, "lastUpdateTime", now);
		json_put_string(invalid, "lastTransitionTime", now);
		cJSON_AddItemToArray(conditions, invalid);
	}
	json_put(patch, "status.conditions", conditions);
	kube_send(kube, KUBE_MERGE, path, patch, complaint_sent, kube, 0);
}

static void send_complaint_event(struct kube *kube, const cJSON *object, const char *text,
				 const char *component)
{
	char path[KUBE_PATH_MAX], now[TIME_TEXT_MAX], name[KUBE_NAME_MAX], message[1025];
	char hash[SHA256_HEX_SIZE];
	const char *namespace = json_string_or(object, "metadata.namespace", "");
	const char *canary = json_string_or(object, "metadata.name", "");
	kube_path(path, &kube_event, namespace, NULL);
	time_text(loop_now(kube_loop(kube)), now);
	sha256_hex(text, strlen(text), hash);
	snprintf(name, sizeof(name), "%.200s.%.16s", canary, hash);
	text_copy(message, sizeof(message), text);
	SCOPED(json) cJSON *event = cJSON_CreateObject();
	json_put_string(event, "apiVersion", "v1");
	json_put_string(event, "kind", "Event");
	json_put_string(event, "metadata.name", name);
	json_put_string(event, "metadata.namespace", namespace);
	json_put_string(event, "involvedObject.apiVersion", "flagger.app/v1beta1");
	json_put_string(event, "involvedObject.kind", "Canary");
	json_put_string(event, "involvedObject.name", canary);
	json_put_string(event, "involvedObject.namespace", namespace);
	json_put_string(event, "involvedObject.uid", json_string(object, "metadata.uid"));
	json_put_string(event, "type", "Warning");
	json_put_string(event, "reason", "Synced");
	json_put_string(event, "message", message);
	json_put_string(event, "source.component", component);
	json_put_string(event, "firstTimestamp", now);
	json_put_string(event, "lastTimestamp", now);
	json_put_number(event, "count", 1);
	kube_send(kube, KUBE_CREATE, path, event, complaint_sent, kube, 0);
}

static const cJSON *valid_condition(const cJSON *canary)
{
	const cJSON *condition;
	cJSON_ArrayForEach(condition, json_at(canary, "status.conditions"))
	{
		if (text_equal(json_string(condition, "type"), "Valid"))
			return condition;
	}
	return NULL;
}

void complaint_make(struct kube *kube, const cJSON *canary, const char *text, const char *component)
{
	if (text_equal(json_string(valid_condition(canary), "message"), text))
		return;
	send_condition(kube, canary, text);
	send_complaint_event(kube, canary, text, component);
}

bool complaint_take_back(struct kube *kube, const cJSON *canary)
{
	if (!text_equal(json_string(valid_condition(canary), "status"), "False"))
		return false;
	send_condition(kube, canary, NULL);
	return true;
}
