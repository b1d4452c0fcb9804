#include "traffic/appmesh_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/problems.h"

cJSON *appmesh_object(const struct canary_spec *spec, const char *version, const char *kind,
		      const char *name)
{
	cJSON *object = cJSON_CreateObject();
	SCOPED(text) char *api_version = xasprintf("appmesh.k8s.aws/%s", version);
	json_put_string(object, "apiVersion", api_version);
	json_put_string(object, "kind", kind);
	json_put_string(object, "metadata.name", name);
	json_put_string(object, "metadata.namespace", spec->namespace);
	json_put(object, "metadata.ownerReferences", workload_owners(spec));
	return object;
}

void appmesh_annotate_unmanaged(cJSON *object)
{
	json_put_string(object, "metadata.annotations[\"kustomize.toolkit.fluxcd.io/reconcile\"]",
			"disabled");
	json_put_string(object, "metadata.annotations[\"helm.toolkit.fluxcd.io/driftDetection\"]",
			"disabled");
}

void appmesh_annotate_gateway(const struct canary_spec *spec, cJSON *object)
{
	const cJSON *hosts = json_get(spec->service, "hosts"), *host;
	if (cJSON_GetArraySize(hosts) == 0)
		return;
	SCOPED(buf) struct buf domain = {0};
	buf_init(&domain, 16384);
	cJSON_ArrayForEach(host, hosts)
	{
		if (cJSON_IsString(host))
			buf_printf(&domain, "%s,", host->valuestring);
	}
	json_put_string(object, "metadata.annotations[\"gateway.appmesh.k8s.aws/expose\"]", "true");
	json_put_string(object, "metadata.annotations[\"gateway.appmesh.k8s.aws/domain\"]",
			domain.text);
	const char *timeout = json_string(spec->service, "timeout");
	if (timeout != NULL)
		json_put_string(object, "metadata.annotations[\"gateway.appmesh.k8s.aws/timeout\"]",
				timeout);
	long attempts = json_int(spec->service, "retries.attempts", 0);
	if (attempts > 0) {
		char text[24];
		snprintf(text, sizeof(text), "%ld", attempts);
		json_put_string(object, "metadata.annotations[\"gateway.appmesh.k8s.aws/retries\"]",
				text);
	}
}

const char *appmesh_protocol(const struct canary_spec *spec)
{
	return strstr(spec->port_name, "grpc") != NULL ? "grpc" : "http";
}

const char *appmesh_prefix(const struct canary_spec *spec)
{
	const char *prefix = json_string_or(spec->service, "match[0].uri.prefix", "");
	return prefix[0] == '\0' ? "/" : prefix;
}

static void add_header(cJSON *matches, const cJSON *header)
{
	static const char *const kinds[] = {"exact", "prefix", "regex", "suffix"};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *value = json_string(header, kinds[i]);
		if (value == NULL || value[0] == '\0')
			continue;
		cJSON *match = cJSON_CreateObject();
		json_put_string(match, "name", header->string);
		SCOPED(text) char *path = xasprintf("match.%s", kinds[i]);
		json_put_string(match, path, value);
		cJSON_AddItemToArray(matches, match);
		return;
	}
}

bool appmesh_can_match(const struct traffic_view *view, struct error *err)
{
	static const char *const others[] = {"queryParams", "sourceLabels"};
	const cJSON *match = appmesh_is_ab(view) ? view->match : NULL, *condition;
	cJSON_ArrayForEach(condition, match)
	{
		SCOPED(json) cJSON *one = cJSON_CreateArray();
		cJSON_AddItemToArray(one, cJSON_Duplicate(condition, true));
		SCOPED(json) cJSON *headers = appmesh_header_matches(one);
		bool good = cJSON_GetArraySize(headers) ==
				    cJSON_GetArraySize(json_get(condition, "headers")) &&
			    headers->child != NULL;
		for (size_t i = 0; i < ARRAY_LEN(others); i++)
			good &= cJSON_GetArraySize(json_get(condition, others[i])) == 0;
		if (!good)
			return error_set(err, ERROR_INVALID,
					 "spec.analysis.match: App Mesh tells requests apart by "
					 "headers alone, and not by empty ones");
	}
	return true;
}

void appmesh_check(const struct traffic_view *view, struct spec_problems *problems)
{
	struct error err = {0};
	if (!appmesh_can_match(view, &err))
		problem_error(problems, "spec.analysis.match", "%s", strchr(err.text, ' ') + 1);
}

cJSON *appmesh_header_matches(const cJSON *match)
{
	cJSON *matches = cJSON_CreateArray();
	const cJSON *condition, *header;
	cJSON_ArrayForEach(condition, match)
	{
		cJSON_ArrayForEach(header, json_get(condition, "headers"))
			add_header(matches, header);
	}
	return matches;
}

cJSON *appmesh_retry_events(const cJSON *retries)
{
	cJSON *events = cJSON_CreateArray();
	const char *text = json_string_or(retries, "retryOn", "");
	if (text[0] == '\0')
		text = "gateway-error";
	for (;;) {
		size_t len = strcspn(text, ",");
		SCOPED(text) char *event = xstrndup(text, len);
		cJSON_AddItemToArray(events, cJSON_CreateString(event));
		if (text[len] == '\0')
			return events;
		text += len + 1;
	}
}

double appmesh_ms(const cJSON *object, const char *field, double fallback)
{
	const char *text = json_string(object, field);
	int64_t us;
	if (text == NULL || !duration_parse(text, &us, NULL))
		return fallback;
	int64_t ms = us / DURATION_MS;
	return (double)ms;
}

bool appmesh_is_ab(const struct traffic_view *view)
{
	return cJSON_GetArraySize(view->match) > 0;
}

static const char *const plurals[][2] = {
	{"VirtualNode", "virtualnodes"},
	{"VirtualRouter", "virtualrouters"},
	{"VirtualService", "virtualservices"},
};

cJSON *appmesh_kinds(const struct traffic_driver *driver)
{
	cJSON *kinds = cJSON_CreateObject();
	const char *form = strchr(driver->name, ':');
	SCOPED(text)
	char *version = xasprintf("appmesh.k8s.aws/%s", form == NULL ? "v1beta1" : form + 1);
	cJSON *of_version = cJSON_AddObjectToObject(kinds, version);
	for (size_t i = 0; i < ARRAY_LEN(plurals); i++)
		cJSON_AddStringToObject(of_version, plurals[i][0], plurals[i][1]);
	return kinds;
}

const char *appmesh_plural(const struct traffic_driver *driver, const char *api_version,
			   const char *kind)
{
	(void)driver;
	if (!text_starts(api_version, "appmesh.k8s.aws/"))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(plurals); i++)
		if (strcmp(kind, plurals[i][0]) == 0)
			return plurals[i][1];
	return NULL;
}
