/*
 * stateful.c - the controller of StatefulSets: pods in the order of their ordinals, each once the
 * former is ready, of the revision that the partition says.
 *
 * As the real one does it (pkg/controller/statefulset/stateful_set_control.go): one thing at a
 * step. A pod that is missing is made, of the current revision below the partition; what is not
 * ready is waited for; then the highest ordinal that is not of the update revision is deleted. Once
 * all are of it and ready, it is the current one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sim/controllers.h"
#include "sim/server.h"

static const struct writer controller = {.manager = "kube-controller-manager"};

bool stateful_owner(const char *pod, char path[KUBE_PATH_MAX])
{
	static const struct kube_kind kind = {"apps/v1", "StatefulSet", "statefulsets", false};
	struct kube_ref ref;
	if (!kube_path_parse(pod, &ref))
		return false;
	char *dash = strrchr(ref.name, '-');
	if (dash == NULL || dash[1] == '\0' || strspn(dash + 1, "0123456789") != strlen(dash + 1))
		return false;
	*dash = '\0';
	return kube_path(path, &kind, ref.namespace, ref.name);
}

static const char *revision_of(const cJSON *pod)
{
	return json_string_or(pod, "metadata.labels[\"controller-revision-hash\"]", "");
}

static bool is_ready(const cJSON *pod)
{
	return text_equal(json_string(pod, "status.conditions[0].status"), "True");
}

static struct stored *find(const struct cluster *cluster, const struct kube_kind *kind,
			   const cJSON *set, const char *name)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, kind, json_string_or(set, "metadata.namespace", ""), name);
	return store_find(&cluster->store, path);
}

static struct stored *pod_at(const struct cluster *cluster, const cJSON *set, long ordinal)
{
	SCOPED(text)
	char *name = xasprintf("%s-%ld", json_string_or(set, "metadata.name", ""), ordinal);
	return find(cluster, &kube_pod, set, name);
}

static void create(struct cluster *cluster, const struct kube_kind *kind, cJSON *owned_object)
{
	struct kube_ref ref = {0};
	int code;
	text_copy(ref.api_version, sizeof(ref.api_version), kind->api_version);
	text_copy(ref.plural, sizeof(ref.plural), kind->plural);
	text_copy(ref.namespace, sizeof(ref.namespace),
		  json_string_or(owned_object, "metadata.namespace", ""));
	json_free(verb_create(cluster, &ref, owned_object, &controller, &code));
}

static cJSON *owned_by(const cJSON *set, const char *api_version, const char *kind,
		       const char *name)
{
	cJSON *object = cJSON_CreateObject(), *owners = cJSON_CreateArray();
	cJSON *owner = cJSON_CreateObject();
	json_put_string(object, "apiVersion", api_version);
	json_put_string(object, "kind", kind);
	json_put_string(object, "metadata.name", name);
	json_put_string(object, "metadata.namespace", json_string(set, "metadata.namespace"));
	json_put_string(owner, "apiVersion", "apps/v1");
	json_put_string(owner, "kind", "StatefulSet");
	json_put_string(owner, "name", json_string(set, "metadata.name"));
	json_put_string(owner, "uid", json_string(set, "metadata.uid"));
	json_put_bool(owner, "controller", true);
	cJSON_AddItemToArray(owners, owner);
	json_put(object, "metadata.ownerReferences", owners);
	return object;
}

static const struct kube_kind kube_revision = {"apps/v1", "ControllerRevision",
					       "controllerrevisions", false};

/* The template by its name is kept for as long as the set is. */
static void keep_revision(struct cluster *cluster, const cJSON *set, const char *name)
{
	if (find(cluster, &kube_revision, set, name) != NULL)
		return;
	cJSON *revision = owned_by(set, kube_revision.api_version, kube_revision.kind, name);
	json_put(revision, "data.spec.template", json_copy(json_at(set, "spec.template")));
	create(cluster, &kube_revision, revision);
}

static void create_pod(struct cluster *cluster, const cJSON *set, long ordinal,
		       const char *revision)
{
	const struct stored *kept = find(cluster, &kube_revision, set, revision);
	const cJSON *template = kept == NULL ? json_at(set, "spec.template")
					     : json_at(kept->object, "data.spec.template");
	SCOPED(text)
	char *name = xasprintf("%s-%ld", json_string_or(set, "metadata.name", ""), ordinal);
	cJSON *pod = owned_by(set, "v1", kube_pod.kind, name);
	cJSON *labels = json_copy(json_at(template, "metadata.labels"));
	if (labels == NULL)
		labels = cJSON_CreateObject();
	cJSON_AddStringToObject(labels, "controller-revision-hash", revision);
	json_put(pod, "metadata.labels", labels);
	json_put(pod, "spec", json_copy(json_get(template, "spec")));
	create(cluster, &kube_pod, pod);
}

/* A set that is "down" or "never-ready" by annotation is so in its newest pods alone. */
static bool can_be_ready(const cJSON *set, const cJSON *pod, const char *update)
{
	const char *image = json_string_or(pod, "spec.containers[0].image", "");
	bool marked = workload_never_ready(set) && strstr(image, ":never-ready") == NULL &&
		      strcmp(revision_of(pod), update) == 0 &&
		      strstr(json_string_or(set, "spec.template.spec.containers[0].image", ""),
			     ":never-ready") == NULL;
	return strstr(image, ":never-ready") == NULL && !marked && !workload_is_down(set);
}

static void set_ready(struct cluster *cluster, struct stored *stored, bool ready)
{
	int code;
	cJSON *next = json_copy(stored->object), *conditions = cJSON_CreateArray();
	cJSON *condition = cJSON_CreateObject();
	json_put_string(condition, "type", "Ready");
	json_put_string(condition, "status", ready ? "True" : "False");
	cJSON_AddItemToArray(conditions, condition);
	json_put_string(next, "status.phase", "Running");
	json_put(next, "status.conditions", conditions);
	json_free(verb_replace(cluster, stored, next, true, &controller, &code));
}

/* The one thing to do now; false: nothing. */
static bool act(struct cluster *cluster, const cJSON *set, const char *current, const char *update)
{
	long replicas = json_int(set, "spec.replicas", 1);
	long partition = json_int(set, "spec.updateStrategy.rollingUpdate.partition", 0);
	for (long i = 0; i < replicas; i++) {
		struct stored *pod = pod_at(cluster, set, i);
		if (pod == NULL) {
			create_pod(cluster, set, i, i < partition ? current : update);
			return true;
		}
		bool can = can_be_ready(set, pod->object, update);
		if (is_ready(pod->object) != can) {
			set_ready(cluster, pod, can);
			return true;
		}
		if (!can)
			return false;
	}
	struct stored *over = pod_at(cluster, set, replicas);
	if (over != NULL) {
		verb_delete(cluster, over);
		return true;
	}
	for (long i = replicas - 1; i >= partition; i--) {
		struct stored *pod = pod_at(cluster, set, i);
		if (strcmp(revision_of(pod->object), update) == 0)
			continue;
		verb_delete(cluster, pod);
		return true;
	}
	return false;
}

static cJSON *status_of(const struct cluster *cluster, const cJSON *set, const char *current,
			const char *update)
{
	long replicas = json_int(set, "spec.replicas", 1);
	long there = 0, ready = 0, updated = 0, of_current = 0;
	for (long i = 0; i < replicas; i++) {
		const struct stored *pod = pod_at(cluster, set, i);
		if (pod == NULL)
			continue;
		there++;
		ready += is_ready(pod->object);
		updated += strcmp(revision_of(pod->object), update) == 0;
		of_current += strcmp(revision_of(pod->object), current) == 0;
	}
	if (updated == replicas && ready == replicas) {
		current = update;
		of_current = updated;
	}
	cJSON *status = cJSON_CreateObject();
	json_put_number(status, "observedGeneration", json_number(set, "metadata.generation", 0));
	json_put_number(status, "replicas", (double)there);
	json_put_number(status, "readyReplicas", (double)ready);
	json_put_number(status, "availableReplicas", (double)ready);
	json_put_number(status, "currentReplicas", (double)of_current);
	json_put_number(status, "updatedReplicas", (double)updated);
	json_put_string(status, "currentRevision", current);
	json_put_string(status, "updateRevision", update);
	return status;
}

void stateful_step(struct cluster *cluster, struct stored *stored)
{
	SCOPED(json) cJSON *set = json_copy(stored->object);
	SCOPED(text) char *path = xstrdup(stored->path);
	char update[KUBE_NAME_MAX], current[KUBE_NAME_MAX];
	int code;
	snprintf(update, sizeof(update), "%.200s-%08x", json_string_or(set, "metadata.name", ""),
		 (unsigned)json_digest(json_at(set, "spec.template")));
	text_copy(current, sizeof(current), json_string_or(set, "status.currentRevision", update));
	keep_revision(cluster, set, update);
	(void)act(cluster, set, current, update);
	stored = store_find(&cluster->store, path);
	if (stored == NULL)
		return;
	cJSON *next = json_copy(stored->object);
	json_put(next, "status", status_of(cluster, set, current, update));
	json_free(verb_replace(cluster, stored, next, true, &controller, &code));
}
