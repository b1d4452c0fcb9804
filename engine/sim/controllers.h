/*
 * controllers.h - the small part of a controller manager that rollouts need: Deployments and
 * DaemonSets become ready, StatefulSets pod by pod (stateful.c), Services of Knative by revisions
 * (knative.c), and (slices.c) the EndpointSlices of Services follow.
 *
 * Annotations of a workload say how: `sim.sluice.dev/ready-after: 5s`;
 * `sim.sluice.dev/never-ready: "true"` or an image that contains `:never-ready` for new pods that
 * never become ready; `sim.sluice.dev/down: "true"` for pods that are not ready any more.
 */
#ifndef SLUICE_SIM_CONTROLLERS_H
#define SLUICE_SIM_CONTROLLERS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "kube/path.h"

/* The nodes of the cluster, which have no labels that a node selector could ask for. */
enum { SIM_NODES = 3 };

/* The kinds that roll out; NULL after the last. */
const struct kube_kind *workload_kind(size_t i);
bool workload_has_replicas(const struct kube_kind *kind);
bool workload_rolls(const struct kube_ref *ref);
bool workload_never_ready(const cJSON *workload);
bool workload_is_down(const cJSON *workload);
/* Its status once its new pods are available, or cannot be; NULL when it says so already. The
 * caller frees. */
cJSON *workload_rolled(const cJSON *workload, int64_t now_us);
int64_t workload_rolls_for(const cJSON *workload, int64_t fallback_us);

/* What the names of its pods begin with: that of a Deployment's ReplicaSet, "podinfo-1a2b3c4d"; and
 * how many are available. */
void workload_pods(const cJSON *workload, char prefix[KUBE_NAME_MAX], long *available);

#endif
