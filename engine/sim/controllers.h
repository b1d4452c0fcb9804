/*
 * controllers.h - the small part of a controller manager that rollouts need: Deployments become
 * ready, and (slices.c) the EndpointSlices of Services follow.
 *
 * Annotations of a Deployment say how: `sim.sluice.dev/ready-after: 5s`;
 * `sim.sluice.dev/never-ready: "true"` or an image that contains `:never-ready` for new pods that
 * never become ready; `sim.sluice.dev/down: "true"` for pods that are not ready any more.
 */
#ifndef SLUICE_SIM_CONTROLLERS_H
#define SLUICE_SIM_CONTROLLERS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "kube/path.h"

/* The status of a Deployment whose new pods are (or are not yet) available; the caller frees. */
cJSON *deployment_status(const cJSON *deployment, bool available, int64_t now_us);
bool deployment_never_ready(const cJSON *deployment);
bool deployment_is_down(const cJSON *deployment);
/* The name of the ReplicaSet that its pods are of, "podinfo-1a2b3c4d": as its status says. */
void deployment_set(const cJSON *deployment, char name[KUBE_NAME_MAX]);
int64_t deployment_ready_after(const cJSON *deployment, int64_t fallback_us);

#endif
