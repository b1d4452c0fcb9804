#include "canary/abroad.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/path.h"

/* "name/uid": names have no slash. */
static const char mark[] = "sluice.dev/canary";

void abroad_mark(cJSON *object)
{
	const cJSON *owner = json_at(object, "metadata.ownerReferences[0]");
	cJSON *metadata = json_get(object, "metadata");
	if (!text_equal(json_string(owner, "kind"), kube_canary.kind))
		return;
	if (json_get(metadata, "annotations") == NULL)
		cJSON_AddObjectToObject(metadata, "annotations");
	SCOPED(text)
	char *whose = xasprintf("%s/%s", json_string_or(owner, "name", ""),
				json_string_or(owner, "uid", ""));
	cJSON_AddStringToObject(json_get(metadata, "annotations"), mark, whose);
}

cJSON *abroad_sent(const cJSON *body)
{
	if (json_get(json_get(body, "metadata"), "ownerReferences") == NULL)
		return NULL;
	cJSON *sent = json_copy(body);
	json_remove(sent, "metadata.ownerReferences");
	return sent;
}

void abroad_read(cJSON *object)
{
	const char *whose =
		cJSON_GetStringValue(json_get(json_at(object, "metadata.annotations"), mark));
	const char *slash = whose == NULL ? NULL : strchr(whose, '/');
	if (slash == NULL)
		return;
	SCOPED(text) char *name = xstrndup(whose, (size_t)(slash - whose));
	cJSON *owners = cJSON_CreateArray(), *owner = cJSON_CreateObject();
	json_put_string(owner, "apiVersion", kube_canary.api_version);
	json_put_string(owner, "kind", kube_canary.kind);
	json_put_string(owner, "name", name);
	json_put_string(owner, "uid", slash + 1);
	json_put_bool(owner, "controller", true);
	json_put_bool(owner, "blockOwnerDeletion", true);
	cJSON_AddItemToArray(owners, owner);
	json_put(object, "metadata.ownerReferences", owners);
}
