/*
 * keda.c - the part of KEDA that rollouts meet: the workload of a ScaledObject has as many pods as
 * its annotation says while it is paused, and else between its least and its most.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sim/controllers.h"
#include "sim/server.h"

static const struct writer keda = {.manager = "keda"};

static long wanted_replicas(const cJSON *scaled, long now)
{
	const cJSON *annotations = json_at(scaled, "metadata.annotations");
	const char *paused =
		cJSON_GetStringValue(json_get(annotations, "autoscaling.keda.sh/paused-replicas"));
	if (paused != NULL)
		return strtol(paused, NULL, 10);
	long least = json_int(scaled, "spec.minReplicaCount", 0);
	long most = json_int(scaled, "spec.maxReplicaCount", 100);
	return now < least ? least : now > most ? most : now;
}

/* A Deployment, or what else has replicas; NULL: KEDA refuses it. */
static const struct kube_kind *kind_of(const cJSON *scaled)
{
	const char *kind = json_string_or(scaled, "spec.scaleTargetRef.kind", kube_deployment.kind);
	for (size_t i = 0; workload_kind(i) != NULL; i++)
		if (strcmp(workload_kind(i)->kind, kind) == 0)
			return workload_has_replicas(workload_kind(i)) ? workload_kind(i) : NULL;
	return NULL;
}

static void scale(struct cluster *cluster, const struct stored *scaled)
{
	char path[KUBE_PATH_MAX];
	int code;
	const struct kube_kind *kind = kind_of(scaled->object);
	const char *name = json_string_or(scaled->object, "spec.scaleTargetRef.name", "");
	if (kind == NULL || !kube_path(path, kind, scaled->ref.namespace, name))
		return;
	struct stored *workload = store_find(&cluster->store, path);
	if (workload == NULL)
		return;
	long now = json_int(workload->object, "spec.replicas", 1);
	long wanted = wanted_replicas(scaled->object, now);
	if (wanted == now)
		return;
	cJSON *next = json_copy(workload->object);
	json_put_number(next, "spec.replicas", (double)wanted);
	json_free(verb_replace(cluster, workload, next, false, &keda, &code));
}

/* Workloads are only changed, so nothing moves in the store. */
static void scale_all(void *owner, uint64_t token)
{
	struct cluster *cluster = owner;
	(void)token;
	cluster->scales_soon = false;
	for (size_t i = 0; i < cluster->store.count; i++) {
		const struct stored *stored = cluster->store.items[i];
		if (strcmp(stored->ref.plural, kube_scaled_object.plural) == 0)
			scale(cluster, stored);
	}
}

void keda_follow(struct cluster *cluster, const cJSON *object)
{
	bool scaled = text_equal(json_string(object, "kind"), kube_scaled_object.kind);
	bool workload = json_get(json_get(object, "spec"), "replicas") != NULL;
	cluster->has_scaled |= scaled;
	if (cluster->scales_soon || !cluster->has_scaled || !(scaled || workload))
		return;
	cluster->scales_soon = true;
	loop_at(cluster->loop, loop_now(cluster->loop) + cluster->options.watch_lag_us, scale_all,
		cluster, 0);
}
