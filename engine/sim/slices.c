/*
 * slices.c - the part of a controller manager that makes EndpointSlices: one for each Service that
 * has a selector, with an address for each available pod that it selects.
 */
#include <stdio.h>
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
static void add_pods(cJSON *endpoints, const cJSON *deployment)
{
	char set[KUBE_NAME_MAX];
	deployment_set(deployment, set);
	long count = json_int(deployment, "status.availableReplicas", 0);
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

static cJSON *endpoints_of(const struct cluster *cluster, const struct stored *service)
{
	cJSON *endpoints = cJSON_CreateArray();
	const cJSON *selector = json_at(service->object, "spec.selector");
	for (size_t i = 0; i < cluster->store.count; i++) {
		const struct stored *other = cluster->store.items[i];
		if (strcmp(other->ref.plural, kube_deployment.plural) == 0 &&
		    strcmp(other->ref.namespace, service->ref.namespace) == 0 &&
		    selects(selector, json_at(other->object, "spec.template.metadata.labels")))
			add_pods(endpoints, other->object);
	}
	return endpoints;
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

static const struct writer controller = {.manager = "endpointslice-controller"};

static void follow(struct cluster *cluster, const struct stored *service)
{
	struct kube_ref ref = {0};
	char path[KUBE_PATH_MAX];
	int code;
	text_copy(ref.api_version, sizeof(ref.api_version), kube_endpoint_slice.api_version);
	text_copy(ref.plural, sizeof(ref.plural), kube_endpoint_slice.plural);
	text_copy(ref.namespace, sizeof(ref.namespace), service->ref.namespace);
	snprintf(ref.name, sizeof(ref.name), "%.240s-slice", service->ref.name);
	kube_path(path, &kube_endpoint_slice, ref.namespace, ref.name);
	struct stored *stored = store_find(&cluster->store, path);
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

/* Slices stand behind the Services in the store, so a new one moves none of them. */
static void follow_all(void *owner, uint64_t token)
{
	struct cluster *cluster = owner;
	(void)token;
	cluster->slices_soon = false;
	if (cluster->slices_late)
		return;
	for (size_t i = 0; i < cluster->store.count; i++) {
		const struct stored *stored = cluster->store.items[i];
		if (strcmp(stored->ref.plural, kube_service.plural) == 0 &&
		    json_at(stored->object, "spec.selector") != NULL)
			follow(cluster, stored);
	}
}

void slices_follow(struct cluster *cluster)
{
	if (cluster->slices_soon)
		return;
	cluster->slices_soon = true;
	loop_ready(cluster->loop, follow_all, cluster, 0);
}

void cluster_slices_late(struct cluster *cluster, bool late)
{
	cluster->slices_late = late;
	slices_follow(cluster);
}
