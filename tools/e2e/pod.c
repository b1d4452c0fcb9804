#include "pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/path.h"

#define ANNOTATION(name) "metadata.annotations[\"e2e.sluice.dev/" name "\"]"

void pod_workload(char *into, size_t size, const char *name)
{
	text_copy(into, size, name);
	for (int cuts = 0; cuts < 2; cuts++) {
		char *dash = strrchr(into, '-');
		if (dash != NULL)
			*dash = '\0';
	}
}

/* "6.0.1" of "ghcr.io/stefanprodan/podinfo:6.0.1" */
static void read_version(struct pod *pod, const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *colon = strchr(slash == NULL ? image : slash, ':');
	text_copy(pod->version, sizeof(pod->version), colon == NULL ? "latest" : colon + 1);
}

struct pod *pod_new(const cJSON *object, uint64_t number, int network)
{
	struct pod *pod = xcalloc(1, sizeof(*pod));
	kube_path_of(pod->path, object, kube_pod.plural);
	text_copy(pod->uid, sizeof(pod->uid), json_string_or(object, "metadata.uid", ""));
	text_copy(pod->namespace, sizeof(pod->namespace),
		  json_string_or(object, "metadata.namespace", ""));
	text_copy(pod->name, sizeof(pod->name), json_string_or(object, "metadata.name", ""));
	pod_workload(pod->workload, sizeof(pod->workload), pod->name);
	read_version(pod, json_string_or(object, "spec.containers[0].image", ""));
	pod->number = number;
	unsigned a = (unsigned)(number / 250 % 256), b = (unsigned)(number % 250 + 1);
	snprintf(pod->ip, sizeof(pod->ip), "10.%d.%u.%u", network & 255, a, b);
	snprintf(pod->reach, sizeof(pod->reach), "127.%d.%u.%u", network & 255, a, b);
	pod->port = (int)json_int(object, "spec.containers[0].ports[0].containerPort", 9898);
	pod->grpc = strstr(json_string_or(object, "spec.containers[0].ports[0].name", ""),
			   "grpc") != NULL;
	pod->containers = cJSON_Duplicate(json_at(object, "spec.containers"), true);
	const char *after = json_string_or(object, ANNOTATION("start-after"), "0s");
	if (!duration_parse(after, &pod->start_after_us, NULL))
		pod->start_after_us = 0;
	pod->never_ready = text_equal(json_string(object, ANNOTATION("never-ready")), "true");
	pod->crashes = text_equal(json_string(object, ANNOTATION("crash")), "true");
	pod->pid_fd = -1;
	return pod;
}

void pod_free(struct pod *pod)
{
	cJSON_Delete(pod->containers);
	free(pod);
}

static bool is_running(const struct pod *pod)
{
	return pod->pid > 0 || pod->hollow;
}

static void add_condition(cJSON *conditions, const char *type, bool is_so, const char *time)
{
	cJSON *condition = cJSON_CreateObject();
	json_put_string(condition, "type", type);
	json_put_string(condition, "status", is_so ? "True" : "False");
	json_put_string(condition, "lastTransitionTime", time);
	cJSON_AddItemToArray(conditions, condition);
}

static cJSON *container_status(const struct pod *pod, const cJSON *container, const char *started)
{
	cJSON *status = cJSON_CreateObject();
	json_put_string(status, "name", json_string_or(container, "name", ""));
	json_put_string(status, "image", json_string_or(container, "image", ""));
	json_put_string(status, "imageID", "");
	json_put_bool(status, "ready", pod->ready);
	json_put_bool(status, "started", is_running(pod));
	json_put_number(status, "restartCount", (double)pod->restarts);
	if (is_running(pod))
		json_put_string(status, "state.running.startedAt", started);
	else
		json_put_string(status, "state.waiting.reason",
				pod->restarts > 0 ? "CrashLoopBackOff" : "ContainerCreating");
	return status;
}

cJSON *pod_status(const struct pod *pod, int64_t now_us)
{
	char now[TIME_TEXT_MAX], started[TIME_TEXT_MAX];
	cJSON *patch = cJSON_CreateObject(), *conditions = cJSON_CreateArray();
	time_text(now_us, now);
	time_text(pod->started_us > 0 ? pod->started_us : now_us, started);
	bool ran = is_running(pod) || pod->restarts > 0;
	json_put_string(patch, "status.phase", ran ? "Running" : "Pending");
	json_put_string(patch, "status.startTime", started);
	if (ran) {
		cJSON *ips = cJSON_CreateArray(), *ip = cJSON_CreateObject();
		json_put_string(ip, "ip", pod->ip);
		cJSON_AddItemToArray(ips, ip);
		json_put_string(patch, "status.podIP", pod->ip);
		json_put(patch, "status.podIPs", ips);
	}
	add_condition(conditions, "PodScheduled", true, now);
	add_condition(conditions, "Initialized", true, now);
	add_condition(conditions, "ContainersReady", pod->ready, now);
	add_condition(conditions, "Ready", pod->ready, now);
	json_put(patch, "status.conditions", conditions);
	cJSON *statuses = cJSON_CreateArray();
	const cJSON *container;
	cJSON_ArrayForEach(container, pod->containers)
		cJSON_AddItemToArray(statuses, container_status(pod, container, started));
	json_put(patch, "status.containerStatuses", statuses);
	return patch;
}
