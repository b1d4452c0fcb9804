/*
 * own_split.h - what targets share whose split is their own: the target is the one object needed.
 */
#ifndef SLUICE_TRAFFIC_OWN_SPLIT_H
#define SLUICE_TRAFFIC_OWN_SPLIT_H

#include "kube/path.h"
#include "traffic/driver.h"

/* Where the target is; false when its name is none. */
bool own_split_path(const struct traffic_view *view, char path[KUBE_PATH_MAX]);
/* The target among the objects that were read; NULL when it is not there. */
const cJSON *own_split_target(const struct traffic_view *view, const cJSON *objects);
/* As `needs` of a driver. */
bool own_split_needs(const struct traffic_view *view, const cJSON *objects, cJSON *paths,
		     struct error *err);

#endif
