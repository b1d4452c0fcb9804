/*
 * partition.c - the split of a StatefulSet, which is its own: a weight is a number of ordinals.
 *
 * Traffic follows the pods, through whatever Services the team has. There is one object, the
 * team's, of which nothing is written but spec.updateStrategy and what its template says of its
 * configs (canary/mark.h).
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/mark.h"
#include "canary/problems.h"
#include "canary/target.h"
#include "kube/path.h"
#include "traffic/drivers.h"
#include "traffic/own_split.h"

/* What the template shall say of the configs: what nobody analyses yet is not written into it. */
static const char *wanted_mark(const struct traffic_view *view, const cJSON *set)
{
	bool analysed = view->revision != NULL &&
			strcmp(view->revision, view->status->memory.revision) == 0;
	return mark_wanted(&view->status->memory, set, analysed ? view->configs : NULL);
}

static bool is_marked(const struct traffic_view *view, const cJSON *set)
{
	return strcmp(wanted_mark(view, set), mark_of(set)) == 0;
}

/* A template without its mark is another revision, which nothing shall follow at rest. */
static long wanted_partition(const struct traffic_view *view, const cJSON *set,
			     const struct split *split)
{
	if (!is_marked(view, set) && phase_is_at_rest(view->status->phase))
		return PARTITION_REST;
	return partition_wanted(set, view->status, split, view->revision);
}

/* What else the strategy says stays. */
static cJSON *move_to(const cJSON *set, const char *path, long partition, const char *mark)
{
	cJSON *desired = cJSON_CreateObject(), *edit = cJSON_CreateObject();
	cJSON *patch = cJSON_CreateArray();
	cJSON *strategy = json_copy(json_at(set, "spec.updateStrategy"));
	if (strategy == NULL)
		strategy = cJSON_CreateObject();
	json_put_string(strategy, "type", "RollingUpdate");
	json_put_number(strategy, "rollingUpdate.partition", (double)partition);
	json_patch_add(patch, "test", "/metadata/resourceVersion",
		       cJSON_CreateString(json_string_or(set, "metadata.resourceVersion", "")));
	json_patch_add(patch, "add", "/spec/updateStrategy", strategy);
	mark_put(patch, set, mark);
	cJSON_AddStringToObject(edit, "path", path);
	cJSON_AddItemToObject(edit, "patch", patch);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(desired, "edit"), edit);
	return desired;
}

static cJSON *desired(const struct traffic_view *view, const struct split *split,
		      const cJSON *objects, struct error *err)
{
	char path[KUBE_PATH_MAX];
	const cJSON *set = own_split_target(view, objects);
	if (set == NULL || !own_split_path(view, path)) {
		error_set(err, ERROR_NOT_FOUND, "statefulset %s.%s get query error: not found",
			  view->spec->target_name, view->spec->namespace);
		return NULL;
	}
	long partition = wanted_partition(view, set, split);
	return partition == partition_of(set) && is_marked(view, set)
		       ? cJSON_CreateObject()
		       : move_to(set, path, partition, wanted_mark(view, set));
}

/* In force once the pods of the canary are what they shall be, and ready: the step counts from
 * then. */
static enum traffic_state observed(const struct traffic_view *view, const cJSON *objects,
				   struct split *split, struct error *why)
{
	const cJSON *set = own_split_target(view, objects);
	*split = view->status->memory.split;
	if (set == NULL) {
		error_set(why, ERROR_NOT_FOUND, "statefulset %s.%s get query error: not found",
			  view->spec->target_name, view->spec->namespace);
		return TRAFFIC_ABSENT;
	}
	long wanted = wanted_partition(view, set, split);
	if (!is_marked(view, set)) {
		error_set(why, ERROR_CONFLICT,
			  "the template of statefulset %s.%s does not say which configs it has",
			  view->spec->target_name, view->spec->namespace);
		return TRAFFIC_BROKEN;
	}
	if (partition_of(set) != wanted) {
		error_set(why, ERROR_CONFLICT, "the partition of statefulset %s.%s is %ld, not %ld",
			  view->spec->target_name, view->spec->namespace, partition_of(set),
			  wanted);
		return TRAFFIC_BROKEN;
	}
	if (!partition_is_seen(set)) {
		error_set(
			why, ERROR_UNAVAILABLE,
			"waiting for rollout to finish: observed statefulset generation less than "
			"desired generation");
		return TRAFFIC_PENDING;
	}
	/* A promotion is waited for as such; without an analysis there is none. */
	bool skipped = wanted == 0 && view->status->phase == PHASE_SUCCEEDED;
	bool releases = wanted > 0 && wanted < PARTITION_REST;
	const struct ready_terms terms = {
		.canary = releases, .threshold = view->spec->canary_ready_threshold, .rests = true};
	return (releases || skipped) && target_stateful_set.ready(set, &terms, why) != READY
		       ? TRAFFIC_PENDING
		       : TRAFFIC_LIVE;
}

/* All pods follow the template again, as if there had been no canary. */
static cJSON *restore(const struct traffic_view *view, const cJSON *objects, struct error *err)
{
	char path[KUBE_PATH_MAX];
	const cJSON *set = own_split_target(view, objects);
	(void)err;
	return set == NULL || !own_split_path(view, path) || partition_of(set) == 0
		       ? cJSON_CreateObject()
		       : move_to(set, path, 0, mark_of(set));
}

static void check(const struct traffic_view *view, struct spec_problems *problems)
{
	if (view->spec->iterations > 0)
		problem_error(problems, "spec.analysis.iterations",
			      "cannot be of a StatefulSet, whose new pods have traffic as soon as "
			      "they are ready: use stepWeight or stepWeights");
}

const struct traffic_driver traffic_partition = {
	.name = "partition",
	.can_weigh = true,
	.needs = own_split_needs,
	.desired = desired,
	.observed = observed,
	.restore = restore,
	.check = check,
};
