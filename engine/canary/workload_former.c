/*
 * workload_former.c - what a primary ran before it was promoted to what it runs: kept on it as an
 * annotation, in the write that replaces it, so that an operator who aborts can have it back.
 */
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/workload.h"

static const char annotation[] = "sluice.dev/former-template";
static const char path_of_it[] = "/metadata/annotations/sluice.dev~1former-template";

static const char *former_text(const cJSON *primary)
{
	return json_string(json_at(primary, "metadata.annotations"),
			   "[\"sluice.dev/former-template\"]");
}

void workload_keep_former(const cJSON *primary, cJSON *annotations)
{
	SCOPED(text) char *text = json_text(json_at(primary, "spec.template"));
	cJSON_DeleteItemFromObjectCaseSensitive(annotations, annotation);
	if (strlen(text) <= FORMER_TEMPLATE_MAX)
		cJSON_AddStringToObject(annotations, annotation, text);
}

bool workload_has_former(const cJSON *primary)
{
	return former_text(primary) != NULL;
}

cJSON *workload_restoration(const cJSON *primary)
{
	struct error err = {0};
	const char *text = former_text(primary);
	cJSON *template = text == NULL ? NULL : json_parse(text, strlen(text), &err);
	if (template == NULL)
		return NULL;
	cJSON *patch = cJSON_CreateArray();
	json_patch_add(patch, "test", "/metadata/resourceVersion",
		       cJSON_CreateString(json_string_or(primary, "metadata.resourceVersion", "")));
	json_patch_add(patch, "replace", "/spec/template", template);
	json_patch_add(patch, "remove", path_of_it, NULL);
	return patch;
}
