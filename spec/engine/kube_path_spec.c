#include "spec.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/path.h"

SPEC("kube path: an object is its path, in the core group, in others, and without a namespace")
{
	char path[KUBE_PATH_MAX];
	EXPECT(kube_path(path, &kube_service, "test", "podinfo"));
	EXPECT_TEXT(path, "/api/v1/namespaces/test/services/podinfo");
	EXPECT(kube_path(path, &kube_deployment, "test", NULL));
	EXPECT_TEXT(path, "/apis/apps/v1/namespaces/test/deployments");
	EXPECT(kube_path(path, &kube_canary, NULL, NULL));
	EXPECT_TEXT(path, "/apis/flagger.app/v1beta1/canaries");
	EXPECT(kube_path(path, &kube_namespace, "test", "test"));
	EXPECT_TEXT(path, "/api/v1/namespaces/test");
}

SPEC("kube path: a name never climbs out of its segment")
{
	static const char *const names[] = {"../../secrets/x", "a/b", "..",    ".",   "",
					    "a?watch=1",       "a#b", "a%2fb", "a b", "a\nb"};
	char path[KUBE_PATH_MAX];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		EXPECT(!kube_path(path, &kube_secret, "test", names[i]));
		EXPECT_TEXT(path, "");
		EXPECT(!kube_path(path, &kube_secret, names[i], "podinfo"));
	}
	EXPECT(kube_path(path, &kube_secret, "test", "system:kube.v1-x_y"));
}

SPEC("kube path: what does not fit is refused, not cut")
{
	char path[KUBE_PATH_MAX], name[KUBE_PATH_MAX];
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	EXPECT(!kube_path(path, &kube_secret, "test", name));
}

SPEC("kube path: an object knows its path but for the plural")
{
	SCOPED(json)
	cJSON *object = cJSON_Parse("{\"apiVersion\":\"appmesh.k8s.aws/v1beta2\",\"metadata\":"
				    "{\"name\":\"podinfo\",\"namespace\":\"test\"}}");
	char path[KUBE_PATH_MAX];
	EXPECT(kube_path_of(path, object, "virtualnodes"));
	EXPECT_TEXT(path, "/apis/appmesh.k8s.aws/v1beta2/namespaces/test/virtualnodes/podinfo");
	EXPECT(!kube_path_of(path, object, NULL));
	json_remove(object, "metadata.name");
	EXPECT(!kube_path_of(path, object, "virtualnodes"));
}

SPEC("kube path: reads back what it wrote, and what hangs below")
{
	struct kube_ref ref;
	EXPECT(kube_path_parse("/apis/apps/v1/namespaces/test/deployments/podinfo/status?x=/y",
			       &ref));
	EXPECT_TEXT(ref.api_version, "apps/v1");
	EXPECT_TEXT(ref.plural, "deployments");
	EXPECT_TEXT(ref.namespace, "test");
	EXPECT_TEXT(ref.name, "podinfo");
	EXPECT_TEXT(ref.subresource, "status");
	EXPECT(kube_path_parse("/api/v1/pods?limit=5", &ref));
	EXPECT_TEXT(ref.api_version, "v1");
	EXPECT_TEXT(ref.plural, "pods");
	EXPECT_TEXT(ref.name, "");
	EXPECT(kube_path_parse("/api/v1/namespaces/test", &ref));
	EXPECT_TEXT(ref.plural, "namespaces");
	EXPECT_TEXT(ref.name, "test");
	EXPECT_TEXT(ref.namespace, "");
	EXPECT(kube_path_parse("/api/v1/namespaces/test/pods", &ref));
	EXPECT_TEXT(ref.plural, "pods");
	EXPECT_TEXT(ref.namespace, "test");
	EXPECT(kube_path_parse("/api/v1/namespaces/test/status", &ref));
	EXPECT_TEXT(ref.plural, "namespaces");
	EXPECT_TEXT(ref.subresource, "status");
}

SPEC("kube path: what is no path of the API is refused")
{
	static const char *const paths[] = {"",
					    "/",
					    "/healthz",
					    "/api",
					    "/api/v1",
					    "/apis/apps",
					    "/apis/apps/v1",
					    "api/v1/pods",
					    "/api/v1//pods",
					    "/api/v1/pods/",
					    "/api/v1/pods/a/b/c",
					    "/api/v1/namespaces/test/pods/a/status/x"};
	struct kube_ref ref;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (kube_path_parse(paths[i], &ref))
			spec_fail(__FILE__, __LINE__, "%s was taken", paths[i]);
}
