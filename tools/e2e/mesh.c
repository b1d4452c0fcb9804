/*
 * mesh.c - an Envoy that follows App Mesh: VirtualServices, their routers and nodes, and the
 * endpoints of Services, written as the files of one Envoy in front of all pods.
 *
 *     e2e-mesh --kubeconfig FILE --run FOLDER --port N [--api v1beta1]
 *
 * A request for host "name.namespace" takes the route of that VirtualService. A VirtualNode is a
 * cluster whose endpoints are those of the Service that its DNS name means, as far as they are
 * ready. What is not in the objects is not added: no retries, no health checks of Envoy's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/flags.h"
#include "cli/signals.h"
#include "envoy.h"
#include "kube/config.h"
#include "kube/transport.h"
#include "kube/watch.h"
#include "route.h"
#include "v1beta1.h"

/* Envoy takes up a new cluster within this time; a route that came earlier would find none. */
static const int64_t cluster_settles_us = 200 * DURATION_MS;

enum kind { SERVICE, ROUTER, NODE, SLICE, KINDS };
static const struct kube_kind kinds[KINDS] = {
	{"appmesh.k8s.aws/v1beta2", "VirtualService", "virtualservices", false},
	{"appmesh.k8s.aws/v1beta2", "VirtualRouter", "virtualrouters", false},
	{"appmesh.k8s.aws/v1beta2", "VirtualNode", "virtualnodes", false},
	{"discovery.k8s.io/v1", "EndpointSlice", "endpointslices", false},
};
/* Its routers are in the services. */
static const struct kube_kind v1beta1_kinds[KINDS] = {
	[SERVICE] = {"appmesh.k8s.aws/v1beta1", "VirtualService", "virtualservices", false},
	[NODE] = {"appmesh.k8s.aws/v1beta1", "VirtualNode", "virtualnodes", false},
	[SLICE] = {"discovery.k8s.io/v1", "EndpointSlice", "endpointslices", false},
};

struct mesh {
	struct loop *loop;
	struct watched {
		struct mesh *mesh;
		struct watch *watch; /* NULL: there is no such kind */
		cJSON *objects;	     /* by "namespace/name" */
	} watched[KINDS];
	char *folder, *endpoints;
	int port;
	bool v1beta1, rewrite;
};

/* ---- clusters and their endpoints ---- */

/* "podinfo-canary" and "test" of "podinfo-canary.test.svc.cluster.local." */
static bool read_host(const char *host, char service[254], char namespace[64])
{
	return sscanf(host, "%253[^.].%63[^.]", service, namespace) == 2;
}

static void add_slice(cJSON *endpoints, const cJSON *slice, int port)
{
	const cJSON *endpoint;
	cJSON_ArrayForEach(endpoint, json_get(slice, "endpoints"))
	{
		char reach[16];
		const char *ip = json_string(endpoint, "addresses[0]");
		if (ip == NULL || !json_bool(endpoint, "conditions.ready", true))
			continue;
		envoy_reach(reach, ip);
		envoy_add_endpoint(endpoints, reach, port);
	}
}

static cJSON *endpoints_of(const struct mesh *mesh, const cJSON *node, const char *cluster)
{
	cJSON *endpoints = envoy_endpoints(cluster);
	char service[254], namespace[64];
	const char *host = json_string_or(node, "spec.serviceDiscovery.dns.hostname", "");
	int port = (int)json_int(node, "spec.listeners[0].portMapping.port", 80);
	const cJSON *slice;
	if (!read_host(host, service, namespace))
		return endpoints;
	cJSON_ArrayForEach(slice, mesh->watched[SLICE].objects)
	{
		const char *of =
			json_string(slice, "metadata.labels[\"kubernetes.io/service-name\"]");
		if (text_equal(json_string(slice, "metadata.namespace"), namespace) &&
		    text_equal(of, service))
			add_slice(endpoints, slice, port);
	}
	return endpoints;
}

/* Whether there is a cluster that was not there before, or another one is gone. */
static bool write_clusters(const struct mesh *mesh)
{
	SCOPED(json) cJSON *clusters = cJSON_CreateArray();
	const cJSON *node;
	cJSON_ArrayForEach(node, mesh->watched[NODE].objects)
	{
		SCOPED(text)
		char *file = xasprintf("%s.%s", json_string_or(node, "metadata.namespace", ""),
				       json_string_or(node, "metadata.name", ""));
		SCOPED(json) cJSON *list = cJSON_CreateArray();
		cJSON *endpoints = endpoints_of(mesh, node, node->string);
		json_put_string(endpoints, "@type",
				ENVOY_TYPE "config.endpoint.v3.ClusterLoadAssignment");
		cJSON_AddItemToArray(list, endpoints);
		envoy_write(mesh->endpoints, file, list);
		const char *protocol =
			json_string_or(node, "spec.listeners[0].portMapping.protocol", "");
		cJSON *cluster = envoy_eds_cluster(node->string, mesh->endpoints, file);
		if (strcmp(protocol, "grpc") == 0 || strcmp(protocol, "http2") == 0)
			envoy_speak_http2(cluster);
		cJSON_AddItemToArray(clusters, cluster);
	}
	return envoy_write(mesh->folder, "clusters", clusters);
}

/* ---- routes ---- */

static cJSON *routes_of(const struct mesh *mesh, const cJSON *service)
{
	const char *namespace = json_string_or(service, "metadata.namespace", "");
	const cJSON *router = json_at(service, "spec.provider.virtualRouter.virtualRouterRef");
	const cJSON *node = json_at(service, "spec.provider.virtualNode.virtualNodeRef");
	if (node != NULL) {
		SCOPED(text) char *cluster = route_cluster(node, namespace);
		return routes_to_node(json_string_or(service, "metadata.name", ""), cluster);
	}
	if (router == NULL)
		return cJSON_CreateArray();
	SCOPED(text) char *key = route_cluster(router, namespace);
	return routes_of_router(json_get(mesh->watched[ROUTER].objects, key));
}

static void write_routes(void *owner, uint64_t token)
{
	const struct mesh *mesh = owner;
	SCOPED(json) cJSON *list = cJSON_CreateArray();
	cJSON *config = cJSON_CreateObject(), *hosts = cJSON_CreateArray();
	const cJSON *service;
	(void)token;
	cJSON_ArrayForEach(service, mesh->watched[SERVICE].objects)
	{
		const char *name = json_string_or(service, "metadata.name", "");
		const char *namespace = json_string_or(service, "metadata.namespace", "");
		cJSON *host = cJSON_CreateObject();
		json_put_string(host, "name", service->string);
		cJSON *domains = cJSON_AddArrayToObject(host, "domains");
		SCOPED(text) char *near = xasprintf("%s.%s", name, namespace);
		SCOPED(text) char *full = xasprintf("%s.%s.svc.cluster.local", name, namespace);
		cJSON_AddItemToArray(domains, cJSON_CreateString(near));
		cJSON_AddItemToArray(domains, cJSON_CreateString(full));
		json_put(host, "routes", routes_of(mesh, service));
		cJSON_AddItemToArray(hosts, host);
	}
	json_put_string(config, "@type", ENVOY_TYPE "config.route.v3.RouteConfiguration");
	json_put_string(config, "name", "mesh");
	json_put(config, "virtual_hosts", hosts);
	cJSON_AddItemToArray(list, config);
	envoy_write(mesh->folder, "routes", list);
}

static void write_listener(const struct mesh *mesh)
{
	SCOPED(json) cJSON *list = cJSON_CreateArray();
	SCOPED(text) char *path = xasprintf("%s/routes.json", mesh->folder);
	cJSON *rds = cJSON_CreateObject();
	json_put_string(rds, "route_config_name", "mesh");
	json_put_string(rds, "config_source.path_config_source.path", path);
	cJSON *listener = envoy_listener("mesh", "127.0.0.1", mesh->port, "rds", rds);
	SCOPED(text) char *log = xasprintf("%s/lost", mesh->folder);
	envoy_log_own_answers(listener, log);
	cJSON_AddItemToArray(list, listener);
	envoy_write(mesh->folder, "listeners", list);
}

/* ---- what the API server says ---- */

static void rewrite(void *owner, uint64_t token)
{
	struct mesh *mesh = owner;
	(void)token;
	mesh->rewrite = false;
	for (size_t i = 0; i < KINDS; i++)
		if (mesh->watched[i].watch != NULL && !watch_is_synced(mesh->watched[i].watch))
			return;
	if (write_clusters(mesh))
		loop_at(mesh->loop, loop_now(mesh->loop) + cluster_settles_us, write_routes, mesh,
			0);
	else
		write_routes(mesh, 0);
}

/* `object` is NULL when it is gone. */
static void keep(struct watched *watched, const cJSON *named, const cJSON *object)
{
	SCOPED(text)
	char *key = xasprintf("%s/%s", json_string_or(named, "metadata.namespace", ""),
			      json_string_or(named, "metadata.name", ""));
	cJSON_DeleteItemFromObjectCaseSensitive(watched->objects, key);
	if (object != NULL)
		cJSON_AddItemToObject(watched->objects, key, cJSON_Duplicate(object, true));
}

static void object_came(void *owner, enum watch_event event, cJSON *object)
{
	struct watched *watched = owner;
	struct mesh *mesh = watched->mesh;
	if (event != WATCH_SYNCED) {
		SCOPED(json) cJSON *router = NULL;
		bool service = watched == &mesh->watched[SERVICE];
		if (mesh->v1beta1 && service)
			router = v1beta1_service(object);
		if (mesh->v1beta1 && service)
			keep(&mesh->watched[ROUTER], object, event == WATCH_PUT ? router : NULL);
		if (mesh->v1beta1 && watched == &mesh->watched[NODE])
			v1beta1_node(object);
		keep(watched, object, event == WATCH_PUT ? object : NULL);
	}
	if (mesh->rewrite)
		return;
	mesh->rewrite = true;
	loop_ready(mesh->loop, rewrite, mesh, 0);
}

static void signalled(void *owner)
{
	const struct mesh *mesh = owner;
	loop_stop(mesh->loop);
}

int main(int count, char **arguments)
{
	struct mesh mesh = {0};
	const char *kubeconfig = "", *run = NULL, *port = "0", *api = "v1beta2";
	struct flag_texts words = {0};
	struct error err = {0};
	struct kube_config config;
	struct chance chance;
	const struct flag flags[] = {
		{"kubeconfig", FLAG_TEXT, &kubeconfig, "FILE", "how to reach the cluster"},
		{"run", FLAG_TEXT, &run, "FOLDER", "its folder \"mesh\" is written"},
		{"port", FLAG_TEXT, &port, "N", "on which Envoy is to listen"},
		{"api", FLAG_TEXT, &api, "v1beta1|v1beta2", "of App Mesh"},
		{0},
	};
	bool good = flags_parse(flags, count - 1, arguments + 1, &words, &err);
	if (good && run == NULL)
		good = error_set(&err, ERROR_INVALID, "--run is needed");
	const struct kube_config_options from = {.path = kubeconfig};
	if (!good || !kube_config_load(&config, &from, &err)) {
		fprintf(stderr, "e2e-mesh: %s\n", err.text);
		return 1;
	}
	mesh.folder = xasprintf("%s/mesh", run);
	mesh.endpoints = xasprintf("%s/mesh/endpoints", run);
	mesh.port = (int)strtol(port, NULL, 10);
	mesh.v1beta1 = strcmp(api, "v1beta1") == 0;
	log_setup(LOG_WARN, false, NULL);
	chance_seed_from_os(&chance);
	const struct kube_options options = {.qps = 100, .burst = 200};
	const struct watch_options all = {0};
	mesh.loop = loop_new();
	struct http *transport = kube_transport_new(mesh.loop, &config);
	struct kube *kube = kube_new(mesh.loop, transport, &chance, &options);
	struct signals *signals = signals_new(mesh.loop, signalled, &mesh);
	write_listener(&mesh);
	for (size_t i = 0; i < KINDS; i++) {
		mesh.watched[i].mesh = &mesh;
		mesh.watched[i].objects = cJSON_CreateObject();
		const struct kube_kind *kind = mesh.v1beta1 ? &v1beta1_kinds[i] : &kinds[i];
		if (kind->plural != NULL)
			mesh.watched[i].watch =
				watch_new(kube, kind, &all, object_came, &mesh.watched[i]);
	}
	loop_run(mesh.loop, 0);
	for (size_t i = 0; i < KINDS; i++) {
		if (mesh.watched[i].watch != NULL)
			watch_free(mesh.watched[i].watch);
		cJSON_Delete(mesh.watched[i].objects);
	}
	signals_free(signals);
	kube_free(kube);
	transport->ops->free(transport);
	loop_free(mesh.loop);
	kube_config_fini(&config);
	free(mesh.folder);
	free(mesh.endpoints);
	return 0;
}
