/*
 * v1beta1.h - App Mesh v1beta1 in the shape of v1beta2, as far as the mesh reads it.
 *
 * There a VirtualService "name.namespace" has its router inside, nodes are referred to by their
 * names, and retries are in milliseconds.
 */
#ifndef SLUICE_E2E_V1BETA1_H
#define SLUICE_E2E_V1BETA1_H

#include <cjson/cJSON.h>

/* Changes a VirtualNode. */
void v1beta1_node(cJSON *node);
/* Changes a VirtualService, and returns the VirtualRouter that was inside, which has its name; NULL
 * where there was none. The caller frees. */
cJSON *v1beta1_service(cJSON *service);

#endif
