#include "canary/target.h"

#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

static const struct target_kind *const kinds[] = {
	&target_deployment,   &target_daemon_set, &target_service,
	&target_stateful_set, &target_knative,
};

const struct target_kind *target_find(const char *api_version, const char *kind)
{
	/* Two kinds have the name "Service". */
	if (text_starts(api_version, "serving.knative.dev/") && strcmp(kind, "Service") == 0)
		return &target_knative;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i]->kube.kind, kind) == 0)
			return kinds[i];
	return NULL;
}

const struct target_kind *target_of(const char *api_version, const char *plural)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i]->kube.plural, plural) == 0 &&
		    strcmp(kinds[i]->kube.api_version, api_version) == 0)
			return kinds[i];
	return NULL;
}

bool target_is_stopped(const struct target_kind *kind, const cJSON *workload)
{
	return kind->is_stopped != NULL && kind->is_stopped(workload);
}

cJSON *target_scale(const struct target_kind *kind, const cJSON *workload, long replicas)
{
	return kind->scale == NULL ? NULL : kind->scale(workload, replicas);
}

void target_hash(const struct target_kind *kind, const cJSON *target, char hash[HASH_TEXT_MAX])
{
	char hex[SHA256_HEX_SIZE];
	SCOPED(json) cJSON *made = kind->template == NULL ? NULL : kind->template(target);
	const cJSON *template = kind->template == NULL ? json_at(target, "spec.template") : made;
	SCOPED(text) char *text = template == NULL ? xstrdup("{}") : json_canonical(template);
	sha256_hex(text, strlen(text), hex);
	hex[16] = '\0';
	text_copy(hash, HASH_TEXT_MAX, hex);
}
