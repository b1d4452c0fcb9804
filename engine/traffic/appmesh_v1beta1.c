/*
 * appmesh_v1beta1.c - App Mesh v1beta1: three VirtualNodes, and a VirtualService with its router
 * inside for the apex and for the canary.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/path.h"
#include "traffic/appmesh_parts.h"
#include "traffic/drivers.h"

static const char version[] = "v1beta1";

static void path_of(const struct canary_spec *spec, const char *plural, const char *name,
		    char path[KUBE_PATH_MAX])
{
	const struct kube_kind kind = {"appmesh.k8s.aws/v1beta1", "", plural, false};
	kube_path(path, &kind, spec->namespace, name);
}

/* A virtual service is known by its host. */
static void host_of(const struct canary_spec *spec, const char *name, char host[APPMESH_NAME_MAX])
{
	snprintf(host, APPMESH_NAME_MAX, "%.253s.%.63s", name, spec->namespace);
}

static bool has_mesh(const struct canary_spec *spec, struct error *err)
{
	return json_string_or(spec->service, "meshName", "")[0] != '\0' ||
	       error_set(err, ERROR_INVALID, "mesh name cannot be empty");
}

static bool needs(const struct traffic_view *view, const cJSON *objects, cJSON *paths,
		  struct error *err)
{
	const struct canary_spec *spec = view->spec;
	char apex[APPMESH_NAME_MAX], canary[APPMESH_NAME_MAX];
	(void)objects;
	host_of(spec, spec->apex, apex);
	host_of(spec, spec->canary, canary);
	if (!has_mesh(spec, err))
		return false;
	const char *const wanted[][2] = {
		{"virtualservices", apex},	{"virtualservices", canary},
		{"virtualnodes", spec->apex},	{"virtualnodes", spec->primary},
		{"virtualnodes", spec->canary},
	};
	if (paths->child != NULL)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		char path[KUBE_PATH_MAX];
		path_of(spec, wanted[i][0], wanted[i][1], path);
		cJSON_AddItemToArray(paths, cJSON_CreateString(path));
	}
	return true;
}

static cJSON *listeners(const struct canary_spec *spec)
{
	cJSON *list = cJSON_CreateArray(), *item = cJSON_CreateObject();
	json_put_number(item, "portMapping.port", spec->port);
	json_put_string(item, "portMapping.protocol", appmesh_protocol(spec));
	cJSON_AddItemToArray(list, item);
	return list;
}

static cJSON *node(const struct canary_spec *spec, const char *name, const char *service)
{
	cJSON *object = appmesh_object(spec, version, "VirtualNode", name);
	char host[APPMESH_NAME_MAX];
	host_of(spec, service, host);
	json_put_string(object, "spec.meshName", json_string(spec->service, "meshName"));
	json_put(object, "spec.listeners", listeners(spec));
	json_put_string(object, "spec.serviceDiscovery.dns.hostName", host);
	const cJSON *backend;
	cJSON *backends = cJSON_CreateArray();
	cJSON_ArrayForEach(backend, json_get(spec->service, "backends"))
	{
		cJSON *item = cJSON_CreateObject();
		json_put_string(item, "virtualService.virtualServiceName",
				cJSON_GetStringValue(backend));
		cJSON_AddItemToArray(backends, item);
	}
	if (backends->child != NULL)
		json_put(object, "spec.backends", backends);
	else
		cJSON_Delete(backends);
	const char *log = json_string_or(
		spec->object, "metadata.annotations[\"appmesh.flagger.app/accesslog\"]", "");
	if (strcmp(log, "enabled") == 0)
		json_put_string(object, "spec.logging.accessLog.file.path", "/dev/stdout");
	return object;
}

static cJSON *target(const char *name, int weight)
{
	cJSON *item = cJSON_CreateObject();
	json_put_string(item, "virtualNodeName", name);
	json_put_number(item, "weight", weight);
	return item;
}

static cJSON *route(const struct canary_spec *spec, const char *name, int primary_weight,
		    int canary_weight)
{
	cJSON *item = cJSON_CreateObject(), *targets = cJSON_CreateArray();
	json_put_string(item, "name", name);
	json_put_string(item, "http.match.prefix", appmesh_prefix(spec));
	if (canary_weight >= 0)
		cJSON_AddItemToArray(targets, target(spec->canary, canary_weight));
	cJSON_AddItemToArray(targets, target(spec->primary, primary_weight));
	json_put(item, "http.action.weightedTargets", targets);
	const cJSON *retries = json_get(spec->service, "retries");
	if (cJSON_IsObject(retries)) {
		long attempts = json_int(retries, "attempts", 0);
		json_put_number(item, "http.retryPolicy.perRetryTimeoutMillis",
				appmesh_ms(retries, "perTryTimeout", 250));
		json_put_number(item, "http.retryPolicy.maxRetries",
				attempts > 0 ? (double)attempts : 1);
		json_put(item, "http.retryPolicy.httpRetryEvents", appmesh_retry_events(retries));
	}
	return item;
}

static cJSON *service(const struct traffic_view *view, const char *name, const struct split *split)
{
	const struct canary_spec *spec = view->spec;
	char host[APPMESH_NAME_MAX];
	host_of(spec, name, host);
	bool apex = strcmp(name, spec->apex) == 0;
	cJSON *object = appmesh_object(spec, version, "VirtualService", host);
	if (apex)
		appmesh_annotate_gateway(spec, object);
	json_put_string(object, "spec.meshName", json_string(spec->service, "meshName"));
	json_put_string(object, "spec.virtualRouter.name", name);
	json_put(object, "spec.virtualRouter.listeners", listeners(spec));
	cJSON *routes = cJSON_CreateArray();
	if (apex && appmesh_is_ab(view)) {
		SCOPED(text) char *first = xasprintf("%s-a", name);
		SCOPED(text) char *second = xasprintf("%s-b", name);
		cJSON *matching = route(spec, first, split->primary, split->canary);
		cJSON *rest = route(spec, second, 100, -1);
		json_put_number(matching, "priority", 10);
		json_put_number(rest, "priority", 20);
		json_put(matching, "http.match.headers", appmesh_header_matches(view->match));
		cJSON_AddItemToArray(routes, matching);
		cJSON_AddItemToArray(routes, rest);
	} else {
		cJSON_AddItemToArray(routes, route(spec, name, split->primary, split->canary));
	}
	json_put(object, "spec.routes", routes);
	return object;
}

static cJSON *desired(const struct traffic_view *view, const struct split *split,
		      const cJSON *objects, struct error *err)
{
	const struct canary_spec *spec = view->spec;
	static const struct split all_canary = {.canary = 100};
	(void)objects;
	if (!has_mesh(spec, err) || !appmesh_can_match(view, err))
		return NULL;
	cJSON *result = cJSON_CreateObject(), *own = cJSON_AddArrayToObject(result, "own");
	cJSON_AddItemToArray(own, node(spec, spec->apex, spec->primary));
	cJSON_AddItemToArray(own, node(spec, spec->primary, spec->primary));
	cJSON_AddItemToArray(own, node(spec, spec->canary, spec->canary));
	cJSON_AddItemToArray(own, service(view, spec->apex, split));
	cJSON_AddItemToArray(own, service(view, spec->canary, &all_canary));
	return result;
}

static enum traffic_state observed(const struct traffic_view *view, const cJSON *objects,
				   struct split *split, struct error *why)
{
	const struct canary_spec *spec = view->spec;
	char path[KUBE_PATH_MAX], host[APPMESH_NAME_MAX];
	host_of(spec, spec->apex, host);
	path_of(spec, "virtualservices", host, path);
	const cJSON *live = json_get(objects, path);
	*split = (struct split){0};
	if (!cJSON_IsObject(live)) {
		error_set(why, ERROR_NOT_FOUND, "VirtualService %s.%s not found", host,
			  spec->namespace);
		return TRAFFIC_ABSENT;
	}
	bool primary = false, canary = false;
	const cJSON *item;
	cJSON_ArrayForEach(item, json_at(live, "spec.routes[0].http.action.weightedTargets"))
	{
		const char *name = json_string_or(item, "virtualNodeName", "");
		int weight = (int)json_int(item, "weight", 0);
		if (strcmp(name, spec->primary) == 0) {
			split->primary = weight;
			primary = true;
		} else if (strcmp(name, spec->canary) == 0) {
			split->canary = weight;
			canary = true;
		}
	}
	if (primary && canary && split->primary + split->canary == 100)
		return TRAFFIC_LIVE;
	error_set(why, ERROR_INVALID, "VirtualService %s.%s does not split between %s and %s", host,
		  spec->namespace, spec->primary, spec->canary);
	return TRAFFIC_BROKEN;
}

const struct traffic_driver traffic_appmesh_v1beta1 = {
	.name = "appmesh",
	.can_match = true,
	.can_weigh = true,
	.blind = true,
	.needs = needs,
	.desired = desired,
	.observed = observed,
	.check = appmesh_check,
	.kinds = appmesh_kinds,
	.plural = appmesh_plural,
};
