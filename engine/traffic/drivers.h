/*
 * drivers.h - the drivers that are written in C; traffic_find chooses among them.
 */
#ifndef SLUICE_TRAFFIC_DRIVERS_H
#define SLUICE_TRAFFIC_DRIVERS_H

#include "traffic/driver.h"

extern const struct traffic_driver traffic_kubernetes, traffic_appmesh_v1beta1,
	traffic_appmesh_v1beta2;

#endif
