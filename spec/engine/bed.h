/*
 * bed.h - the engine over the in-memory cluster and the virtual clock, with the example's canary:
 * for stories of its life. Metrics are good and hooks say yes, unless told otherwise.
 */
#ifndef SLUICE_SPEC_BED_H
#define SLUICE_SPEC_BED_H

#include "canary/engine.h"
#include "sim/cluster.h"

struct bed {
	struct loop *loop;
	struct cluster *cluster;
	struct chance chance;
	struct kube *kube;
	struct policies *policies;
	struct tick_world world;
	struct engine *engine;
	int hook_status;
	/* What a webhook or a receiver answers; NULL: hook_status to all. */
	int (*on_hook)(void *owner, const struct http_request *request);
	void *hook_owner;
	double success;	       /* percent, what the metric store says */
	enum sample_kind kind; /* of all samples */
	struct http http;
	struct metrics metrics;
	struct bed_answer {
		http_done *http;
		metric_done *metric;
		void *owner;
		uint64_t token;
		int status;
	} answers[256];
	size_t answered;
};

/* Other answers than a status. */
enum { HOOK_IS_DOWN = 0, HOOK_IS_SILENT = -1 };

extern const char bed_canary[], bed_target[], bed_primary[], bed_apex[], bed_router[];

/* The target is there, the Canary is not; no engine yet. */
void bed_begin(struct bed *bed);
void bed_end(struct bed *bed);
void bed_start_engine(struct bed *bed);
void bed_stop_engine(struct bed *bed);
void bed_put(struct bed *bed, const char *json);
/* The example's Canary with a merge patch over it, or NULL. */
void bed_put_canary(struct bed *bed, const char *patch);
void bed_merge(struct bed *bed, const char *path, const char *patch);
void bed_merge_status(struct bed *bed, const char *patch);
void bed_delete(struct bed *bed, const char *path);
/* A new revision of the target. */
void bed_release(struct bed *bed, const char *image);
void bed_run(struct bed *bed, int seconds);
/* False when the phase does not come within an hour. */
bool bed_reaches(struct bed *bed, const char *phase);
bool bed_reaches_weight(struct bed *bed, int weight);
const char *bed_phase(const struct bed *bed);
/* A text or a number of an object, as text; "" when there is none. Good until the next call. */
const char *bed_says(const struct bed *bed, const char *object, const char *path);
/* The status as another controller would have left it, and no engine. */
void bed_leave_to_flagger(struct bed *bed);
/* The canary's weight in the mesh. */
int bed_weight(const struct bed *bed);
/* How many events say this. */
int bed_events(const struct bed *bed, const char *part);

#endif
