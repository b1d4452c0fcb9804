/*
 * rbac.h - what the daemon must be allowed to do with the objects of a provider, told by its
 * driver.
 *
 * Nothing else is asked for: what a driver makes must be of the kinds that it names, and it deletes
 * only when it says so.
 */
#ifndef SLUICE_TRAFFIC_RBAC_H
#define SLUICE_TRAFFIC_RBAC_H

#include "base/error.h"

/* A ClusterRole as YAML, or its rules as JSON; NULL when there is no such provider. The caller
 * frees. */
char *traffic_rbac_text(const char *provider, struct error *err);
char *traffic_rbac_json(const char *provider, struct error *err);

#endif
