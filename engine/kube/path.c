#include "kube/path.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

const struct kube_kind kube_canary = {"flagger.app/v1beta1", "Canary", "canaries", false};
const struct kube_kind kube_metric_template = {"flagger.app/v1beta1", "MetricTemplate",
					       "metrictemplates", false};
const struct kube_kind kube_alert_provider = {"flagger.app/v1beta1", "AlertProvider",
					      "alertproviders", false};
const struct kube_kind kube_deployment = {"apps/v1", "Deployment", "deployments", false};
const struct kube_kind kube_service = {"v1", "Service", "services", false};
const struct kube_kind kube_config_map = {"v1", "ConfigMap", "configmaps", false};
const struct kube_kind kube_secret = {"v1", "Secret", "secrets", false};
const struct kube_kind kube_hpa = {"autoscaling/v2", "HorizontalPodAutoscaler",
				   "horizontalpodautoscalers", false};
const struct kube_kind kube_scaled_object = {"keda.sh/v1alpha1", "ScaledObject", "scaledobjects",
					     false};
const struct kube_kind kube_event = {"v1", "Event", "events", false};
const struct kube_kind kube_lease = {"coordination.k8s.io/v1", "Lease", "leases", false};
const struct kube_kind kube_namespace = {"v1", "Namespace", "namespaces", true};
const struct kube_kind kube_pod = {"v1", "Pod", "pods", false};
const struct kube_kind kube_endpoint_slice = {"discovery.k8s.io/v1", "EndpointSlice",
					      "endpointslices", false};

/* Names come from objects that users write, so none may climb out of its segment. What a server
 * accepts as a name is narrower still (RFC 1123; RBAC adds ':'). */
static bool segment_is_safe(const char *segment)
{
	if (segment[0] == '\0' || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
		return false;
	for (const char *c = segment; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || *c == '/' ||
		    *c == '?' || *c == '#' || *c == '%' || *c == '\\' || *c == '"')
			return false;
	return true;
}

/* "v1" or "group/version". */
static bool version_is_safe(const char *api_version)
{
	const char *slash = strchr(api_version, '/');
	if (slash == NULL)
		return segment_is_safe(api_version);
	char group[128];
	size_t len = (size_t)(slash - api_version);
	if (len >= sizeof(group))
		return false;
	memcpy(group, api_version, len);
	group[len] = '\0';
	return segment_is_safe(group) && segment_is_safe(slash + 1);
}

bool kube_path(char path[KUBE_PATH_MAX], const struct kube_kind *kind, const char *namespace,
	       const char *name)
{
	path[0] = '\0';
	if (!version_is_safe(kind->api_version) || !segment_is_safe(kind->plural) ||
	    (namespace != NULL && !segment_is_safe(namespace)) ||
	    (name != NULL && !segment_is_safe(name)))
		return false;
	bool is_core = strchr(kind->api_version, '/') == NULL;
	bool has_namespace = namespace != NULL && !kind->cluster_scoped;
	const char *const parts[] = {is_core ? "/api/" : "/apis/",
				     kind->api_version,
				     has_namespace ? "/namespaces/" : "",
				     has_namespace ? namespace : "",
				     "/",
				     kind->plural,
				     name ? "/" : "",
				     name ? name : ""};
	size_t at = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t len = strlen(parts[i]);
		if (at + len >= KUBE_PATH_MAX) {
			path[0] = '\0';
			return false;
		}
		memcpy(path + at, parts[i], len + 1);
		at += len;
	}
	return true;
}

bool kube_path_of(char path[KUBE_PATH_MAX], const cJSON *object, const char *plural)
{
	path[0] = '\0';
	const char *name = json_string(object, "metadata.name");
	const char *api_version = json_string(object, "apiVersion");
	if (plural == NULL || name == NULL || api_version == NULL)
		return false;
	struct kube_kind kind = {.api_version = api_version, .plural = plural};
	return kube_path(path, &kind, json_string(object, "metadata.namespace"), name);
}

/* The next segment of `*rest`, copied; false when there is none, it is empty or does not fit. */
static bool take_segment(const char **rest, char *into, size_t size)
{
	const char *at = *rest;
	if (*at != '/')
		return false;
	at++;
	size_t len = strcspn(at, "/?");
	if (len == 0 || len >= size)
		return false;
	memcpy(into, at, len);
	into[len] = '\0';
	*rest = at + len;
	return segment_is_safe(into);
}

static bool at_end(const char *rest)
{
	return *rest == '\0' || *rest == '?';
}

bool kube_path_parse(const char *path, struct kube_ref *ref)
{
	*ref = (struct kube_ref){0};
	char root[8], version[64];
	if (!take_segment(&path, root, sizeof(root)))
		return false;
	if (strcmp(root, "apis") == 0) {
		char group[64];
		if (!take_segment(&path, group, sizeof(group)) ||
		    !take_segment(&path, version, sizeof(version)))
			return false;
		snprintf(ref->api_version, sizeof(ref->api_version), "%s/%s", group, version);
	} else if (strcmp(root, "api") == 0) {
		if (!take_segment(&path, ref->api_version, sizeof(ref->api_version)))
			return false;
	} else {
		return false;
	}
	if (!take_segment(&path, ref->plural, sizeof(ref->plural)))
		return false;
	if (at_end(path))
		return true;
	if (!take_segment(&path, ref->name, sizeof(ref->name)))
		return false;
	if (strcmp(ref->plural, "namespaces") == 0 && !at_end(path)) {
		/* "/namespaces/x/y": y is a kind inside x, but for what hangs on the Namespace
		 * itself. */
		char next[64];
		if (!take_segment(&path, next, sizeof(next)))
			return false;
		if (at_end(path) &&
		    (strcmp(next, "status") == 0 || strcmp(next, "finalize") == 0)) {
			text_copy(ref->subresource, sizeof(ref->subresource), next);
			return true;
		}
		if (!text_copy(ref->namespace, sizeof(ref->namespace), ref->name))
			return false;
		ref->name[0] = '\0';
		text_copy(ref->plural, sizeof(ref->plural), next);
		if (at_end(path))
			return true;
		if (!take_segment(&path, ref->name, sizeof(ref->name)))
			return false;
	}
	if (!at_end(path) && !take_segment(&path, ref->subresource, sizeof(ref->subresource)))
		return false;
	return at_end(path);
}
