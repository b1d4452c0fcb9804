#include "canary/managed.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/path.h"

static const char ours[] = "sluice";

static const cJSON *entries_of(const cJSON *object)
{
	return json_get(json_get(object, "metadata"), "managedFields");
}

static bool is_of(const cJSON *entry, const char *manager)
{
	return text_equal(json_string(entry, "manager"), manager) &&
	       json_string_or(entry, "subresource", "")[0] == '\0';
}

static bool is_applied(const cJSON *entry)
{
	return is_of(entry, ours) && text_equal(json_string(entry, "operation"), "Apply");
}

/* Ours by creating it, or Flagger's. */
static bool outlives(const cJSON *entry)
{
	return (is_of(entry, ours) || is_of(entry, "flagger")) &&
	       text_equal(json_string(entry, "operation"), "Update");
}

static bool is_a_canarys(const cJSON *object)
{
	const cJSON *owner;
	cJSON_ArrayForEach(owner, json_get(json_get(object, "metadata"), "ownerReferences"))
	{
		if (text_equal(json_string(owner, "kind"), kube_canary.kind))
			return true;
	}
	return false;
}

void managed_trim(cJSON *object)
{
	const cJSON *entry;
	bool needed = false;
	cJSON_ArrayForEach(entry, entries_of(object)) needed |=
		is_applied(entry) || outlives(entry);
	/* A Deployment is never applied. */
	if (!needed || !is_a_canarys(object) ||
	    text_equal(json_string(object, "kind"), kube_deployment.kind))
		cJSON_DeleteItemFromObjectCaseSensitive(json_get(object, "metadata"),
							"managedFields");
}

bool managed_outlive(const cJSON *live)
{
	const cJSON *entry;
	cJSON_ArrayForEach(entry, entries_of(live))
	{
		if (outlives(entry))
			return true;
	}
	return false;
}

/* ---- the upgrade ---- */

static void add_fields(cJSON *fields, const cJSON *other)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, other)
	{
		cJSON *mine = json_get(fields, member->string);
		if (mine == NULL)
			cJSON_AddItemToObject(fields, member->string, json_copy(member));
		else
			add_fields(mine, member);
	}
}

static cJSON *applied_in(cJSON *entries, const char *api_version)
{
	cJSON *entry;
	cJSON_ArrayForEach(entry, entries)
	{
		if (is_applied(entry) && text_equal(json_string(entry, "apiVersion"), api_version))
			return entry;
	}
	return NULL;
}

static void upgrade(cJSON *entries)
{
	cJSON *entry = entries->child, *next;
	for (; entry != NULL; entry = next) {
		next = entry->next;
		if (!outlives(entry))
			continue;
		cJSON *applied = applied_in(entries, json_string_or(entry, "apiVersion", ""));
		if (applied == NULL) {
			json_put_string(entry, "manager", ours);
			json_put_string(entry, "operation", "Apply");
		} else {
			add_fields(json_get(applied, "fieldsV1"), json_get(entry, "fieldsV1"));
			json_free(cJSON_DetachItemViaPointer(entries, entry));
		}
	}
}

cJSON *managed_upgrade(const cJSON *live)
{
	cJSON *patch = cJSON_CreateArray(), *entries = json_copy(entries_of(live));
	upgrade(entries);
	json_patch_add(patch, "replace", "/metadata/managedFields", entries);
	/* Another version is a conflict. */
	json_patch_add(patch, "replace", "/metadata/resourceVersion",
		       cJSON_CreateString(json_string_or(live, "metadata.resourceVersion", "")));
	return patch;
}

/* ---- what is left of earlier wishes ---- */

/* The element of a list that has these keys: {"name":"http"}; defaults of the API server, which
 * `list` need not say, do not count. */
const cJSON *managed_element(const cJSON *list, const char *keys_text)
{
	SCOPED(json) cJSON *keys = json_parse(keys_text, strlen(keys_text), NULL);
	const cJSON *item, *key;
	cJSON_ArrayForEach(item, list)
	{
		bool same = keys != NULL;
		cJSON_ArrayForEach(key, keys)
		{
			const cJSON *said = json_get(item, key->string);
			same &= said == NULL || json_equal(said, key);
		}
		if (same)
			return item;
	}
	return NULL;
}

static bool has_value(const cJSON *list, const char *text)
{
	SCOPED(json) cJSON *value = json_parse(text, strlen(text), NULL);
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		if (value != NULL && json_equal(item, value))
			return true;
	}
	return false;
}

/* Some field of a set is not said, see
 * https://pkg.go.dev/sigs.k8s.io/structured-merge-diff/v4/fieldpath#hdr-Serialization */
static bool has_more(const cJSON *fields, const cJSON *said)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, fields)
	{
		const char *name = member->string;
		if (text_starts(name, "v:") && !has_value(said, name + 2))
			return true;
		if (!text_starts(name, "f:") && !text_starts(name, "k:"))
			continue;
		const cJSON *below =
			name[0] == 'f' ? json_get(said, name + 2) : managed_element(said, name + 2);
		if (below == NULL || has_more(member, below))
			return true;
	}
	return false;
}

/* What it set by creating it has the API server's defaults with it, of built-in kinds. */
static bool has_defaults(const cJSON *object)
{
	const char *version = json_string_or(object, "apiVersion", "");
	return strcmp(version, "v1") == 0 || text_starts(version, "autoscaling/");
}

bool managed_has_more(const cJSON *live, const cJSON *wanted)
{
	const cJSON *entry;
	cJSON_ArrayForEach(entry, entries_of(live))
	{
		const cJSON *fields = json_get(entry, "fieldsV1");
		if (!is_applied(entry) && !outlives(entry))
			continue;
		if (!is_applied(entry) && has_defaults(live)) {
			if (has_more(json_get(fields, "f:metadata"), json_get(wanted, "metadata")))
				return true;
		} else if (has_more(fields, wanted)) {
			return true;
		}
	}
	return false;
}
