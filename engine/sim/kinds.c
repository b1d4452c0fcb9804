#include "sim/kinds.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static const struct sim_kind builtin[] = {
	{"v1", "ConfigMap", "configmaps", "configmap", "cm", false},
	{"v1", "Endpoints", "endpoints", "endpoints", "ep", false},
	{"v1", "Event", "events", "event", "ev", false},
	{"v1", "Namespace", "namespaces", "namespace", "ns", true},
	{"v1", "Pod", "pods", "pod", "po", false},
	{"v1", "Secret", "secrets", "secret", "", false},
	{"v1", "Service", "services", "service", "svc", false},
	{"v1", "ServiceAccount", "serviceaccounts", "serviceaccount", "sa", false},
	{"apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions",
	 "customresourcedefinition", "crd", true},
	{"apps/v1", "ControllerRevision", "controllerrevisions", "controllerrevision", "", false},
	{"apps/v1", "DaemonSet", "daemonsets", "daemonset", "ds", false},
	{"apps/v1", "Deployment", "deployments", "deployment", "deploy", false},
	{"apps/v1", "ReplicaSet", "replicasets", "replicaset", "rs", false},
	{"apps/v1", "StatefulSet", "statefulsets", "statefulset", "sts", false},
	{"appmesh.k8s.aws/v1beta1", "VirtualNode", "virtualnodes", "virtualnode", "", false},
	{"appmesh.k8s.aws/v1beta1", "VirtualService", "virtualservices", "virtualservice", "",
	 false},
	{"appmesh.k8s.aws/v1beta2", "VirtualNode", "virtualnodes", "virtualnode", "", false},
	{"appmesh.k8s.aws/v1beta2", "VirtualRouter", "virtualrouters", "virtualrouter", "", false},
	{"appmesh.k8s.aws/v1beta2", "VirtualService", "virtualservices", "virtualservice", "",
	 false},
	{"autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers",
	 "horizontalpodautoscaler", "hpa", false},
	{"batch/v1", "CronJob", "cronjobs", "cronjob", "cj", false},
	{"batch/v1", "Job", "jobs", "job", "", false},
	{"coordination.k8s.io/v1", "Lease", "leases", "lease", "", false},
	{"discovery.k8s.io/v1", "EndpointSlice", "endpointslices", "endpointslice", "", false},
	{"flagger.app/v1beta1", "AlertProvider", "alertproviders", "alertprovider", "", false},
	{"flagger.app/v1beta1", "Canary", "canaries", "canary", "", false},
	{"flagger.app/v1beta1", "MetricTemplate", "metrictemplates", "metrictemplate", "", false},
	{"keda.sh/v1alpha1", "ScaledObject", "scaledobjects", "scaledobject", "so", false},
	{"networking.k8s.io/v1", "Ingress", "ingresses", "ingress", "ing", false},
	{"rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", "clusterrole", "", true},
	{"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings",
	 "clusterrolebinding", "", true},
	{"rbac.authorization.k8s.io/v1", "Role", "roles", "role", "", false},
	{"rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", "rolebinding", "", false},
	{"serving.knative.dev/v1", "Revision", "revisions", "revision", "", false},
	{"serving.knative.dev/v1", "Service", "services", "service", "ksvc", false},
};

/* ---- the kinds ---- */

static bool is_builtin(const char *api_version, const char *plural)
{
	for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
		if (strcmp(builtin[i].api_version, api_version) == 0 &&
		    strcmp(builtin[i].plural, plural) == 0)
			return true;
	return false;
}

static bool each_version(const cJSON *definition, kinds_call *call, void *owner)
{
	const cJSON *version;
	const char *plural = json_string_or(definition, "spec.names.plural", "");
	cJSON_ArrayForEach(version, json_at(definition, "spec.versions"))
	{
		SCOPED(text)
		char *api_version = xasprintf("%s/%s", json_string_or(definition, "spec.group", ""),
					      json_string_or(version, "name", ""));
		const struct sim_kind kind = {
			api_version,
			json_string_or(definition, "spec.names.kind", ""),
			plural,
			json_string_or(definition, "spec.names.singular", ""),
			json_string_or(definition, "spec.names.shortNames[0]", ""),
			text_equal(json_string(definition, "spec.scope"), "Cluster"),
		};
		if (!is_builtin(api_version, plural) && !call(owner, &kind))
			return false;
	}
	return true;
}

void kinds_each(const struct cluster *cluster, kinds_call *call, void *owner)
{
	for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
		if (!call(owner, &builtin[i]))
			return;
	SCOPED(json)
	cJSON *definitions =
		cluster_list(cluster, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
	const cJSON *definition;
	cJSON_ArrayForEach(definition, definitions)
	{
		if (!each_version(definition, call, owner))
			return;
	}
}

struct search {
	const char *api_version, *plural;
	struct sim_kind *kind;
	bool found;
};

static bool is_sought(void *owner, const struct sim_kind *kind)
{
	struct search *search = owner;
	if (strcmp(kind->api_version, search->api_version) != 0 ||
	    strcmp(kind->plural, search->plural) != 0)
		return true;
	*search->kind = *kind;
	search->found = true;
	return false;
}

bool kinds_find(const struct cluster *cluster, const char *api_version, const char *plural,
		struct sim_kind *kind)
{
	struct search search = {api_version, plural, kind, false};
	kinds_each(cluster, is_sought, &search);
	return search.found;
}

/* ---- discovery ---- */

static cJSON *document(const char *kind, const char *api_version)
{
	cJSON *json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "kind", kind);
	if (api_version != NULL)
		cJSON_AddStringToObject(json, "apiVersion", api_version);
	return json;
}

struct gathering {
	cJSON *into;
	const char *api_version; /* only of this one; NULL: of all */
};

static cJSON *group_of(cJSON *groups, const char *name)
{
	cJSON *group;
	cJSON_ArrayForEach(group, groups)
	{
		if (text_equal(json_string(group, "name"), name))
			return group;
	}
	group = cJSON_CreateObject();
	cJSON_AddStringToObject(group, "name", name);
	cJSON_AddArrayToObject(group, "versions");
	cJSON_AddItemToArray(groups, group);
	return group;
}

static bool add_group(void *owner, const struct sim_kind *kind)
{
	struct gathering *gathering = owner;
	const char *slash = strchr(kind->api_version, '/');
	if (slash == NULL)
		return true;
	SCOPED(text)
	char *name = xstrndup(kind->api_version, (size_t)(slash - kind->api_version));
	cJSON *group = group_of(gathering->into, name);
	cJSON *versions = json_get(group, "versions"), *version;
	cJSON_ArrayForEach(version, versions)
	{
		if (text_equal(json_string(version, "groupVersion"), kind->api_version))
			return true;
	}
	version = cJSON_CreateObject();
	cJSON_AddStringToObject(version, "groupVersion", kind->api_version);
	cJSON_AddStringToObject(version, "version", slash + 1);
	if (json_get(group, "preferredVersion") != NULL)
		cJSON_DeleteItemFromObjectCaseSensitive(group, "preferredVersion");
	cJSON_AddItemToObject(group, "preferredVersion", json_copy(version));
	cJSON_AddItemToArray(versions, version);
	return true;
}

static cJSON *groups_of(const struct cluster *cluster)
{
	cJSON *list = document("APIGroupList", "v1");
	struct gathering gathering = {cJSON_AddArrayToObject(list, "groups"), NULL};
	kinds_each(cluster, add_group, &gathering);
	return list;
}

static bool add_resource(void *owner, const struct sim_kind *kind)
{
	static const char *const verbs[] = {"create", "delete", "get",	 "list",
					    "patch",  "update", "watch", NULL};
	struct gathering *gathering = owner;
	if (strcmp(kind->api_version, gathering->api_version) != 0)
		return true;
	for (int status = 0; status <= 1; status++) {
		cJSON *resource = cJSON_CreateObject();
		SCOPED(text)
		char *name = xasprintf("%s%s", kind->plural, status ? "/status" : "");
		cJSON_AddStringToObject(resource, "name", name);
		cJSON_AddStringToObject(resource, "singularName", kind->singular);
		cJSON_AddBoolToObject(resource, "namespaced", !kind->cluster_scoped);
		cJSON_AddStringToObject(resource, "kind", kind->kind);
		cJSON *list = cJSON_AddArrayToObject(resource, "verbs");
		for (size_t i = 0; verbs[i] != NULL; i++)
			if (!status || i == 2 || i == 4 || i == 5)
				cJSON_AddItemToArray(list, cJSON_CreateString(verbs[i]));
		if (!status && kind->short_name[0] != '\0')
			cJSON_AddItemToArray(cJSON_AddArrayToObject(resource, "shortNames"),
					     cJSON_CreateString(kind->short_name));
		cJSON_AddItemToArray(gathering->into, resource);
	}
	return true;
}

static cJSON *resources_of(const struct cluster *cluster, const char *api_version)
{
	cJSON *list = document("APIResourceList", "v1");
	cJSON_AddStringToObject(list, "groupVersion", api_version);
	struct gathering gathering = {cJSON_AddArrayToObject(list, "resources"), api_version};
	kinds_each(cluster, add_resource, &gathering);
	if (cJSON_GetArraySize(gathering.into) > 0)
		return list;
	json_free(list);
	return NULL;
}

static cJSON *version_of_server(void)
{
	cJSON *version = cJSON_CreateObject();
	cJSON_AddStringToObject(version, "major", "1");
	cJSON_AddStringToObject(version, "minor", "33");
	cJSON_AddStringToObject(version, "gitVersion", "v1.33.0+sluice-sim");
	cJSON_AddStringToObject(version, "platform", "memory");
	return version;
}

/* ---- OpenAPI: only what makes kubectl leave validation to the server ---- */

static bool add_api_path(void *owner, const struct sim_kind *kind)
{
	struct gathering *gathering = owner;
	SCOPED(text)
	char *path = xasprintf("%s/%s", strchr(kind->api_version, '/') == NULL ? "api" : "apis",
			       kind->api_version);
	SCOPED(text) char *url = xasprintf("/openapi/v3/%s", path);
	if (json_get(gathering->into, path) == NULL)
		cJSON_AddStringToObject(cJSON_AddObjectToObject(gathering->into, path),
					"serverRelativeURL", url);
	return true;
}

static bool add_patch(void *owner, const struct sim_kind *kind)
{
	struct gathering *gathering = owner;
	const char *slash = strchr(kind->api_version, '/');
	if (strcmp(kind->api_version, gathering->api_version) != 0)
		return true;
	SCOPED(text)
	char *path =
		xasprintf("/%s/%s/%s%s/{name}", slash == NULL ? "api" : "apis", kind->api_version,
			  kind->cluster_scoped ? "" : "namespaces/{namespace}/", kind->plural);
	SCOPED(text)
	char *group = slash == NULL
			      ? xstrdup("")
			      : xstrndup(kind->api_version, (size_t)(slash - kind->api_version));
	cJSON *patch =
		cJSON_AddObjectToObject(cJSON_AddObjectToObject(gathering->into, path), "patch");
	cJSON *named = cJSON_AddObjectToObject(patch, "x-kubernetes-group-version-kind");
	cJSON_AddStringToObject(named, "group", group);
	cJSON_AddStringToObject(named, "version", slash == NULL ? kind->api_version : slash + 1);
	cJSON_AddStringToObject(named, "kind", kind->kind);
	cJSON *parameter = cJSON_CreateObject();
	cJSON_AddStringToObject(parameter, "name", "fieldValidation");
	cJSON_AddStringToObject(parameter, "in", "query");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(patch, "parameters"), parameter);
	return true;
}

static cJSON *openapi(const struct cluster *cluster, const char *path)
{
	const char *of = path + strlen("/openapi/v3");
	cJSON *json = cJSON_CreateObject();
	struct gathering gathering = {NULL, NULL};
	if (of[0] != '/') {
		gathering.into = cJSON_AddObjectToObject(json, "paths");
		kinds_each(cluster, add_api_path, &gathering);
		return json;
	}
	gathering.api_version = strchr(of + 1, '/') == NULL ? "" : strchr(of + 1, '/') + 1;
	cJSON_AddStringToObject(json, "openapi", "3.0.0");
	cJSON *info = cJSON_AddObjectToObject(json, "info");
	cJSON_AddStringToObject(info, "title", "sluice sim");
	cJSON_AddStringToObject(info, "version", SLUICE_VERSION);
	gathering.into = cJSON_AddObjectToObject(json, "paths");
	kinds_each(cluster, add_patch, &gathering);
	return json;
}

static cJSON *discover_group(const struct cluster *cluster, const char *rest)
{
	if (strchr(rest, '/') != NULL)
		return strchr(strchr(rest, '/') + 1, '/') == NULL ? resources_of(cluster, rest)
								  : NULL;
	SCOPED(json) cJSON *groups = groups_of(cluster);
	cJSON *group;
	cJSON_ArrayForEach(group, json_get(groups, "groups"))
	{
		if (!text_equal(json_string(group, "name"), rest))
			continue;
		cJSON *found = json_copy(group);
		cJSON_AddStringToObject(found, "kind", "APIGroup");
		cJSON_AddStringToObject(found, "apiVersion", "v1");
		return found;
	}
	return NULL;
}

cJSON *kinds_discover(const struct cluster *cluster, const char *path)
{
	if (strcmp(path, "/version") == 0)
		return version_of_server();
	if (strcmp(path, "/api") == 0) {
		cJSON *versions = document("APIVersions", NULL);
		cJSON_AddItemToArray(cJSON_AddArrayToObject(versions, "versions"),
				     cJSON_CreateString("v1"));
		return versions;
	}
	if (strcmp(path, "/apis") == 0)
		return groups_of(cluster);
	if (strcmp(path, "/api/v1") == 0)
		return resources_of(cluster, "v1");
	if (text_starts(path, "/openapi/v3"))
		return openapi(cluster, path);
	if (text_starts(path, "/apis/"))
		return discover_group(cluster, path + strlen("/apis/"));
	return NULL;
}
