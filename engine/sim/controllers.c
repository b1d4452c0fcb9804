#include "sim/controllers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"

bool workload_never_ready(const cJSON *workload)
{
	const char *image = json_string_or(workload, "spec.template.spec.containers[0].image", "");
	return text_equal(json_string(workload,
				      "metadata.annotations[\"sim.sluice.dev/never-ready\"]"),
			  "true") ||
	       strstr(image, ":never-ready") != NULL;
}

bool workload_is_down(const cJSON *workload)
{
	return text_equal(json_string(workload, "metadata.annotations[\"sim.sluice.dev/down\"]"),
			  "true");
}

int64_t workload_rolls_for(const cJSON *workload, int64_t fallback_us)
{
	int64_t us;
	const char *text =
		json_string(workload, "metadata.annotations[\"sim.sluice.dev/ready-after\"]");
	return text != NULL && duration_parse(text, &us, NULL) && us >= 0 ? us : fallback_us;
}

static void replica_set(const cJSON *deployment, char name[KUBE_NAME_MAX])
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

static cJSON *deployment_status(const cJSON *deployment, bool available, int64_t now_us)
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

/* Only in its own cluster's nodes: see SIM_NODES. */
static bool finds_nodes(const cJSON *daemon_set)
{
	const cJSON *selector = json_at(daemon_set, "spec.template.spec.nodeSelector");
	return selector == NULL || selector->child == NULL;
}

/* Pods are replaced one at a time: where the first new one does not become ready, the others stay.
 */
static cJSON *daemon_set_status(const cJSON *daemon_set, bool available)
{
	long wanted = finds_nodes(daemon_set) ? SIM_NODES : 0;
	long before = json_int(daemon_set, "status.numberAvailable", 0);
	bool stuck = !available && wanted > 0 && before == wanted;
	long updated = stuck ? 1 : wanted;
	long serve = available ? wanted : stuck ? wanted - 1 : 0;
	if (workload_is_down(daemon_set))
		serve = 0;
	cJSON *status = cJSON_CreateObject();
	json_put_number(status, "observedGeneration",
			json_number(daemon_set, "metadata.generation", 0));
	json_put_number(status, "desiredNumberScheduled", (double)wanted);
	json_put_number(status, "currentNumberScheduled", (double)wanted);
	json_put_number(status, "updatedNumberScheduled", (double)updated);
	json_put_number(status, "numberMisscheduled", 0);
	json_put_number(status, "numberReady", (double)serve);
	json_put_number(status, "numberAvailable", (double)serve);
	json_put_number(status, "numberUnavailable", (double)(wanted - serve));
	return status;
}

static bool is_daemon_set(const cJSON *object)
{
	return text_equal(json_string(object, "kind"), "DaemonSet");
}

static bool is_deployment(const cJSON *object)
{
	return text_equal(json_string(object, "kind"), kube_deployment.kind);
}

static const struct kube_kind kube_stateful_set = {"apps/v1", "StatefulSet", "statefulsets", false};
static const struct kube_kind kube_knative_service = {"serving.knative.dev/v1", "Service",
						      "services", false};
static const struct kube_kind kube_daemon_set = {"apps/v1", "DaemonSet", "daemonsets", false};

const struct kube_kind *workload_kind(size_t i)
{
	static const struct kube_kind *const kinds[] = {&kube_deployment, &kube_daemon_set,
							&kube_stateful_set, &kube_knative_service};
	return i < ARRAY_LEN(kinds) ? kinds[i] : NULL;
}

bool workload_has_replicas(const struct kube_kind *kind)
{
	return kind == &kube_deployment || kind == &kube_stateful_set;
}

bool workload_rolls(const struct kube_ref *ref)
{
	for (size_t i = 0; workload_kind(i) != NULL; i++)
		if (strcmp(ref->plural, workload_kind(i)->plural) == 0 &&
		    strcmp(ref->api_version, workload_kind(i)->api_version) == 0)
			return true;
	return false;
}

cJSON *workload_rolled(const cJSON *workload, int64_t now_us)
{
	bool observed = json_int(workload, "status.observedGeneration", 0) ==
			json_int(workload, "metadata.generation", 0);
	bool down = workload_is_down(workload), never = workload_never_ready(workload),
	     daemons = is_daemon_set(workload);
	long available = json_int(
		workload, daemons ? "status.numberAvailable" : "status.availableReplicas", 0);
	long wanted = daemons ? json_int(workload, "status.desiredNumberScheduled", 0)
			      : json_int(workload, "spec.replicas", 1);
	if (observed && (down ? available == 0 : never || available == wanted))
		return NULL;
	return daemons ? daemon_set_status(workload, !never && !down)
		       : deployment_status(workload, !never && !down, now_us);
}

void workload_pods(const cJSON *workload, char prefix[KUBE_NAME_MAX], long *available)
{
	if (is_deployment(workload)) {
		replica_set(workload, prefix);
		*available = json_int(workload, "status.availableReplicas", 0);
		return;
	}
	snprintf(prefix, KUBE_NAME_MAX, "%.200s", json_string_or(workload, "metadata.name", ""));
	*available = json_int(
		workload,
		is_daemon_set(workload) ? "status.numberAvailable" : "status.availableReplicas", 0);
}
