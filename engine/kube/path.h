/*
 * path.h - names of things in the API: an object is its path,
 * "/apis/apps/v1/namespaces/test/deployments/podinfo".
 */
#ifndef SLUICE_KUBE_PATH_H
#define SLUICE_KUBE_PATH_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/error.h"

enum { KUBE_PATH_MAX = 640, KUBE_NAME_MAX = 254 };

struct kube_kind {
	const char *api_version; /* "v1", "apps/v1" */
	const char *kind;	 /* "Deployment" */
	const char *plural;	 /* "deployments" */
	bool cluster_scoped;
};

/* The kinds the engine itself speaks of. */
extern const struct kube_kind kube_canary, kube_metric_template, kube_alert_provider,
	kube_deployment, kube_service, kube_config_map, kube_secret, kube_hpa, kube_scaled_object,
	kube_event, kube_lease, kube_namespace, kube_pod, kube_endpoint_slice;

/* `name` NULL: the collection. `namespace` NULL: all namespaces, or a cluster-scoped kind. False
 * when cut. */
bool kube_path(char path[KUBE_PATH_MAX], const struct kube_kind *kind, const char *namespace,
	       const char *name);
/* The path of an object from its own apiVersion, metadata and `plural`. */
bool kube_path_of(char path[KUBE_PATH_MAX], const cJSON *object, const char *plural);

struct kube_ref {
	char api_version[128];
	char plural[64];
	char namespace[64];
	char name[KUBE_NAME_MAX];
	char subresource[32];
};
/* The other way round; queries ("?…") are ignored. */
bool kube_path_parse(const char *path, struct kube_ref *ref);

#endif
