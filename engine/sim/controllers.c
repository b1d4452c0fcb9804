#include "sim/controllers.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"

bool deployment_never_ready(const cJSON *deployment)
{
	const char *image =
		json_string_or(deployment, "spec.template.spec.containers[0].image", "");
	return text_equal(json_string(deployment,
				      "metadata.annotations[\"sim.sluice.dev/never-ready\"]"),
			  "true") ||
	       strstr(image, ":never-ready") != NULL;
}

bool deployment_is_down(const cJSON *deployment)
{
	return text_equal(json_string(deployment, "metadata.annotations[\"sim.sluice.dev/down\"]"),
			  "true");
}

int64_t deployment_ready_after(const cJSON *deployment, int64_t fallback_us)
{
	int64_t us;
	const char *text =
		json_string(deployment, "metadata.annotations[\"sim.sluice.dev/ready-after\"]");
	return text != NULL && duration_parse(text, &us, NULL) && us >= 0 ? us : fallback_us;
}

void deployment_set(const cJSON *deployment, char name[KUBE_NAME_MAX])
{
	const char *set =
		strchr(json_string_or(deployment, "status.conditions[1].message", ""), '"');
	int len = set == NULL ? 0 : (int)strcspn(set + 1, "\"");
	snprintf(name, KUBE_NAME_MAX, "%.*s", len, set == NULL ? "" : set + 1);
}

static void add_condition(cJSON *conditions, const char *type, bool true_, const char *reason,
			  const char *now)
{
	cJSON *condition = cJSON_CreateObject();
	json_put_string(condition, "type", type);
	json_put_string(condition, "status", true_ ? "True" : "False");
	json_put_string(condition, "reason", reason);
	json_put_string(condition, "lastUpdateTime", now);
	json_put_string(condition, "lastTransitionTime", now);
	cJSON_AddItemToArray(conditions, condition);
}

cJSON *deployment_status(const cJSON *deployment, bool available, int64_t now_us)
{
	double replicas = json_number(deployment, "spec.replicas", 1);
	cJSON *status = cJSON_CreateObject(), *conditions = cJSON_CreateArray();
	char now[TIME_TEXT_MAX];
	time_text(now_us, now);
	json_put_number(status, "observedGeneration",
			json_number(deployment, "metadata.generation", 0));
	json_put_number(status, "replicas", replicas);
	json_put_number(status, "updatedReplicas", replicas);
	json_put_number(status, "readyReplicas", available ? replicas : 0);
	json_put_number(status, "availableReplicas", available ? replicas : 0);
	add_condition(conditions, "Available", available,
		      available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable", now);
	add_condition(conditions, "Progressing", true,
		      available ? "NewReplicaSetAvailable" : "ReplicaSetUpdated", now);
	SCOPED(text)
	char *message = xasprintf("ReplicaSet \"%s-%08x\" %s.",
				  json_string_or(deployment, "metadata.name", ""),
				  (unsigned)json_digest(json_at(deployment, "spec.template")),
				  available ? "has successfully progressed" : "is progressing");
	json_put_string(conditions->child->next, "message", message);
	json_put(status, "conditions", conditions);
	return status;
}
