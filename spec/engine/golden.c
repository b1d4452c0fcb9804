#include "golden.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

const struct golden_story golden_stories[] = {
	{"appmesh-v1beta2-seed-promotion", 100, 10, false, 0, NULL},
	{"appmesh-v1beta2-seed-rollback-errors", 97.25, 10, false, 0, NULL},
	{"appmesh-v1beta2-seed-rollback-latency", 100, 812, false, 0, NULL},
	{"appmesh-v1beta2-seed-rollback-no-data", 100, 10, true, 0, NULL},
	{"appmesh-v1beta2-weights", 100, 10, false, 0, NULL},
	{"appmesh-v1beta2-skip-analysis", 100, 10, false, 0, NULL},
	{"appmesh-v1beta2-ab", 100, 10, false, 0, NULL},
	{"appmesh-v1beta2-blue-green", 100, 10, false, 0, NULL},
	{"appmesh-v1beta2-every-gate", 100, 10, false, 0, NULL},
	{"appmesh-v1beta2-gateway", 100, 10, false, 0, NULL},
	{"appmesh-v1beta2-new-revision-in-mid-run", 100, 10, false, 20, "podinfo:3"},
	{"appmesh-v1beta2-reverted-in-mid-run", 100, 10, false, 20, "podinfo:1"},
	{"kubernetes-blue-green", 100, 10, false, 0, NULL},
	{"kubernetes-every-gate", 100, 10, false, 0, NULL},
	{"istio-weights", 100, 10, false, 0, NULL},
	{"istio-ab", 100, 10, false, 0, NULL},
	{"istio-ab-every-gate", 100, 10, false, 0, NULL},
	{"istio-blue-green", 100, 10, false, 0, NULL},
	{"istio-blue-green-mirror", 100, 10, false, 0, NULL},
	{"istio-mirror", 100, 10, false, 0, NULL},
	{"istio-delegation", 100, 10, false, 0, NULL},
	{"istio-tcp", 100, 10, false, 0, NULL},
	{"istio-session-affinity", 100, 10, false, 0, NULL},
	{"gatewayapi-v1-weights", 100, 10, false, 0, NULL},
	{"gatewayapi-v1-ab", 100, 10, false, 0, NULL},
	{"gatewayapi-v1-blue-green", 100, 10, false, 0, NULL},
	{"gatewayapi-v1-mirror", 100, 10, false, 0, NULL},
	{"gatewayapi-v1-session-affinity", 100, 10, false, 0, NULL},
	{"gatewayapi-v1beta1-weights", 100, 10, false, 0, NULL},
	{"gatewayapi-v1beta1-ab", 100, 10, false, 0, NULL},
	{"nginx-weights", 100, 10, false, 0, NULL},
	{"nginx-ab", 100, 10, false, 0, NULL},
	{"nginx-ab-regex", 100, 10, false, 0, NULL},
	{"nginx-blue-green", 100, 10, false, 0, NULL},
	{"smi-v1alpha1-weights", 100, 10, false, 0, NULL},
	{"smi-v1alpha2-weights", 100, 10, false, 0, NULL},
	{"smi-v1alpha2-ab", 100, 10, false, 0, NULL},
	{"smi-v1alpha3-weights", 100, 10, false, 0, NULL},
	{"smi-v1alpha3-blue-green", 100, 10, false, 0, NULL},
	{"linkerd-weights", 100, 10, false, 0, NULL},
	{"osm-weights", 100, 10, false, 0, NULL},
	{"contour-weights", 100, 10, false, 0, NULL},
	{"contour-ab", 100, 10, false, 0, NULL},
	{"contour-blue-green", 100, 10, false, 0, NULL},
	{"gloo-weights", 100, 10, false, 0, NULL},
	{"gloo-ab", 100, 10, false, 0, NULL},
	{"gloo-blue-green", 100, 10, false, 0, NULL},
	{"skipper-weights", 100, 10, false, 0, NULL},
	{"skipper-blue-green", 100, 10, false, 0, NULL},
	{"traefik-weights", 100, 10, false, 0, NULL},
	{"traefik-blue-green", 100, 10, false, 0, NULL},
	{"apisix-weights", 100, 10, false, 0, NULL},
	{"kuma-weights", 100, 10, false, 0, NULL},
};
const size_t golden_story_count = ARRAY_LEN(golden_stories);

/* Readiness is told by Flagger once a tick as it waits; timing is not compared. */
bool golden_is_waiting(const char *message)
{
	return strstr(message, " not ready: ") != NULL;
}

/* Told once a tick while it initializes. */
static bool is_repeated(const cJSON *events, const char *message)
{
	int count = cJSON_GetArraySize(events);
	return count > 0 && strcmp(message, "all the metrics providers are available!") == 0 &&
	       strcmp(cJSON_GetArrayItem(events, count - 1)->valuestring, message) == 0;
}

cJSON *golden_events(const cJSON *golden)
{
	cJSON *events = cJSON_CreateArray();
	const cJSON *step, *call;
	cJSON_ArrayForEach(step, json_get(golden, "steps"))
	{
		cJSON_ArrayForEach(call, json_get(step, "calls"))
		{
			const char *message =
				json_string_or(call, "body.metadata.eventMessage", "");
			if (text_equal(json_string(call, "to"), "event") &&
			    !golden_is_waiting(message) && !is_repeated(events, message))
				cJSON_AddItemToArray(events, cJSON_CreateString(message));
		}
	}
	return events;
}

cJSON *golden_hooks(const cJSON *golden)
{
	cJSON *hooks = cJSON_CreateArray();
	const cJSON *step, *call;
	cJSON_ArrayForEach(step, json_get(golden, "steps"))
	{
		cJSON_ArrayForEach(call, json_get(step, "calls"))
		{
			const char *to = json_string_or(call, "to", "");
			if (strcmp(to, "event") != 0)
				cJSON_AddItemToArray(hooks, cJSON_CreateString(to));
		}
	}
	return hooks;
}

void golden_add_status(cJSON *statuses, const char *phase, long weight)
{
	SCOPED(text) char *text = xasprintf("%s %ld", phase, weight);
	int count = cJSON_GetArraySize(statuses);
	if (count == 0 || strcmp(cJSON_GetArrayItem(statuses, count - 1)->valuestring, text) != 0)
		cJSON_AddItemToArray(statuses, cJSON_CreateString(text));
}

cJSON *golden_statuses(const cJSON *golden)
{
	cJSON *statuses = cJSON_CreateArray();
	const cJSON *step;
	cJSON_ArrayForEach(step, json_get(golden, "steps"))
		golden_add_status(statuses, json_string_or(step, "status.phase", ""),
				  json_int(step, "status.weight", 0));
	return statuses;
}

static const char *provider_of(const cJSON *golden)
{
	const cJSON *given;
	cJSON_ArrayForEach(given, json_get(golden, "given"))
	{
		if (text_equal(json_string(given, "kind"), "Canary"))
			return json_string_or(given, "spec.provider", "");
	}
	return "";
}

void golden_set_version(const cJSON *golden, cJSON *object)
{
	static const struct {
		const char *provider, *kind, *api_version;
	} versions[] = {
		{"gatewayapi:v1beta1", "HTTPRoute", "gateway.networking.k8s.io/v1beta1"},
		{"linkerd", "TrafficSplit", "split.smi-spec.io/v1alpha1"},
		{"smi:v1alpha1", "TrafficSplit", "split.smi-spec.io/v1alpha1"},
		{"osm", "TrafficSplit", "split.smi-spec.io/v1alpha2"},
		{"smi:v1alpha2", "TrafficSplit", "split.smi-spec.io/v1alpha2"},
		{"smi:v1alpha3", "TrafficSplit", "split.smi-spec.io/v1alpha3"},
	};
	const char *provider = provider_of(golden);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		if (strcmp(provider, versions[i].provider) == 0 &&
		    text_equal(json_string(object, "kind"), versions[i].kind))
			json_put_string(object, "apiVersion", versions[i].api_version);
}

char *golden_key(const cJSON *object)
{
	return xasprintf("%s/%s", json_string_or(object, "kind", ""),
			 json_string_or(object, "metadata.name", ""));
}

cJSON *golden_objects(const cJSON *golden)
{
	cJSON *objects = cJSON_CreateObject();
	const cJSON *step, *object;
	cJSON_ArrayForEach(step, json_get(golden, "steps"))
	{
		cJSON_ArrayForEach(object, json_get(step, "objects"))
		{
			SCOPED(text) char *key = golden_key(object);
			cJSON_DeleteItemFromObjectCaseSensitive(objects, key);
			cJSON *copy = cJSON_Duplicate(object, true);
			golden_set_version(golden, copy);
			cJSON_AddItemToObject(objects, key, copy);
		}
	}
	return objects;
}

void golden_drop_waiting(cJSON *events)
{
	for (cJSON *event = events->child, *next; event != NULL; event = next) {
		next = event->next;
		if (golden_is_waiting(event->valuestring))
			cJSON_Delete(cJSON_DetachItemViaPointer(events, event));
	}
}

char *golden_lines(const cJSON *texts)
{
	struct buf lines;
	buf_init(&lines, (size_t)MIB);
	const cJSON *text;
	cJSON_ArrayForEach(text, texts) buf_printf(&lines, "%s\n", text->valuestring);
	char *taken = buf_take(&lines);
	buf_fini(&lines);
	return taken;
}

bool golden_path(char path[KUBE_PATH_MAX], const cJSON *object)
{
	static const char *const irregular[][2] = {
		{"Canary", "canaries"},
		{"HTTPProxy", "httpproxies"},
		{"Ingress", "ingresses"},
	};
	const char *kind = json_string_or(object, "kind", "");
	for (size_t i = 0; i < ARRAY_LEN(irregular); i++)
		if (strcmp(kind, irregular[i][0]) == 0)
			return kube_path_of(path, object, irregular[i][1]);
	SCOPED(text) char *plural = xasprintf("%ss", kind);
	for (char *c = plural; *c != '\0'; c++)
		*c |= 0x20;
	return kube_path_of(path, object, plural);
}

/* Ten letters after the name of the cookie that all transcripts use. */
static void blank_cookie(char *text)
{
	static const char *const starts[] = {"flagger-cookie=", "flagger-cookie.*"};
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		char *found = strstr(text, starts[i]);
		if (found != NULL && strlen(found) >= strlen(starts[i]) + 10)
			memset(found + strlen(starts[i]), 'x', 10);
	}
}

static void blank_cookies(cJSON *json)
{
	if (cJSON_IsString(json))
		blank_cookie(json->valuestring);
	for (cJSON *child = json->child; child != NULL; child = child->next)
		blank_cookies(child);
}

cJSON *golden_spec(const cJSON *object)
{
	cJSON *spec = cJSON_Duplicate(json_get(object, "spec"), true);
	if (spec != NULL)
		blank_cookies(spec);
	return spec;
}

char *golden_differences(const char *name, const char *namespace)
{
	struct error err;
	struct buf text, lines;
	SCOPED(text) char *path = xasprintf("spec/golden/differences/%s.txt", name);
	buf_init(&text, (size_t)MIB);
	buf_init(&lines, (size_t)MIB);
	buf_puts(&lines, "");
	const char *at = file_read(path, &text, &err) ? text.text : "";
	while (at[0] == '#')
		at = strchr(at, '\n') + 1;
	for (const char *found; (found = strstr(at, "NAMESPACE")) != NULL;) {
		buf_add(&lines, at, (size_t)(found - at));
		buf_puts(&lines, namespace);
		at = found + strlen("NAMESPACE");
	}
	buf_puts(&lines, at);
	char *taken = buf_take(&lines);
	buf_fini(&text);
	buf_fini(&lines);
	return taken;
}
