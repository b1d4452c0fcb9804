/*
 * hanging_spec.c - receivers of webhooks that do not answer, or cannot: whoever has nothing to do
 * with them is released in the time that it takes alone.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "spec.h"

enum { HANGING = ENGINE_SLOTS + 4 };

static int answer(void *owner, const struct http_request *request)
{
	(void)owner;
	return strcmp(request->url, "http://silent/") == 0 ? HOOK_IS_SILENT : 200;
}

static const char *path_of(const char *plural, const char *name)
{
	static char path[KUBE_PATH_MAX];
	snprintf(path, sizeof(path), "/apis/%s/namespaces/test/%s/%s",
		 strcmp(plural, "canaries") == 0 ? "flagger.app/v1beta1" : "apps/v1", plural, name);
	return path;
}

/* The example's canary and its target under another name, with a webhook of that type or none. */
static void put(struct bed *bed, const char *name, const char *type)
{
	struct error err = {0};
	SCOPED(json) cJSON *target = cJSON_Duplicate(cluster_get(bed->cluster, bed_target), true);
	SCOPED(json) cJSON *canary = cJSON_Duplicate(cluster_get(bed->cluster, bed_canary), true);
	cJSON *const both[] = {target, canary};
	json_put_string(canary, "spec.targetRef.name", name);
	json_put_string(target, "spec.selector.matchLabels.app", name);
	json_put_string(target, "spec.template.metadata.labels.app", name);
	json_put_number(target, "spec.replicas", 1);
	cJSON *hooks = cJSON_CreateArray();
	if (type != NULL) {
		cJSON *hook = cJSON_CreateObject();
		json_put_string(hook, "name", "silent");
		json_put_string(hook, "type", type);
		json_put_string(hook, "url", "http://silent/");
		json_put_string(hook, "timeout", "90s");
		cJSON_AddItemToArray(hooks, hook);
	}
	json_put(canary, "spec.analysis.webhooks", hooks);
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		json_put_string(both[i], "metadata.name", name);
		json_remove(both[i], "metadata.uid");
		json_remove(both[i], "metadata.resourceVersion");
		json_remove(both[i], "status");
		EXPECT(cluster_apply(bed->cluster, both[i], &err));
	}
}

static void release(struct bed *bed, const char *name)
{
	bed_merge(bed, path_of("deployments", name),
		  "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}}}");
}

/* Seconds that the release of "other" takes while those with a hook of that type wait for it. */
static long takes(const char *type)
{
	struct bed bed;
	char name[24];
	bed_begin(&bed);
	bed.on_hook = answer;
	bed_put_canary(&bed, NULL);
	put(&bed, "other", NULL);
	for (int i = 0; i < HANGING && type != NULL; i++) {
		snprintf(name, sizeof(name), "slow-%02d", i);
		put(&bed, name, type);
	}
	bed_start_engine(&bed);
	bed_run(&bed, 120);
	for (int i = 0; i < HANGING && type != NULL; i++) {
		snprintf(name, sizeof(name), "slow-%02d", i);
		release(&bed, name);
	}
	bed_run(&bed, 12); /* until all of them wait, those in their analysis too */
	int64_t began_us = loop_now(bed.loop);
	release(&bed, "other");
	for (int i = 0; i < 2000; i++) {
		if (strcmp(bed_says(&bed, path_of("canaries", "other"), "status.phase"),
			   "Succeeded") == 0)
			break;
		bed_run(&bed, 1);
	}
	long seconds = (long)((loop_now(bed.loop) - began_us) / DURATION_SECOND);
	EXPECT_TEXT(bed_says(&bed, path_of("canaries", "other"), "status.phase"), "Succeeded");
	bed_end(&bed);
	return seconds;
}

SPEC("hanging: who waits for a webhook, however many they are, keeps nobody else waiting")
{
	static const char *const types[] = {"confirm-rollout",		"pre-rollout", "rollout",
					    "confirm-traffic-increase", "rollback",    "event"};
	long alone = takes(NULL);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		long seconds = takes(types[i]);
		if (seconds < alone - 1 || seconds > alone + 1)
			spec_fail(__FILE__, __LINE__, "%s: %ld seconds instead of %ld", types[i],
				  seconds, alone);
	}
}

/* What is told of the end of the initialization: when, and how often. */
struct told {
	struct bed *bed;
	int refused; /* that many times */
	int64_t at_us[8];
	int count;
};

static int hear(void *owner, const struct http_request *request)
{
	struct told *told = owner;
	SCOPED(text) char *body = xstrndup(request->body, request->body_len);
	if (strstr(body, "Initialization done!") == NULL || told->count == 8)
		return 200;
	told->at_us[told->count++] = loop_now(told->bed->loop);
	return told->count <= told->refused ? 503 : 200;
}

SPEC("hanging: an event that its receiver could not take is told again `retries` times, a little "
     "later each")
{
	static const struct {
		int retries, refused, told;
	} cases[] = {{2, 0, 1}, {2, 1, 2}, {2, 2, 3}, {2, 9, 3}, {0, 9, 1}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bed bed;
		struct told told = {.bed = &bed, .refused = cases[i].refused};
		SCOPED(text)
		char *patch = xasprintf("{\"spec\":{\"analysis\":{\"webhooks\":[{\"name\":\"e\","
					"\"type\":\"event\",\"url\":\"http://e/\",\"retries\":%d}]}"
					"}}",
					cases[i].retries);
		bed_begin(&bed);
		bed.on_hook = hear;
		bed.hook_owner = &told;
		bed_put_canary(&bed, patch);
		bed_start_engine(&bed);
		bed_run(&bed, 120);
		EXPECT_INT(told.count, cases[i].told);
		for (int k = 1; k < told.count; k++)
			EXPECT_INT((told.at_us[k] - told.at_us[k - 1]) / DURATION_SECOND, k);
		bed_end(&bed);
	}
}
