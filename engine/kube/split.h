/*
 * split.h - two API servers behind one port: what routes traffic is in the mesh's cluster, all else
 * in the local one.
 *
 * A path says itself which of them it is about, by its API group: Kubernetes' own groups, the
 * Canary's, and those of autoscalers and of Knative, whose Services are workloads, are local.
 */
#ifndef SLUICE_KUBE_SPLIT_H
#define SLUICE_KUBE_SPLIT_H

#include "ports.h"

bool split_is_mesh(const char *path);
/* Both are freed with it. */
struct http *split_new(struct http *owned_local, struct http *owned_mesh);

#endif
