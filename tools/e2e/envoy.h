/*
 * envoy.h - what Envoy reads from files: listeners, clusters and routes as JSON, replaced whole.
 *
 * Envoy takes a file only when another one is renamed onto it. A file that says what it said before
 * is left alone.
 */
#ifndef SLUICE_E2E_ENVOY_H
#define SLUICE_E2E_ENVOY_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#define ENVOY_TYPE "type.googleapis.com/envoy."

/* False when the file said so already. Ends the process where it cannot be written. */
bool envoy_write(const char *folder, const char *name, const cJSON *resources);

/* A listener of HTTP. `owned_routes`: "rds" or "route_config" with what belongs in it. */
cJSON *envoy_listener(const char *name, const char *address, int port, const char *routes,
		      cJSON *owned_routes);
/* Each answer that Envoy gives itself, as nobody else could, is a line "HOST STATUS WHY" of `file`.
 */
void envoy_log_own_answers(cJSON *listener, const char *file);
/* A cluster of one address. */
cJSON *envoy_static_cluster(const char *name, const char *address, int port);
/* That speaks HTTP/2, as gRPC needs it. */
void envoy_speak_http2(cJSON *cluster);
/* A cluster whose endpoints, and nobody else's, are in `file` of `folder`. */
cJSON *envoy_eds_cluster(const char *name, const char *folder, const char *file);
cJSON *envoy_endpoints(const char *cluster);
void envoy_add_endpoint(cJSON *endpoints, const char *address, int port);

/* How pods are reached: 10.N.a.b, which a cluster takes for a pod's address, is 127.N.a.b here, so
 * that neither a route nor a privilege is needed. */
void envoy_reach(char into[16], const char *pod_ip);

#endif
