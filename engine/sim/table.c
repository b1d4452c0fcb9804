#include "sim/table.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"

enum { COLUMNS_MAX = 6 };

struct column {
	const char *name;
	const char *
		path; /* json.h; "age:PATH": how long ago; "ready:": a Deployment's; "count:PATH" */
};

static const struct {
	const char *plural;
	struct column columns[COLUMNS_MAX + 1];
} kinds[] = {
	{"canaries",
	 {{"Status", "status.phase"},
	  {"Weight", "status.canaryWeight"},
	  {"LastTransitionTime", "status.lastTransitionTime"}}},
	{"deployments",
	 {{"Ready", "ready:"},
	  {"Up-to-date", "status.updatedReplicas"},
	  {"Available", "status.availableReplicas"},
	  {"Age", "age:metadata.creationTimestamp"}}},
	{"daemonsets",
	 {{"Desired", "status.desiredNumberScheduled"},
	  {"Up-to-date", "status.updatedNumberScheduled"},
	  {"Available", "status.numberAvailable"},
	  {"Age", "age:metadata.creationTimestamp"}}},
	{"statefulsets",
	 {{"Ready", "status.readyReplicas"},
	  {"Up-to-date", "status.updatedReplicas"},
	  {"Age", "age:metadata.creationTimestamp"}}},
	{"services",
	 {{"Type", "spec.type"},
	  {"Cluster-IP", "spec.clusterIP"},
	  {"Port", "spec.ports[0].port"},
	  {"Age", "age:metadata.creationTimestamp"}}},
	{"configmaps", {{"Data", "count:data"}, {"Age", "age:metadata.creationTimestamp"}}},
	{"events",
	 {{"Last Seen", "age:lastTimestamp"},
	  {"Type", "type"},
	  {"Reason", "reason"},
	  {"Object", "involvedObject.name"},
	  {"Message", "message"}}},
	{"metrictemplates", {{"Provider", "spec.provider.type"}}},
	{"alertproviders", {{"Type", "spec.type"}}},
};

static const struct column plain[] = {{"Age", "age:metadata.creationTimestamp"}, {NULL, NULL}};

static const struct column *columns_of(const char *plural)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].plural, plural) == 0)
			return kinds[i].columns;
	return plain;
}

/* As kubectl shortens it: "75s", "3m", "26h", "9d". */
static char *age_text(const char *since, int64_t now_us)
{
	int64_t then_us;
	if (since == NULL || !time_parse(since, &then_us, NULL))
		return xstrdup("<unknown>");
	int64_t seconds = (now_us - then_us) / DURATION_SECOND;
	if (seconds < 0)
		seconds = 0;
	if (seconds < 120)
		return xasprintf("%llds", (long long)seconds);
	if (seconds < 3 * 3600)
		return xasprintf("%lldm", (long long)seconds / 60);
	if (seconds < 48 * 3600)
		return xasprintf("%lldh", (long long)seconds / 3600);
	return xasprintf("%lldd", (long long)seconds / 86400);
}

static cJSON *cell(const cJSON *object, const char *path, int64_t now_us)
{
	if (text_starts(path, "age:")) {
		SCOPED(text) char *age = age_text(json_string(object, path + 4), now_us);
		return cJSON_CreateString(age);
	}
	if (text_starts(path, "count:"))
		return cJSON_CreateNumber(cJSON_GetArraySize(json_at(object, path + 6)));
	if (strcmp(path, "ready:") == 0) {
		SCOPED(text)
		char *ready = xasprintf("%ld/%ld", json_int(object, "status.readyReplicas", 0),
					json_int(object, "spec.replicas", 1));
		return cJSON_CreateString(ready);
	}
	const cJSON *value = json_at(object, path);
	if (value == NULL)
		return cJSON_CreateString("");
	return json_copy(value);
}

static void add_definition(cJSON *definitions, const char *name)
{
	cJSON *definition = cJSON_CreateObject();
	cJSON_AddStringToObject(definition, "name", name);
	cJSON_AddStringToObject(definition, "type", "string");
	cJSON_AddStringToObject(definition, "format", strcmp(name, "Name") == 0 ? "name" : "");
	cJSON_AddStringToObject(definition, "description", "");
	cJSON_AddNumberToObject(definition, "priority", 0);
	cJSON_AddItemToArray(definitions, definition);
}

static void add_row(cJSON *rows, const cJSON *object, const struct column *columns, bool name_first,
		    int64_t now_us)
{
	cJSON *row = cJSON_CreateObject(), *cells = cJSON_AddArrayToObject(row, "cells");
	if (name_first)
		cJSON_AddItemToArray(
			cells, cJSON_CreateString(json_string_or(object, "metadata.name", "")));
	for (size_t i = 0; columns[i].name != NULL; i++)
		cJSON_AddItemToArray(cells, cell(object, columns[i].path, now_us));
	cJSON *partial = cJSON_AddObjectToObject(row, "object");
	cJSON_AddStringToObject(partial, "kind", "PartialObjectMetadata");
	cJSON_AddStringToObject(partial, "apiVersion", "meta.k8s.io/v1");
	cJSON_AddItemToObject(partial, "metadata", json_copy(json_get(object, "metadata")));
	cJSON_AddItemToArray(rows, row);
}

cJSON *table_of(const cJSON *object_or_list, const char *plural, int64_t now_us)
{
	const struct column *columns = columns_of(plural);
	bool name_first = strcmp(plural, "events") != 0;
	cJSON *table = cJSON_CreateObject();
	cJSON_AddStringToObject(table, "kind", "Table");
	cJSON_AddStringToObject(table, "apiVersion", "meta.k8s.io/v1");
	const char *version = json_string(object_or_list, "metadata.resourceVersion");
	cJSON *metadata = cJSON_AddObjectToObject(table, "metadata");
	if (version != NULL)
		cJSON_AddStringToObject(metadata, "resourceVersion", version);
	const char *rest = json_string(object_or_list, "metadata.continue");
	if (rest != NULL)
		cJSON_AddStringToObject(metadata, "continue", rest);
	cJSON *definitions = cJSON_AddArrayToObject(table, "columnDefinitions");
	if (name_first)
		add_definition(definitions, "Name");
	for (size_t i = 0; columns[i].name != NULL; i++)
		add_definition(definitions, columns[i].name);
	cJSON *rows = cJSON_AddArrayToObject(table, "rows");
	const cJSON *items = json_get(object_or_list, "items"), *item;
	if (!cJSON_IsArray(items))
		add_row(rows, object_or_list, columns, name_first, now_us);
	else
		cJSON_ArrayForEach(item, items) add_row(rows, item, columns, name_first, now_us);
	return table;
}
