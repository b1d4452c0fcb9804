/*
 * appmesh_parts.h - what both versions of the App Mesh API have in common.
 */
#ifndef SLUICE_TRAFFIC_APPMESH_PARTS_H
#define SLUICE_TRAFFIC_APPMESH_PARTS_H

#include "traffic/driver.h"

enum { APPMESH_NAME_MAX = 330 };

/* An owned object without a spec; the caller frees. */
cJSON *appmesh_object(const struct canary_spec *spec, const char *version, const char *kind,
		      const char *name);
/* The annotations that keep GitOps tools from undoing what a rollout does. */
void appmesh_annotate_unmanaged(cJSON *object);
/* The annotations by which a mesh gateway exposes the apex. */
void appmesh_annotate_gateway(const struct canary_spec *spec, cJSON *object);

/* "http" or "grpc" by the name of the port. */
const char *appmesh_protocol(const struct canary_spec *spec);
/* Of the first match with a prefix; else "/". */
const char *appmesh_prefix(const struct canary_spec *spec);
/* Whether App Mesh can express the conditions of A/B; what it cannot would lead more people to the
 * canary than were meant. */
bool appmesh_can_match(const struct traffic_view *view, struct error *err) MUST_CHECK;
void appmesh_check(const struct traffic_view *view, struct spec_problems *problems);
/* Header matches of A/B conditions: [{"name","match":{…}}…]; the caller frees. */
cJSON *appmesh_header_matches(const cJSON *match);
/* Retry events, in the order of retryOn; the caller frees. */
cJSON *appmesh_retry_events(const cJSON *retries);
/* The duration of a field of the service in milliseconds; `fallback` when there is none. */
double appmesh_ms(const cJSON *object, const char *field, double fallback);
const char *appmesh_plural(const struct traffic_driver *driver, const char *api_version,
			   const char *kind);
cJSON *appmesh_kinds(const struct traffic_driver *driver);
bool appmesh_is_ab(const struct traffic_view *view);

#endif
