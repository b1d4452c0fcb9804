#include "sim/server.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

/* ---- what it asks ---- */

char *request_parameter(const char *url, const char *name)
{
	const char *query = strchr(url, '?');
	size_t len = strlen(name);
	for (const char *at = query == NULL ? NULL : query + 1; at != NULL && *at != '\0';) {
		size_t part = strcspn(at, "&");
		if (part > len && strncmp(at, name, len) == 0 && at[len] == '=') {
			char *value = xcalloc(1, part + 1);
			size_t out = 0;
			for (size_t i = len + 1; i < part; i++) {
				if (at[i] == '%' && i + 2 < part &&
				    isxdigit((unsigned char)at[i + 1]) &&
				    isxdigit((unsigned char)at[i + 2])) {
					const char hex[3] = {at[i + 1], at[i + 2], '\0'};
					value[out++] = (char)strtoul(hex, NULL, 16);
					i += 2;
				} else {
					value[out++] = at[i] == '+' ? ' ' : at[i];
				}
			}
			return value;
		}
		at += part + (at[part] == '&');
	}
	return NULL;
}

bool request_is_of(const struct kube_ref *collection, const struct kube_ref *item)
{
	return strcmp(item->api_version, collection->api_version) == 0 &&
	       strcmp(item->plural, collection->plural) == 0 &&
	       (collection->namespace[0] == '\0' ||
		strcmp(item->namespace, collection->namespace) == 0) &&
	       (collection->name[0] == '\0' || strcmp(item->name, collection->name) == 0);
}

bool request_wants_metadata(const struct exchange *exchange)
{
	return exchange->accept != NULL &&
	       strstr(exchange->accept, "PartialObjectMetadata") != NULL;
}

static cJSON *metadata_only(const cJSON *object)
{
	cJSON *partial = cJSON_CreateObject();
	json_put_string(partial, "apiVersion", "meta.k8s.io/v1");
	json_put_string(partial, "kind", "PartialObjectMetadata");
	cJSON_AddItemToObject(partial, "metadata", json_copy(json_get(object, "metadata")));
	return partial;
}

/* "a=b,c=d", "a==b" and "a!=b" only. */
static bool selected(const cJSON *object, const char *selector)
{
	const cJSON *labels = json_at(object, "metadata.labels");
	while (selector != NULL && *selector != '\0') {
		size_t len = strcspn(selector, ","), key = strcspn(selector, "=");
		bool not = key > 0 && key < len && selector[key - 1] == '!';
		SCOPED(text) char *name = xstrndup(selector, key - not );
		SCOPED(text)
		char *value = key < len ? xstrndup(selector + key + 1, len - key - 1) : xstrdup("");
		if (text_equal(cJSON_GetStringValue(json_get(labels, name)), value) == not )
			return false;
		selector += len + (selector[len] == ',');
	}
	return true;
}

/* The same for paths of fields: "involvedObject.name=podinfo". */
static bool matches_fields(const cJSON *object, const char *selector)
{
	while (selector != NULL && *selector != '\0') {
		size_t len = strcspn(selector, ","), key = strcspn(selector, "=");
		SCOPED(text) char *path = xstrndup(selector, key);
		SCOPED(text)
		char *value = key < len ? xstrndup(selector + key + 1, len - key - 1) : xstrdup("");
		if (strcmp(json_string_or(object, path, ""), value) != 0)
			return false;
		selector += len + (selector[len] == ',');
	}
	return true;
}

bool request_wants(const struct exchange *exchange, const struct kube_ref *collection,
		   const struct kube_ref *item, const cJSON *object)
{
	if (!request_is_of(collection, item))
		return false;
	SCOPED(text) char *labels = request_parameter(exchange->url, "labelSelector");
	SCOPED(text) char *fields = request_parameter(exchange->url, "fieldSelector");
	return selected(object, labels) && matches_fields(object, fields);
}

bool request_selects(const struct exchange *exchange)
{
	return strstr(exchange->url, "Selector=") != NULL;
}

cJSON *request_view(const struct exchange *exchange, const cJSON *object, const char *managed)
{
	cJSON *view = request_wants_metadata(exchange) ? metadata_only(object) : json_copy(object);
	json_put(view, "metadata.managedFields", json_parse(managed, strlen(managed), NULL));
	return view;
}

/* ---- refusals ---- */

cJSON *refusal(int code, const char *reason, const char *message)
{
	cJSON *status = cJSON_CreateObject();
	json_put_string(status, "kind", "Status");
	json_put_string(status, "apiVersion", "v1");
	json_put_string(status, "status", "Failure");
	json_put_string(status, "reason", reason);
	json_put_string(status, "message", message);
	json_put_number(status, "code", code);
	return status;
}

cJSON *refuse_not_found(const struct kube_ref *ref, int *code)
{
	SCOPED(text) char *message = xasprintf("%s \"%s\" not found", ref->plural, ref->name);
	*code = 404;
	return refusal(404, "NotFound", message);
}

cJSON *refuse_conflict(const struct kube_ref *ref, int *code)
{
	SCOPED(text)
	char *message = xasprintf(
		"Operation cannot be fulfilled on %s \"%s\": the object has been modified; please "
		"apply your changes to the latest version and try again",
		ref->plural, ref->name);
	*code = 409;
	return refusal(409, "Conflict", message);
}
