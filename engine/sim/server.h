/*
 * server.h - what the parts of the in-memory API server share: its state, the requests under way,
 * and what each part does for the others. Nobody else includes it.
 */
#ifndef SLUICE_SIM_SERVER_H
#define SLUICE_SIM_SERVER_H

#include "sim/cluster.h"
#include "sim/store.h"

struct exchange { /* a request under way, or a watch */
	uint64_t id;
	char *method, *url, *body, *content_type, *accept;
	struct tree *json; /* instead of the body, or NULL */
	http_piece *piece;
	http_event *event;
	http_done *done;
	void *owner;
	uint64_t token;
	uint64_t timer;
	bool takes_json; /* see ports.h */
	/* a watch: */
	bool watching;
	bool told_soon;
	struct kube_ref ref;
	uint64_t cursor; /* changes up to this version were told */
	int64_t lag_us;
	uint64_t timeout_timer;
};

struct cluster {
	struct http port; /* first */
	struct loop *loop;
	struct cluster_options options;
	struct chance chance;
	struct store store;
	struct exchange **exchanges;
	size_t exchange_count, exchange_room;
	uint64_t ids;
	cluster_call *on_write;
	void *on_write_owner;
	char **gone; /* uids of what was removed, until their dependents were looked for again */
	size_t gone_count;
	char **rolling; /* paths of workloads that become ready; NULL: a free slot */
	size_t rolling_room;
	bool slices_late, slices_soon;
	bool has_scaled, scales_soon; /* of KEDA: there was a ScaledObject; they are gone through */
	char **moved;		      /* paths of what EndpointSlices have to follow */
	size_t moved_count, moved_room;
	cluster_fault_call *fault;
	void *fault_owner;
};

/* request.c: what a request asks, and refusals. */

/* The value of a query parameter, decoded; NULL when it is not there. The caller frees. */
char *request_parameter(const char *url, const char *name);
bool request_is_of(const struct kube_ref *collection, const struct kube_ref *item);
bool request_wants(const struct exchange *exchange, const struct kube_ref *collection,
		   const struct kube_ref *item, const cJSON *object);
bool request_selects(const struct exchange *exchange); /* by labels or fields */
bool request_wants_metadata(const struct exchange *exchange);
/* The object with its managedFields (a text) in the form that was asked for: whole or its metadata;
 * the caller frees. */
cJSON *request_view(const struct exchange *exchange, const cJSON *object, const char *managed);
cJSON *refusal(int code, const char *reason, const char *message);
cJSON *refuse_not_found(const struct kube_ref *ref, int *code);
cJSON *refuse_conflict(const struct kube_ref *ref, int *code);

/* watches.c: requests under way, and those that stay. */

size_t exchange_index(const struct cluster *cluster, uint64_t id); /* SIZE_MAX: it is gone */
void exchange_end(struct cluster *cluster, uint64_t id);
/* Answers and ends it. */
void exchange_answer(struct cluster *cluster, uint64_t id, int status, const char *text,
		     const struct error *err);
/* The same with an object, as text or as it is. */
void exchange_answer_object(struct cluster *cluster, uint64_t id, int status, cJSON *owned_object);
void watch_begin(struct cluster *cluster, struct exchange *exchange, const struct kube_ref *ref);
/* Each watch is told what is new, after its own lag. */
void watches_tell(struct cluster *cluster);

/* slices.c: EndpointSlices. */

/* An object changed, or went; only workloads and Services matter. */
void slices_follow(struct cluster *cluster, const struct kube_ref *ref, const char *path);
void slices_fini(struct cluster *cluster);

/* stateful.c: StatefulSets, which have pods. */

/* The next step of its controller. */
void stateful_step(struct cluster *cluster, struct stored *stored);
/* The path of the set that a pod may be of, by its name: "web-3" is of "web". */
bool stateful_owner(const char *pod, char path[KUBE_PATH_MAX]);

/* knative.c: Services of Knative, which have Revisions. */
bool knative_is_service(const struct kube_ref *ref);
void knative_step(struct cluster *cluster, struct stored *stored);

/* keda.c: ScaledObjects. */

void keda_follow(struct cluster *cluster, const cJSON *object);

/* verbs.c: what requests do to the store. */

struct writer {
	const char *manager; /* of fields */
	bool applies;
};

/* The answer to a request other than a watch; the caller frees. */
cJSON *verb_serve(struct cluster *cluster, const struct exchange *exchange, struct kube_ref *ref,
		  int *code);
cJSON *verb_create(struct cluster *cluster, struct kube_ref *ref, cJSON *owned_object,
		   const struct writer *writer, int *code);
/* Replaces what is there, keeping the status (or all but the status). The managedFields of
 * `owned_next` are taken as they are, if it has any. */
cJSON *verb_replace(struct cluster *cluster, struct stored *stored, cJSON *owned_next,
		    bool only_status, const struct writer *writer, int *code);
/* At once, or once its finalizers are gone. */
void verb_delete(struct cluster *cluster, struct stored *stored);
void verb_remove(struct cluster *cluster, struct stored *stored);

#endif
