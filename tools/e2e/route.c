#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

char *route_cluster(const cJSON *reference, const char *namespace)
{
	return xasprintf("%s/%s", json_string_or(reference, "namespace", namespace),
			 json_string_or(reference, "name", ""));
}

/* {"unit": "ms", "value": 500} as "0.500s" */
static char *duration(const cJSON *span)
{
	double value = json_number(span, "value", 0);
	bool is_ms = text_equal(json_string(span, "unit"), "ms");
	return xasprintf("%.3fs", is_ms ? value / 1000 : value);
}

static cJSON *header_match(const cJSON *header)
{
	static const char *const kinds[][2] = {
		{"match.exact", "string_match.exact"},
		{"match.prefix", "string_match.prefix"},
		{"match.suffix", "string_match.suffix"},
		{"match.regex", "string_match.safe_regex.regex"},
	};
	cJSON *match = cJSON_CreateObject();
	json_put_string(match, "name", json_string_or(header, "name", ""));
	const cJSON *range = json_at(header, "match.range");
	bool found = false;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *text = json_string(header, kinds[i][0]);
		if (text == NULL)
			continue;
		json_put_string(match, kinds[i][1], text);
		found = true;
	}
	if (range != NULL)
		json_put(match, "range_match", cJSON_Duplicate(range, true));
	else if (!found)
		json_put_bool(match, "present_match", true);
	if (json_bool(header, "invert", false))
		json_put_bool(match, "invert_match", true);
	return match;
}

static cJSON *match_of(const cJSON *wanted)
{
	cJSON *match = cJSON_CreateObject(), *headers = cJSON_CreateArray();
	const char *exact = json_string(wanted, "path.exact");
	const char *regex = json_string(wanted, "path.regex");
	const char *method = json_string(wanted, "method");
	if (exact != NULL)
		json_put_string(match, "path", exact);
	else if (regex != NULL)
		json_put_string(match, "safe_regex.regex", regex);
	else
		json_put_string(match, "prefix", json_string_or(wanted, "prefix", "/"));
	const cJSON *header;
	cJSON_ArrayForEach(header, json_get(wanted, "headers"))
		cJSON_AddItemToArray(headers, header_match(header));
	if (method != NULL) {
		cJSON *item = cJSON_CreateObject();
		json_put_string(item, "name", ":method");
		json_put_string(item, "string_match.exact", method);
		cJSON_AddItemToArray(headers, item);
	}
	json_put(match, "headers", headers);
	return match;
}

/* Of the service, or its method, or of all that is gRPC. */
static cJSON *grpc_match_of(const cJSON *wanted)
{
	cJSON *match = cJSON_CreateObject(), *headers = cJSON_CreateArray();
	const char *service = json_string(wanted, "serviceName");
	const char *method = json_string(wanted, "methodName");
	SCOPED(text)
	char *path = xasprintf("/%s%s%s", service == NULL ? "" : service,
			       service == NULL ? "" : "/", method == NULL ? "" : method);
	json_put_string(match, method == NULL ? "prefix" : "path", path);
	json_put(match, "grpc", cJSON_CreateObject());
	const cJSON *metadata;
	cJSON_ArrayForEach(metadata, json_get(wanted, "metadata"))
		cJSON_AddItemToArray(headers, header_match(metadata));
	json_put(match, "headers", headers);
	return match;
}

static void add_word(struct buf *words, const char *word)
{
	buf_printf(words, "%s%s", words->len == 0 ? "" : ",", word);
}

/* App Mesh's names of what is tried again, in Envoy's. */
static void add_retry(cJSON *route, const cJSON *policy)
{
	static const char *const names[][2] = {
		{"server-error", "5xx"},
		{"gateway-error", "gateway-error"},
		{"client-error", "retriable-4xx"},
		{"stream-error", "refused-stream,reset"},
		{"connection-error", "connect-failure"},
		{"cancelled", "cancelled"},
		{"deadline-exceeded", "deadline-exceeded"},
		{"internal", "internal"},
		{"resource-exhausted", "resource-exhausted"},
		{"unavailable", "unavailable"},
	};
	static const char *const lists[] = {"httpRetryEvents", "tcpRetryEvents", "grpcRetryEvents"};
	SCOPED(buf) struct buf words = {0};
	buf_init(&words, KIB);
	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		const cJSON *event;
		cJSON_ArrayForEach(
			event,
			json_get(policy,
				 lists[l])) for (size_t i = 0; i < ARRAY_LEN(names);
						 i++) if (text_equal(cJSON_GetStringValue(event),
								     names[i][0]))
			add_word(&words, names[i][1]);
	}
	if (words.len == 0)
		return;
	SCOPED(text) char *per_try = duration(json_get(policy, "perRetryTimeout"));
	json_put_string(route, "route.retry_policy.retry_on", words.text);
	json_put_number(route, "route.retry_policy.num_retries",
			json_number(policy, "maxRetries", 1));
	json_put_string(route, "route.retry_policy.per_try_timeout", per_try);
}

static void add_split_header(cJSON *route, const char *split)
{
	cJSON *add = cJSON_CreateObject(), *list = cJSON_CreateArray();
	json_put_string(add, "header.key", "x-split");
	json_put_string(add, "header.value", split);
	json_put_string(add, "append_action", "OVERWRITE_IF_EXISTS_OR_ADD");
	cJSON_AddItemToArray(list, add);
	json_put(route, "request_headers_to_add", list);
}

static void refuse(cJSON *route, int status, const char *why)
{
	json_remove(route, "route");
	json_put_number(route, "direct_response.status", status);
	json_put_string(route, "direct_response.body.inline_string", why);
}

static void add_targets(cJSON *route, const char *name, const cJSON *targets, const char *namespace)
{
	cJSON *clusters = cJSON_CreateArray();
	SCOPED(buf) struct buf split = {0};
	buf_init(&split, KIB);
	double total = 0;
	const cJSON *target;
	cJSON_ArrayForEach(target, targets)
	{
		const cJSON *reference = json_get(target, "virtualNodeRef");
		SCOPED(text) char *cluster = route_cluster(reference, namespace);
		cJSON *item = cJSON_CreateObject();
		json_put_string(item, "name", cluster);
		json_put_number(item, "weight", json_number(target, "weight", 0));
		cJSON_AddItemToArray(clusters, item);
		total += json_number(target, "weight", 0);
		buf_printf(&split, "%s%s:%ld", split.len == 0 ? "" : ",",
			   json_string_or(reference, "name", ""), json_int(target, "weight", 0));
	}
	SCOPED(text) char *header = xasprintf("%s/%s", name, split.text);
	add_split_header(route, header);
	json_put(route, "route.weighted_clusters.clusters", clusters);
	if (total < 1)
		refuse(route, 503, "no target has a weight\n");
}

static cJSON *route_of(const cJSON *wanted, const char *namespace)
{
	cJSON *route = cJSON_CreateObject();
	const char *name = json_string_or(wanted, "name", "");
	const cJSON *http = json_get(wanted, "httpRoute"), *grpc = json_get(wanted, "grpcRoute");
	if (http == NULL)
		http = json_get(wanted, "http2Route");
	json_put_string(route, "name", name);
	json_put(route, "match",
		 grpc != NULL ? grpc_match_of(json_get(grpc, "match"))
			      : match_of(json_get(http, "match")));
	if (http == NULL)
		http = grpc;
	if (http == NULL) {
		log_warn(NULL, "route %s of %s is of TCP", name, namespace);
		refuse(route, 501, "this kind of route is not translated\n");
		return route;
	}
	const cJSON *timeout = json_at(http, "timeout.perRequest");
	if (timeout != NULL) {
		SCOPED(text) char *text = duration(timeout);
		json_put_string(route, "route.timeout", text);
	}
	const cJSON *retry = json_get(http, "retryPolicy");
	if (retry != NULL)
		add_retry(route, retry);
	add_targets(route, name, json_at(http, "action.weightedTargets"), namespace);
	return route;
}

static long priority(const cJSON *route)
{
	return json_int(route, "priority", 1001); /* App Mesh: 0 to 1000, and none is the last */
}

cJSON *routes_of_router(const cJSON *router)
{
	cJSON *sorted = cJSON_CreateArray(), *routes = cJSON_CreateArray();
	const char *namespace = json_string_or(router, "metadata.namespace", "");
	const cJSON *wanted;
	cJSON_ArrayForEach(wanted, json_at(router, "spec.routes"))
	{
		size_t at = 0;
		const cJSON *before;
		cJSON_ArrayForEach(before, sorted) at += priority(before) <= priority(wanted);
		json_insert(sorted, at, cJSON_Duplicate(wanted, true));
	}
	cJSON_ArrayForEach(wanted, sorted)
		cJSON_AddItemToArray(routes, route_of(wanted, namespace));
	cJSON_Delete(sorted);
	return routes;
}

cJSON *routes_to_node(const char *name, const char *cluster)
{
	cJSON *routes = cJSON_CreateArray(), *route = cJSON_CreateObject();
	SCOPED(text) char *header = xasprintf("%s/-", name);
	json_put_string(route, "match.prefix", "/");
	json_put_string(route, "route.cluster", cluster);
	add_split_header(route, header);
	cJSON_AddItemToArray(routes, route);
	return routes;
}
