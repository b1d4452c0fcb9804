/*
 * kinds.h - which kinds the in-memory API server says that it has: what kubectl asks for before it
 * sends anything.
 *
 * The kinds that a release touches, and whatever CustomResourceDefinition was applied. The store
 * itself takes any kind. Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/
 */
#ifndef SLUICE_SIM_KINDS_H
#define SLUICE_SIM_KINDS_H

#include <cjson/cJSON.h>

#include "sim/cluster.h"

struct sim_kind {
	const char *api_version, *kind, *plural, *singular, *short_name; /* "" when there is none */
	bool cluster_scoped;
};

/* Each of them; borrowed until the next write to the cluster. False ends the walk. */
typedef bool kinds_call(void *owner, const struct sim_kind *kind);
void kinds_each(const struct cluster *cluster, kinds_call *call, void *owner);

/* The kind of a collection; false when nothing is known of it. */
bool kinds_find(const struct cluster *cluster, const char *api_version, const char *plural,
		struct sim_kind *kind);

/* The answer to a discovery path (/version, /api, /apis, /api/v1, /apis/GROUP[/VERSION],
 * /openapi/v3…) or NULL when the path is none; the caller frees. */
cJSON *kinds_discover(const struct cluster *cluster, const char *path);

#endif
