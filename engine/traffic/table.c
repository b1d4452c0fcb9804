#include "traffic/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "script/driver.h"
#include "traffic/drivers.h"

static const struct {
	const char *name;
	size_t at;
} abilities[] = {
	{"weights", offsetof(struct traffic_driver, can_weigh)},
	{"match", offsetof(struct traffic_driver, can_match)},
	{"mirror", offsetof(struct traffic_driver, can_mirror)},
	{"sticky", offsetof(struct traffic_driver, can_stick)},
};

static bool can(const struct traffic_driver *driver, size_t i)
{
	return *(const bool *)((const char *)driver + abilities[i].at);
}

static void add_row(cJSON *table, const char *provider, const struct traffic_driver *driver)
{
	cJSON *row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "provider", provider);
	for (size_t i = 0; i < ARRAY_LEN(abilities); i++)
		cJSON_AddBoolToObject(row, abilities[i].name, can(driver, i));
	cJSON *kinds = cJSON_AddArrayToObject(row, "adopts");
	const cJSON *kind;
	cJSON_ArrayForEach(kind, driver->adopted)
	{
		cJSON_AddItemToArray(kinds, cJSON_CreateString(kind->string));
	}
	cJSON_AddItemToArray(table, row);
}

/* A file may have forms, which are versions of an API: those it knows by the name it is asked for.
 */
static void add_forms(cJSON *table, const char *name)
{
	static const char *const forms[] = {"",		"v1",	   "v1alpha1", "v1alpha2",
					    "v1alpha3", "v1beta1", "v1beta2"};
	struct error first = {0};
	int before = cJSON_GetArraySize(table);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct error err = {0};
		SCOPED(text)
		char *provider = xasprintf("%s%s%s", name, i == 0 ? "" : ":", forms[i]);
		const struct traffic_driver *driver = traffic_find(provider, &err);
		if (driver != NULL && (i == 0 || strcmp(driver->name, provider) == 0))
			add_row(table, provider, driver);
		else if (i == 0)
			first = err;
	}
	if (cJSON_GetArraySize(table) > before)
		return;
	cJSON *row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "provider", name);
	cJSON_AddStringToObject(row, "wrong", first.text);
	cJSON_AddItemToArray(table, row);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static cJSON *table_of(void)
{
	static const char *const native[] = {"appmesh", "kubernetes", "none"};
	cJSON *table = cJSON_CreateArray();
	char *names[DRIVER_NAMES_MAX + ARRAY_LEN(native)];
	size_t count = driver_names("traffic", names);
	for (size_t i = 0; i < ARRAY_LEN(native); i++)
		names[count++] = xstrdup(native[i]);
	qsort(names, count, sizeof(names[0]), compare);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			add_forms(table, names[i]);
	}
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	return table;
}

char *traffic_table_json(void)
{
	SCOPED(json) cJSON *table = table_of();
	return json_text(table);
}

static void print_row(struct buf *text, const cJSON *row)
{
	buf_printf(text, "%-20s", json_string_or(row, "provider", ""));
	const char *wrong = json_string(row, "wrong");
	if (wrong != NULL) {
		buf_printf(text, " %s\n", wrong);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(abilities); i++)
		buf_printf(text, " %-8s", json_bool(row, abilities[i].name, false) ? "yes" : "-");
	const cJSON *kind, *kinds = json_get(row, "adopts");
	cJSON_ArrayForEach(kind, kinds)
	{
		buf_printf(text, "%s%s", kind == kinds->child ? " " : ", ", kind->valuestring);
	}
	buf_printf(text, "%s\n", cJSON_GetArraySize(kinds) == 0 ? " -" : "");
}

char *traffic_table_text(void)
{
	SCOPED(json) cJSON *table = table_of();
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 64UL * KIB);
	buf_printf(&text, "%-20s", "provider");
	for (size_t i = 0; i < ARRAY_LEN(abilities); i++)
		buf_printf(&text, " %-8s", abilities[i].name);
	buf_printf(&text, " adopts\n");
	const cJSON *row;
	cJSON_ArrayForEach(row, table) print_row(&text, row);
	return buf_take(&text);
}
