/*
 * drivers.h - the drivers that are written in C, and the bridge to those in Lua; traffic_find
 * chooses among them.
 */
#ifndef SLUICE_TRAFFIC_DRIVERS_H
#define SLUICE_TRAFFIC_DRIVERS_H

#include "traffic/driver.h"

/* Loads lua/traffic/FILE.lua for a provider; kept for ever. ERROR_NOT_FOUND without such a file. */
/* `name` of it is what it calls itself: forms that are the same have the same. */
struct traffic_driver *traffic_script(const char *file, const char *provider,
				      struct error *err) MUST_CHECK;

void traffic_script_free(struct traffic_driver *driver);

extern const struct traffic_driver traffic_kubernetes, traffic_appmesh_v1beta1,
	traffic_appmesh_v1beta2, traffic_partition, traffic_knative;

#endif
