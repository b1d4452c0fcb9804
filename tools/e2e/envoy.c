#include "envoy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

bool envoy_write(const char *folder, const char *name, const cJSON *resources)
{
	static unsigned version;
	SCOPED(buf) struct buf before = {0};
	SCOPED(text) char *path = xasprintf("%s/%s.json", folder, name);
	SCOPED(text) char *aside = xasprintf("%s/.%s.new", folder, name);
	SCOPED(text) char *text = json_text(resources);
	buf_init(&before, INPUT_FILE_MAX);
	if (file_read(path, &before, NULL)) {
		const char *said = strstr(before.text, "\"resources\":");
		size_t len = strlen(text);
		if (said != NULL && strncmp(said + strlen("\"resources\":"), text, len) == 0 &&
		    strcmp(said + strlen("\"resources\":") + len, "}\n") == 0)
			return false;
	}
	FILE *file = fopen(aside, "w");
	if (file == NULL ||
	    fprintf(file, "{\"version_info\":\"%u\",\"resources\":%s}\n", ++version, text) < 0 ||
	    fclose(file) != 0 || rename(aside, path) != 0) {
		perror(path);
		exit(1);
	}
	return true;
}

static void put_address(cJSON *into, const char *path, const char *address, int port)
{
	cJSON *socket = cJSON_CreateObject();
	json_put_string(socket, "address", address);
	json_put_number(socket, "port_value", port);
	json_put(into, path, socket);
}

static void put_type(cJSON *into, const char *type)
{
	json_put_string(into, "@type", type);
}

cJSON *envoy_listener(const char *name, const char *address, int port, const char *routes,
		      cJSON *owned_routes)
{
	cJSON *listener = cJSON_CreateObject(), *manager = cJSON_CreateObject();
	put_type(listener, ENVOY_TYPE "config.listener.v3.Listener");
	json_put_string(listener, "name", name);
	put_address(listener, "address.socket_address", address, port);
	put_type(manager, ENVOY_TYPE "extensions.filters.network.http_connection_manager.v3."
				     "HttpConnectionManager");
	json_put_string(manager, "stat_prefix", "http");
	json_put_bool(manager, "strip_any_host_port", true);
	json_put(manager, routes, owned_routes);
	cJSON *router = cJSON_CreateObject(), *filters = cJSON_CreateArray();
	json_put_string(router, "name", "router");
	json_put_string(router, "typed_config[\"@type\"]",
			ENVOY_TYPE "extensions.filters.http.router.v3.Router");
	cJSON_AddItemToArray(filters, router);
	json_put(manager, "http_filters", filters);
	cJSON *filter = cJSON_CreateObject(), *chain = cJSON_CreateObject();
	cJSON *chains = cJSON_CreateArray();
	json_put_string(filter, "name", "http");
	json_put(filter, "typed_config", manager);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(chain, "filters"), filter);
	cJSON_AddItemToArray(chains, chain);
	json_put(listener, "filter_chains", chains);
	return listener;
}

void envoy_log_own_answers(cJSON *listener, const char *file)
{
	/* Not those that the client gave up, nor those that a route answers. */
	static const char *const flags[] = {"UH", "UF", "UO", "NR", "NC", "URX", "UC", "UT", "UR"};
	cJSON *manager = json_at(listener, "filter_chains[0].filters[0].typed_config");
	cJSON *log = cJSON_CreateObject(), *list = cJSON_CreateArray();
	json_put_string(log, "name", "lost");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(flags[i]));
	json_put(log, "filter.response_flag_filter.flags", list);
	cJSON *typed = cJSON_CreateObject();
	put_type(typed, ENVOY_TYPE "extensions.access_loggers.file.v3.FileAccessLog");
	json_put_string(typed, "path", file);
	json_put_string(typed, "log_format.text_format_source.inline_string",
			"%REQ(:AUTHORITY)% %RESPONSE_CODE% %RESPONSE_FLAGS%\n");
	json_put(log, "typed_config", typed);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(manager, "access_log"), log);
}

static cJSON *cluster(const char *name, const char *type)
{
	cJSON *cluster = cJSON_CreateObject();
	put_type(cluster, ENVOY_TYPE "config.cluster.v3.Cluster");
	json_put_string(cluster, "name", name);
	json_put_string(cluster, "type", type);
	json_put_string(cluster, "connect_timeout", "1s");
	return cluster;
}

void envoy_speak_http2(cJSON *cluster)
{
	cJSON *options = cJSON_CreateObject(), *extensions = cJSON_CreateObject();
	put_type(options, ENVOY_TYPE "extensions.upstreams.http.v3.HttpProtocolOptions");
	json_put(options, "explicit_http_config.http2_protocol_options", cJSON_CreateObject());
	cJSON_AddItemToObject(extensions, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
			      options);
	json_put(cluster, "typed_extension_protocol_options", extensions);
}

cJSON *envoy_endpoints(const char *name)
{
	cJSON *assignment = cJSON_CreateObject(), *locality = cJSON_CreateObject();
	json_put_string(assignment, "cluster_name", name);
	cJSON_AddArrayToObject(locality, "lb_endpoints");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(assignment, "endpoints"), locality);
	return assignment;
}

void envoy_add_endpoint(cJSON *endpoints, const char *address, int port)
{
	cJSON *endpoint = cJSON_CreateObject();
	put_address(endpoint, "endpoint.address.socket_address", address, port);
	cJSON_AddItemToArray(json_at(endpoints, "endpoints[0].lb_endpoints"), endpoint);
}

cJSON *envoy_static_cluster(const char *name, const char *address, int port)
{
	cJSON *made = cluster(name, "STATIC"), *endpoints = envoy_endpoints(name);
	envoy_add_endpoint(endpoints, address, port);
	json_put(made, "load_assignment", endpoints);
	return made;
}

cJSON *envoy_eds_cluster(const char *name, const char *folder, const char *file)
{
	cJSON *made = cluster(name, "EDS");
	SCOPED(text) char *path = xasprintf("%s/%s.json", folder, file);
	json_put_string(made, "eds_cluster_config.eds_config.path_config_source.path", path);
	return made;
}

void envoy_reach(char into[16], const char *pod_ip)
{
	unsigned n, a, b;
	if (sscanf(pod_ip, "10.%u.%u.%u", &n, &a, &b) == 3 && n < 256 && a < 256 && b < 256)
		snprintf(into, 16, "127.%u.%u.%u", n, a, b);
	else
		text_copy(into, 16, pod_ip);
}
