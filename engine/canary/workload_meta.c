#include "canary/workload_meta.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

cJSON *workload_owners(const struct canary_spec *spec)
{
	cJSON *owners = cJSON_CreateArray(), *owner = cJSON_CreateObject();
	json_put_string(owner, "apiVersion", "flagger.app/v1beta1");
	json_put_string(owner, "kind", "Canary");
	json_put_string(owner, "name", spec->name);
	json_put_string(owner, "uid", spec->uid);
	json_put_bool(owner, "controller", true);
	json_put_bool(owner, "blockOwnerDeletion", true);
	cJSON_AddItemToArray(owners, owner);
	return owners;
}

bool workload_is_owned(const struct canary_spec *spec, const cJSON *object)
{
	const cJSON *owner;
	cJSON_ArrayForEach(owner, json_at(object, "metadata.ownerReferences"))
	{
		if (json_bool(owner, "controller", false) &&
		    text_equal(json_string(owner, "kind"), "Canary") &&
		    text_equal(json_string(owner, "name"), spec->name))
			return true;
	}
	return false;
}

bool workload_selector(const cJSON *target, const struct workload_options *options,
		       struct selector_label *label, struct error *err)
{
	const cJSON *labels = json_at(target, "spec.selector.matchLabels");
	char all[200] = "", noun[32];
	for (const char *const *key = options->selector_labels; *key != NULL; key++) {
		const cJSON *value = json_get(labels, *key);
		if (cJSON_IsString(value)) {
			text_copy(label->key, sizeof(label->key), *key);
			text_copy(label->value, sizeof(label->value), value->valuestring);
			return true;
		}
		size_t len = strlen(all);
		snprintf(all + len, sizeof(all) - len, "%s%s", len == 0 ? "" : " ", *key);
	}
	text_copy(noun, sizeof(noun), json_string_or(target, "kind", "deployment"));
	for (char *c = noun; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return error_set(err, ERROR_INVALID,
			 "%s %s.%s spec.selector.matchLabels must contain one of [%s]", noun,
			 json_string_or(target, "metadata.name", ""),
			 json_string_or(target, "metadata.namespace", ""), all);
}

cJSON *meta_object(const struct canary_spec *spec, const char *api_version, const char *kind,
		   const char *name)
{
	cJSON *object = cJSON_CreateObject();
	json_put_string(object, "apiVersion", api_version);
	json_put_string(object, "kind", kind);
	json_put_string(object, "metadata.name", name);
	json_put_string(object, "metadata.namespace", spec->namespace);
	json_put(object, "metadata.ownerReferences", workload_owners(spec));
	return object;
}

void meta_set(cJSON *map, const char *key, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(map, key);
	cJSON_AddStringToObject(map, key, value);
}

static bool is_included(const char *key, const struct workload_options *options)
{
	for (const char *const *prefix = options->include_label_prefix; *prefix != NULL; prefix++)
		if (strcmp(*prefix, "*") == 0 || text_starts(key, *prefix))
			return true;
	return false;
}

cJSON *meta_included(const cJSON *labels, const struct workload_options *options)
{
	cJSON *kept = meta_without_toolkit(labels);
	for (cJSON *item = kept->child, *next; item != NULL; item = next) {
		next = item->next;
		if (!is_included(item->string, options))
			cJSON_Delete(cJSON_DetachItemViaPointer(kept, item));
	}
	return kept;
}

cJSON *meta_without_toolkit(const cJSON *map)
{
	cJSON *kept = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, map)
	{
		if (strstr(item->string, "toolkit.fluxcd.io") == NULL)
			cJSON_AddItemToObject(kept, item->string, cJSON_Duplicate(item, true));
	}
	return kept;
}

static const char *const marks[] = {"kustomize.toolkit.fluxcd.io/reconcile",
				    "helm.toolkit.fluxcd.io/driftDetection"};

void meta_unmanaged(cJSON *object)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		SCOPED(text) char *path = xasprintf("metadata.annotations[\"%s\"]", marks[i]);
		json_put_string(object, path, "disabled");
	}
}

void meta_managed(cJSON *patch)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		SCOPED(text) char *path = xasprintf("metadata.annotations[\"%s\"]", marks[i]);
		json_put(patch, path, cJSON_CreateNull());
	}
}
