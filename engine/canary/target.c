#include "canary/target.h"

#include <string.h>

#include "base/mem.h"

static const struct target_kind *const kinds[] = {
	&target_deployment,
};

const struct target_kind *target_find(const char *api_version, const char *kind)
{
	(void)api_version;
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

const struct target_kind *target_at(size_t i)
{
	return i < ARRAY_LEN(kinds) ? kinds[i] : NULL;
}
