/*
 * workload.h - the objects that a rollout owns beside its routes, as pure functions from JSON to
 * JSON.
 *
 * The primary, its autoscaler, the copies of the ConfigMaps and Secrets it uses, and the three
 * Services. Nothing here reads or writes a cluster. Owned objects carry the Canary as controller
 * owner. Generated values derive from uid and revision.
 */
#ifndef SLUICE_CANARY_WORKLOAD_H
#define SLUICE_CANARY_WORKLOAD_H

#include <cjson/cJSON.h>

#include "base/error.h"
#include "canary/spec.h"
#include "kube/path.h"
#include "canary/status.h"

struct workload_options {
	const char *const *selector_labels;	 /* in order of preference; NULL-terminated */
	const char *const *include_label_prefix; /* NULL-terminated; "*" is all */
	bool config_tracking;
};

/* The label by which the target selects its pods: the first of selector_labels in
 * spec.selector.matchLabels. */
struct selector_label {
	char key[317];
	char value[64];
};
bool workload_selector(const cJSON *target, const struct workload_options *options,
		       struct selector_label *label, struct error *err) MUST_CHECK;

/* The ConfigMaps and Secrets the pod template uses: a list of
 * {"kind":"ConfigMap"|"Secret","name","optional":bool}, each once, sorted; an empty list without
 * config tracking. The caller frees. */
cJSON *workload_config_refs(const cJSON *target, const struct workload_options *options);
/* Whether a ConfigMap or Secret is tracked (annotation flagger.app/config-tracking, types of
 * Secrets). */
bool workload_config_is_tracked(const cJSON *config);
/* 16 hex digits over .data (and .binaryData where there is any); as the reference computes it for
 * .data alone. */
void workload_config_hash(const cJSON *config, char hash[HASH_TEXT_MAX]);
/* {"configmap/name": hash, "secret/name": hash} of the tracked ones; `configs` is a list of
 * objects. NULL without any. */
cJSON *workload_tracked(const cJSON *configs);

/* The revision: the target's hash (target.h), which status.lastAppliedSpec holds, and the tracked
 * configs together. */
void workload_revision(const char *template_hash, const cJSON *tracked,
		       char revision[HASH_TEXT_MAX]);
/* The pod template of the primary for this target: names of tracked configs, labels, affinity
 * rewritten; annotation flagger-id is a UUID that derives from the canary's uid and the revision.
 * The caller frees. */
cJSON *workload_primary_template(const struct canary_spec *spec, const cJSON *target,
				 const struct selector_label *label, const cJSON *tracked,
				 const char *revision, const struct workload_options *options);
/* Whether the primary's template is the target's, but for generated values. */
bool workload_same_template(const struct canary_spec *spec, const cJSON *target,
			    const cJSON *primary, const struct selector_label *label,
			    const cJSON *tracked, const struct workload_options *options);
/* The same, and it runs with the configs as they are now. */
bool workload_same(const struct canary_spec *spec, const cJSON *target, const cJSON *primary,
		   const struct selector_label *label, const cJSON *tracked,
		   const struct workload_options *options);
/* Whether the primary already carries this revision: by its flagger-id, or, where the target is its
 * own primary, as all its pods are of it. */
bool workload_carries(const struct canary_spec *spec, const cJSON *primary, const cJSON *tracked,
		      const char *revision);

/* The whole primary for creation. */
cJSON *workload_primary(const struct canary_spec *spec, const cJSON *target,
			const struct selector_label *label, const cJSON *tracked,
			const char *revision, const struct workload_options *options);
/* Notes what the primary runs among the annotations that its promotion gives it. */
void workload_keep_former(const cJSON *primary, cJSON *annotations);
bool workload_has_former(const cJSON *primary);
/* A JSON Patch that makes it run that again; NULL when it is not known. */
cJSON *workload_restoration(const cJSON *primary);
/* A JSON Patch that makes an existing primary run this revision: a `test` of resourceVersion, then
 * whole replacements of the template, strategy, … and (without autoscaler) replicas; labels and
 * annotations are merged, never dropped. */
cJSON *workload_promotion(const struct canary_spec *spec, const cJSON *target, const cJSON *primary,
			  const struct selector_label *label, const cJSON *tracked,
			  const char *revision, const struct workload_options *options);
/* A JSON Patch that scales it, provided that nobody has changed its spec since: its status, which
 * its controller writes again and again, may move. */
cJSON *workload_scale(const cJSON *workload, int replicas);
/* The primary's copy of a ConfigMap or Secret. `live`: the copy that is there, or NULL; its other
 * owners stay. */
cJSON *workload_config_copy(const struct canary_spec *spec, const cJSON *config, const cJSON *live,
			    const struct workload_options *options);
/* The primary's autoscaler from the target's: an HPA, or a ScaledObject of KEDA. One of a primary
 * that `serves` traffic does not scale it to zero. */
cJSON *workload_primary_hpa(const struct canary_spec *spec, const cJSON *hpa);
cJSON *workload_primary_scaled_object(const struct canary_spec *spec, const cJSON *scaled,
				      bool serves);
/* The name of a query of `primaryScalerQueries` that no trigger has, or NULL. */
const char *workload_query_without_trigger(const struct canary_spec *spec, const cJSON *scaled);
/* KEDA leaves a workload of a ScaledObject with this annotation at that many pods. */
extern const char workload_paused_replicas[];

/* The label as the primary has it, of a target that is gone. */
bool workload_selector_of_primary(const cJSON *primary, const struct workload_options *options,
				  struct selector_label *label) MUST_CHECK;

enum service_role { SERVICE_CANARY, SERVICE_PRIMARY, SERVICE_APEX };
/* A Service as it shall be. `ports`: discovered ports from workload_ports. `live`: the Service that
 * is there, or NULL; where it belongs to somebody else only ports and selector are enforced, with
 * the marks that keep GitOps tools from putting them back (the result then has just those, and no
 * owner). */
cJSON *workload_service(const struct canary_spec *spec, enum service_role role,
			const struct selector_label *label, const cJSON *ports, const cJSON *live);
/* Further ports of the target's containers when service.portDiscovery is on: list of
 * {"name","port"}; sorted. */
cJSON *workload_ports(const struct canary_spec *spec, const cJSON *target);

/* ownerReferences: a list with the Canary as controller. */
cJSON *workload_owners(const struct canary_spec *spec);
bool workload_is_owned(const struct canary_spec *spec, const cJSON *object);

enum readiness { READY, READY_NOT_YET, READY_NEVER };
/* Replicas for a target in a release: as canaryReplicas says, else its own, or when it is at zero
 * the primary's, the least that its autoscaler says, or 1. */
int workload_wanted_replicas(const struct canary_spec *spec, const cJSON *target,
			     const cJSON *primary, const cJSON *scaler);

#endif
