/*
 * converge.h - makes the cluster what the status says: workloads, services, routes.
 *
 * Each stage reads, compares, and writes only what differs, fenced by the version it read; each
 * waits until the former is observed. All return STEP_ON when the world is as it shall be.
 */
#ifndef SLUICE_CANARY_CONVERGE_H
#define SLUICE_CANARY_CONVERGE_H

#include "canary/tick.h"

/* Reads the target, its configs and the primary into the tick. Without a target, tick->target is
 * NULL. STEP_END with a halt when it cannot be selected. */
enum step converge_observe(struct tick *tick);
/* The primary runs what the target is now, with its configs as they are now. */
bool converge_is_promoted(const struct tick *tick);
/* The split that the routes carry, in force or not. *known is false where they say none. */
enum step converge_live_split(struct tick *tick, struct split *split, bool *known);
/* What was adopted of the routes is given back. */
enum step converge_restore_routes(struct tick *tick);
/* What we made in the mesh's cluster goes, where that is another one and nothing goes by itself. */
enum step converge_drop_routes(struct tick *tick);
/* Services, the primary with its configs and its HPA, the apex service; App Mesh routes before the
 * primary, as its pods need their virtual node to become ready. */
enum step converge_objects(struct tick *tick);
/* Creates an owned object unless there is one; deletes it unless there is none. What may not be
 * deleted stays: nothing waits for it, and it goes with its owner. */
enum step converge_create(struct tick *tick, const struct kube_kind *kind, cJSON *owned_wanted);
enum step converge_delete(struct tick *tick, const struct kube_kind *kind, const char *name);
/* What a route that the team owns says before the first edit, is in the status: else it is the move
 * of this run. */
enum step converge_inventory(struct tick *tick);
/* The routes carry status.memory.split. */
enum step converge_routes(struct tick *tick);
/* Before the first rollout the primary is what the target is. */
enum step converge_initial(struct tick *tick);
/* The target is not the revision that the status is about, and the primary is not either. */
bool converge_is_outdated(const struct tick *tick);
/* The primary runs the revision of the status: the target as it is now must still be that one. */
enum step converge_promotion(struct tick *tick);
/* It runs what it ran before that revision, if that is known. */
enum step converge_restore(struct tick *tick);
/* The target has pods. */
enum step converge_scale_up(struct tick *tick);
/* The target has none; never before the primary can carry all traffic. */
enum step converge_scale_down(struct tick *tick);
enum step converge_scale(struct tick *tick, int replicas);

/* How long the pause lasts that is not over yet; 0: there is none. */
int64_t converge_pause_us(const struct tick *tick);
/* Whether the target or the primary can carry traffic. */
enum readiness converge_ready(const struct tick *tick, enum side side, struct error *why);

/* For the parts of a tick. The object of a kind: *object is NULL where there is none. */
enum step converge_look_at(struct tick *tick, const struct kube_kind *kind, const char *name,
			   const cJSON **object);
/* A write that is fenced by what `body` says; what the API server refuses is said once. */
enum step converge_write(struct tick *tick, enum kube_verb verb, const char *path,
			 const cJSON *body);

#endif
