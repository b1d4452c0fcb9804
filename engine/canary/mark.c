#include "canary/mark.h"

#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

static const char annotation[] = "sluice.dev/configs";
#define ANNOTATIONS "/spec/template/metadata/annotations"
static const char pointer[] = ANNOTATIONS "/sluice.dev~1configs";

static const cJSON *annotations_of(const cJSON *target)
{
	return json_at(target, "spec.template.metadata.annotations");
}

const char *mark_of(const cJSON *target)
{
	const char *mark = cJSON_GetStringValue(json_get(annotations_of(target), annotation));
	return mark == NULL ? "" : mark;
}

void mark_digest(const cJSON *tracked, char digest[HASH_TEXT_MAX])
{
	SCOPED(text) char *text = tracked == NULL ? xstrdup("{}") : json_canonical(tracked);
	char hex[SHA256_HEX_SIZE];
	sha256_hex(text, strlen(text), hex);
	hex[16] = '\0';
	text_copy(digest, HASH_TEXT_MAX, hex);
}

const char *mark_wanted(const struct memory *memory, const cJSON *target, const char *digest)
{
	if (memory->first_configs[0] == '\0' || digest == NULL)
		return mark_of(target);
	return strcmp(memory->first_configs, digest) == 0 ? memory->first_mark : digest;
}

void mark_put(cJSON *patch, const cJSON *target, const char *mark)
{
	const char *now = mark_of(target);
	if (strcmp(now, mark) == 0)
		return;
	if (mark[0] == '\0') {
		bool last = cJSON_GetArraySize(annotations_of(target)) == 1;
		json_patch_add(patch, "remove", last ? ANNOTATIONS : pointer, NULL);
		return;
	}
	if (json_at(target, "spec.template.metadata") == NULL)
		json_patch_add(patch, "add", "/spec/template/metadata", cJSON_CreateObject());
	if (annotations_of(target) == NULL)
		json_patch_add(patch, "add", ANNOTATIONS, cJSON_CreateObject());
	json_patch_add(patch, "add", pointer, cJSON_CreateString(mark));
}

cJSON *mark_without(const cJSON *target)
{
	cJSON *template = json_copy(json_at(target, "spec.template"));
	cJSON *metadata = json_get(template, "metadata");
	cJSON *annotations = json_get(metadata, "annotations");
	cJSON_DeleteItemFromObjectCaseSensitive(annotations, annotation);
	if (annotations != NULL && annotations->child == NULL)
		cJSON_DeleteItemFromObjectCaseSensitive(metadata, "annotations");
	return template;
}
