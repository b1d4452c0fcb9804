/*
 * driver.h - how a mesh or an ingress is made to carry a split: pure functions from objects to
 * objects.
 *
 * A driver names what it must read, says what it wants to own, edit and delete for a split, and
 * reads the live split back. It does no I/O, so a dry run shows the real objects and a driver is
 * one file with golden tests.
 */
#ifndef SLUICE_TRAFFIC_DRIVER_H
#define SLUICE_TRAFFIC_DRIVER_H

#include <cjson/cJSON.h>

#include "base/error.h"
#include "canary/spec.h"
#include "canary/status.h"
#include "canary/workload.h"

struct traffic_view {
	const struct canary_spec *spec;
	const struct selector_label *label; /* of the target's pods */
	const cJSON *match;		    /* A/B conditions as in spec.analysis.match, or NULL */
	const struct status *status;
};

enum traffic_state {
	TRAFFIC_LIVE,	 /* the split is what the data plane was told */
	TRAFFIC_PENDING, /* written, not yet accepted */
	TRAFFIC_ABSENT,	 /* an object is missing */
	TRAFFIC_BROKEN,	 /* there, but not as this driver made it, or refused */
};

/* Objects are keyed by their path (kube/path.h): {"/apis/…": object or null}. */
struct traffic_driver {
	const char *name;
	bool can_mirror, can_match, can_weigh;
	bool blind; /* `desired` needs no objects: they are all owned, and can be written unread */
	/* Adds paths that must be read to `paths` (a list of strings); asked again with what was
	 * read until it adds none, three rounds at most. The first path is the object that carries
	 * the weights. */
	bool (*needs)(const struct traffic_view *view, const cJSON *objects, cJSON *paths,
		      struct error *err);
	/* {"own": [object…], "edit": [{"path", "patch"}…], "delete": [path…]}; the caller frees.
	 * Owned objects come in the order in which they must exist. */
	cJSON *(*desired)(const struct traffic_view *view, const struct split *split,
			  const cJSON *objects, struct error *err);
	/* The live split, and whether it is in force. `why` is set unless LIVE. */
	enum traffic_state (*observed)(const struct traffic_view *view, const cJSON *objects,
				       struct split *split, struct error *why);
};

/* The driver for a provider string ("appmesh:v1beta2", "kubernetes", …). NULL and a sentence that
 * lists what there is. */
const struct traffic_driver *traffic_find(const char *provider, struct error *err);
/* The plural of a kind a driver owns: needed for its path. */
const char *traffic_plural(const char *api_version, const char *kind);

#endif
