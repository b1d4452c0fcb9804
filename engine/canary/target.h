/*
 * target.h - the kinds of object that a canary can be about, and what each says of itself.
 *
 * All that differs from kind to kind is in one row here and one file target_KIND.c; the rest of
 * the engine asks. Pure functions from JSON to JSON, as in workload.h. A workload is a target or
 * its primary; NULL is one that is not there.
 */
#ifndef SLUICE_CANARY_TARGET_H
#define SLUICE_CANARY_TARGET_H

#include "canary/workload.h"

struct pod_counts {
	long wanted;	/* it shall have, once its controller has seen it */
	long updated;	/* of the newest revision */
	long available; /* can carry traffic */
};

struct ready_terms {
	bool canary;   /* of an object that is its own primary: its new pods are asked about */
	int threshold; /* percent of updated pods that must be available */
	int64_t deadline_us; /* how long it may make no progress */
	int64_t since_us;    /* when waiting for it began, or the phase */
	bool rests;	     /* no release waits for it */
	int64_t now_us;
	const cJSON *others; /* what `also` names, by path; a null is not there */
};

/* What tells the canary's requests from the others'. */
enum counted { COUNTED_BY_WORKLOAD, COUNTED_BY_SERVICE, COUNTED_BY_POD };

struct target_kind {
	struct kube_kind kube;
	const char *noun;	/* in sentences: "deployment" */
	bool scales;		/* by spec.replicas, so that an autoscaler may */
	bool whole;		/* watched whole: its status is waited for */
	bool runs_pods;		/* from a template: Services are made to lead to them */
	bool tracks_configs;	/* that its template uses: a change of one is a revision */
	bool rewrites_affinity; /* of its primary's pods: what keeps off the target's own */
	/* Its split is its own, and this driver carries it; NULL: the provider's. */
	const char *driver;
	bool is_own_primary; /* there is one object, which runs both revisions */
	bool spares;	     /* by itself it leads to nothing that is not ready */
	enum counted counted;
	/* How the names of its pods go on after the target's and a dash: a regular expression, or
	 * what makes one of the canary's. NULL: it does not know its pods. */
	const char *pod_names;
	void (*name_pods)(const cJSON *target, struct buf *pattern);
	/* Fields of spec beside the template that the primary takes over; NULL-terminated. */
	const char *const *copied;

	/* Whether it can be released a step at a time; else a sentence. NULL: always. */
	bool (*fits)(const cJSON *target, struct error *err);
	/* What a release changes; the caller frees. NULL: spec.template as it is. */
	cJSON *(*template)(const cJSON *target);
	struct pod_counts (*pods)(const cJSON *workload);
	/* Of an object that runs both revisions, those of one; NULL: as `pods` says. */
	struct pod_counts (*side_pods)(const cJSON *workload, bool canary);
	/* Adds the paths of other objects that say how ready it is. NULL: there are none. */
	void (*also)(const cJSON *target, cJSON *paths);
	/* READY_NEVER: past its deadline. `why` is the reference's sentence after the prefix. */
	enum readiness (*ready)(const cJSON *workload, const struct ready_terms *terms,
				struct error *why);
	/* Of a kind that is copied as it is, not by its template: a copy under another name, and
	 * whether the primary says what the target says. NULL: as in workload_primary.c. */
	cJSON *(*copy)(const struct canary_spec *spec, const cJSON *target, const char *name);
	bool (*same)(const cJSON *target, const cJSON *primary);
	/* When it last changed between ready and not; 0: it does not say. NULL: never does. */
	int64_t (*settled_us)(const cJSON *workload);
	/* What the names of its pods begin with, if it has rolled out since then; else "". NULL:
	 * always "". */
	void (*new_pods)(const cJSON *workload, int64_t since_us, char prefix[KUBE_NAME_MAX]);
	/* See target_is_stopped and target_scale. NULL: it never is; it has what it has. */
	bool (*is_stopped)(const cJSON *workload);
	cJSON *(*scale)(const cJSON *workload, long replicas);
};

extern const struct target_kind target_deployment, target_daemon_set, target_service,
	target_stateful_set, target_knative;

/* The kind of a spec.targetRef; NULL when it is none of ours. */
const struct target_kind *target_find(const char *api_version, const char *kind);
/* The one whose objects are in that collection; or NULL. */
const struct target_kind *target_of(const char *api_version, const char *plural);

/* Of a StatefulSet: its partition; how many pods are below it, which are of the stable revision;
 * what the partition shall be. At rest no pod follows the template, however many there will be. */
enum { PARTITION_REST = INT32_MAX };
long partition_of(const cJSON *set);
bool partition_is_seen(const cJSON *set); /* what its controller says is about what it says */
long partition_stable_pods(const cJSON *set);
/* `revision` is the target's as it is now. */
long partition_wanted(const cJSON *set, const struct status *status, const struct split *split,
		      const char *revision);

/* Of a Knative Service: its latest revision, the one that the annotation says is the primary, and
 * the one that shall be. "" where there is none. */
extern const char knative_primary_path[];
const char *knative_latest(const cJSON *service);
const char *knative_primary(const cJSON *service);
bool knative_is_released(const cJSON *service, const struct status *status); /* the latest is */
const char *knative_wanted_primary(const cJSON *service, const struct status *status);
/* Whether its condition Ready is true; `others` as in ready_terms. */
bool knative_is_ready(const cJSON *service, const cJSON *others, const char *revision,
		      struct error *why);
/* All that its spec leads to is routed: Knative takes over the whole of it, or nothing. */
bool knative_is_routed(const cJSON *service, struct error *why);
/* What a revision gets of a traffic block. An entry of the latest revision in a spec is of
 * `latest`; in a status it has a name. */
int knative_share(const cJSON *block, const char *revision, const char *latest);

/* It shall have no pods. */
bool target_is_stopped(const struct target_kind *kind, const cJSON *workload);
/* A merge patch after which it has that many pods, or as many as it can where it does not scale;
 * NULL when it has. The caller frees. */
cJSON *target_scale(const struct target_kind *kind, const cJSON *workload, long replicas);

/* The revision: 16 hex digits over what a release changes. */
void target_hash(const struct target_kind *kind, const cJSON *target, char hash[HASH_TEXT_MAX]);

#endif
