/*
 * status_fuzz.c - any bytes as a status: reading is total, what is then written fits, and reading
 * that again gives the same.
 */
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/status.h"
#include "fuzz.h"

/* What the API server stores after a patch of `status`; NULL when there is none to write. */
static cJSON *stored(const cJSON *before, const struct status *status)
{
	struct error err = {0};
	cJSON *patch = status_patch(status, "1", "Deployment", INT64_C(1795412170000000), &err);
	REQUIRE((patch == NULL) == (err.kind != ERROR_NONE));
	if (patch == NULL)
		return NULL;
	cJSON *object = cJSON_CreateObject();
	if (before != NULL)
		cJSON_AddItemToObject(object, "status", cJSON_Duplicate(before, true));
	json_merge_patch(&object, patch);
	cJSON_Delete(patch);
	cJSON *result = cJSON_DetachItemFromObject(object, "status");
	cJSON_Delete(object);
	return result;
}

static void check(const cJSON *json)
{
	struct status status, again;
	char one[HASH_TEXT_MAX], two[HASH_TEXT_MAX];
	status_read(&status, json);
	REQUIRE(status.memory.debt_count <= DEBTS_MAX &&
		status.memory.history_count <= HISTORY_MAX);
	REQUIRE(status.canary_weight >= 0 && status.canary_weight <= 100);
	SCOPED(json) cJSON *first = stored(json, &status);
	if (first != NULL) {
		status_read(&again, first);
		REQUIRE(again.phase == status.phase);
		REQUIRE(again.memory.present == status.memory.present);
		status_checksum(&status, one);
		status_checksum(&again, two);
		REQUIRE(strcmp(one, two) == 0);
		SCOPED(json) cJSON *second = stored(first, &again);
		REQUIRE(json_equal(json_get(first, "conditions"), json_get(second, "conditions")));
		REQUIRE(json_equal(first, second));
		status_fini(&again);
	}
	status_fini(&status);
}

/* The bytes are a status, and also the document in its condition. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	SCOPED(text) char *text = xstrndup((const char *)bytes, len);
	SCOPED(json) cJSON *json = json_parse(text, strlen(text), NULL);
	if (json != NULL)
		check(json);
	if (len <= MEMORY_DOC_MAX) {
		SCOPED(json) cJSON *whole = cJSON_CreateObject();
		json_put_string(whole, "conditions[0].type", "Sluice");
		json_put_string(whole, "conditions[0].message", text);
		check(whole);
	}
	return 0;
}
