/*
 * path_fuzz.c - any text as the path of a request: its parts make the same path again.
 */

#include "base/mem.h"
#include "fuzz.h"
#include "kube/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	SCOPED(text) char *text = xstrndup((const char *)bytes, len);
	struct kube_ref ref = {0};
	if (!kube_path_parse(text, &ref))
		return 0;
	REQUIRE(ref.api_version[0] != '\0' && ref.plural[0] != '\0');
	const struct kube_kind kind = {.api_version = ref.api_version, .plural = ref.plural};
	char path[KUBE_PATH_MAX];
	if (ref.subresource[0] != '\0' || strchr(text, '?') != NULL)
		return 0;
	REQUIRE(kube_path(path, &kind, ref.namespace[0] != '\0' ? ref.namespace : NULL,
			  ref.name[0] != '\0' ? ref.name : NULL));
	REQUIRE(strcmp(path, text) == 0);
	return 0;
}
