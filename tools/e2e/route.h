/*
 * route.h - App Mesh v1beta2 in the words of Envoy: a route of a VirtualRouter, and the clusters
 * that stand for VirtualNodes.
 *
 * Sources: https://docs.aws.amazon.com/app-mesh/latest/userguide/routes.html,
 * https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
 */
#ifndef SLUICE_E2E_ROUTE_H
#define SLUICE_E2E_ROUTE_H

#include <cjson/cJSON.h>

/* "namespace/name" of what a reference of an object in `namespace` leads to; the caller frees. */
char *route_cluster(const cJSON *reference, const char *namespace);

/* Envoy's routes, in the order in which App Mesh tries them. Each adds the request header "x-split"
 * that names itself and its weights, so that a pod can say by which split it got a request. A route
 * of TCP is told and answered with 501. */
cJSON *routes_of_router(const cJSON *router);
/* The one route of a VirtualService that a VirtualNode provides. */
cJSON *routes_to_node(const char *name, const char *cluster);

#endif
