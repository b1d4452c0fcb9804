/*
 * json_fuzz.c - any bytes as JSON: what is read is written and read again as the same. Parts that
 * NUL bytes separate are a document, a patch of either kind, and a path.
 */

#include "base/json.h"
#include "base/mem.h"
#include "fuzz.h"

/* Cuts the next part off. */
static char *part(const uint8_t **at, const uint8_t *end)
{
	const uint8_t *stop = memchr(*at, 0, (size_t)(end - *at));
	if (stop == NULL)
		stop = end;
	char *text = xmalloc((size_t)(stop - *at) + 1);
	memcpy(text, *at, (size_t)(stop - *at));
	text[stop - *at] = '\0';
	*at = stop < end ? stop + 1 : end;
	return text;
}

static void check_text(const cJSON *json)
{
	SCOPED(text) char *text = json_text(json);
	SCOPED(json) cJSON *again = json_parse(text, strlen(text), NULL);
	REQUIRE(again != NULL && json_equal(json, again) && json_covers(again, json));
	SCOPED(text) char *second = json_text(again);
	REQUIRE(strcmp(text, second) == 0);
	SCOPED(text) char *one = json_canonical(json);
	SCOPED(text) char *two = json_canonical(again);
	REQUIRE(strcmp(one, two) == 0);
}

static void check_patches(const cJSON *json, const cJSON *patch)
{
	SCOPED(json) cJSON *merged = cJSON_Duplicate(json, true);
	json_merge_patch(&merged, patch);
	REQUIRE(merged != NULL);
	SCOPED(json) cJSON *twice = cJSON_Duplicate(merged, true);
	json_merge_patch(&twice, patch);
	REQUIRE(json_equal(merged, twice));
	SCOPED(json) cJSON *patched = cJSON_Duplicate(json, true);
	struct error err = {0};
	if (!json_patch(&patched, patch, &err)) {
		REQUIRE_SENTENCE(err);
		REQUIRE(json_equal(patched, json)); /* all or nothing */
	}
	check_text(patched);
}

/* Paths are ours: whoever makes one from a key has read that key as UTF-8. */
static bool is_utf8(const char *text)
{
	size_t len = strlen(text), at = 0, one = 1;
	while (at < len && one > 0) {
		one = utf8_length(text + at, len - at);
		at += one;
	}
	return one > 0;
}

static void check_path(const cJSON *json, const char *path)
{
	SCOPED(json) cJSON *changed = cJSON_Duplicate(json, true);
	const cJSON *found = json_at(json, path);
	REQUIRE(found == NULL || json_string(json, path) == cJSON_GetStringValue(found));
	json_int(json, path, 1);
	json_bool(json, path, false);
	json_remove(changed, path);
	json_put_string(changed, path, "new");
	check_text(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const uint8_t *at = bytes, *end = bytes + len;
	struct error err = {0};
	SCOPED(text) char *first = part(&at, end);
	SCOPED(json) cJSON *json = json_parse(first, strlen(first), &err);
	if (json == NULL) {
		REQUIRE_SENTENCE(err);
		return 0;
	}
	require_utf8(first, strlen(first));
	check_text(json);
	SCOPED(text) char *second = part(&at, end);
	SCOPED(json) cJSON *patch = json_parse(second, strlen(second), NULL);
	if (patch != NULL)
		check_patches(json, patch);
	SCOPED(text) char *path = part(&at, end);
	if (cJSON_IsObject(json) && is_utf8(path))
		check_path(json, path);
	return 0;
}
