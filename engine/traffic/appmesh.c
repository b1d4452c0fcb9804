/*
 * appmesh.c - App Mesh v1beta2: two VirtualNodes, and a VirtualRouter with its VirtualService for
 * the apex and for the canary.
 *
 * The apex's router carries the split; the canary's leads to the canary alone, for tests. With A/B
 * conditions the first route is for those who match, the second leads everybody else to the
 * primary. API: https://aws.github.io/aws-app-mesh-controller-for-k8s/reference/api_spec/
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/path.h"
#include "traffic/appmesh_parts.h"
#include "traffic/drivers.h"

static const char version[] = "v1beta2";

static void path_of(const struct canary_spec *spec, const char *plural, const char *name,
		    char path[KUBE_PATH_MAX])
{
	const struct kube_kind kind = {"appmesh.k8s.aws/v1beta2", "", plural, false};
	kube_path(path, &kind, spec->namespace, name);
}

static bool has_path(const cJSON *paths, const char *path)
{
	const cJSON *known;
	cJSON_ArrayForEach(known, paths)
	{
		if (strcmp(known->valuestring, path) == 0)
			return true;
	}
	return false;
}

static bool needs(const struct traffic_view *view, const cJSON *objects, cJSON *paths,
		  struct error *err)
{
	const struct canary_spec *spec = view->spec;
	const char *const wanted[][2] = {
		{"virtualrouters", spec->apex},	 {"virtualrouters", spec->canary},
		{"virtualservices", spec->apex}, {"virtualservices", spec->canary},
		{"virtualnodes", spec->primary}, {"virtualnodes", spec->canary},
	};
	(void)objects;
	(void)err;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		char path[KUBE_PATH_MAX];
		path_of(spec, wanted[i][0], wanted[i][1], path);
		if (!has_path(paths, path))
			cJSON_AddItemToArray(paths, cJSON_CreateString(path));
	}
	return true;
}

static cJSON *milliseconds(double ms)
{
	cJSON *duration = cJSON_CreateObject();
	json_put_string(duration, "unit", "ms");
	json_put_number(duration, "value", ms);
	return duration;
}

static double listener_port(const struct canary_spec *spec)
{
	return cJSON_IsNumber(spec->target_port) ? spec->target_port->valuedouble : spec->port;
}

static cJSON *listener(const struct canary_spec *spec, bool with_timeout)
{
	cJSON *item = cJSON_CreateObject();
	json_put_number(item, "portMapping.port", listener_port(spec));
	json_put_string(item, "portMapping.protocol", appmesh_protocol(spec));
	double ms = appmesh_ms(spec->service, "timeout", -1);
	if (with_timeout && ms >= 0) {
		SCOPED(text)
		char *path = xasprintf("timeout.%s.perRequest", appmesh_protocol(spec));
		json_put(item, path, milliseconds(ms));
	}
	return item;
}

static cJSON *backends(const struct canary_spec *spec)
{
	cJSON *list = cJSON_CreateArray();
	const cJSON *name;
	cJSON_ArrayForEach(name, json_get(spec->service, "backends"))
	{
		if (!cJSON_IsString(name))
			continue;
		cJSON *backend = cJSON_CreateObject();
		if (text_starts(name->valuestring, "arn:aws"))
			json_put_string(backend, "virtualService.virtualServiceARN",
					name->valuestring);
		else
			json_put_string(backend, "virtualService.virtualServiceRef.name",
					name->valuestring);
		cJSON_AddItemToArray(list, backend);
	}
	return list;
}

static cJSON *node(const struct traffic_view *view, const char *name, const char *suffix)
{
	const struct canary_spec *spec = view->spec;
	cJSON *object = appmesh_object(spec, version, "VirtualNode", name);
	appmesh_annotate_unmanaged(object);
	cJSON *listeners = cJSON_CreateArray();
	cJSON_AddItemToArray(listeners, listener(spec, true));
	json_put(object, "spec.listeners", listeners);
	/* The label's value, where the reference takes the target's name: a virtual node must
	 * select the pods that are there. */
	SCOPED(text) char *value = xasprintf("%s%s", view->label->value, suffix);
	cJSON *labels = cJSON_CreateObject();
	cJSON_AddStringToObject(labels, view->label->key, value);
	json_put(object, "spec.podSelector.matchLabels", labels);
	SCOPED(text) char *host = xasprintf("%s.%s.svc.cluster.local.", name, spec->namespace);
	json_put_string(object, "spec.serviceDiscovery.dns.hostname", host);
	cJSON *list = backends(spec);
	if (list->child != NULL)
		json_put(object, "spec.backends", list);
	else
		cJSON_Delete(list);
	return object;
}

static cJSON *target(const char *name, int weight)
{
	cJSON *item = cJSON_CreateObject();
	json_put_string(item, "virtualNodeRef.name", name);
	json_put_number(item, "weight", weight);
	return item;
}

/* "/package.Service/Method", or as much of it as there is. */
static cJSON *grpc_match(const char *prefix)
{
	cJSON *match = cJSON_CreateObject();
	const char *service = prefix + strspn(prefix, "/");
	size_t len = strcspn(service, "/");
	const char *method = service + len + strspn(service + len, "/");
	SCOPED(text) char *name = xstrndup(service, len);
	if (len > 0)
		json_put_string(match, "serviceName", name);
	if (len > 0 && method[0] != '\0')
		json_put_string(match, "methodName", method);
	return match;
}

/* Of gRPC there are events of its own, and each list has one at least. */
static void add_retry_events(cJSON *policy, const cJSON *retries, bool grpc)
{
	static const char *const of_grpc[] = {"cancelled", "deadline-exceeded", "internal",
					      "resource-exhausted", "unavailable"};
	SCOPED(json) cJSON *events = appmesh_retry_events(retries);
	const cJSON *event;
	cJSON_ArrayForEach(event, events)
	{
		bool own = false;
		for (size_t i = 0; grpc && i < ARRAY_LEN(of_grpc); i++)
			own |= text_equal(event->valuestring, of_grpc[i]);
		const char *name = own ? "grpcRetryEvents" : "httpRetryEvents";
		cJSON *list = cJSON_GetObjectItemCaseSensitive(policy, name);
		if (list == NULL)
			list = cJSON_AddArrayToObject(policy, name);
		cJSON_AddItemToArray(list, cJSON_Duplicate(event, true));
	}
}

static bool is_grpc(const struct canary_spec *spec)
{
	return strcmp(appmesh_protocol(spec), "grpc") == 0;
}

/* A route is of the protocol of its router. `canary_weight` below 0: there is only the primary. */
static cJSON *route(const struct canary_spec *spec, const char *name, int primary_weight,
		    int canary_weight, const cJSON *conditions)
{
	bool grpc = is_grpc(spec);
	cJSON *item = cJSON_CreateObject(), *inner = cJSON_CreateObject();
	json_put_string(item, "name", name);
	json_put(item, grpc ? "grpcRoute" : "httpRoute", inner);
	cJSON *targets = cJSON_CreateArray();
	if (canary_weight >= 0)
		cJSON_AddItemToArray(targets, target(spec->canary, canary_weight));
	cJSON_AddItemToArray(targets, target(spec->primary, primary_weight));
	json_put(inner, "action.weightedTargets", targets);
	if (grpc)
		json_put(inner, "match", grpc_match(appmesh_prefix(spec)));
	else
		json_put_string(inner, "match.prefix", appmesh_prefix(spec));
	if (conditions != NULL)
		json_put(inner, grpc ? "match.metadata" : "match.headers",
			 appmesh_header_matches(conditions));
	double ms = appmesh_ms(spec->service, "timeout", -1);
	if (ms >= 0)
		json_put(inner, "timeout.perRequest", milliseconds(ms));
	const cJSON *retries = json_get(spec->service, "retries");
	if (!cJSON_IsObject(retries))
		return item;
	long attempts = json_int(retries, "attempts", 0);
	cJSON *policy = cJSON_CreateObject();
	json_put(policy, "perRetryTimeout",
		 milliseconds(appmesh_ms(retries, "perTryTimeout", 250)));
	json_put_number(policy, "maxRetries", attempts > 0 ? (double)attempts : 1);
	add_retry_events(policy, retries, grpc);
	json_put(inner, "retryPolicy", policy);
	return item;
}

static cJSON *router(const struct traffic_view *view, const char *name, const struct split *split)
{
	const struct canary_spec *spec = view->spec;
	cJSON *object = appmesh_object(spec, version, "VirtualRouter", name);
	cJSON *listeners = cJSON_CreateArray(), *routes = cJSON_CreateArray();
	cJSON_AddItemToArray(listeners, listener(spec, false));
	json_put(object, "spec.listeners", listeners);
	if (appmesh_is_ab(view) && strcmp(name, spec->apex) == 0) {
		SCOPED(text) char *first = xasprintf("%s-a", name);
		SCOPED(text) char *second = xasprintf("%s-b", name);
		cJSON *matching = route(spec, first, split->primary, split->canary, view->match);
		cJSON *rest = route(spec, second, 100, -1, NULL);
		json_put_number(matching, "priority", 10);
		json_put_number(rest, "priority", 20);
		cJSON_AddItemToArray(routes, matching);
		cJSON_AddItemToArray(routes, rest);
	} else {
		cJSON_AddItemToArray(routes,
				     route(spec, name, split->primary, split->canary, NULL));
	}
	json_put(object, "spec.routes", routes);
	return object;
}

static cJSON *service(const struct traffic_view *view, const char *name)
{
	cJSON *object = appmesh_object(view->spec, version, "VirtualService", name);
	if (strcmp(name, view->spec->apex) == 0)
		appmesh_annotate_gateway(view->spec, object);
	json_put_string(object, "spec.provider.virtualRouter.virtualRouterRef.name", name);
	return object;
}

static cJSON *desired(const struct traffic_view *view, const struct split *split,
		      const cJSON *objects, struct error *err)
{
	const struct canary_spec *spec = view->spec;
	static const struct split all_canary = {.canary = 100};
	(void)objects;
	if (!appmesh_can_match(view, err))
		return NULL;
	cJSON *result = cJSON_CreateObject(), *own = cJSON_AddArrayToObject(result, "own");
	cJSON_AddItemToArray(own, node(view, spec->primary, "-primary"));
	cJSON_AddItemToArray(own, node(view, spec->canary, ""));
	cJSON_AddItemToArray(own, router(view, spec->apex, split));
	cJSON_AddItemToArray(own, service(view, spec->apex));
	cJSON_AddItemToArray(own, router(view, spec->canary, &all_canary));
	cJSON_AddItemToArray(own, service(view, spec->canary));
	return result;
}

static enum traffic_state observed(const struct traffic_view *view, const cJSON *objects,
				   struct split *split, struct error *why)
{
	const struct canary_spec *spec = view->spec;
	char path[KUBE_PATH_MAX];
	path_of(spec, "virtualrouters", spec->apex, path);
	const cJSON *live = json_get(objects, path);
	*split = (struct split){0};
	if (!cJSON_IsObject(live)) {
		error_set(why, ERROR_NOT_FOUND, "VirtualRouter %s.%s not found", spec->apex,
			  spec->namespace);
		return TRAFFIC_ABSENT;
	}
	bool primary = false, canary = false;
	/* Flagger gives routers of gRPC a route of HTTP. */
	const cJSON *item,
		*targets = json_at(live, "spec.routes[0].grpcRoute.action.weightedTargets");
	if (targets == NULL)
		targets = json_at(live, "spec.routes[0].httpRoute.action.weightedTargets");
	cJSON_ArrayForEach(item, targets)
	{
		const char *name = json_string_or(item, "virtualNodeRef.name", "");
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
	error_set(why, ERROR_INVALID, "VirtualRouter %s.%s does not split between %s and %s",
		  spec->apex, spec->namespace, spec->primary, spec->canary);
	return TRAFFIC_BROKEN;
}

const struct traffic_driver traffic_appmesh_v1beta2 = {
	.name = "appmesh:v1beta2",
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
