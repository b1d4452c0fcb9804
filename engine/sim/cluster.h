/*
 * cluster.h - an API server in memory: the same requests, the same answers, the same races.
 *
 * Speaks the Kubernetes API to whoever holds its port: CRUD, lists in pages, watches with
 * bookmarks, resourceVersions, optimistic locking, generation, the status subresource, merge, JSON
 * and apply patches, managedFields, PartialObjectMetadata, deletion with owner references. A small
 * controller manager makes Deployments roll out, and scales what has a ScaledObject of KEDA. Each
 * watch lags by its own seeded delay, as in a real server. Everything happens on the loop's clock.
 */
#ifndef SLUICE_SIM_CLUSTER_H
#define SLUICE_SIM_CLUSTER_H

#include <cjson/cJSON.h>

#include "kube/path.h"
#include "loop/loop.h"
#include "ports.h"

struct cluster;

struct cluster_options {
	uint64_t seed;
	int64_t reply_us;     /* a request takes up to this long; 0: next turn of the loop */
	int64_t watch_lag_us; /* a watch event arrives up to this much after the write; 0: next turn
			       */
	int64_t ready_us; /* a workload's new pods are ready after this; annotations override (see
			     sim/controllers.h) */
	bool slices;	  /* Services have EndpointSlices, which follow workloads at once */
	bool strict;	  /* an object needs its Namespace, as in a real cluster */
	size_t watch_window; /* events kept for watches that resume; older ones get 410. 0: 10,000
			      */
};

struct cluster *cluster_new(struct loop *loop, const struct cluster_options *options);
void cluster_free(struct cluster *cluster);

/* The port that kube_new takes. Owned by the cluster. */
struct http *cluster_port(struct cluster *cluster);

/* What a user does with kubectl: immediate, without the port. Each fails like the API server would.
 */
bool cluster_apply(struct cluster *cluster, const cJSON *object,
		   struct error *err) MUST_CHECK; /* create or replace the spec */
/* Where cluster_apply puts it; false when the object has no kind or no name. */
bool cluster_path(const cJSON *object, char path[KUBE_PATH_MAX]);
/* A patch that has nothing but a status is one of the status. */
bool cluster_merge(struct cluster *cluster, const char *path, const cJSON *patch,
		   struct error *err) MUST_CHECK;
bool cluster_delete(struct cluster *cluster, const char *path, struct error *err) MUST_CHECK;
const cJSON *cluster_get(const struct cluster *cluster, const char *path); /* borrowed, or NULL */
cJSON *cluster_list(const struct cluster *cluster,
		    const char *path); /* list of objects; the caller frees */

/* Called after each write that changed something, in order, with the path and the object (NULL when
 * deleted). */
typedef void cluster_call(void *owner, const char *path, const cJSON *object);
void cluster_on_write(struct cluster *cluster, cluster_call *call, void *owner);

/* Fault injection. Called for each request before it takes effect; may make it fail. */
enum cluster_fault {
	FAULT_NONE,
	FAULT_BEFORE, /* connection broken, no effect */
	FAULT_AFTER,  /* the effect happens, the reply is lost */
	FAULT_403,
	FAULT_409,
	FAULT_410,
	FAULT_429,
	FAULT_500,
	FAULT_503,
	FAULT_TIMEOUT,
};
typedef enum cluster_fault cluster_fault_call(void *owner, const struct http_request *request);
void cluster_faults(struct cluster *cluster, cluster_fault_call *call, void *owner);
/* While they are late, EndpointSlices stay as they are. */
void cluster_slices_late(struct cluster *cluster, bool late);
/* Breaks the connections of all watches. */
void cluster_cut_watches(struct cluster *cluster);

#endif
