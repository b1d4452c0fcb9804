#include <string.h>

#include "base/mem.h"
#include "traffic/drivers.h"

const struct traffic_driver *traffic_find(const char *provider, struct error *err)
{
	if (text_starts(provider, "appmesh:v1beta2"))
		return &traffic_appmesh_v1beta2;
	if (strcmp(provider, "appmesh") == 0)
		return &traffic_appmesh_v1beta1;
	if (strcmp(provider, "kubernetes") == 0 || strcmp(provider, "none") == 0)
		return &traffic_kubernetes;
	error_set(err, ERROR_NOT_FOUND,
		  "there is no provider \"%s\"; there are appmesh, appmesh:v1beta2, kubernetes",
		  provider);
	return NULL;
}

const char *traffic_plural(const char *api_version, const char *kind)
{
	static const struct {
		const char *group, *kind, *plural;
	} plurals[] = {
		{"appmesh.k8s.aws/", "VirtualNode", "virtualnodes"},
		{"appmesh.k8s.aws/", "VirtualRouter", "virtualrouters"},
		{"appmesh.k8s.aws/", "VirtualService", "virtualservices"},
	};
	for (size_t i = 0; i < ARRAY_LEN(plurals); i++)
		if (text_starts(api_version, plurals[i].group) &&
		    strcmp(kind, plurals[i].kind) == 0)
			return plurals[i].plural;
	return NULL;
}
