/*
 * slices.c - the part of a controller manager that makes EndpointSlices: one for each Service that
 * has a selector, with an address for each available pod that it selects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "sim/controllers.h"
#include "sim/server.h"

static bool selects(const cJSON *selector, const cJSON *labels)
{
	const cJSON *label;
	cJSON_ArrayForEach(label, selector)
	{
		if (!text_equal(json_string(labels, label->string), cJSON_GetStringValue(label)))
			return false;
	}
	return selector != NULL && selector->child != NULL;
}

/* The pods of a rollout have names and addresses of their own. */
static void add_pods(cJSON *endpoints, const cJSON *workload)
{
	char set[KUBE_NAME_MAX];
	long count;
	workload_pods(workload, set, &count);
	unsigned base = (unsigned)hash64(set, strlen(set));
	for (long i = 0; i < count; i++) {
		char address[32];
		snprintf(address, sizeof(address), "10.%u.%u.%ld", base >> 8 & 255, base & 255,
			 i & 255);
		SCOPED(text) char *pod = xasprintf("%s-%ld", set, i);
		cJSON *endpoint = cJSON_CreateObject(), *addresses = cJSON_CreateArray();
		cJSON_AddItemToArray(addresses, cJSON_CreateString(address));
		json_put(endpoint, "addresses", addresses);
		json_put(endpoint, "conditions.ready", cJSON_CreateTrue());
		json_put_string(endpoint, "targetRef.kind", kube_pod.kind);
		json_put_string(endpoint, "targetRef.name", pod);
		cJSON_AddItemToArray(endpoints, endpoint);
	}
}

/* The objects of a kind in a namespace stand side by side: calls for each, but not for what is
 * added meanwhile behind them. */
typedef void each_call(struct cluster *cluster, const struct stored *stored, void *owner);
static void each_of(struct cluster *cluster, const struct kube_kind *kind, const char *namespace,
		    each_call *call, void *owner)
{
	char collection[KUBE_PATH_MAX], prefix[KUBE_PATH_MAX + 1];
	kube_path(collection, kind, namespace, NULL);
	snprintf(prefix, sizeof(prefix), "%s/", collection);
	for (size_t i = store_place(&cluster->store, prefix);
	     i < cluster->store.count && text_starts(cluster->store.items[i]->path, prefix); i++)
		call(cluster, cluster->store.items[i], owner);
}

struct wanted {
	const cJSON *selector;
	cJSON *endpoints;
};

static void add_selected(struct cluster *cluster, const struct stored *workload, void *owner)
{
	const struct wanted *wanted = owner;
	(void)cluster;
	if (selects(wanted->selector, json_at(workload->object, "spec.template.metadata.labels")))
		add_pods(wanted->endpoints, workload->object);
}

static cJSON *endpoints_of(struct cluster *cluster, const struct stored *service)
{
	struct wanted wanted = {json_at(service->object, "spec.selector"), cJSON_CreateArray()};
	for (size_t i = 0; workload_kind(i) != NULL; i++)
		each_of(cluster, workload_kind(i), service->ref.namespace, add_selected, &wanted);
	return wanted.endpoints;
}

static cJSON *slice_of(const struct stored *service, const char *name)
{
	cJSON *slice = cJSON_CreateObject(), *owners = cJSON_CreateArray();
	cJSON *owner = cJSON_CreateObject();
	json_put_string(slice, "apiVersion", kube_endpoint_slice.api_version);
	json_put_string(slice, "kind", kube_endpoint_slice.kind);
	json_put_string(slice, "metadata.name", name);
	json_put_string(slice, "metadata.namespace", service->ref.namespace);
	json_put_string(slice, "metadata.labels[\"kubernetes.io/service-name\"]",
			service->ref.name);
	json_put_string(owner, "apiVersion", "v1");
	json_put_string(owner, "kind", "Service");
	json_put_string(owner, "name", service->ref.name);
	json_put_string(owner, "uid", json_string(service->object, "metadata.uid"));
	cJSON_AddItemToArray(owners, owner);
	json_put(slice, "metadata.ownerReferences", owners);
	json_put_string(slice, "addressType", "IPv4");
	return slice;
}

static struct stored *find_slice(const struct cluster *cluster, const struct stored *service,
				 struct kube_ref *ref, char path[KUBE_PATH_MAX])
{
	text_copy(ref->api_version, sizeof(ref->api_version), kube_endpoint_slice.api_version);
	text_copy(ref->plural, sizeof(ref->plural), kube_endpoint_slice.plural);
	text_copy(ref->namespace, sizeof(ref->namespace), service->ref.namespace);
	snprintf(ref->name, sizeof(ref->name), "%.240s-slice", service->ref.name);
	kube_path(path, &kube_endpoint_slice, ref->namespace, ref->name);
	return store_find(&cluster->store, path);
}

static const struct writer controller = {.manager = "endpointslice-controller"};

static void follow(struct cluster *cluster, const struct stored *service)
{
	struct kube_ref ref = {0};
	char path[KUBE_PATH_MAX];
	int code;
	struct stored *stored = find_slice(cluster, service, &ref, path);
	cJSON *endpoints = endpoints_of(cluster, service);
	if (stored != NULL && json_equal(json_get(stored->object, "endpoints"), endpoints)) {
		json_free(endpoints);
		return;
	}
	cJSON *slice = stored == NULL ? slice_of(service, ref.name) : json_copy(stored->object);
	json_put(slice, "endpoints", endpoints);
	json_free(stored == NULL ? verb_create(cluster, &ref, slice, &controller, &code)
				 : verb_replace(cluster, stored, slice, false, &controller, &code));
}

struct moved {
	const char *name;    /* of a workload */
	const cJSON *labels; /* of its pods; NULL: it is gone */
};

static bool leads_to(const struct cluster *cluster, const struct stored *service, const char *name)
{
	struct kube_ref ref = {0};
	char path[KUBE_PATH_MAX];
	const struct stored *slice = find_slice(cluster, service, &ref, path);
	const cJSON *endpoints = slice == NULL ? NULL : json_get(slice->object, "endpoints");
	const cJSON *endpoint;
	size_t len = strlen(name);
	cJSON_ArrayForEach(endpoint, endpoints)
	{
		const char *pod = json_string_or(endpoint, "targetRef.name", "");
		if (strncmp(pod, name, len) == 0 && pod[len] == '-')
			return true;
	}
	return false;
}

/* Of those that select its pods, or did. */
static void follow_moved(struct cluster *cluster, const struct stored *service, void *owner)
{
	const struct moved *moved = owner;
	const cJSON *selector = json_at(service->object, "spec.selector");
	if (selector != NULL &&
	    (selects(selector, moved->labels) || leads_to(cluster, service, moved->name)))
		follow(cluster, service);
}

static void follow_changed(struct cluster *cluster, const char *path)
{
	const struct stored *stored = store_find(&cluster->store, path);
	struct kube_ref ref;
	if (!kube_path_parse(path, &ref))
		return;
	if (strcmp(ref.plural, kube_service.plural) == 0) {
		if (stored != NULL && json_at(stored->object, "spec.selector") != NULL)
			follow(cluster, stored);
		return;
	}
	struct moved moved = {
		.name = ref.name,
		.labels = stored == NULL ? NULL
					 : json_at(stored->object, "spec.template.metadata.labels"),
	};
	each_of(cluster, &kube_service, ref.namespace, follow_moved, &moved);
}

/* Slices stand behind the Services in the store, so a new one moves none of them. */
static void follow_all(void *owner, uint64_t token)
{
	struct cluster *cluster = owner;
	(void)token;
	cluster->slices_soon = false;
	if (cluster->slices_late)
		return;
	for (size_t i = 0; i < cluster->moved_count; i++) {
		SCOPED(text) char *path = cluster->moved[i];
		follow_changed(cluster, path);
	}
	cluster->moved_count = 0;
}

static void follow_soon(struct cluster *cluster)
{
	if (cluster->slices_soon)
		return;
	cluster->slices_soon = true;
	loop_ready(cluster->loop, follow_all, cluster, 0);
}

void slices_follow(struct cluster *cluster, const struct kube_ref *ref, const char *path)
{
	if (!workload_rolls(ref) && strcmp(ref->plural, kube_service.plural) != 0)
		return;
	if (cluster->moved_count == cluster->moved_room) {
		cluster->moved_room = cluster->moved_room == 0 ? 16 : cluster->moved_room * 2;
		cluster->moved =
			xrealloc(cluster->moved, cluster->moved_room * sizeof(*cluster->moved));
	}
	cluster->moved[cluster->moved_count++] = xstrdup(path);
	follow_soon(cluster);
}

void slices_fini(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->moved_count; i++)
		free(cluster->moved[i]);
	free(cluster->moved);
}

void cluster_slices_late(struct cluster *cluster, bool late)
{
	cluster->slices_late = late;
	follow_soon(cluster);
}
