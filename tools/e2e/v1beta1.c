#include "v1beta1.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static void rename_member(cJSON *object, const char *from, const char *into)
{
	cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(object, from);
	if (member != NULL)
		cJSON_AddItemToObject(object, into, member);
}

void v1beta1_node(cJSON *node)
{
	rename_member(json_at(node, "spec.serviceDiscovery.dns"), "hostName", "hostname");
}

static void change_route(cJSON *route)
{
	static const char *const kinds[][2] = {
		{"http", "httpRoute"}, {"http2", "http2Route"}, {"grpc", "grpcRoute"}};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		cJSON *inner = json_get(route, kinds[i][0]), *target;
		cJSON_ArrayForEach(target, json_at(inner, "action.weightedTargets"))
			json_put_string(target, "virtualNodeRef.name",
					json_string_or(target, "virtualNodeName", ""));
		cJSON *retries = json_get(inner, "retryPolicy");
		if (retries != NULL) {
			json_put_string(retries, "perRetryTimeout.unit", "ms");
			json_put_number(retries, "perRetryTimeout.value",
					json_number(retries, "perRetryTimeoutMillis", 0));
		}
		rename_member(route, kinds[i][0], kinds[i][1]);
	}
}

cJSON *v1beta1_service(cJSON *service)
{
	const char *host = json_string_or(service, "metadata.name", "");
	SCOPED(text) char *name = xstrndup(host, strcspn(host, "."));
	cJSON *spec = json_get(service, "spec"), *route;
	cJSON *routes = cJSON_DetachItemFromObjectCaseSensitive(spec, "routes");
	json_put_string(service, "metadata.name", name);
	if (routes == NULL)
		return NULL;
	json_put_string(spec, "provider.virtualRouter.virtualRouterRef.name", name);
	cJSON_ArrayForEach(route, routes) change_route(route);
	cJSON *router = cJSON_CreateObject();
	json_put_string(router, "metadata.name", name);
	json_put_string(router, "metadata.namespace",
			json_string_or(service, "metadata.namespace", ""));
	json_put(router, "spec.routes", routes);
	return router;
}
