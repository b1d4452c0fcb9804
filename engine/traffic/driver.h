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

struct traffic_driver;

struct traffic_view {
	const struct traffic_driver *driver;
	const struct canary_spec *spec;
	const struct selector_label *label; /* of the target's pods */
	const cJSON *match;		    /* A/B conditions as in spec.analysis.match, or NULL */
	const struct status *status;
	const char *revision; /* of the target as it is now */
	const char *configs;  /* the digest of its configs, when it is its own primary (mark.h) */
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
	bool can_mirror, can_match, can_weigh, can_stick;
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
	/* Whether spec.routeRef may name a route of this kind that the team owns. NULL member:
	 * none.
	 */
	bool (*adopts)(const struct traffic_driver *driver, const char *kind);
	const cJSON *adopted; /* those kinds are its members; or NULL */
	/* What is about to be changed of a route that the team owns, to be remembered before the
	 * first edit; *owned_inventory is NULL when there is nothing to remember. NULL member:
	 * never.
	 */
	bool (*inventory)(const struct traffic_view *view, const cJSON *objects,
			  cJSON **owned_inventory, struct error *err);
	/* Of a canary that goes away: what gives the routes back, in the form of `desired`; the
	 * caller frees. NULL member: nothing to undo. */
	cJSON *(*restore)(const struct traffic_view *view, const cJSON *objects, struct error *err);
	/* Tells what this driver cannot do of what the canary asks for. NULL member: nothing to
	 * say. The view has a spec and a match, and nothing else. */
	void (*check)(const struct traffic_view *view, struct spec_problems *problems);
	/* The kinds that it owns: {"group/version": {"Kind": "plural"}}; the caller frees. NULL
	 * member: none. */
	cJSON *(*kinds)(const struct traffic_driver *driver);
	bool deletes; /* of those kinds: what has no namespace does not go with the canary */
	/* The plural of a kind that the driver owns, for its path; NULL when it is none. */
	const char *(*plural)(const struct traffic_driver *driver, const char *api_version,
			      const char *kind);
	/* The query behind a built-in metric, a template; NULL when there is none. NULL member:
	 * none at all. */
	const char *(*query)(const struct traffic_driver *driver, const char *metric);
};

/* The driver for a provider string ("appmesh:v1beta2", "kubernetes", …): one in C, else the file
 * lua/traffic/NAME.lua of what stands before a colon. Loaded once and kept for ever. NULL and half
 * a sentence (`is "appmseh"; did you mean appmesh? …`) when there is none, or what is wrong with
 * the file. */
const struct traffic_driver *traffic_find(const char *provider, struct error *err);
/* The path of an object that a driver owns. */
bool traffic_path(const struct traffic_driver *driver, const cJSON *object, char *path,
		  struct error *err) MUST_CHECK;

#endif
